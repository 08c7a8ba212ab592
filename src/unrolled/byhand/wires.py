"""What a picture of single numbers shows: values forward, and along each edge what it carries back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..graph.builder import Builder
from ..graph.gradient import differentiate
from ..graph.node import Node, needed
from ..ops import apply_op
from .formula import result
from .label import Label
from .scalars import PARTS

if TYPE_CHECKING:
    from .worked import Worked

MOST_NUMBERS = 250


@dataclass(frozen=True)
class Wires:
    """Single numbers with their values, how they are made, and what each edge carries back.

    back    (user, number) -> the part of the number's gradient that comes along this edge
    slopes  what is made of one number alone -> its derivative with respect to it
    """

    nodes: Sequence[Node]
    values: Sequence[float]
    labels: Mapping[int, Label]
    kinds: Mapping[int, str]
    root: int
    gradients: Mapping[int, float]
    back: Mapping[tuple[int, int], float]
    slopes: Mapping[int, float]


def wires_of(
    worked: Worked,
    *,
    of: str | None = None,
    row: int = 1,
    leaves: tuple[str, ...] = (),
    opened: tuple[str, ...] = (),
) -> Wires:
    """The numbers that a picture shows. Raises UsageError for unknown names, and for too many numbers."""
    program = worked.chains.program
    root = _root(worked, of, row)
    known = {label.name for label in program.labels.values()}
    wrong = next((n for n in leaves if n not in known), None)
    if wrong is not None:
        raise UsageError(f"leaves: no number is called {wrong!r}. There are {', '.join(sorted(known))}.")
    ends = {i for i, label in program.labels.items() if label.name in leaves and i != root}
    builder, moved = Builder(), {}
    labels, kinds, given = {}, {}, {}
    values = worked.chains.values
    which = _openable(worked, opened)
    for index in needed(program.nodes, [root], ends):
        node = program.nodes[index]
        if index in ends or (node.is_leaf and node.op != "constant"):
            moved[index] = builder.leaf("input", str(index), ())
            given[moved[index].index] = values[index]
        elif node.op == "constant":
            moved[index] = builder.symbol(node.value)
        elif index in which:
            moved[index] = PARTS[node.op](*(moved[a] for a in node.args))
        else:
            moved[index] = builder.add(node.op, [moved[a].index for a in node.args], None, ())
        if index in program.labels:
            labels[moved[index].index] = program.labels[index]
            kinds[moved[index].index] = "value" if index in ends else program.kinds[index]
    if len(builder.nodes) > MOST_NUMBERS:
        raise UsageError(
            f"{len(builder.nodes)} numbers are too many for one picture, of which {MOST_NUMBERS} is the most."
            " Take one of the numbers, of='...', or end it earlier, leaves=('...',)."
        )
    return _backward(builder.nodes, moved[root].index, given, labels, kinds)


def _root(worked: Worked, of: str | None, row: int) -> int:
    if of is not None:
        return worked[of if worked.recurrent else (of, row)].index  # a step is in the name
    if not worked.losses:
        return worked[str(worked.chains.program.labels[worked.chains.program.outputs[row].cells[0]]), row].index
    if row not in worked.chains.program.losses:
        raise UsageError(
            f"row={row}: there is no loss in it. Rows with one: {', '.join(map(str, worked.losses))}."
        )
    return worked.chains.program.losses[row]


def _openable(worked: Worked, opened: tuple[str, ...]) -> set[int]:
    """The numbers that are shown in their parts: of these primitives, or of these names."""
    nodes, labels = worked.chains.program.nodes, worked.chains.program.labels
    found = set()
    for name in opened:
        hits = {n.index for n in nodes if n.op == name or str(labels.get(n.index)) == name}
        if name not in PARTS and not any(nodes[i].op in PARTS for i in hits):
            raise UsageError(
                f"opened: {name!r} has no parts to show. Choose among {', '.join(PARTS)}, or the name of a"
                " number made by one of them, such as a2[1]."
            )
        found |= {i for i in hits if nodes[i].op in PARTS}
    return found


def _backward(nodes: list[Node], root: int, given: Mapping[int, float], labels, kinds) -> Wires:
    """Every edge's share, by the primitives' own rules."""
    values: list[float] = []
    for node in nodes:
        values.append(given[node.index] if node.index in given else _worked(node, values))
    gradients, back, slopes = {root: 1.0}, {}, {}
    for index in reversed(needed(nodes, [root])):
        node = nodes[index]
        if node.is_leaf or index not in gradients:
            continue
        local = _local(node, values)
        inner = [k for k, a in enumerate(node.args) if nodes[a].op != "constant"]
        if len({node.args[k] for k in inner}) == 1:
            slopes[index] = sum(local[k] for k in inner)
        for a, slope in zip(node.args, local):
            share = gradients[index] * slope
            back[index, a] = back.get((index, a), 0.0) + share
            gradients[a] = gradients.get(a, 0.0) + share
    return Wires(nodes, values, labels, kinds, root, gradients, back, slopes)


def _worked(node: Node, values) -> float:
    """A number of the picture. Raises UsageError where it has no finite value, as e^765 has
    none in an opened sigmoid.
    """
    try:
        return result(node, values)
    except (ArithmeticError, ValueError):
        arguments = ", ".join(f"{values[a]:g}" for a in node.args)
        raise UsageError(
            f"{node.op}({arguments}) has no finite value, so that this picture cannot be drawn. Leave what it"
            " is part of closed, or give it other numbers."
        ) from None


def _local(node: Node, values: Sequence[float]) -> list[float]:
    """d node / d argument, for each argument by itself."""
    builder = Builder()
    args = [builder.leaf("input", str(k), ()) for k in range(len(node.args))]
    made = apply_op(node.op, *args)
    found = differentiate(builder, [(made.index, builder.symbol(1.0).index)], [a.index for a in args])
    known: dict[int, float] = {a.index: values[i] for a, i in zip(args, node.args)}
    for inner in builder.nodes:
        if inner.index not in known:
            known[inner.index] = _worked(inner, known)
    return [known[found.of[a.index]] if a.index in found.of else 0.0 for a in args]
