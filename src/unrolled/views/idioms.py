"""Forms that have a name of their own: softmax, the Euclidean norm, the mean, a layer norm.

The cell language writes them out in primitives; a reader wants the name. Each pattern is what its own function
in `ops` makes, so it cannot drift from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from .. import ops
from ..graph.builder import Builder
from ..graph.node import Node
from .expression import expression

# The wider forms first: a layer norm holds means.
FORMS = {"layer_norm": ops.layer_norm, "softmax": ops.softmax, "norm": ops.norm, "mean": ops.mean}


def idiom(nodes: Sequence[Node], index: int) -> tuple[str, int] | None:
    """(name, argument's node) if node `index` is one of FORMS written out, else None."""
    for name, pattern, root in _patterns():
        bound: dict[int, int] = {}
        if nodes[index].op == pattern[root].op and _fits(nodes, index, pattern, root, bound):
            return name, bound[0]
    return None


def idioms(nodes: Sequence[Node], names: Mapping[int, str]) -> dict[int, str]:
    """Node -> softmax(v), norm(v), ... in the cell language, for every node that is one of FORMS."""
    found: dict[int, str] = {}
    for node in nodes:
        if form := idiom(nodes, node.index):
            name, argument = form
            known = {**found, **names}
            found[node.index] = f"{name}({known.get(argument) or expression(nodes, argument, known)})"
    return found


def right_side(nodes: Sequence[Node], index: int, names: Mapping[int, str], forms: Mapping[int, str]) -> str:
    """How node `index` is made of named ones, `forms` being what `idioms` found."""
    return forms.get(index) or expression(nodes, index, {**forms, **names})


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, tuple[Node, ...], int], ...]:
    made = []
    for name, form in FORMS.items():
        builder = Builder()
        root = form(builder.leaf("input", "v"))
        made.append((name, tuple(builder.nodes), root.index))
    return tuple(made)


def _fits(nodes: Sequence[Node], index: int, pattern: Sequence[Node], at: int, bound: dict[int, int]) -> bool:
    wanted, found = pattern[at], nodes[index]
    if wanted.op == "input":
        return bound.setdefault(at, index) == index
    if wanted.op == "size" and found.op in ("width", "constant"):  # the width, once it is known
        width = f"{found.value:g}" if found.op == "constant" else found.value
        return nodes[bound[0]].shape == (width,)
    return (
        found.op == wanted.op
        and found.value == wanted.value
        and len(found.args) == len(wanted.args)
        and all(_fits(nodes, a, pattern, b, bound) for a, b in zip(found.args, wanted.args))
    )
