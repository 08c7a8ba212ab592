"""A net unrolled over its rows into a program of single numbers, and its loss at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count

from ..cell import Cell
from ..errors import UsageError
from ..graph.builder import Builder
from ..graph.node import Graph, Node, needed
from ..ops import ALONG_UNITS, OVER_UNITS, Symbol
from ..views.idioms import idiom
from ..views.names import NOW, Called, names_of, results_of, varies
from .given import GivenNumbers, leaf_values
from .label import First, Label, units
from .numbers import Array
from .program import NetNumbers
from .scalars import FORMS, written_out

Loss = Callable[[object, object], object]
MOST_NUMBERS = 20_000


def program_of(
    cell: Cell,
    given: GivenNumbers,
    loss: Loss | None,
    *,
    called: str,
    first: First,
    target: str,
    mean: bool = False,
) -> NetNumbers:
    """The net written out in single numbers over all rows, `loss` at the end of each that has a target.

    called   the name of the loss: E, L
    target   the name of the target: y
    mean     the whole loss is the mean of the rows' losses instead of their sum
    """
    made = _Unrolling(cell, given, first, target)
    for row in range(1, given.rows + 1):
        made.step(row)
    if loss is not None:
        made.end(loss, called, mean)
    return made.program


class _Unrolling:
    """The program while its rows are added."""

    def __init__(self, cell: Cell, given: GivenNumbers, first: First, target: str):
        self.graph, self.given, self.first, self.target = cell.graph, given, first, target
        self.builder = Builder()
        self.program = NetNumbers(self.builder.nodes)
        self.recurrent = bool(cell.states)
        self.moving = varies(self.graph)
        self.results = results_of(self.graph)
        self.wanted = _followed(self.graph)
        self.names = _with_more_names(self.graph, self.wanted, self.moving)
        self.leaves: dict[tuple[str, str, int], list[Symbol]] = {}
        for kind, label, row, value in leaf_values(given, first, self.recurrent, target):
            symbol = self._leaf(kind, label, row, value)
            self.leaves.setdefault((kind, label.name, row), []).append(symbol)
        self.program.parameters = {n: a.of(int) for n, a in given.parameters.items()}
        for name, one in given.parameters.items():
            self.program.parameters[name] = Array(
                one.shape, tuple(s.index for s in self.leaves["parameter", name, 0])
            )
        self.state = {n: Array(one.shape, tuple(self.leaves["state", n, 0])) for n, one in given.states.items()}
        self._note_states(0)

    def _leaf(self, kind: str, label: Label, row: int, value: float) -> Symbol:
        symbol = self.builder.leaf(
            "parameter" if kind in ("parameter", "setting") else "input", f"{label} {row}", ()
        )
        self.program.leaves[symbol.index] = value
        self._name(symbol.index, kind, label, row)
        return symbol

    def _name(self, index: int, kind: str, label: Label, row: int) -> None:
        self.program.labels[index], self.program.kinds[index], self.program.rows[index] = label, kind, row

    def _note_states(self, row: int) -> None:
        self.program.new_states[row] = tuple(s.index for n in self.graph.states for s in self.state[n].cells)

    # --- one row

    def step(self, row: int) -> None:
        made = written_out(
            self.builder,
            self.graph.nodes,
            self.wanted,
            lambda node: self._given(node, row),
            self.given.sizes,
            lambda index, found: self._named(index, found, row),
        )
        if len(self.builder.nodes) > MOST_NUMBERS:
            raise UsageError(
                f"{self.graph.name} makes more than {MOST_NUMBERS:,} numbers up to step {row}: too many to be"
                " worked by hand. Give fewer steps, or smaller vectors."
            )
        self._softmaxes(made)
        for called, index in self.results:
            name = called.name
            made_here = (
                self._label(name, made[index], row, 0 if not self.moving[index] else row, "value")
                if self.names.get(index) != called and (name in self.graph.states or index not in self.names)
                else made[index]
            )
            if name in self.graph.states:
                self.state[name] = made_here
            if called == self.results[0][0]:
                self.program.outputs[row] = made_here.of(lambda s: s.index)
        self._note_states(row)

    def _given(self, node: Node, row: int) -> Array:
        name = str(node.value)
        if node.op == "state":
            return self.state[name]
        if node.op == "hyper":
            key = ("setting", name, 0)
            if key not in self.leaves:
                self.leaves[key] = [self._leaf("setting", Label(name), 0, float(dict(self.graph.hyper)[name]))]
            return Array((), tuple(self.leaves[key]))
        shape = (
            self.given.parameters[name] if node.op == "parameter" else self.given.inputs[name][row - 1]
        ).shape
        return Array(shape, tuple(self.leaves[node.op, name, 0 if node.op == "parameter" else row]))

    def _named(self, index: int, found: Array, row: int) -> Array:
        called = self.names.get(index)
        if called is None:
            return found
        return self._label(called.name, found, row, row if self.moving[index] else 0, "value")

    def _label(self, name: str, found: Array, step: int, row: int, kind: str) -> Array:
        """The numbers with names of their own; one that has a name already gets a twin."""
        cells = []
        for place, symbol in zip(found.places(), found.cells):
            label = Label(name, step if self.recurrent and row else None, units(name, place, self.first))
            if self.program.labels.get(symbol.index) != label:
                if symbol.index in self.program.labels or self.builder.nodes[symbol.index].is_leaf:
                    symbol = self.builder.alias(symbol)
                self._name(symbol.index, kind, label, row)
            cells.append(symbol)
        return Array(found.shape, tuple(cells))

    def _softmaxes(self, made: Mapping[int, Array]) -> None:
        for index in made:
            form = idiom(self.graph.nodes, index)
            if form and form[0] == "softmax":
                values, of = (tuple(s.index for s in made[k].cells) for k in (index, form[1]))
                self.program.softmaxes.update(dict.fromkeys(values, (values, of)))

    # --- the end

    def end(self, loss: Loss, called: str, mean: bool) -> None:
        """The losses of the rows with a target, and the whole."""
        wanted = [k for k, target in enumerate(self.given.targets, 1) if target is not None]
        symbols = []
        for row in wanted:
            output = self.program.outputs[row]
            targets = Array(output.shape, tuple(self.leaves["target", self.target, row]))
            symbol = _loss_of(loss, self.builder, output.of(lambda i: Symbol(self.builder, i)), targets)
            if symbol.index in self.program.labels or self.builder.nodes[symbol.index].is_leaf:
                symbol = self.builder.alias(symbol)
            step = row if self.recurrent else None
            self._name(symbol.index, "loss", Label(called, step), row)
            self.program.losses[row] = symbol.index
            symbols.append(symbol)
        whole = symbols[0]
        for symbol in symbols[1:]:
            whole = whole + symbol
        if mean and len(symbols) > 1:
            whole = whole / len(symbols)
        if len(symbols) > 1 or self.recurrent:
            whole = self.builder.alias(whole) if whole.index in self.program.labels else whole
            self._name(whole.index, "loss", Label(f"{called}_total"), len(self.given.targets))
        self.program.loss = whole.index


def _followed(graph: Graph) -> list[int]:
    """The nodes that a reader follows. What a softmax or a norm is made of is not, unless the author gave it a
    name: the form is written out from its argument alone."""
    used = set(needed(graph.nodes, [graph.output, *graph.new_states]))
    found: set[int] = set()
    todo = [graph.output, *graph.new_states, *(s.index for s in graph.statements if s.index in used)]
    while todo:
        index = todo.pop()
        if index not in found:
            found.add(index)
            form = idiom(graph.nodes, index)
            todo.extend((form[1],) if form and form[0] in FORMS else graph.nodes[index].args)
    return sorted(found)


def _with_more_names(graph: Graph, wanted: Sequence[int], moving: Sequence[bool]) -> dict[int, Called]:
    """The author's names, and v1, v2, ... for vectors without one that are read as a whole: a line of their own
    keeps those that read them short."""
    names = names_of(graph)
    taken = {called.name for called in names.values()}
    read = [graph.nodes[i] for i in wanted]
    whole = {a for n in read if n.op in ("product", *OVER_UNITS, *ALONG_UNITS) for a in n.args[-1:]}
    forms = [form for i in wanted if (form := idiom(graph.nodes, i)) and form[0] in FORMS]
    whole = sorted((whole | {argument for _, argument in forms}) & set(wanted))
    fresh = (f"v{k}" for k in count(1) if f"v{k}" not in taken)
    for index in whole:
        if index not in names and not graph.nodes[index].is_leaf and moving[index]:
            names[index] = Called(next(fresh), time=NOW)
    return names


def _loss_of(loss: Loss, builder: Builder, output: Array, target: Array) -> Symbol:
    """The loss's equation on single numbers."""
    inner = Builder()
    width = (str(len(output.cells)),) if output.shape else ()
    symbol = loss(inner.leaf("input", "output", width), inner.leaf("input", "target", width))
    if not isinstance(symbol, Symbol) or inner.nodes[symbol.index].shape != ():
        raise UsageError(
            "a loss takes the output and the target and returns one number: write it as total(...) or mean(...)"
            " of what the units give."
        )
    made = written_out(
        builder,
        inner.nodes,
        needed(inner.nodes, [symbol.index]),
        lambda node: output if node.value == "output" else target,
        {},
    )
    return made[symbol.index].cells[0]
