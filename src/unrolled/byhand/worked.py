"""`worked(net, inputs, parameters, target=...)`: a net by hand, forward and backward, over
time, one optimiser step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

from ..cell import Cell, find
from ..errors import UsageError
from ..views.picture import Picture
from .chain import Chains, Term
from .data import as_data
from .document import Piece
from .excerpt import as_exercise, only
from .formula import Formula
from .given import GivenNumbers, check_given, with_widths
from .label import First, Label, canonical
from .losses import find_loss
from .numbers import Array, digits_of
from .optimiser import DescentStep, find_rule, stepped
from .page import page
from .picture import neurons, picture
from .render import as_latex, as_markdown, as_text
from .through_time import ThroughTime, through_time
from .unrolling import program_of

MOST_STEPS = 1000  # of an optimiser, one after the other


@dataclass(frozen=True)
class Quantity:
    """One number of the net.

    kind      input, state, parameter, setting, target, value or loss
    row       the time step or the example it belongs to; 0: all of them
    formula   how it is made of others; None for what was given
    gradient  d loss / d this number; None where there is no loss
    terms     the gradient as a sum of chains of factors
    """

    label: Label
    index: int
    kind: str
    row: int
    formula: Formula | None
    value: float
    gradient: float | None
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Worked:
    """A net worked by hand. `worked(...)` makes it; `print` shows it.

    quantities    every number that has a name, in the order in which they are worked out
    loss          the whole loss, and by row in `losses`; None and empty where there was no target
    gradients     parameter -> d loss / d parameter; `row_gradients` by row: what each
                  step or example gives to it
    through_time  for a net with a state, the terms of backpropagation through time for
                  each step that has a loss
    steps         optimiser steps, one after the other, where a rate was given; `step` is the first
    """

    cell: Cell
    given: GivenNumbers
    quantities: tuple[Quantity, ...]
    loss: float | None
    losses: Mapping[int, float]
    gradients: Mapping[str, Array]
    row_gradients: Mapping[int, Mapping[str, Array]]
    through_time: tuple[ThroughTime, ...]
    steps: tuple[DescentStep, ...]
    chains: Chains
    first: First
    called: str

    @property
    def step(self) -> DescentStep | None:
        return self.steps[0] if self.steps else None

    @property
    def recurrent(self) -> bool:
        return bool(self.cell.states)

    def __getitem__(self, wanted: str | tuple[str, int]) -> Quantity:
        """A number by its printed name, `worked["a1[2]"]`; of another example than the
        first, `worked["a1[2]", 3]`.
        """
        name, row = wanted if isinstance(wanted, tuple) else (wanted, None)
        said = canonical(str(name), (q.label for q in self.quantities))
        found = [q for q in self.quantities if str(q.label) == said and (row is None or q.row in (0, row))]
        if not found:
            raise UsageError(self._unknown(str(name), said, row))
        return found[0]

    def _unknown(self, name: str, said: str, row: int | None) -> str:
        units = [str(q.label) for q in self.quantities if str(q.label.whole) == said]
        if units:
            there = units[0] if len(units) == 1 else f"{units[0]} to {units[-1]}"
            return f"{name} is not one number. Its numbers are {there}."
        have = ", ".join(dict.fromkeys(str(q.label) for q in self.quantities if q.kind != "parameter"))
        have = have if len(have) < 200 else ", ".join(dict.fromkeys(q.label.name for q in self.quantities))
        return f"no number is called {name!r}{f' in row {row}' if row else ''}. There are {have}."

    def values(self, name: str, row: int = 1):
        """The numbers of a vector or matrix, nested: `values("s1")`, `values("h", row=3)`."""
        found = [q for q in self.quantities if q.label.name == name and q.row in (0, row)]
        found = [q for q in found if q.row or q.kind != "state"]
        if not found:
            return (self[name].value,)
        return tuple(q.value for q in found) if found[0].label.units else found[0].value

    def text(
        self,
        *,
        rows: tuple[int, ...] | None = None,
        every: bool = False,
        digits: int | None = None,
        part: str | None = None,
        exercise: bool = False,
        width: int = 100,
        colour: bool = False,
    ) -> str:
        """For a terminal.

        rows      which are shown line by line; without it all of a sequence, the first of a batch
        every     the chain of every weight instead of each matrix's first
        digits    decimals of every number, 6 without it
        part      "forward", "backward" or "step" alone
        exercise  with what has to be worked out left blank
        """
        with digits_of(digits):
            return as_text(self._page(rows, every, part, exercise), width, colour)

    def markdown(
        self,
        *,
        rows: tuple[int, ...] | None = None,
        every: bool = False,
        digits: int | None = None,
        part: str | None = None,
        exercise: bool = False,
    ) -> str:
        """For a page; formulas are LaTeX between $$. The arguments are those of `text`."""
        with digits_of(digits):
            return as_markdown(self._page(rows, every, part, exercise))

    def latex(
        self,
        *,
        rows: tuple[int, ...] | None = None,
        every: bool = False,
        digits: int | None = None,
        part: str | None = None,
        exercise: bool = False,
        style: str = "document",
    ) -> str:
        """A LaTeX document of its own, or with style="fragment" a part of one, with "beamer" slides. The other
        arguments are those of `text`."""
        with digits_of(digits):
            return as_latex(self._page(rows, every, part, exercise), self.cell.name, style)

    def _page(self, rows: tuple[int, ...] | None, every: bool, part: str | None, exercise: bool) -> list[Piece]:
        pieces = only(page(self, rows, every), part)
        return as_exercise(pieces) if exercise else pieces

    def picture(
        self,
        file: str | Path | None = None,
        *,
        view: str = "numbers",
        of: str | None = None,
        row: int | None = None,
        leaves: tuple[str, ...] = (),
        opened: tuple[str, ...] = (),
        theme: str = "auto",
        digits: int | None = None,
    ) -> Picture:
        """The graph of single numbers: on each edge the value above, the gradient below. Returns SVG text.

        view    "numbers", or "neurons": layers of circles, with each weight's number on its line
        file    where to write it, too: .svg, .png, .pdf
        of      whose gradients: a number's name, itself then having 1; without it, those of the row's loss
        row     which time step or example; without it the first that has a loss
        leaves  names at which it ends to the left, such as ("a1",), instead of what was given
        opened  primitives or numbers shown in their parts: ("sigmoid",) as -x, e^x, 1 + x, 1/x
        digits  decimals of every number; 4 without it, 6 of the weights between neurons

        Below what one number alone enters stands its own slope. Raises UsageError for names that there are not,
        too many numbers, and for a PNG or PDF where Graphviz is missing.
        """
        if view not in ("numbers", "neurons"):
            raise UsageError(f"view={view!r} is not a view of a worked net: choose one of numbers, neurons.")
        if view == "neurons":
            self._refuse_of_neurons(of=of, row=row, leaves=leaves, opened=opened)
            with digits_of(digits):
                return neurons(self, file, theme)
        row = min(self.losses, default=1) if row is None else row
        of = of if of is None else canonical(of, (q.label for q in self.quantities))
        with digits_of(digits):
            return picture(self, file, of=of, row=row, leaves=leaves, opened=opened, theme=theme)

    @staticmethod
    def _refuse_of_neurons(**given) -> None:
        """What only the picture of single numbers has."""
        for name, value in given.items():
            if value:
                raise UsageError(
                    f"{name}={value!r} is of view='numbers', and view='neurons' has none. Leave one out."
                )

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def _repr_svg_(self) -> str | None:
        """The picture; None for more numbers than one picture holds, so that a notebook shows the text."""
        try:
            return str(self.picture())
        except UsageError:
            return None

    def to_json(self) -> dict:
        """Everything as plain data."""
        return as_data(self)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        rows = f"{self.given.rows} row{'s' * (self.given.rows != 1)}"
        return f"<{self.cell.name} by hand: {len(self.quantities)} numbers, {rows}>"


def worked(
    net: str | Cell | Callable,
    inputs,
    parameters: Mapping[str, object],
    *,
    target=None,
    loss: str | Callable | None = None,
    steps: int | None = None,
    state: Mapping[str, object] | None = None,
    rate: float | None = None,
    optimiser: str = "sgd",
    train: int = 1,
    mean: bool = False,
    called: str = "E",
    target_called: str = "target",
    first: First | None = None,
) -> Worked:
    """Works a net by hand: every number, every gradient with its chain of factors.

    net         a cell, a registered cell's name, or a function in the cell language;
                feed-forward if it has no state
    inputs      numbers of the input, one row for each time step (each example, if the net has no state);
                several inputs by name. A single row serves all.
    parameters  numbers by name
    target      a row for each row of the inputs, None where there is none; without targets
                there is no backward pass
    loss        a name, or a function of output and target in the cell language; half-squared-error without one
    steps       how many rows, where fewer than given are wanted or a single row is given
    state       the first states by name; else those of the cell
    rate        of optimiser steps: sgd, momentum, rmsprop, adam or adagrad
    train       how many of them, one after the other
    mean        the loss is the mean of the rows' losses instead of their sum
    called      the loss's name; target_called the target's
    first       what a name's indices begin with, 1 without it: {"w1": (0, 1)} for bias weights in row 0

    Raises UsageError and ShapeError naming the number that is missing or does not fit, NotYet for
    functions of a whole matrix.

        >>> from unrolled import sigmoid
        >>> from unrolled.byhand import worked
        >>> def neuron(x, *, W, b):
        ...     a = sigmoid(W @ x + b)
        ...     return a
        >>> one = worked(neuron, [1, 2], {"W": [[0.5, -0.5]], "b": [0.1]}, target=[1])
        >>> round(one["a[1]"].value, 6), round(one["W[1,2]"].gradient, 6)
        (0.401312, -0.287682)
    """
    cell = with_widths(find(net).evaluation, inputs, parameters, state)
    for name in (called, target_called):
        if not name.isidentifier():
            raise UsageError(f"{name!r} is not a name for a loss or a target: write it like E or y.")
    if loss is not None and target is None:
        named = loss if isinstance(loss, str) else loss.__name__
        raise UsageError(f"the loss {named} is measured against a target, and none is given. Give target=...")
    numbers = dict(first or {})
    given = check_given(cell, inputs, parameters, state, target, steps, numbers)
    measured = find_loss(loss or "half-squared-error") if any(t is not None for t in given.targets) else None
    program = program_of(cell, given, measured, called=called, first=numbers, target=target_called, mean=mean)
    chains = Chains(program)
    gradients, row_gradients = {}, {}
    if measured is not None:
        gradients = {n: a.of(lambda i: chains.whole.get(i, 0.0)) for n, a in program.parameters.items()}
        row_gradients = {row: chains.from_row(chains.whole, row) for row in range(1, given.rows + 1)}
    loss_value = None if measured is None else chains.values[program.loss]
    losses = {row: chains.values[i] for row, i in program.losses.items()}
    over_time = through_time(chains) if cell.states and measured is not None else ()
    return Worked(
        cell,
        given,
        _quantities(chains),
        loss_value,
        losses,
        gradients,
        row_gradients,
        over_time,
        _steps(chains, cell, given, rate, optimiser, train),
        chains,
        numbers,
        called,
    )


def _in_order(chains: Chains) -> list[tuple[int, Label]]:
    """The numbers of a vector together, in the order of their units."""
    labels, rows = chains.program.labels, chains.program.rows
    begun: dict[tuple[Label, int], int] = {}
    for i, label in sorted(labels.items()):
        begun.setdefault((label.whole, rows[i]), i)
    return sorted(labels.items(), key=lambda item: (begun[item[1].whole, rows[item[0]]], item[1].units))


def _quantities(chains: Chains) -> tuple[Quantity, ...]:
    program, whole = chains.program, chains.whole
    return tuple(
        Quantity(
            label,
            i,
            program.kinds[i],
            program.rows[i],
            chains.formulas.get(i),
            chains.values[i],
            whole.get(i, 0.0) if whole else None,
            tuple(chains.terms(i)) if whole else (),
        )
        for i, label in _in_order(chains)
    )


def _steps(
    chains: Chains, cell: Cell, given: GivenNumbers, rate: float | None, optimiser: str, train: int
) -> tuple[DescentStep, ...]:
    """Each step's gradients are worked out at the weights that the step before left."""
    rule = find_rule(optimiser)
    if not isinstance(train, int) or isinstance(train, bool) or not 1 <= train <= MOST_STEPS:
        raise UsageError(f"train={train!r}: steps of an optimiser are 1 to {MOST_STEPS}. Give such a number.")
    if rate is not None and (
        isinstance(rate, (bool, str)) or not isinstance(rate, (int, float)) or not isfinite(rate)
    ):
        raise UsageError(f"rate={rate!r} is not a number. Give one like 0.1.")
    if train > 1 and (rate is None or not chains.whole):
        raise UsageError(
            f"train={train} asks for steps of an optimiser, and "
            + (
                "no rate is given. Give rate=0.1, say."
                if rate is None
                else "there is no target. Give target=..."
            )
        )
    if rate is None or not chains.whole:
        return ()
    program, found = chains.program, []
    before, memory = dict(given.parameters), {}
    for k in range(1, train + 1):
        gradients = {n: a.of(lambda i: chains.whole.get(i, 0.0)) for n, a in program.parameters.items()}
        after, remembered = dict(before), {}
        for n in before:
            if n not in cell.fixed:
                after[n], remembered[n] = stepped(rule, rate, before[n], gradients[n], memory.get(n), k)
        leaves = dict(program.leaves)
        for name, one in program.parameters.items():
            leaves.update(zip(one.cells, after[name].cells))
        moved = replace(program, leaves=leaves)
        loss_before = chains.values[program.loss]
        chains = Chains(moved) if k < train else chains
        loss_after = moved.values()[program.loss]
        found.append(
            DescentStep(
                optimiser, float(rate), before, after, loss_before, loss_after, k, gradients, remembered
            )
        )
        before, memory = after, remembered
    return tuple(found)
