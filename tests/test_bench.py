"""The benchmark measures what it says: its eager peer is right, its judgements follow from
its figures, it renders.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # bench/ stands beside the package, not in it

from bench import __main__ as command  # noqa: E402
from bench import few, long, machine, measure, plain, quality, report, zoo  # noqa: E402
from bench.eager import eager_of  # noqa: E402
from bench.layers import STARTERS, cases, flops  # noqa: E402
from bench.peers import check_same, ragged, sizes_of, training  # noqa: E402
from bench.rows import Result, Row  # noqa: E402
from unrolled import Recurrent  # noqa: E402
from unrolled.cells import REGISTRY  # noqa: E402
from unrolled.errors import UnrolledError  # noqa: E402
from unrolled.views.count import widths_at  # noqa: E402

STEPS, BATCH, HIDDEN = 6, 3, 7
# Vectors that a step multiplies, where it is not one.
OPERANDS = {"rhn": 3, "lem": 2, "mgu": 2, "gru_reset_before": 2, "jordan": 2, "indrnn": 0, "mingru": 0}
MACHINE = {
    "processor": "Abacus 3",
    "cores": 2,
    "threads": 2,
    "torch": "2.13.0",
    "compiler": "cc 12",
    "instructions": "avx2 fma",
    "python": "3.12.1",
    "system": "Linux",
    "date": "2026-01-31",
    "busy": 0.0,
}


def instance(name: str):
    """A reference layer with random biases, a random input of every kind and a random state, float64."""
    torch.manual_seed(0)
    width = HIDDEN if name == "intersection_rnn" else 5
    hidden = widths_at(REGISTRY[name].graph, {}, HIDDEN)["H"]  # a little more for heads and the like
    rnn = Recurrent(name, width, hidden, backend="reference", dtype=torch.float64)
    x = torch.randn(STEPS, BATCH, width, dtype=torch.float64, requires_grad=True)
    more = [torch.rand(STEPS, BATCH, dtype=torch.float64, requires_grad=True) for _ in rnn.cell.inputs[1:]]
    _, last = rnn((x, *more) if more else x)
    state = tuple(torch.randn_like(part).requires_grad_() for part in last)
    return rnn, x, more, state, sizes_of(rnn.cell, width, hidden)


@pytest.mark.parametrize("name", REGISTRY)
def test_eager_peer_equals_the_reference(name):
    rnn, x, more, state, sizes = instance(name)
    y, last = rnn((x, *more) if more else x, state)
    above, beyond = torch.randn_like(y), [torch.randn_like(part) for part in last]
    weights = dict(rnn.layers[0].named_parameters())
    parameters = {**weights, **dict(rnn.layers[0].named_buffers())}
    before = [x, *more, *state]
    expected = gradients([y, *last], [*before, *weights.values()], [above, *beyond])

    peer = eager_of(rnn.cell, sizes, parameters)
    found_y, found_last = peer([x, *(v.unsqueeze(-1) for v in more)], [part[0] for part in state])
    torch.testing.assert_close(found_y, y, rtol=1e-10, atol=1e-12)
    for found, part in zip(found_last, last):
        torch.testing.assert_close(found, part[0], rtol=1e-10, atol=1e-12)
    outputs, seeds = [found_y, *found_last], [above, *(b[0] for b in beyond)]
    trained = [(leaf, origin) for leaf, origin in zip(peer.leaves, peer.origins) if leaf.requires_grad]
    inner = gradients(outputs, [*before, *(leaf for leaf, _ in trained)], seeds)
    # The peer's weights are stacks of the layer's: their gradients are carried back through the stacking.
    through = gradients([origin for _, origin in trained], list(weights.values()), inner[len(before) :])
    for name, found, exact in zip(
        (*map(str, range(len(before))), *weights), (*inner[: len(before)], *through), expected
    ):
        torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-11, msg=f"gradient of {name}")
    assert len(inner) + len(weights) == len(expected) + len(trained)


def gradients(results, leaves, above):
    """Zeros where a result does not depend on a leaf."""
    pairs = [(r, a) for r, a in zip(results, above) if r.requires_grad]
    if not pairs or not leaves:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    return torch.autograd.grad(
        [r for r, _ in pairs], leaves, [a for _, a in pairs], allow_unused=True, materialize_grads=True
    )


@pytest.mark.parametrize("name", STARTERS)
def test_eager_loop_is_written_as_by_hand(name):
    rnn, *_, sizes = instance(name)
    text = eager_of(rnn.cell, sizes, dict(rnn.layers[0].named_parameters())).source.text
    before, loop = text.split("for [")
    assert "[t]" not in text and ".unbind(0)" in loop
    operands = OPERANDS.get(name, 1)
    assert loop.count("addmm(") + loop.count("linear(") == operands, "one stacked product per operand and step"
    assert before.count("linear(") == 1, "one stacked input product, before the loop"
    assert "+ 0.0" not in text and "1.0 *" not in text


def test_lstm_peer_calls_nothing_needless():
    rnn, *_, sizes = instance("lstm")
    loop = eager_of(rnn.cell, sizes, dict(rnn.layers[0].named_parameters())).source.text.split("for [")[1]
    assert loop.count("sigmoid(") == 1 and loop.count("tanh(") == 2 and loop.count("split(") == 2
    assert loop.count("addmm(") == 1 and loop.count("linear(") == 0


def test_every_figure_asked_for_is_a_row():
    found = {(c.cell, c.against, c.hidden, c.batch): c.target for c in cases()}
    assert [found["lstm", "torch.nn.LSTM", h, 32] for h in (128, 256, 512)] == [1.25, 1.35, 1.15]
    assert [found["gru", "torch.nn.GRU", *s] for s in ((128, 32), (512, 32), (64, 1))] == [2.5, 1.5, 8]
    assert [found["elman", "torch.nn.RNN", h, 32] for h in (128, 512)] == [2.2, 1.4]
    assert [found["peephole_lstm", "torchrecurrent.PeepholeLSTM", h, 32] for h in (128, 512)] == [6, 2.3]
    assert [found["mgu", "torchrecurrent.MGU", h, 32] for h in (128, 512)] == [6, 2.5]
    assert (found["lem", "torchrecurrent.LEM", 128, 32], found["indrnn", "torchrecurrent.IndRNN", 128, 32]) == (
        4,
        6,
    )
    assert (found["lstm", "padded torch.nn.LSTM", 128, 16], found["lstm", "packed torch.nn.LSTM", 128, 16]) == (
        1.5,
        20,
    )
    for name in STARTERS:
        assert [found[name, "eager torch", *s] for s in ((128, 32), (512, 32), (64, 1))] == [2, 2, 8]


def test_flops_of_an_lstm():
    # Four gates, for each a product with the input and one with the state, 2 H H
    # operations; twice more going back.
    assert flops("lstm", 16, row_steps=10) == 3 * 10 * 4 * 2 * (2 * 16 * 16)


def test_what_a_product_before_the_loop_is_applied_to_is_made_once():
    rnn, *_, sizes = instance("minimal_rnn")
    before, loop = eager_of(rnn.cell, sizes, dict(rnn.layers[0].named_parameters())).source.text.split("for [")
    assert before.count("torch.tanh(") == 1 and before.count("F.linear(") == 2 and "tanh" not in loop


def test_the_peer_works_out_expressions_of_parameters_and_trains_what_the_layer_trains():
    rnn, *_, sizes = instance("antisymmetric_rnn")
    peer = eager_of(rnn.cell, sizes, dict(rnn.layers[0].named_parameters()))
    assert any(torch.equal(leaf, rnn.layers[0].U) for leaf in peer.leaves), "U itself, not U - U.T"
    rnn, *_, sizes = instance("leaky_esn")
    peer = eager_of(
        rnn.cell, sizes, {**dict(rnn.layers[0].named_parameters()), **dict(rnn.layers[0].named_buffers())}
    )
    assert peer.leaves and not any(leaf.requires_grad for leaf in peer.leaves)


def test_zoo_times_each_cell_at_each_width_and_says_what_it_left_out(monkeypatch):
    monkeypatch.setattr(measure, "SAMPLE", 0.0)
    monkeypatch.setattr(zoo, "STEPS", 3)
    monkeypatch.setattr(zoo, "BATCH", 2)
    monkeypatch.setattr(zoo, "Peak", type("Scripted", (), {"best": 100.0, "__call__": lambda self: 100.0}))
    monkeypatch.setattr(zoo, "obstacle", lambda plan: "no paper" if plan.graph.name == "jordan" else None)
    said = []
    result = zoo.run(0.0, (4, 6), ["elman", "jordan", "mingru"], said.append)
    assert sorted((row.what, row.sizes) for row in result.rows) == [
        (name, f"T 3, B 2, H {hidden}") for name in ("elman", "mingru") for hidden in (4, 6)
    ]
    assert [r.value for r in result.rows[:2]] == sorted((r.value for r in result.rows[:2]), reverse=True)
    assert len(said) == 4 and result.skipped == ("jordan runs on the reference backend only: no paper",)
    assert zoo.summary(result).startswith("median ") and "at H 6 (2 cells, from " in report.summary(result)
    assert "## Every cell against its eager loop" in report.markdown([Result("zoo", MACHINE, result.rows)])
    with pytest.raises(UnrolledError, match="--only lsmt: no registered cell"):
        zoo.run(0.0, (4,), ["lsmt"], said.append)


@pytest.mark.parametrize("packed", (False, True))
def test_ragged_sides_compute_the_same(packed):
    ours, peer = ragged(packed, 3, 2, 9, 8)  # raises where they do not
    assert ours().shape == peer().shape == (9, 3, 8)


def test_sides_that_differ_are_not_timed():
    x = torch.randn(3, requires_grad=True)
    sides = [training(lambda k=k: k * x, [x], torch.ones(3)) for k in (1.0, 1.01)]
    with pytest.raises(UnrolledError, match="toy: outputs differ by 9.9e-03 from the peer's"):
        check_same("toy", *sides, x)


def test_pair_takes_the_peer_at_its_better_thread_count(monkeypatch):
    monkeypatch.setattr(measure, "SAMPLE", 0.0)
    threads = torch.get_num_threads()
    slow_with_two = lambda: time.sleep(0.03 if torch.get_num_threads() > 1 else 0.02)  # noqa: E731
    timing = measure.pair(lambda: time.sleep(0.001), slow_with_two, seconds=0.3, threads=2)
    torch.set_num_threads(threads)
    assert timing.peer_threads == 1 and timing.ours < timing.peer < 0.03 and timing.samples >= measure.ROUNDS


def test_pair_is_measured_again_while_the_peak_has_moved(monkeypatch):
    speeds = iter((100, 60, 70, 80, 99, 98))
    peak = type("Scripted", (), {"best": 100.0, "__call__": lambda self: next(speeds)})()
    timings = iter("abc")
    monkeypatch.setattr(measure, "pair", lambda *_: next(timings))
    assert measure.steady_pair(None, None, 0, 1, peak) == ("c", 98)


def sample() -> Result:
    return Result(
        "layers",
        MACHINE,
        (
            Row(
                "lstm",
                "T 100, B 32, H 128",
                "torch.nn.LSTM",
                "ms",
                8.0,
                12.0,
                1.5,
                1.25,
                share=0.815,
                peak=350.0,
            ),
            Row(
                "gru",
                "T 100, B 32, H 128",
                "torch.nn.GRU",
                "ms",
                10.0,
                20.0,
                2.0,
                2.5,
                share=0.4,
                peak=300.0,
                note="peer at 1 thread",
            ),
            Row("building | lem", "", "", "s", 1.2345, None, 1.2345, 3.0, "at most"),
        ),
        ("mgu vs torchrecurrent.MGU: No module named 'torchrecurrent'",),
    )


def test_report_renders_a_stored_result(tmp_path):
    assert sample().save(tmp_path) == tmp_path / "layers.json"
    text = report.write(tmp_path / "RESULTS.md", tmp_path).read_text(encoding="utf-8")
    assert "2 of 3 targets reached." in text
    assert (
        "Abacus 3, 2 cores (2 threads); torch 2.13.0; cc 12, kernels for avx2 fma; Python 3.12.1; Linux;"
        " 2026-01-31;" in text
    )
    assert "2026-01-31; product peak 350 GFLOP/s." in text
    assert (
        "| lstm | T 100, B 32, H 128 | torch.nn.LSTM | 8 ms | 12 ms | 1.50x | at least 1.25x | 82% | yes |"
        in text
    )
    assert "| 2.00x | at least 2.5x | 40% | no | the machine's peak moved; peer at 1 thread |" in text
    assert r"| building \| lem |  |  | 1.23 s |  |  | at most 3 s |  | yes |  |" in text
    assert "Around 1 of 3 rows the machine's peak was more than a tenth below its best" in text
    assert "Left out: mgu vs torchrecurrent.MGU: No module named 'torchrecurrent'" in text
    assert "busy" not in text


def test_a_table_that_was_not_measured_again_stays(tmp_path):
    rows = (Row("lstm", "T 1", "a | peer", "ms", 1.0, 2.0, 2.0, 1.5),)
    file, old, new = tmp_path / "RESULTS.md", tmp_path / "old", tmp_path / "new"
    for command, folder in (("layers", old), ("few", old), ("mixed", new), ("layers", new)):
        Result(command, MACHINE | {"processor": folder.name}, rows).save(folder)
    report.write(file, old)
    first = file.read_text(encoding="utf-8")
    assert report.write(file, tmp_path / "none").read_text(encoding="utf-8") == first
    text = report.write(file, new).read_text(encoding="utf-8")
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles == [report.TITLES[command] for command in ("layers", "mixed", "few")]
    places = {part.splitlines()[0]: part for part in text.split("\n## ")[1:]}
    assert (
        "old, " in places[report.TITLES["few"]]
        and "new, " in places[report.TITLES["layers"]]
        and text.count("a \\| peer") == 3
    )


def test_stored_result_reads_back_as_it_was(tmp_path):
    assert Result.load(sample().save(tmp_path)) == sample()


def test_busy_machine_is_said():
    busy = Result("layers", MACHINE | {"busy": 1.4}, sample().rows)
    assert "The machine was busy when this began (others used 140% of its cores)" in report.markdown([busy])


def stat(monkeypatch, *looks):
    """What /proc/stat will say: (busy, idle, waiting for a disk) of each of two cores, and of
    a third that is not ours.
    """
    left = iter(looks)

    def ticks(self, **_):
        busy, idle, waiting = next(left)
        return (
            "cpu  1 1 1 1\n"
            + "".join(f"cpu{core} {busy} 0 0 {idle} {waiting} 0 0 0 0 0\n" for core in (0, 1))
            + "cpu2 9 9 9 9\n"
        )

    monkeypatch.setattr(machine.Path, "read_text", ticks)
    monkeypatch.setattr(machine, "_cores", lambda: [0, 1])
    monkeypatch.setattr(machine, "WATCHED", 0.0)
    machine.busy.cache_clear()


def test_a_busy_machine_is_refused_unless_asked_for_anyway(monkeypatch):
    stat(monkeypatch, (100, 300, 0), (150, 330, 20))
    assert machine.busy() == 0.5
    with pytest.raises(machine.Busy) as caught:
        machine.refuse_if_busy(False)
    assert str(caught.value) == (
        "this machine is busy: others use 50% of its 2 cores, and times measured beside them prove "
        "nothing. Run this when nothing else runs, or add --anyway for figures that are marked."
    )
    machine.refuse_if_busy(True)
    stat(monkeypatch, (100, 300, 0), (105, 395, 0))
    machine.refuse_if_busy(False)
    machine.busy.cache_clear()


def test_the_command_refuses_with_code_3_before_it_measures(monkeypatch, capsys):
    stat(monkeypatch, (0, 0, 0), (10, 0, 0))
    monkeypatch.setattr(sys, "argv", ["bench", "char-lm"])
    assert command.main() == 3
    out, err = capsys.readouterr()
    assert (
        out == ""
        and err.startswith("this machine is busy: others use 100% of its 2 cores")
        and err.count("\n") == 1
    )
    machine.busy.cache_clear()


def test_a_peak_that_moves_is_said(monkeypatch, capsys):
    speeds = iter((100, 60, 70, 80, 60, 98))
    peak = type("Scripted", (), {"best": 100.0, "__call__": lambda self: next(speeds)})()
    monkeypatch.setattr(measure, "pair", lambda *_: "timing")
    assert measure.steady_pair(None, None, 0, 1, peak) == ("timing", 70)
    said = capsys.readouterr().err.splitlines()
    assert (
        said[0]
        == "the machine's product peak moved from 100 to 60 GFLOP/s around this pair: it is measured again"
    )
    assert len(said) == 3 and said[2].endswith("from 100 to 60 GFLOP/s around this pair: it is marked")


# --- time to quality ------------------------------------------------------------------------------------------


def test_a_text_is_cut_by_position():
    text = "".join(map(chr, range(1000, 1100)))
    assert quality.parts(text, 0.1) == (text[:80], text[80:90], text[90:])
    assert quality.parts(text, 0.0) == (text[:90], text[90:], "")


def test_the_gpts_score_is_that_of_each_character_with_what_its_window_shows():
    torch.manual_seed(0)
    model, text = plain.PlainGPT(7, width=8, layers=1, heads=2), torch.randint(7, (plain.CONTEXT * 4 + 9,))
    total = 0.0
    with torch.no_grad():
        for place in range(len(text) - 1):
            half = plain.CONTEXT // 2
            first = max(0, place // half - 1) * half  # the window that has the character in its second half
            logits = model.eval()(text[first : place + 1, None])[-1, 0]
            total += torch.nn.functional.cross_entropy(logits, text[place + 1]).item()
    assert plain.gpt_nats(model, text) == pytest.approx(total / (len(text) - 1), abs=1e-5)


@pytest.mark.parametrize("model", quality.MODELS)
def test_a_tiny_run_of_each_side_becomes_a_line(model, tmp_path, monkeypatch):
    torch.set_num_threads(1)
    (tmp_path / "war").mkdir()
    (tmp_path / "war" / "peace.txt").write_text("the quick brown fox jumps over the lazy dog.\n" * 60)
    monkeypatch.setenv("UNROLLED_DATA", str(tmp_path))
    monkeypatch.setitem(quality.TEXTS, "war_and_peace", ("war/peace.txt", 0.1))
    words = [
        "quality",
        "--model",
        model,
        "--minutes",
        "0.01",
        "--text",
        "war_and_peace",
        "--hidden",
        "8",
        "--batch",
        "2",
    ]
    learned = quality.asked(command.parser().parse_args(words))
    assert 0 < learned.nats < 4 and 0 < learned.test < 4 and learned.characters > 0
    page = quality.keep(learned, tmp_path)
    assert quality.keep(learned, tmp_path) == page
    lines = [line for line in page.read_text().splitlines() if line.startswith("| 0.01")]
    wanted = (
        f"`python -m bench quality --model {model} --text war_and_peace --minutes 0.01 --seed 1 --hidden 8"
        " --batch 2`"
    )
    assert len(lines) == 1 and wanted in lines[0] and f"{learned.test:.4f}" in lines[0]


def test_quality_says_where_its_texts_come_from(monkeypatch):
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    with pytest.raises(UnrolledError, match="set UNROLLED_DATA to the folder of data, or give --text FILE"):
        quality.file_of("tinyshakespeare")


@pytest.mark.parametrize(
    ("value", "goal", "reached"),
    [(2.0, "at least", True), (1.99, "at least", False), (2.0, "at most", True), (2.01, "at most", False)],
)
def test_reached_is_judged_by_the_goal(value, goal, reached):
    assert Row("w", "s", "a", "ms", 1.0, 2.0, value, 2.0, goal).reached is reached


def test_command_prints_a_peer_and_refuses_unknown_cells():
    def run(*words):
        return subprocess.run([sys.executable, "-m", "bench", *words], cwd=ROOT, capture_output=True, text=True)

    assert "torch.addmm(" in run("eager", "lstm").stdout
    wrong = run("eager", "lsmt")
    assert wrong.returncode == 2 and "there is no cell called 'lsmt'. Did you mean lstm" in wrong.stderr


def test_long_sequences_are_judged_by_how_time_and_memory_grow(monkeypatch):
    figures = {100: (1.0, 10.0), 1_000: (10.0, 8.0), 10_000: (30.0, 8.0), 100_000: (101.0, 15.0)}
    monkeypatch.setattr(
        long, "measured", lambda cell, way, steps: (*figures[steps], None if way == "plain" else 8.0)
    )
    rows = [r for r in long.run(lambda row: None).rows if r.what.startswith("lstm, recompute")]
    judged = {(r.what.split(": ")[1], r.sizes.split(",  ")[0], r.against): r.reached for r in rows}
    size = "T {}, B 1, H 256".format
    assert (
        judged["a step", size("10,000"), "all kept"] is True
        and judged["a step", size("100,000"), "all kept"] is False
    )
    assert (
        judged["a step", size("10,000"), "T 1,000"] is True
        and judged["a step", size("100,000"), "T 1,000"] is False
    )
    assert (
        judged["memory", size("10,000"), "T 1,000"] is True
        and judged["memory", size("100,000"), "T 1,000"] is False
    )
    assert judged["memory", size("1,000"), ""] is None


def test_a_long_pass_reports_its_memory_and_time():
    found = subprocess.run(
        [sys.executable, "-c", long.CHILD, "mingru", "truncated", "400"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    added, ours, peer = json.loads(found)
    assert 0 <= added < 100e6 and 0 < ours < 60 and 0 < peer < 60


def test_one_row_is_timed_for_every_cell_of_one_stage():
    found = few.cells()
    assert {"elman", "indrnn", "mingru", "lstm", "gru", "peephole_lstm"} <= set(found)
    assert not {"lem", "rhn", "mgu", "gru_reset_before"} & set(found)
    ours, peer = few.against_lstm("phased_lstm")
    assert ours().shape == peer().shape == (100, 1, 64)


def test_ways_to_share_are_held_against_the_cost_models(monkeypatch):
    asked = []
    monkeypatch.setattr(
        few, "timed", lambda work, seconds: [{"rows": 3.0, "units": 1.0, "one core": 2.0}[asked[-1]]]
    )
    names = {(1, False): "one core", (2, False): "rows", (2, True): "units"}
    fixed = few.fixed
    monkeypatch.setattr(few, "fixed", lambda way: asked.append(names[way[:2]]) or fixed(way))
    monkeypatch.setattr(few, "sharing", lambda *given: (2, False))
    row = few.choice(16, 4, 0.1, 2)
    assert (row.what, row.against, row.value, row.reached) == ("lstm shared by rows", "units", 1 / 3, False)
    assert sorted(asked) == sorted(["one core", "rows", "units"] * few.TURNS)
