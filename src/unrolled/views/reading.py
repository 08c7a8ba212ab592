"""A step's equations as a picture reads them: formulas in the markup of `runs`, and which
terms of a sum share a box.
"""

from __future__ import annotations

import re
from html import escape

from ..graph.node import Graph, needed
from .expression import expression
from .names import Called, names_of, results_of, timeless, varies
from .symbols import markup_name

SMALL = "<SUP>{}</SUP>"
# The cell language's spelling -> a paper's.
SPELLED = (
    (" @ ", " "),
    (r" \* ", " ⊙ "),
    (" - ", " − "),
    (r"\*\*2", "²"),
    (r"\.T\b", SMALL.format("⊤")),
    (r"\[(\d+)\]", SMALL.format(r"(\1)")),
)
LONG = 4  # nodes, beyond which a value inside a box's formula is shown as (…)


class GraphReading:
    """One step, read: `step` is its number in print, "" for t."""

    def __init__(self, graph: Graph, step: str):
        self.graph, self.nodes, self.step = graph, graph.nodes, step
        self.names, self.moving = names_of(graph), varies(graph)
        self.results = {index: name for name, index in reversed(results_of(graph))}
        self.uses: dict[int, int] = {}
        for index in needed(graph.nodes, [graph.output, *graph.new_states]):
            for a in set(graph.nodes[index].args):
                self.uses[a] = self.uses.get(a, 0) + 1

    def markup(self, called: Called) -> str:
        """A name with this step's number for t."""
        return markup_name(timeless(called, self.graph), self.step or None)

    def formula(self, index: int) -> str:
        """Markup of how a node is made, weights in their colour."""
        shown = {i: self.leaf_markup(i) for i in self.names if i != index}
        shown.update({v: "(…)" for v in self.values(index) if v not in self.names and self._is_long(v)})
        text = escape(expression(self.nodes, index, {i: chr(0xE000 + i) for i in shown}))
        for written, printed in SPELLED:
            text = re.sub(written, printed, text)
        for i, markup in shown.items():
            text = text.replace(chr(0xE000 + i), markup)
        return text

    def _is_long(self, index: int) -> bool:
        return len(needed(self.nodes, [index])) > LONG

    def leaf_markup(self, index: int) -> str:
        """A named node by its name, a weight in its colour."""
        shown = self.markup(self.names[index])
        return f'<FONT COLOR="weight">{shown}</FONT>' if self.is_weight(index) else shown

    def is_weight(self, index: int) -> bool:
        """Whether a node is a parameter, or made of parameters alone."""
        return not self.moving[index] and any(
            self.nodes[i].op == "parameter" for i in needed(self.nodes, [index])
        )

    def formula_of(self, index: int) -> str:
        """A node by its name, or by how it is made."""
        return self.leaf_markup(index) if index in self.names else self.formula(index)

    def terms(self, index: int, sign: str = "+") -> list[tuple[int, str]]:
        """What a sum adds up, with signs; a part of it that has a name or another reader is one term."""
        node = self.nodes[index]
        found: list[tuple[int, str]] = []
        for k, a in enumerate(node.args):
            below = sign if k == 0 or node.op == "add" else "−" if sign == "+" else "+"
            alone = (
                self.uses.get(a, 0) == 1 and a not in self.names and a not in self.results and self.moving[a]
            )
            found += self.terms(a, below) if alone and self.nodes[a].op in ("add", "sub") else [(a, below)]
        return found

    def is_nothing(self, index: int) -> bool:
        """The + 0 that the first round of a loop leaves behind."""
        return self.nodes[index].op == "constant" and self.nodes[index].value == 0

    def is_affine(self, index: int) -> bool:
        """A product of weights with a value, or a weight, or a weight times a value: what a box may hold."""
        node = self.nodes[index]
        if not self.moving[index]:
            return True
        if index in self.names or index in self.results or self.uses.get(index, 0) > 1:
            return False
        if node.op == "product":
            return True
        if node.op == "mul":
            return any(
                not self.moving[a] and self.is_leaf_or_product(b) for a, b in (node.args, node.args[::-1])
            )
        return False

    def is_leaf_or_product(self, index: int) -> bool:
        node = self.nodes[index]
        alone = self.uses.get(index, 0) == 1 and index not in self.names
        return node.op in ("input", "state") or node.op == "product" and alone

    def has_product(self, index: int) -> bool:
        """Whether a term is a matrix product, or one scaled."""
        node = self.nodes[index]
        return (
            node.op == "product" or node.op == "mul" and any(self.nodes[a].op == "product" for a in node.args)
        )

    def term(self, index: int) -> str:
        """Markup of one term in a box."""
        text = self.formula_of(index)
        node = self.nodes[index]
        return (
            f"({text})"
            if not self.moving[index] and node.op in ("add", "sub") and index not in self.names
            else text
        )

    def values(self, index: int) -> list[int]:
        """What a term reads: the named or drawn values below its weights."""
        if not self.moving[index]:
            return []
        node = self.nodes[index]
        if node.op in ("product", "mul") and self.is_affine(index) or node.op == "product":
            inner = [a for a in node.args if self.moving[a]]
            return [
                v
                for a in inner
                for v in (self.values(a) if self.has_product(a) and self.is_leaf_or_product(a) else [a])
            ]
        return [index]

    def weights(self, index: int, own: bool = False) -> list[int]:
        """The weights that stand in a term's formula; a value with a name hides its
        own, unless it is made here.
        """
        if index in self.names and not own:
            return [index] if self.is_weight(index) else []
        found: list[int] = []
        for a in self.nodes[index].args:
            if not self.moving[a] or self.nodes[a].op == "product":
                found += [w for w in self.weights(a) if w not in found]
        return found
