"""What stays in the loop over time, and what leaves it.

A cell's graph is cut in three: expressions of parameters alone (evaluated once per call), products of
parameters with the input (one product over time x batch before the loop), and the body: everything that waits
for a state. The body also holds its own backward equations.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import NotYet
from ..graph.builder import Builder
from ..graph.gradient import Backward, differentiate
from ..graph.node import Dim, Graph, Node, Shape
from ..graph.simplify import split_concatenations
from ..ops import Symbol


@dataclass(frozen=True)
class Hoisted:
    """Products with one operand that leave the loop: stream k holds `matrices[k] @ operand` for every step.

    `operand` and `matrices` are nodes of the outer graph; `streams` are leaves of the body.
    """

    operand: int
    matrices: tuple[int, ...]
    streams: tuple[int, ...]
    widths: tuple[str, ...]
    depth: str


@dataclass(frozen=True)
class Body:
    """One step of the loop. Leaves of `nodes`: "stream" (per step), "state", "weight" (outer graph's node),
    "hyper", "constant", "width", and for the backward equations "carry" (a new state's gradient from the
    future) and "above" (the output's gradient).
    """

    graph: Graph
    outer: tuple[Node, ...]  # the graph with concatenations split; parameter expressions live here
    nodes: tuple[Node, ...]
    hoisted: tuple[Hoisted, ...]
    streams: tuple[tuple[str, int], ...]  # inputs used as they are: (name, leaf)
    states: tuple[int, ...]
    new_states: tuple[int, ...]
    output: int
    weights: tuple[int, ...]  # leaves of kind "weight", matrices and vectors and numbers
    carries: tuple[int, ...]
    above: int | None  # None where the output is the first state
    made: tuple[tuple[int, int], ...]  # node of the graph -> node of the body, for those that stay in the loop
    forward_count: int  # nodes before this number are the forward equations
    backward: Backward

    @property
    def output_is_state(self) -> bool:
        return self.above is None


def body_of(graph: Graph) -> Body:
    """Cuts the graph and differentiates what stays in the loop."""
    outer, moved = split_concatenations(graph)
    cut = _Cut(outer)
    made = {root: cut.inside(root) for root in (moved[i] for i in (*graph.new_states, graph.output))}
    states = tuple(cut.state_leaf(graph, s) for s in graph.states)
    new_states = _distinct(cut.builder, tuple(made[moved[i]] for i in graph.new_states), states)
    is_state = bool(new_states) and graph.output == graph.new_states[0]
    output = new_states[0] if is_state else made[moved[graph.output]]
    forward_count = len(cut.builder.nodes)
    carries = tuple(
        cut.builder.leaf("carry", name, cut.builder.nodes[n].shape).index
        for name, n in zip(graph.states, new_states)
    )
    above = None if is_state else cut.builder.leaf("above", "y", cut.builder.nodes[output].shape).index
    hoisted = cut.hoisted_groups()
    backward = _backward(
        cut, states, hoisted, [*zip(new_states, carries), *([] if above is None else [(output, above)])]
    )
    return Body(
        graph,
        tuple(outer),
        tuple(cut.builder.nodes),
        hoisted,
        streams=tuple(cut.streams.items()),
        states=states,
        new_states=new_states,
        output=output,
        weights=cut.weight_leaves,
        carries=carries,
        above=above,
        made=tuple((i, cut.made[moved[i]]) for i in range(len(graph.nodes)) if moved[i] in cut.made),
        forward_count=forward_count,
        backward=backward,
    )


def _backward(
    cut: _Cut, states: tuple[int, ...], hoisted: tuple[Hoisted, ...], seeds: list[tuple[int, int]]
) -> Backward:
    """Gradients of everything that the loop reads; a matrix's is an outer product after the loop."""
    wanted = [
        *states,
        *(s for h in hoisted for s in h.streams),
        *cut.streams.values(),
        *(w for w in cut.weight_leaves if len(cut.builder.nodes[w].shape) < 2),
    ]
    return _complete(cut.builder, differentiate(cut.builder, seeds, wanted), wanted)


def gradient_of(body: Body, matrix: int, operand: int) -> int:
    return next(o.gradient for o in body.backward.outers if o.matrix == matrix and o.operand == operand)


def width_of(body: Body, index: int) -> Dim:
    shape = body.nodes[index].shape
    return shape[0] if shape else "1"


def _complete(builder: Builder, backward: Backward, wanted: list[int]) -> Backward:
    """Zero for every leaf that no gradient reaches, so that each has one."""
    missing = [leaf for leaf in wanted if leaf not in backward.of]
    if not missing:
        return backward
    zero = builder.leaf("constant", 0.0, ()).index
    return Backward({**backward.of, **{leaf: zero for leaf in missing}}, backward.outers)


def _distinct(builder: Builder, new_states, states) -> tuple[int, ...]:
    """Each new state as a node of its own, none of them a leaf: a kernel writes each to its own place."""
    result: list[int] = []
    for index in new_states:
        if (
            index in result
            or builder.nodes[index].is_leaf
            or index in states
            or builder.nodes[index].op in _LEAVES
        ):
            index = builder.alias(Symbol(builder, index)).index
        result.append(index)
    return tuple(result)


_LEAVES = ("stream", "state", "weight", "hyper", "constant", "width", "carry", "above")


class _Cut:
    """Copies what the loop needs into a new builder, turning what leaves the loop into leaves."""

    def __init__(self, outer: list[Node]):
        self.outer, self.builder = outer, Builder()
        self.made: dict[int, int] = {}
        self.weights: dict[int, int] = {}  # outer node -> leaf
        self.streams: dict[str, int] = {}
        self.products: dict[int, list[tuple[int, int]]] = {}  # operand -> [(matrix, stream leaf)]
        self.kind: list[str] = []
        for node in outer:
            self.kind.append(self._kind(node))

    def _kind(self, node: Node) -> str:
        """Which of the three a node is: `fixed` over time, known from the `input`, or in the `loop`."""
        if node.is_leaf:
            return {"input": "input", "state": "loop", "parameter": "fixed"}.get(node.op, "number")
        kinds = {self.kind[a] for a in node.args}
        return next((k for k in ("loop", "input", "fixed") if k in kinds), "number")

    @property
    def weight_leaves(self) -> tuple[int, ...]:
        """In the order of the author's signature."""
        return tuple(leaf for _, leaf in sorted(self.weights.items()))

    def state_leaf(self, graph: Graph, name: str) -> int:
        node = next(n for n in self.outer if n.op == "state" and n.value == name)
        return self.inside(node.index)

    def inside(self, index: int) -> int:
        """The body's node for a node of the outer graph, made with all it rests on."""
        if index not in self.made:
            self.made[index] = self._make(self.outer[index])
        return self.made[index]

    def _make(self, node: Node) -> int:
        kind = self.kind[node.index]
        if kind == "fixed":
            if len(node.shape) > 2:
                raise NotYet("a stack of weights can only be used one layer at a time, W[k]")
            leaf = self.builder.leaf("weight", node.index, node.shape).index
            return self.weights.setdefault(node.index, leaf)
        if kind == "input" and node.op == "product":
            return self._hoist(node)
        if node.op == "input":
            return self.streams.setdefault(
                node.value, self.builder.leaf("stream", node.value, node.shape).index
            )
        if node.is_leaf:
            return self.builder.leaf(node.op, node.value, node.shape).index
        return self.builder.add(node.op, [self.inside(a) for a in node.args], node.value, node.shape).index

    def _hoist(self, node: Node) -> int:
        matrix, operand = node.args
        leaf = self.builder.leaf("stream", node.index, node.shape).index
        self.products.setdefault(operand, []).append((matrix, leaf))
        return leaf

    def hoisted_groups(self) -> tuple[Hoisted, ...]:
        groups = []
        for operand, pairs in self.products.items():
            pairs = sorted(pairs)  # the order of the author's signature
            shapes: list[Shape] = [self.outer[m].shape for m, _ in pairs]
            groups.append(
                Hoisted(
                    operand,
                    tuple(m for m, _ in pairs),
                    tuple(s for _, s in pairs),
                    tuple(s[0] for s in shapes),
                    shapes[0][1],
                )
            )
        return tuple(groups)
