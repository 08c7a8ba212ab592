"""`unrolled show CELL|RUN ... --stage gradient-flow`: gradients through time, in numbers and as a figure."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..cell import Cell
from ..cell_file import find_cell
from ..errors import UsageError
from ..layers.gradient_flow import GradientFlow, gradient_flow
from ..models.language import LanguageModel
from ..runs.run import open_run
from ..transform.head import split_head
from ..transform.operands import recurrent_matrices
from ..views.flow_figure import LOWEST, Curve, flow_figure
from .sentence import DEFAULT, PlacedSentence

HIDDEN, SEED = 32, 0
GAIN = 4.0  # of the recurrent matrices in the second net of each cell
CLIP = 1.0  # what training clips to by default
BAR = 16


@dataclass(frozen=True)
class NetFlow:
    """One net and its flow on the sentence. `given` is the probability that it gives
    the character asked for.
    """

    name: str
    cell: str
    gain: float
    flow: GradientFlow
    step: int
    given: float
    trained: bool = False

    @property
    def states(self) -> dict[str, tuple[str, str]]:
        """Printed name -> layer and state, as the flow knows them."""
        several = len(self.flow.norms) > 1
        return {
            f"{state} of {layer.rpartition('.')[2]}" if several else state: (layer, state)
            for layer, states in self.flow.norms.items()
            for state in states
        }

    def norms(self, state: str, clip: float | None = None) -> list[float]:
        """Of the one loss, by step k."""
        flow = self.flow if clip is None else self.flow.clipped(clip)
        return flow[self.states[state]][self.step, :, 0].tolist()

    @property
    def memory(self) -> str:
        """The state through which most of the gradient goes back."""
        return max(self.states, key=lambda state: self.norms(state)[0])

    @property
    def a_step(self) -> float:
        """By what one step back multiplies the gradient, in the geometric mean; 0 where none comes back."""
        norms = self.norms(self.memory)
        return (norms[0] / norms[self.step]) ** (1 / self.step) if norms[self.step] and self.step else 0.0


def nets(wanted: Sequence[str | Cell], place: PlacedSentence = DEFAULT) -> list[NetFlow]:
    """Each cell as a character model, untrained: with its usual first values, and with recurrent matrices GAIN
    times as large, where it has any; and each run's model as it was trained. Float64, so that small norms are
    norms; the same seed gives the same numbers.

    Raises UsageError for a cell that is not there, reads more than one input, or has no state; for a run that
    is not of a character model, and a text with characters that it does not know.
    """
    found = []
    for each in wanted:
        if _is_run(each):
            found.append(_trained(each, place))
            continue
        cell = find_cell(each)
        matrices = recurrent_matrices(split_head(cell)[0].graph)
        found += [_net(cell, gain, place) for gain in ((1.0, GAIN) if matrices else (1.0,))]
    return found


def _is_run(wanted: str | Cell) -> bool:
    return isinstance(wanted, str) and ".py" not in wanted and Path(wanted).is_dir()


def _net(cell: Cell, gain: float, place: PlacedSentence) -> NetFlow:
    letters = sorted(set(place.text))
    read = torch.tensor([[letters.index(c)] for c in place.text])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = LanguageModel(len(letters), cell, HIDDEN, dtype=torch.float64).eval()
    with torch.no_grad():
        for name in recurrent_matrices(model.rnn.cell.graph):
            getattr(model.rnn.layers[0], name).mul_(gain)
    name = cell.name if gain == 1 else f"{cell.name}, U × {gain:g}"
    return _measured(model, read, place, name, cell.name, gain)


def _trained(folder: str, place: PlacedSentence) -> NetFlow:
    run = open_run(folder)
    if not isinstance(run.model, LanguageModel):
        raise UsageError(
            f"{folder} is a run of {run.task.name}, and gradient-flow reads a text: give a run of char-lm, or a"
            " cell."
        )
    read = run.encoding.encode(place.text, "--text")[:, None]
    model = copy.deepcopy(run.model).double()
    name = f"{folder}, {run.task.net.cell.name}"
    return _measured(model, read, place, name, run.task.net.cell.name, 1.0, trained=True)


def _measured(
    model: LanguageModel,
    read: torch.Tensor,
    place: PlacedSentence,
    name: str,
    cell: str,
    gain: float,
    trained: bool = False,
) -> NetFlow:
    with torch.no_grad():
        given = model(read[: place.step + 1])[0][-1, 0].softmax(-1)[read[place.step + 1, 0]].item()
    flow = gradient_flow(model, read[:-1], target=read[1:])
    return NetFlow(name, cell, gain, flow, place.step, given, trained)


def report(
    wanted: Sequence[str | Cell], out: Path | None = None, theme: str = "auto", place: PlacedSentence = DEFAULT
) -> str:
    """The text, and the figure where `out` says; an SVG follows the reader's light or dark setting
    unless `theme` says one.

    >>> report(["elman"]).splitlines()[0]
    'The bird that I really really really liked w|as flying'
    """
    made = nets(wanted, place)
    if out is not None:
        curves = [
            Curve(
                f"{n.name}: {n.memory}",
                n.norms(n.memory),
                n.norms(n.memory, CLIP),
                n.flow[n.states[n.memory]].mean(-1).tolist(),
            )
            for n in made
        ]
        flow_figure(curves, place.text, place.step, out, theme=theme)
    values = [v for n in made for s in n.states for v in n.norms(s)[: place.step + 1] if v > 0]
    low, high = (math.log10(max(v, LOWEST)) for v in (min(values, default=1.0), max(values, default=1.0)))
    head = [
        f"{place.text[: place.step + 1]}|{place.text[place.step + 1 :]}",
        (
            f'The loss of "{place.asked}" after "{place.before}", and how much of it reaches the state after'
            " each word."
        ),
        (
            f"{_which(made)} on characters; bars are logarithmic, "
            f"{10**low:.0e} to {10**high:.0e}, the same for all nets."
        ),
    ]
    tail = [] if out is None else ["", f"Figure: {out}"]
    return "\n".join([*head, *(line for n in made for line in ("", *_table(n, place, low, high))), *tail])


def _which(made: Sequence[NetFlow]) -> str:
    untrained = f"Untrained nets of {HIDDEN} units"
    if all(n.trained for n in made):
        return "Trained nets"
    return f"{untrained} and trained ones" if any(n.trained for n in made) else untrained


def as_json(wanted: Sequence[str | Cell], place: PlacedSentence = DEFAULT) -> dict:
    """The same as data: `norms` by state and step k for the one loss; `pairs` with all [t][k]."""
    return {
        "text": place.text,
        "step": place.step,
        "hidden": HIDDEN,
        "seed": SEED,
        "clip": CLIP,
        "nets": [
            {
                "name": n.name,
                "cell": n.cell,
                "gain": n.gain,
                "trained": n.trained,
                "probability": n.given,
                "a_step_back": n.a_step,
                "memory": n.memory,
                "parameters": n.flow.parameters[n.step].item(),
                "norms": {s: n.norms(s) for s in n.states},
                "clipped": {s: n.norms(s, CLIP) for s in n.states},
                "by_lag": {s: n.flow.by_lag(key).tolist() for s, key in n.states.items()},
                "pairs": {s: n.flow[key][:, :, 0].tolist() for s, key in n.states.items()},
            }
            for n in nets(wanted, place)
        ],
    }


def _table(net: NetFlow, place: PlacedSentence, low: float, high: float) -> list[str]:
    size = net.flow.parameters[net.step].item()
    clipped = (
        f"clipped to {CLIP:g}: all of it x {CLIP / size:.2g}" if size > CLIP else f"not clipped at {CLIP:g}"
    )
    lines = [
        f"{net.name}: one step back x {net.a_step:.2f}; gradient of all parameters {size:.3g}, {clipped}",
        *([f'  "{place.asked}" has the probability {net.given:.3g}'] if net.trained else []),
        "  lag  after   " + "".join(f"  {f'|dL/d{s}|':<{BAR + 9}}{'clipped':<9}" for s in net.states).rstrip(),
    ]
    columns = [(net.norms(s), net.norms(s, CLIP)) for s in net.states]
    for k in reversed(place.ends()):
        cells = "".join(
            f"  {norms[k]:<7.1e}  {_bar(norms[k], low, high):<{BAR}}{less[k]:<9.1e}" for norms, less in columns
        )
        lines.append(f"  {net.step - k:>3}  {place.word(k):<7} {cells}".rstrip())
    return lines


def _bar(value: float, low: float, high: float) -> str:
    share = (math.log10(value) - low) / (high - low) if value > 0 and high > low else 0.0
    return "█" * max(0, math.ceil(share * (BAR - 1)))
