"""`unrolled show CELL ... --stage gradient-flow`: gradients through time, in numbers and as a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..cell import Cell
from ..cell_file import find_cell
from ..layers.gradient_flow import GradientFlow, gradient_flow
from ..models.language import LanguageModel
from ..transform.head import split_head
from ..transform.operands import recurrent_matrices
from ..views.flow_figure import LOWEST, Curve, flow_figure

SENTENCE = "The bird that I really really really liked was flying"  # was, not were, because of bird: deck 003
STEP = SENTENCE.index(" was") + 1  # has read the w of was, and is asked for the a
HIDDEN, SEED = 32, 0
GAIN = 4.0  # of the recurrent matrices in the second net of each cell
CLIP = 1.0  # what training clips to by default
BAR = 16


@dataclass(frozen=True)
class Net:
    """One net and its flow on the sentence."""

    name: str
    cell: str
    gain: float
    flow: GradientFlow

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(self.flow.norms["rnn.0"])

    def norms(self, state: str, clip: float | None = None) -> list[float]:
        """Of the one loss, by step k."""
        flow = self.flow if clip is None else self.flow.clipped(clip)
        return flow["rnn.0", state][STEP, :, 0].tolist()

    @property
    def memory(self) -> str:
        """The state through which most of the gradient goes back."""
        return max(self.states, key=lambda state: self.norms(state)[0])

    @property
    def a_step(self) -> float:
        """By what one step back multiplies the gradient, in the geometric mean; 0 where none comes back."""
        norms = self.norms(self.memory)
        return (norms[0] / norms[STEP]) ** (1 / STEP) if norms[STEP] else 0.0


def nets(cells: Sequence[str | Cell]) -> list[Net]:
    """Each cell as a character model, untrained: with its usual first values, and with recurrent matrices GAIN times as
    large, where it has any. Float64, so that small norms are norms; the same seed gives the same numbers.

    Raises UsageError for a cell that is not there, reads more than one input, or has no state.
    """
    return [
        _net(cell, gain)
        for cell in map(find_cell, cells)
        for gain in ((1.0, GAIN) if recurrent_matrices(split_head(cell)[0].graph) else (1.0,))
    ]


def _net(cell: Cell, gain: float) -> Net:
    letters = sorted(set(SENTENCE))
    read = torch.tensor([[letters.index(c)] for c in SENTENCE])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = LanguageModel(len(letters), cell, HIDDEN, dtype=torch.float64).eval()
    with torch.no_grad():
        for name in recurrent_matrices(model.rnn.cell.graph):
            getattr(model.rnn.layers[0], name).mul_(gain)
    flow = gradient_flow(model, read[:-1], target=read[1:])
    return Net(cell.name if gain == 1 else f"{cell.name}, U × {gain:g}", cell.name, gain, flow)


def report(cells: Sequence[str | Cell], out: Path | None = None, theme: str = "auto") -> str:
    """The text, and the figure where `out` says; an SVG follows the reader's light or dark setting unless `theme` says one.

    >>> report(["elman"]).splitlines()[0]
    'The bird that I really really really liked w|as flying'
    """
    made = nets(cells)
    if out is not None:
        flow_figure(
            [
                Curve(
                    f"{n.name}: {n.memory}",
                    n.norms(n.memory),
                    n.norms(n.memory, CLIP),
                    n.flow["rnn.0", n.memory].mean(-1).tolist(),
                )
                for n in made
            ],
            SENTENCE,
            STEP,
            out,
            theme=theme,
        )
    values = [v for n in made for s in n.states for v in n.norms(s)[: STEP + 1] if v > 0]
    low, high = math.log10(max(min(values), LOWEST)), math.log10(max(values))
    head = [
        f"{SENTENCE[: STEP + 1]}|{SENTENCE[STEP + 1 :]}",
        f'The loss of "{SENTENCE[STEP + 1]}" after "{SENTENCE[STEP - 6 : STEP + 1]}", and how much of it reaches the state '
        "after each word.",
        f"Untrained nets of {HIDDEN} units on characters; bars are logarithmic, "
        f"{10**low:.0e} to {10**high:.0e}, the same for all nets.",
    ]
    tail = [] if out is None else ["", f"Figure: {out}"]
    return "\n".join([*head, *(line for n in made for line in ("", *_table(n, low, high))), *tail])


def as_json(cells: Sequence[str | Cell]) -> dict:
    """The same as data: `norms` by state and step k for the one loss; `pairs` with all [t][k]."""
    return {
        "text": SENTENCE,
        "step": STEP,
        "hidden": HIDDEN,
        "seed": SEED,
        "clip": CLIP,
        "nets": [
            {
                "name": n.name,
                "cell": n.cell,
                "gain": n.gain,
                "a_step_back": n.a_step,
                "memory": n.memory,
                "parameters": n.flow.parameters[STEP].item(),
                "norms": {s: n.norms(s) for s in n.states},
                "clipped": {s: n.norms(s, CLIP) for s in n.states},
                "by_lag": {s: n.flow.by_lag(("rnn.0", s)).tolist() for s in n.states},
                "pairs": {s: n.flow["rnn.0", s][:, :, 0].tolist() for s in n.states},
            }
            for n in nets(cells)
        ],
    }


def _table(net: Net, low: float, high: float) -> list[str]:
    size = net.flow.parameters[STEP].item()
    clipped = (
        f"clipped to {CLIP:g}: all of it x {CLIP / size:.2g}" if size > CLIP else f"not clipped at {CLIP:g}"
    )
    lines = [
        f"{net.name}: one step back x {net.a_step:.2f}; gradient of all parameters {size:.3g}, {clipped}",
        "  lag  after   " + "".join(f"  {f'|dL/d{s}|':<{BAR + 9}}{'clipped':<9}" for s in net.states).rstrip(),
    ]
    columns = [(net.norms(s), net.norms(s, CLIP)) for s in net.states]
    for k in reversed(_ends()):
        cells = "".join(
            f"  {norms[k]:<7.1e}  {_bar(norms[k], low, high):<{BAR}}{less[k]:<9.1e}" for norms, less in columns
        )
        lines.append(f"  {STEP - k:>3}  {SENTENCE[: k + 1].split(' ')[-1]:<7} {cells}".rstrip())
    return lines


def _ends() -> list[int]:
    """The last character of every word, up to the step."""
    return [k for k in range(STEP + 1) if SENTENCE[k] != " " and (SENTENCE[k + 1] == " " or k == STEP)]


def _bar(value: float, low: float, high: float) -> str:
    share = (math.log10(value) - low) / (high - low) if value > 0 and high > low else 0.0
    return "█" * max(0, math.ceil(share * (BAR - 1)))
