"""A graph made from another one: its nodes are built again in order, some of them differently.

What every cell -> cell function does: say which nodes change, which leaves are new, and what comes out. Names
and comments are kept, equal expressions are joined and simplified, what nobody needs any more is left out, and
widths follow from use as they do for an author's function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..errors import CellError
from ..ops import Symbol
from .builder import Builder
from .check import excess
from .node import Graph, Node, Shape, Statement, needed
from .simplify import Simplifying, folded
from .widths import infer

Change = Callable[["Draft", Node], "Symbol | float | None"]


class Draft:
    """A new graph under construction from `graph`.

    change  asked about every old node before it is built again: a Symbol or a number takes its
            place, None leaves it as it is
    copies  whether an equation that has become `a = b` is kept

        new = Draft(graph, lambda draft, node: 1.0 if graph.name_of(node.index) == "f" else
        None).finish("without_f")
    """

    def __init__(self, graph: Graph, change: Change | None = None, copies: bool = True):
        self.graph, self.change, self.copies = graph, change, copies
        self.builder = Simplifying(Builder())
        self.inputs, self.states, self.parameters = (
            list(graph.inputs),
            list(graph.states),
            list(graph.parameters),
        )
        self.hyper = list(graph.hyper)
        self.shapes: dict[str, Shape] = {}  # of new leaves, where use does not tell
        self.made: dict[int, Symbol] = {}  # old node -> new
        self.old: dict[int, int] = {}  # new node -> the first old one that it was made for
        self.open: list[int] = []  # old nodes that are being built, outermost first
        self.names: dict[int, str] = {s.index: s.name for s in graph.statements}  # of old nodes; may be changed
        self.statements: list[Statement] = []

    def symbol(self, value) -> Symbol:
        """A number as a node; a Symbol as it is."""
        return self.builder.symbol(value)

    def input(self, name: str, shape: Shape | None = None) -> Symbol:
        return self._leaf("input", name, shape, self.inputs)

    def state(self, name: str, shape: Shape | None = None) -> Symbol:
        return self._leaf("state", name, shape, self.states)

    def parameter(self, name: str, shape: Shape | None = None) -> Symbol:
        """A new parameter; without a shape its widths follow from use."""
        return self._leaf("parameter", name, shape, self.parameters)

    def number(self, name: str, value: float) -> Symbol:
        """A new hyper-parameter."""
        if name not in dict(self.hyper):
            self.hyper.append((name, value))
        return self.builder.leaf("hyper", name, ())

    def _leaf(self, kind: str, name: str, shape: Shape | None, names: list[str]) -> Symbol:
        if name not in names:
            names.append(name)
            if shape is not None:
                self.shapes[name] = shape
        return self.builder.leaf(kind, name)

    def free(self, name: str) -> str:
        """The name, or with _2, _3, ... behind it where it means something already."""
        taken = {
            *self.inputs,
            *self.states,
            *self.parameters,
            *dict(self.hyper),
            *self.names.values(),
            *(s.name for s in self.statements),
        }
        return next(n for n in (name, *(f"{name}_{k}" for k in range(2, len(taken) + 3))) if n not in taken)

    def value(self, index: int) -> Symbol:
        """The new node for an old one, made with all it rests on."""
        if index not in self.made:
            if index in self.open:
                raise CellError(f"CellError in {self.graph.name}: node {index} rests on itself")
            self.open.append(index)
            node = self.graph.nodes[index]
            changed = self.change(self, node) if self.change else None
            self.made[index] = self._remembered(
                node, self.plain(index) if changed is None else self.symbol(changed)
            )
            self.open.pop()
        return self.made[index]

    def plain(self, index: int) -> Symbol:
        """The old node built again from the new nodes of its arguments, whatever `change` would make of it."""
        node = self.graph.nodes[index]
        if node.is_leaf:
            # Shapes are found at the end.
            return self.builder.leaf(node.op, node.value, None if node.op in NAMED else ())
        return self.again(node, [self.value(a) for a in node.args])

    def again(self, node: Node, args: Sequence[Symbol]) -> Symbol:
        """The old node's primitive on these arguments, simplified; numbers are computed."""
        if node.value is not None:
            return self.builder.add(node.op, [a.index for a in args], node.value)
        numbers = [self.constant(a) for a in args]
        result = 0.0 if node.op in ("product", "bilinear") and 0.0 in numbers else folded(node.op, numbers)
        return self.builder.apply(node.op, tuple(args)) if result is None else self.symbol(result)

    def constant(self, symbol: Symbol) -> float | None:
        """The number that a node is; None for others."""
        node = self.builder.nodes[symbol.index]
        return node.value if node.op == "constant" else None

    def _remembered(self, node: Node, symbol: Symbol) -> Symbol:
        """The new node under the author's name; an equation that has become
        another's gets a node of its own.
        """
        name = self.names.get(node.index)
        if (
            name is not None
            and self.constant(symbol) is None
            and (self.copies or node.op == "alias" or not self._known(symbol))
        ):
            said = next((s for s in self.graph.statements if s.index == node.index), None)
            symbol = self.call(symbol, name, said and said.comment, said and said.line)
        self.old.setdefault(symbol.index, node.index)
        return symbol

    def call(self, symbol: Symbol, name: str, comment: str | None = None, line: int | None = None) -> Symbol:
        """The value under a name, as an equation of its own."""
        if self._known(symbol):
            symbol = Symbol(self.builder, self.builder.builder.alias(symbol).index)
        count = 1 + sum(s.name == name for s in self.statements)
        self.statements.append(Statement(name, symbol.index, line, comment, count))
        return symbol

    def _known(self, symbol: Symbol) -> bool:
        """Whether it has a name already."""
        return self.builder.nodes[symbol.index].is_leaf or any(s.index == symbol.index for s in self.statements)

    def all(self) -> None:
        """Builds every old node."""
        for node in self.graph.nodes:
            self.value(node.index)

    def finish(
        self, name: str, output: Symbol | None = None, new_states: Sequence[Symbol] | None = None
    ) -> Graph:
        """The finished graph. Without `output` and `new_states` they are the old ones' new nodes.

        Raises CellError where the new equations' widths cannot be.
        """
        self.all()
        graph = self.graph
        first_is_output = bool(graph.new_states) and graph.output == graph.new_states[0]
        states = list(new_states) if new_states is not None else [self.value(i) for i in graph.new_states]
        if output is None:
            output = states[0] if first_is_output else self.value(graph.output)
        follows = bool(states) and output.index == states[0].index
        kept = self._kept_states(output, states)
        unique: list[int] = []
        for symbol in ([] if follows and 0 in kept else [output]) + [states[k] for k in kept]:
            unique.append(self._own(symbol, unique))
        made = Graph(
            name,
            tuple(self.builder.nodes),
            tuple(self.inputs),
            tuple(self.states[k] for k in kept),
            tuple(self.parameters),
            tuple(self.hyper),
            unique[0],
            tuple(unique[len(unique) - len(kept) :]),
            tuple(self.statements),
        )
        if message := excess(made):
            raise CellError(f"CellError in {name}: {message}. Change less of the cell")
        return self._inferred(made)

    def _own(self, symbol: Symbol, taken: list[int]) -> int:
        """A state handed on untouched, or the same value twice, needs a node of its own."""
        if self.builder.nodes[symbol.index].is_leaf or symbol.index in taken:
            return self.builder.builder.alias(symbol).index
        return symbol.index

    def _kept_states(self, output: Symbol, states: list[Symbol]) -> list[int]:
        """Which states are needed: those that the output rests on from step to step. A state that the old
        output did not rest on either was returned to be looked at, and stays."""
        graph = self.graph
        before = _behind(graph.nodes, graph.output, dict(zip(graph.states, graph.new_states)), ())
        looked_at = [name for name in graph.states if name not in before]
        new = {name: symbol.index for name, symbol in zip(self.states, states)}
        kept = _behind(self.builder.nodes, output.index, new, looked_at)
        return [k for k, name in enumerate(self.states) if name in kept]

    def _inferred(self, draft: Graph) -> Graph:
        """Leaves first, in the order of the signature; unused nodes out; then every node's shape."""
        order, moved = _order(draft)
        old_leaf = {(n.op, n.value): n.shape for n in self.graph.nodes if n.is_leaf}
        nodes = tuple(
            Node(k, n.op, tuple(moved[a] for a in n.args), n.value, n.shape if n.is_leaf else None)
            for k, n in enumerate(draft.nodes[i] for i in order)
        )
        used = {n.value for n in nodes if n.op in ("parameter", "hyper")}
        graph = replace(
            draft,
            nodes=nodes,
            parameters=tuple(n for n in draft.parameters if n in used),
            hyper=tuple(pair for pair in draft.hyper if pair[0] in used),
            output=moved[draft.output],
            new_states=tuple(moved[i] for i in draft.new_states),
            statements=_counted(
                [replace(s, index=moved[s.index]) for s in draft.statements if s.index in moved]
            ),
        )
        declared = {
            n.value: old_leaf.get((n.op, n.value), self.shapes.get(n.value)) for n in nodes if n.op in NAMED
        }
        declared = {name: shape for name, shape in declared.items() if shape is not None}
        places = {moved[new]: old for new, old in self.old.items() if new in moved}
        return infer(graph, declared, lambda index: self._place(graph, index, places.get(index)))

    def _place(self, graph: Graph, index: int, old: int | None) -> tuple:
        """Where the author wrote what a new node was made for, as far as the old
        graph remembers: for quoting.
        """
        said = next((c for c in self.graph.clashes if c.index == old), None)
        if said is not None:
            return said.line, said.text, said.column
        line = next((s for s in graph.statements if index in needed(graph.nodes, [s.index])), None)
        return (line.line, None, None) if line else (None, None, None)


NAMED = ("input", "state", "parameter")


def _behind(nodes: Sequence[Node], output: int, new_states: dict[str, int], also: Sequence[str]) -> set[str]:
    """The states that a node, or the states `also`, rest on in the course of the steps."""
    found, todo = set(also), [output, *(new_states[name] for name in also)]
    while todo:
        more = {nodes[i].value for i in needed(nodes, todo) if nodes[i].op == "state"} - found
        found |= more
        todo = [new_states[name] for name in sorted(more)]
    return found


def _order(draft: Graph) -> tuple[list[int], dict[int, int]]:
    """The nodes to keep in their new order, and old numbers -> new ones."""
    roots = [draft.output, *draft.new_states]
    used = needed(draft.nodes, roots)
    keep = set(used)
    leaves = {(n.op, n.value): n.index for n in draft.nodes if n.op in NAMED}
    first = [leaves[("input", n)] for n in draft.inputs if ("input", n) in leaves]
    first += [leaves[("state", n)] for n in draft.states if ("state", n) in leaves]
    first += [leaves[("parameter", n)] for n in draft.parameters if leaves.get(("parameter", n)) in keep]
    order = [*first, *(i for i in used if i not in set(first))]
    return order, {old: new for new, old in enumerate(order)}


def _counted(statements: list[Statement]) -> tuple[Statement, ...]:
    """Repeated names told apart by 1, 2, ... again."""
    counts: dict[str, int] = {}
    result = []
    for s in statements:
        counts[s.name] = counts.get(s.name, 0) + 1
        result.append(replace(s, count=counts[s.name]))
    return tuple(result)
