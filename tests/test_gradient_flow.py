"""`gradient_flow`: dL_t/dh_k by probes, against autograd through the author's own function, for every cell; and
`unrolled show ... --stage gradient-flow`.

UNROLLED_UPDATE_GOLDEN=1 pytest tests/test_gradient_flow.py writes the listing of docs/gradients.md again.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
import torch
from instances import needs_compiler
from layer_cases import CELLS, assert_close, cell_of, make_input, make_layer

import unrolled
from unrolled import LanguageModel, Recurrent, Stacked, gradient_flow, watch
from unrolled.cli import main
from unrolled.commands import gradient_flow as shown
from unrolled.commands.sentence import DEFAULT
from unrolled.errors import NotYet, ShapeError, UsageError
from unrolled.layers.probe import probing
from unrolled.transform.probes import probed
from unrolled.views.flow_figure import Curve, flow_figure

STEPS, BATCH = 4, 2
PAGE = Path(__file__).parent.parent / "docs" / "gradients.md"
LISTING = re.compile(r"(\$ unrolled show elman lstm --stage gradient-flow\n).*?(?=```)", re.S)
WITH_STATE = [name for name in CELLS if cell_of(name).states]


def weighted(y_t, t):
    """A loss that tells all entries of the output and all steps apart."""
    return (y_t * torch.linspace(0.5, 1.5, y_t.shape[-1], dtype=y_t.dtype)).sum(-1) * (1 + 0.1 * t)


def by_hand(layer, x, row: int) -> dict[str, torch.Tensor]:
    """{state: (T, T)}: the author's function on one example, step by step on plain tensors; gradients with
    respect to the very tensors that it returned as states."""
    cell = layer.cell.evaluation
    graph = cell.graph
    weights = {name: getattr(layer.layers[0], name) for name in cell.parameters}
    inputs = [v[:, row] for v in (x if isinstance(x, tuple) else (x,))]
    number = (
        {name: not graph.shape("input", name) for name in cell.inputs},
        {s: not graph.shape("state", s) for s in cell.states},
    )
    current = [
        torch.full((width,), start, dtype=torch.float64).squeeze(0)
        if number[1][name]
        else torch.full((width,), start, dtype=torch.float64)
        for name, width, start in zip(cell.states, layer._state_widths, layer._state_starts)
    ]
    outputs, states = [], []
    for t in range(len(inputs[0])):
        given = [v[t].reshape(()) if number[0][n] else v[t] for n, v in zip(cell.inputs, inputs)]
        results = cell(*given, *current, **weights)
        results = [
            torch.as_tensor(r, dtype=torch.float64)
            for r in (results if isinstance(results, tuple) else (results,))
        ]
        before, current = current, results[-len(cell.states) :]
        # A state that only hands another value on is a value of its own: what reads the
        # other one does not read it.
        others = [id(s) for s in (*given, *before)]
        others += [id(s) for s, new in zip(current, graph.new_states) if graph.nodes[new].op != "alias"]
        current = [
            s.view_as(s) if graph.nodes[new].op == "alias" and id(s) in others else s
            for s, new in zip(current, graph.new_states)
        ]
        current = [s if s.requires_grad else s.detach().requires_grad_() for s in current]
        follows = [s for s, new in zip(current, graph.new_states) if new == graph.output]
        outputs.append(follows[0] if follows else results[0])
        states.append(current)
    norms = {name: torch.zeros(len(outputs), len(outputs), dtype=torch.float64) for name in cell.states}
    for t, y_t in enumerate(outputs):
        loss = weighted(y_t.reshape(1, -1), t).sum()
        for k, made in enumerate(states):
            found = torch.autograd.grad(
                loss, made, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            for name, gradient in zip(cell.states, found):
                norms[name][t, k] = gradient.norm()
    return norms


def agrees_with_autograd(layer):
    x = make_input(layer, STEPS, BATCH)
    flow = gradient_flow(layer.eval(), x, loss=weighted)
    assert list(flow.norms["0"]) == list(layer.cell.states)
    for row in range(BATCH):
        for state, expected in by_hand(layer, x, row).items():
            torch.testing.assert_close(flow[state][:, :, row], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", WITH_STATE)
def test_every_cell_agrees_with_autograd(name):
    agrees_with_autograd(make_layer(name))


@needs_compiler
@pytest.mark.parametrize("name", ["elman", "lstm"])
def test_the_c_kernel_agrees_with_autograd(name):
    agrees_with_autograd(make_layer(name, backend="c"))


# --- what else a model may be ---------------------------------------------------------------------------------


def test_all_layers_and_both_directions():
    """Each layer's and direction's own gradient: against autograd with respect to probes that
    are tensors of the test.
    """
    layer = make_layer("gru", num_layers=2, bidirectional=True)
    flow = gradient_flow(layer, make_input(layer, STEPS, BATCH), loss=weighted)
    assert list(flow.norms) == ["0", "reversed.0", "1", "reversed.1"]
    t, k = torch.arange(STEPS)[:, None], torch.arange(STEPS)
    assert torch.equal(flow["1", "h"][..., 0] > 0, k <= t) and torch.equal(
        flow["reversed.1", "h"][..., 0] > 0, k >= t
    )
    assert (flow["0", "h"] > 0).all() and (flow["reversed.0", "h"] > 0).all()  # the layer above goes both ways


def test_the_upper_layers_gradient_is_that_of_the_layer_alone():
    both = make_layer("lstm", num_layers=2)
    x = make_input(both, STEPS, BATCH)
    upper = Recurrent("lstm", both.hidden_size, both.hidden_size, dtype=torch.float64, backend="reference")
    lower = Recurrent("lstm", both.input_size, both.hidden_size, dtype=torch.float64, backend="reference")
    upper.layers[0].load_state_dict(both.layers[1].state_dict())
    lower.layers[0].load_state_dict(both.layers[0].state_dict())
    flow, alone = (
        gradient_flow(both, x, loss=weighted),
        gradient_flow(upper, lower(x)[0].detach(), loss=weighted),
    )
    through = gradient_flow(Stacked([lower, upper]), x, loss=weighted)
    assert_close([flow["1", s] for s in "hc"], [alone[s] for s in "hc"])
    assert_close([through["layers.0.0", s] for s in "hc"], [flow["0", s] for s in "hc"])


@pytest.mark.parametrize("kind, cell", [("LSTM", "lstm"), ("GRU", "gru"), ("RNN", "elman")])
def test_layers_under_torchs_names(kind, cell):
    layer = getattr(unrolled, kind)(3, 5, batch_first=True, dtype=torch.float64)
    x = torch.randn(2, STEPS, 3, dtype=torch.float64)
    flow = gradient_flow(layer, x, loss=weighted)
    y, state = layer(x)
    h, *_ = torch.autograd.grad(weighted(y[:, 3], 3).sum(), [y])
    torch.testing.assert_close(flow["h"][3, 3], h[:, 3].norm(dim=-1))
    assert flow["h"].shape == (STEPS, STEPS, 2) and flow["h"][1, 2].count_nonzero() == 0


def test_a_cell_with_noise_in_training_and_in_evaluation():
    layer = Recurrent(unrolled.zoneout("lstm", 0.5), 3, 5, dtype=torch.float64)
    x = make_input(layer, STEPS, BATCH)
    torch.manual_seed(0)
    training = gradient_flow(layer, x)["c"]
    torch.manual_seed(0)
    assert torch.equal(training, gradient_flow(layer, x)["c"])
    assert not torch.equal(training, gradient_flow(layer.eval(), x)["c"])


def test_values_are_unchanged_and_nothing_is_left_behind():
    layer = make_layer("lstm")
    x = make_input(layer, STEPS, BATCH)
    before = layer(x)[0]
    with probing(layer) as probes:
        assert torch.equal(layer(x)[0], before)
        layer(x)
    assert list(probes.zeros) == ["0", "0 call 2"]
    with torch.no_grad():
        gradient_flow(layer, x)
    assert torch.equal(layer(x)[0], before) and all(p.grad is None for p in layer.parameters())
    assert not layer._forward_pre_hooks


def test_the_probed_cell_gives_gradients_in_one_backward_pass():
    layer = make_layer("lstm")
    other = Recurrent(probed("lstm"), 3, 5, dtype=torch.float64)
    other.load_state_dict(layer.state_dict())
    x = make_input(layer, STEPS, BATCH).detach()
    zeros = [torch.zeros(STEPS, BATCH, 5, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    y, _ = other((x, *zeros))
    weighted(y[-1], STEPS - 1).sum().backward()
    flow = gradient_flow(layer, x, loss=weighted, steps=[-1])
    assert_close([z.grad.norm(dim=-1) for z in zeros], [flow["h"][0], flow["c"][0]])
    assert probed(unrolled.zoneout("lstm", 0.1)).inputs == ("x", "probe_h", "probe_c")


# --- losses, steps, clipping ----------------------------------------------------------------------------------


def test_cross_entropy_of_a_language_model():
    torch.manual_seed(0)
    model = LanguageModel(5, "lstm", 4, layers=2, dtype=torch.float64)
    x = torch.randint(5, (STEPS + 1, BATCH))
    flow = gradient_flow(model, x[:-1], target=x[1:])
    assert list(flow.norms) == ["rnn.0", "rnn.1"] and flow["h"] is flow["rnn.0", "h"]
    loss = torch.nn.functional.cross_entropy(model(x[:-1])[0][2], x[3], reduction="sum")
    loss.backward()
    expected = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
    torch.testing.assert_close(flow.parameters[2], expected)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
    clipped = flow.clipped(0.25)
    torch.testing.assert_close(
        clipped.parameters[2], torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
    )
    torch.testing.assert_close(clipped["h"][2], flow["h"][2] * (clipped.parameters[2] / expected))
    assert torch.equal(flow.clipped(1e9)["h"], flow["h"])


def test_the_mean_by_lag():
    layer = make_layer("elman")
    flow = gradient_flow(layer, make_input(layer, STEPS, BATCH), steps=[1, -1])
    h = flow["h"].mean(-1)
    expected = [(h[0, 1] + h[1, 3]) / 2, (h[0, 0] + h[1, 2]) / 2, h[1, 1], h[1, 0]]
    assert flow.steps == (1, 3)
    torch.testing.assert_close(flow.by_lag("h"), torch.stack(expected))
    torch.testing.assert_close(
        gradient_flow(layer, make_input(layer, STEPS, BATCH), steps=[0]).by_lag("h").isnan(),
        torch.tensor([False, True, True, True]),
    )


def test_a_linear_net_has_its_powers_norms():
    """Without the tanh and with one unit, dL_t/dh_k is the recurrent weight to the power of the lag."""

    @unrolled.cell
    def linear(x, h, *, W, U):
        return W @ x + U @ h

    layer = Recurrent(linear, 1, 1, dtype=torch.float64, backend="reference")
    for weight in (0.5, 1.5):
        torch.nn.init.constant_(layer.layers[0].U, weight)
        flow = gradient_flow(layer, torch.randn(6, 1, 1, dtype=torch.float64))
        torch.testing.assert_close(flow.by_lag("h"), weight ** torch.arange(6, dtype=torch.float64))


# --- what is refused ------------------------------------------------------------------------------------------


@unrolled.cell
def perceptron(x, /, *, W):
    return unrolled.sigmoid(W @ x)


def test_errors_say_what_to_do():
    layer = make_layer("elman")
    x = make_input(layer, STEPS, BATCH)
    flow = gradient_flow(layer, x)
    with watch(layer), pytest.raises(UsageError, match="being watched.*Leave the `with watch"):
        gradient_flow(layer, x)
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.randn(3, 2, 3), [3, 2])
    wrong = [
        (UsageError, "Linear has no recurrent layer", lambda: gradient_flow(torch.nn.Linear(3, 3), x)),
        (UsageError, "step 4 of an output of 4 steps", lambda: gradient_flow(layer, x, steps=[4])),
        (UsageError, "no step is asked for", lambda: gradient_flow(layer, x, steps=[])),
        (UsageError, "target and loss", lambda: gradient_flow(layer, x, target=x, loss=weighted)),
        (
            ShapeError,
            r"shape \(3, 2\); the output has 4 x 2",
            lambda: gradient_flow(layer, x, target=torch.zeros(3, 2).long()),
        ),
        (ShapeError, "gave a result of shape", lambda: gradient_flow(layer, x, loss=lambda y, t: y)),
        (ShapeError, "gave a result of type float", lambda: gradient_flow(layer, x, loss=lambda y, t: 1.0)),
        (UsageError, r"no state 'c'. It saw \['0', 'h'\]", lambda: flow["c"]),
        (UsageError, "limit is above 0", lambda: flow.clipped(0.0)),
        (UsageError, "perceptron.*no state", lambda: probed(perceptron)),
        (
            UsageError,
            "no layer with a state ran",
            lambda: gradient_flow(unrolled.LSTM(3, 5), torch.randn(4, 0, 3)),
        ),
        (NotYet, "PackedSequence", lambda: gradient_flow(unrolled.LSTM(3, 5), packed)),
    ]
    for kind, said, call in wrong:
        with pytest.raises(kind, match=said):
            call()


# --- the command line -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nets():
    return {net.name: net for net in shown.nets(["elman", "lstm"])}


def test_an_elman_net_vanishes_or_explodes_and_an_lstm_does_neither(nets):
    """What deck 003 says of its sentence: at the distance from was to bird, 36 characters."""
    bird = DEFAULT.text.index("bird") + 3
    assert DEFAULT.text[DEFAULT.step : DEFAULT.step + 2] == "wa" and DEFAULT.step - bird == 36
    share = {
        name: net.norms(net.memory)[bird] / net.norms(net.memory)[DEFAULT.step] for name, net in nets.items()
    }
    assert share["elman"] < 1e-11 and share["elman, U × 4"] > 100
    assert share["lstm"] > 1e-4 and 0.05 < share["lstm, U × 4"] < 1
    assert nets["lstm"].memory == "c" and nets["elman"].a_step < 0.5 < 1.1 < nets["elman, U × 4"].a_step


def test_clipping_bounds_what_explodes_and_brings_nothing_back(nets):
    exploding, vanishing = nets["elman, U × 4"], nets["elman"]
    before, after = exploding.norms("h"), exploding.norms("h", shown.CLIP)
    assert exploding.flow.clipped(shown.CLIP).parameters[DEFAULT.step] == pytest.approx(shown.CLIP)
    assert max(after) < 1 < max(before) and after[DEFAULT.step] < before[DEFAULT.step] / 1000
    ratios = [b / a for a, b in zip(vanishing.norms("h"), vanishing.norms("h", shown.CLIP)) if a]
    assert max(ratios) == pytest.approx(min(ratios)) and max(ratios) <= 1


def test_the_listing_of_the_page_is_todays(capsys):
    assert main(["show", "elman", "lstm", "--stage", "gradient-flow"]) == 0
    text = capsys.readouterr().out
    page = PAGE.read_text(encoding="utf-8")
    now = LISTING.sub(lambda found: found[1] + text, page)
    if os.environ.get("UNROLLED_UPDATE_GOLDEN"):
        PAGE.write_text(now, encoding="utf-8", newline="\n")
    assert LISTING.search(page) and PAGE.read_text(encoding="utf-8") == now


def test_json_has_all_numbers(capsys, nets):
    assert main(["show", "elman", "--stage", "gradient-flow", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [net["name"] for net in data["nets"]] == ["elman", "elman, U × 4"]
    assert data["nets"][0]["norms"]["h"] == pytest.approx(nets["elman"].norms("h"))
    assert len(data["nets"][0]["pairs"]["h"]) == len(DEFAULT.text) - 1


def test_the_command_draws_the_figure(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    file = tmp_path / "flow.svg"
    assert main(["show", "elman", "--stage", "gradient-flow", "--out", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    assert f"Figure: {file}" in capsys.readouterr().out
    assert text.startswith("<svg") and "aria-label" in text and len(text) < 400_000


@pytest.mark.parametrize("suffix, begins", [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_the_figure(tmp_path, suffix, begins):
    """With a norm that is zero, which a log scale cannot show."""
    pytest.importorskip("matplotlib")
    curve = Curve(
        "made up", [0.0, 0.1, 1.0], [0.0, 0.01, 0.1], [[1.0, 0.0, 0.0], [0.1, 1.0, 0.0], [0.0, 0.1, 1.0]]
    )
    drawn = {}
    for name, theme in (("once", "auto"), ("again", "auto"), ("dark", "dark")):
        flow_figure([curve], "bird", 2, tmp_path / f"{name}.{suffix}", theme=theme)
        drawn[name] = (tmp_path / f"{name}.{suffix}").read_bytes()
    assert drawn["once"].startswith(begins) and drawn["dark"] != drawn["once"]
    if suffix == "svg":
        assert drawn["again"] == drawn["once"]
        assert b"prefers-color-scheme:dark" in drawn["once"] and b"prefers-color-scheme" not in drawn["dark"]


def test_the_figure_without_matplotlib(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["show", "elman", "--stage", "gradient-flow", "--out", str(tmp_path / "flow.svg")]) == 2
    assert 'pip install "unrolled[figures]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["elman", "lstm"], "shows one cell, and 2 were named"),
        ([], "show was given no cell"),
        (["elman", "--json"], "--json belongs to --stage gradient-flow"),
        (["cfc", "--stage", "gradient-flow"], "reads 2: x, dt"),
        (["elman", "--stage", "gradient-flow", "--out", "flow.gif"], ".gif is not a format of a picture"),
        (
            ["elman", "--stage", "gradient-flow", "--out", "nowhere/flow.svg"],
            "the folder nowhere does not exist",
        ),
        (["elman", "--stage", "gradient-flow", "--json", "--out", "flow.svg"], "Leave one out"),
    ],
)
def test_wrong_arguments_are_one_message(arguments, said, capsys):
    assert main(["show", *arguments]) == 2
    assert said in capsys.readouterr().err


# --- as a picture ---------------------------------------------------------------------------------------------


def test_a_flow_draws_itself(tmp_path):
    torch.manual_seed(0)
    flow = gradient_flow(Recurrent("lstm", 3, 5, num_layers=2), torch.randn(7, 2, 3))
    svg = flow.picture(tmp_path / "f.svg")
    assert (tmp_path / "f.svg").read_text(encoding="utf-8") == svg == flow._repr_svg_()
    squares = re.findall(r'<rect [^>]*fill="#3a6fc4"', svg)
    assert len(squares) == 7 * 8 // 2, "a square for every step k <= t, in the blue of lines"
    assert all(f">{state} of {layer}<" in svg for state in "hc" for layer in "01")
    assert flow.picture(state="h") != svg
    with pytest.raises(UsageError, match="gradient_flow saw no state"):
        flow.picture(state="q")
