"""`replace`: a cell with some of its equations exchanged, each by a function of the cell's other values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace as replaced
from difflib import get_close_matches

from ..cell import Cell, find
from ..errors import CellError, UnrolledError, UsageError
from ..graph.node import Graph, Node
from ..graph.replay import Draft
from ..ops import Symbol
from ..views.expression import expression
from ..views.names import BEFORE, names_of
from .derived import derived

LAST = "_last"
HIDDEN, SHORT = "...", 30  # stands for an equation of more than so many characters
New = Callable | float


def replace(
    cell: Cell | str | Callable, name: str | None = None, *, remember: tuple[str, ...] = (), **equations: New
) -> Cell:
    """The cell with other equations under the names that are given: a number, or a
    function of the cell's values.

    cell       a Cell, or a registered name
    name       what the new cell is called; without one, "replace(lstm, f=1)"
    remember   names of equations whose values become states as well
    equations  by the name of the line (all lines of that name, in a loop), or of a parameter or an input, which
               is then replaced wherever it is read

    A function's arguments are looked up by their names as they stand at the replaced line: inputs, states,
    parameters, and the equations above it; else an equation below it. An argument of the replaced name is its
    old right side. `h_last` is the value that state h had when the step began, and `i_last` that of a
    remembered equation i. Keyword-only arguments are new parameters, or with a number as default new
    hyper-parameters; two equations may share one. Parameters and states that nobody needs any more are gone,
    and what stays keeps its first values.

    Raises UsageError for names that the cell does not have, CellError for equations that need each other in a
    circle or whose widths cannot be.

    >>> coupled = replace("lstm", i=lambda f: 1 - f)
    >>> print(coupled.name)
    replace(lstm, i=1 - f)
    >>> print(coupled.parameters)
    ('W_f', 'U_f', 'b_f', 'W_g', 'U_g', 'b_g', 'W_o', 'U_o', 'b_o')
    """
    cell = find(cell)
    return _Replacing(cell, remember, equations).made(name)


class _Replacing:
    """One call of `replace`: the draft, and what a name means at each line."""

    def __init__(self, cell: Cell, remember: tuple[str, ...], equations: dict[str, New]):
        self.cell, self.graph, self.equations = cell, cell.graph, equations
        self.draft = Draft(cell.graph, self._changed)
        self.call = ", ".join([cell.name, *(f"{n}={_shown(v)}" for n, v in equations.items())])
        self.lines = {s.index: k for k, s in enumerate(self.graph.statements)}
        self.roots = self._state_lines()
        self.remembered = {
            name: self._remember(name) for name in ((remember,) if isinstance(remember, str) else remember)
        }
        self.read: set[str] = set()  # remembered names that an equation takes
        self.new: dict[str, Symbol] = {}  # new parameters and hyper-parameters
        for wanted, value in equations.items():
            self._check(wanted, value)

    def _state_lines(self) -> dict[int, str]:
        """New states that no line of the author's names as the state: their nodes go by the state's name."""
        said = {s.name for s in self.graph.statements}
        return {i: n for n, i in zip(self.graph.states, self.graph.new_states) if n not in said}

    def made(self, name: str | None) -> Cell:
        draft, graph = self.draft, self.graph
        draft.all()
        states = [draft.value(i) for i in graph.new_states]
        states += [draft.value(index) for index, _ in self.remembered.values()]
        unused = [n for n in self.remembered if n not in self.read]
        if unused:
            raise UsageError(
                f"replace({self.call}): {unused[0]} is remembered, and no equation takes {unused[0]}{LAST}."
            )
        new = draft.finish(f"replace({self.call})", None, states)
        texts = {n: _text(new, n, v) for n, v in self.equations.items()}
        given = ", ".join(f"{n}={text}" for n, text in texts.items())
        changed = ", ".join(f"another {n}" if text == HIDDEN else f"{n} = {text}" for n, text in texts.items())
        return derived(
            self.cell, replaced(new, name=name or f"replace({self.cell.name}, {given})"), f"with {changed}"
        )

    def _changed(self, draft: Draft, node: Node) -> Symbol | float | None:
        """What takes an old node's place, if its line is replaced."""
        name = self._name(node)
        if name not in self.equations:
            return None
        value = self.equations[name]
        return value if not callable(value) else self._evaluated(name, value, node)

    def _name(self, node: Node) -> str | None:
        """Under which name a node may be replaced: a line's, a state's that has no line, a
        parameter's or an input's.
        """
        if node.index in self.lines:
            return self.graph.statements[self.lines[node.index]].name
        if node.op in ("parameter", "input", "hyper"):
            return None if self._is_line(node.value) else node.value
        return self.roots.get(node.index)

    def _is_line(self, name: str) -> bool:
        return any(s.name == name for s in self.graph.statements)

    def _evaluated(self, name: str, function: Callable, node: Node) -> Symbol:
        positional, keywords = [], {}
        for p in inspect.signature(function).parameters.values():
            if p.kind is p.KEYWORD_ONLY:
                keywords[p.name] = self._new(name, p)
            elif p.default is p.empty:  # a default is the author's own constant, as in `lambda f, k=k: ...`
                positional.append(self._argument(name, p.name, node))
        try:
            result = function(*positional, **keywords)
        except UnrolledError as error:
            raise CellError(f"CellError in replace({self.call}): {name}: {error}") from None
        if not isinstance(result, (Symbol, int, float)):
            raise UsageError(
                f"replace({self.call}): {name} gives a {type(result).__name__}. Return a value of the cell "
                "language, or a number."
            )
        return self.draft.symbol(result)

    def _argument(self, name: str, wanted: str, node: Node) -> Symbol | float:
        """The value that an argument's name stands for at a line; a number where it is known to be one."""
        if wanted == name:
            return self._plainly(self.draft.plain(node.index))
        found = self._find(wanted, self.lines.get(node.index, 0))
        if found is None and wanted.endswith(LAST):
            return self._last(wanted, wanted.removesuffix(LAST))
        if found is None:
            raise UsageError(self._unknown(wanted, f"{name} takes {wanted}"))
        if found in self.draft.open:
            raise CellError(self._circle(found, wanted))
        return self._plainly(self.draft.value(found))

    def _plainly(self, symbol: Symbol) -> Symbol | float:
        number = self.draft.constant(symbol)
        return symbol if number is None else number

    def _find(self, name: str, line: int) -> int | None:
        """The old node of a name at a line: the latest line above, else a leaf, else the first line below."""
        above = [s.index for s in self.graph.statements[:line] if s.name == name]
        leaf = next(
            (n.index for n in self.graph.nodes if n.is_leaf and n.op != "constant" and n.value == name), None
        )
        below = [s.index for s in self.graph.statements[line:] if s.name == name]
        return above[-1] if above else leaf if leaf is not None else below[0] if below else None

    def _last(self, wanted: str, base: str) -> Symbol:
        if base in self.remembered:
            self.read.add(base)
            return self.remembered[base][1]
        leaf = self.graph.leaf("state", base)
        if leaf is None and self._is_line(base):
            raise UsageError(
                f"replace({self.call}): an equation takes {wanted}, and {base} is not a state of"
                f" {self.cell.name}. Say remember=({base!r},) to have its last value."
            )
        if leaf is None:
            raise UsageError(self._unknown(wanted, f"an equation takes {wanted}"))
        return self.draft.value(leaf.index)

    def _remember(self, name: str) -> tuple[int, Symbol]:
        """The last line of that name, and the state that holds its value of the step before."""
        lines = [s.index for s in self.graph.statements if s.name == name]
        if name in self.graph.states:
            raise UsageError(
                f"replace({self.call}): {name} is a state; its last value is {name}{LAST} already."
            )
        if not lines:
            raise UsageError(self._unknown(name, f"remember names {name}"))
        return lines[-1], self.draft.state(name, self.graph.nodes[lines[-1]].shape)

    def _new(self, equation: str, p: inspect.Parameter) -> Symbol | object:
        """A keyword-only argument: a new parameter, a new hyper-parameter, or a
        setting that shapes the graph.
        """
        if self._find(p.name, 0) is not None:
            raise UsageError(
                f"replace({self.call}): {equation} makes a new parameter {p.name}, and {self.cell.name} has a "
                f"{p.name}. Take it as an ordinary argument, or choose another name."
            )
        if p.default is p.empty:
            made = self.draft.parameter(p.name)
        elif isinstance(p.default, float):
            made = self.draft.number(p.name, p.default)
        else:
            return p.default
        return self.new.setdefault(p.name, made)

    def _check(self, name: str, value: New) -> None:
        known = self._find(name, 0) is not None or name in self.graph.states
        if not known:
            raise UsageError(self._unknown(name, f"{name} is replaced"))
        if not callable(value) and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise UsageError(
                f"replace({self.cell.name}, {name}={value!r}): give a number, or a function of the cell's "
                f"values, e.g. {name}=lambda {name}: 0.5 * {name}"
            )

    def _unknown(self, name: str, what: str) -> str:
        known = list(
            dict.fromkeys(
                [
                    *self.graph.inputs,
                    *self.graph.states,
                    *(s.name for s in self.graph.statements),
                    *self.graph.parameters,
                    *dict(self.graph.hyper),
                ]
            )
        )
        near = get_close_matches(name, known, 3, 0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(known)}."
        return f"replace({self.call}): {what}, and {self.cell.name} has no value {name}. {hint}"

    def _circle(self, found: int, wanted: str) -> str:
        trail = [self._name(self.graph.nodes[i]) for i in self.draft.open[self.draft.open.index(found) :]]
        names = [n for k, n in enumerate(trail) if n and n not in trail[:k]]
        asked = (
            "Take"
            if wanted in (*self.graph.states, *self.remembered)
            else f"Say remember=({wanted!r},) and take"
        )
        return (
            f"CellError in replace({self.call}): the equations go in a circle, "
            f"{_chain([*names, wanted])}. {asked} {wanted}{LAST} for the value of the step before."
        )


def _shown(value: New) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else HIDDEN


def _text(graph: Graph, name: str, value: New) -> str:
    """The new equation as its author would write it, where it is one short line."""
    lines = [s for s in graph.statements if s.name == name]
    if not callable(value) or len(lines) != 1:
        return _shown(value)
    names = {k: c.name + (LAST if c.time == BEFORE else "") for k, c in names_of(graph).items()}
    text = expression(graph.nodes, lines[0].index, names)
    return text if len(text) <= SHORT else HIDDEN


def _chain(names: list[str]) -> str:
    """a needs b, b needs a"""
    return ", ".join(f"{a} needs {b}" for a, b in zip(names, names[1:]))
