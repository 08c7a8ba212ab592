"""A graph as boxes and arrows: what a picture of a cell shows, without saying how it is laid out.

Rolled up, the matrix products of a sum and what is added to them share one box, as a paper writes a gate's
argument; in parts, each primitive has its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from ..graph.node import Graph, Node
from ..ops import OPS
from .expression import constant
from .idioms import idiom
from .names import OUTPUT, Called, results_of
from .printer import NOTHING_TO
from .reading import GraphReading

GLYPHS = {
    "add": "+",
    "sub": "−",
    "mul": "⊙",
    "div": "÷",
    "product": "×",
    "less": "&lt;",
    "equal": "=",
    "sigmoid": "σ",
    "maximum": "max",
    "minimum": "min",
    "where": "if",
    "sum": "Σ",
    "largest": "max",
    "concat": "[ , ]",
    "abs": "| |",
    "sqrt": "√",
    "floor": "⌊ ⌋",
    "neg": "−",
    "size": "dim",
    "step": "&gt; 0",
    "layer_norm": "LN",
    "held": "hold",
}
KINDS = {
    "add": "add",
    "sub": "add",
    "mul": "mul",
    "div": "mul",
    "product": "product",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "where": "choice",
    "maximum": "choice",
    "minimum": "choice",
    "less": "choice",
    "equal": "choice",
    "step": "choice",
    "sum": "over",
    "largest": "over",
    "mean": "over",
    "norm": "over",
    "softmax": "over",
    "layer_norm": "over",
    "cumsum": "over",
    "size": "over",
    "with a number": "number",
}
# What an argument is to its node, where the order matters.
NOTES = {"sub": ("", "−"), "div": ("", "÷"), "where": ("if", "then", "else"), "less": ("", "than")}


@dataclass(frozen=True)
class DiagramPart:
    """One node of a picture. `kind` gives shape and colour, `label` and `name` (the
    author's) are markup, see `runs`.

    weights  markup of the parameters that stand in it
    made     whether it is a value that the step leaves behind
    """

    key: str
    kind: str
    label: str
    name: str = ""
    step: int = 0
    weights: tuple[str, ...] = ()
    made: bool = False


@dataclass(frozen=True)
class Arrow:
    """An arrow from part to part; `note` stands at its end."""

    source: str
    target: str
    note: str = ""


@dataclass
class Diagram:
    """Parts and wires in the order in which they are made, each once."""

    parts: dict[str, DiagramPart] = field(default_factory=dict)
    wires: dict[Arrow, None] = field(default_factory=dict)

    def add(self, part: DiagramPart, sources: Iterable[tuple[str, str]] = ()) -> str:
        self.parts.setdefault(part.key, part)
        for source, note in sources:
            self.wires.setdefault(Arrow(source, part.key, note))
        return part.key


def diagram(graph: Graph, *, steps: int = 1, parts: bool = False) -> Diagram:
    """The picture of `steps` steps: the states that one leaves behind are those that the next one finds."""
    made = Diagram()
    carried: dict[str, str] = {}
    for step in range(1, steps + 1):
        drawn = _DrawnStep(graph, made, "" if steps == 1 else str(step), carried, parts)
        keys = [drawn.result(name, index) for name, index in results_of(graph)]
        carried = dict(zip(graph.states, keys[len(keys) - len(graph.states) :]))
    return made


class _DrawnStep:
    """One step while it is drawn."""

    def __init__(self, graph: Graph, made: Diagram, step: str, carried: dict[str, str], parts: bool):
        self.read, self.nodes, self.made, self.parts, self.carried = (
            GraphReading(graph, step),
            graph.nodes,
            made,
            parts,
            carried,
        )
        self.keys: dict[int, str] = {}

    # --- keys and labels

    def key(self, index: int) -> str:
        """All steps share what is not a value of a step: weights and numbers."""
        return f"s{self.read.step}n{index}" if self.read.moving[index] else f"n{index}"

    def number(self) -> int:
        return int(self.read.step or 0)

    def name(self, index: int) -> str:
        """The author's name, unless the value is about to appear in a node of its own."""
        names = self.read.names
        return self.read.markup(names[index]) if index in names and index not in self.read.results else ""

    # --- nodes

    def result(self, name: Called, index: int) -> str:
        """The node of a value that leaves the step."""
        key = f"s{self.read.step}result{results_of(self.read.graph).index((name, index))}"
        source = self.draw(index, plain=True)
        own = name == OUTPUT and index not in self.read.graph.new_states  # the author's name of the output
        label = self.read.markup(self.read.names.get(index, name) if own else name)
        return self.made.add(DiagramPart(key, "state", label, step=self.number(), made=True), [(source, "")])

    def draw(self, index: int, plain: bool = False) -> str:
        """The key of a node's part, drawn now if it is not yet. Of a new state its own node
        stands for it, unless `plain`.
        """
        if index in self.read.results and not plain:
            return self.result(self.read.results[index], index)
        if index not in self.keys:
            self.keys[index] = self._drawn(index)
        return self.keys[index]

    def _drawn(self, index: int) -> str:
        node = self.nodes[index]
        if node.op == "state" and node.value in self.carried:
            return self.carried[node.value]
        if node.is_leaf or not self.read.moving[index]:
            return self._leaf(index, node)
        if node.op == "alias":
            return self.draw(node.args[0])
        named = idiom(self.nodes, index)
        if named:
            return self._part(index, named[0], [named[1]])
        if node.op in ("add", "sub") and not self.parts:
            return self._sum(index)
        if node.op == "product" and not self.parts:
            return self._box(index, [(index, "+")])
        return self._operation(index, node)

    def _leaf(self, index: int, node: Node) -> str:
        kind = (
            node.op
            if node.op in ("input", "state")
            else "parameter"
            if self.read.is_weight(index)
            else "constant"
        )
        if index in self.read.names:
            label = self.read.leaf_markup(index)
        else:
            label = constant(node.value) if node.op == "constant" else self.read.formula(index)
        moving = self.read.moving[index]
        before = node.op == "state" or not moving
        return self.made.add(
            DiagramPart(
                self.key(index),
                kind,
                label,
                step=0 if before else self.number(),
                weights=(label,) if kind == "parameter" else (),
            )
        )

    def _part(self, index: int, op: str, args: Iterable[int], label: str = "") -> str:
        notes = NOTES.get(op, ())
        sources = [(self.draw(a), notes[k] if k < len(notes) else "") for k, a in enumerate(args)]
        return self.made.add(
            DiagramPart(
                self.key(index),
                KINDS.get(op, "function"),
                label or GLYPHS.get(op, escape(op)),
                self.name(index),
                self.number(),
            ),
            sources,
        )

    def _operation(self, index: int, node: Node) -> str:
        """A primitive; one of its arguments, if it is a number, stands in the node."""
        if node.op == "mul" and node.args[0] == node.args[1]:
            return self._part(index, "square", node.args[:1], "( )²")
        for this, other in (node.args, node.args[::-1]) if node.op in NOTHING_TO else ():
            found = self.nodes[this]
            if found.op == "constant" and found.value == NOTHING_TO[node.op] and index not in self.read.names:
                return self.draw(other)
        if node.op in ("less", "equal") and all(a in self.read.names for a in node.args):
            # It says itself what is what.
            return self._part(index, node.op, node.args, self.read.formula(index))
        row = OPS[node.op]
        fixed = [k for k, a in enumerate(node.args) if not self.read.moving[a] and not self.read.is_weight(a)]
        if len(node.args) == 2 and len(fixed) == 1 and row.text[:4] == "{0} ":
            k = fixed[0]
            number, sign = self._number(node.args[k]), GLYPHS[node.op].replace("⊙", "×")
            label = f"{number} {sign}" if k == 0 else f"{sign} {number}"
            return self._part(index, "with a number", [node.args[1 - k]], label)
        return self._part(index, node.op, node.args)

    def _number(self, index: int) -> str:
        node = self.nodes[index]
        return constant(node.value).replace("-", "−") if node.op == "constant" else self.read.formula_of(index)

    # --- sums

    def _sum(self, index: int) -> str:
        terms = [t for t in self.read.terms(index) if not self.read.is_nothing(t[0])]
        boxed = [t for t in terms if self.read.is_affine(t[0])]
        if not any(self.read.moving[i] and self.read.has_product(i) for i, _ in boxed):
            return self._operation(index, self.nodes[index])
        others = [t for t in terms if t not in boxed]
        if not others:
            return self._box(index, boxed)
        sources = [
            (self._box(index, boxed, "box"), ""),
            *((self.draw(i), "−" if s == "−" else "") for i, s in others),
        ]
        return self.made.add(DiagramPart(self.key(index), "add", "+", self.name(index), self.number()), sources)

    def _box(self, index: int, terms: list[tuple[int, str]], suffix: str = "") -> str:
        """One box for products of weights and what is added to them."""
        lines, sources, weights = [], [], []
        for k, (term, sign) in enumerate(terms):
            own = term == index  # made here, whatever it is called
            said = self.read.formula(term) if own else self.read.term(term)
            lines.append((f" {sign} " if k else "−" if sign == "−" else "") + said)
            sources += [(self.draw(v), "") for v in self.read.values(term)]
            weights += [self.read.leaf_markup(w) for w in self.read.weights(term, own)]
        name = "" if suffix else self.name(index)
        box = DiagramPart(
            self.key(index) + suffix, "product", "".join(lines), name, self.number(), tuple(weights)
        )
        return self.made.add(box, sources)
