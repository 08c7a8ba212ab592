"""What the values of a loop's body are called in print, forward and backward.

Forward values keep the author's names. A gradient is called after what it is the gradient of: dc[t] of c[t],
delta_i[t] of what stands inside the line that made i[t]. What has no such place is called v1[t], v2[t], ...
"""

from __future__ import annotations

import re

from ...graph.builder import Builder, same_value
from ...graph.gradient import differentiate
from ...graph.node import needed
from ...ops import OPS
from ...plan.body import Body
from ...plan.keep import kept_values
from ..expression import expression, precedence_of
from ..names import Called, leaf_name, names_of, results_of
from ..printer import ATOM

Names = dict[int, str]


def gradient_of(text: str) -> str:
    """dW, dU[0] and dx[t], but d(W - W.T): the name of the gradient of what is called `text`."""
    return f"d{text}" if re.fullmatch(r"\w+(\(\d+\))?(\[[^\[\]]*\])*", text) else f"d({text})"


def bracketed(text: str) -> str:
    """Text that may be an expression, fit to stand inside a larger one."""
    return text if precedence_of(text) == ATOM else f"({text})"


def outer_text(body: Body, index: int) -> str:
    """A node of the graph before the cut: W_i, W_i @ x[t], U_h[0]."""
    leaves = {n.index: str(leaf_name(n)) for n in body.outer if n.is_leaf and n.op != "constant"}
    return expression(body.outer, index, leaves) if index not in leaves else leaves[index]


def forward_names(body: Body) -> Names:
    """Leaves of the body and what the author named."""
    names: Names = {}
    for node in body.nodes[: body.forward_count]:
        if node.op == "weight" or (node.op == "stream" and isinstance(node.value, int)):
            names[node.index] = outer_text(body, node.value)
    said = names_of(body.graph)
    for index, made in body.made:
        if index in said:
            names.setdefault(made, str(said[index]))
    for (name, _), made in zip(
        results_of(body.graph)[-len(body.states) :], body.new_states if body.states else ()
    ):
        names.setdefault(made, str(name))
    return names


def all_names(body: Body) -> Names:
    """Names of every value that is named in print; other values are shown as what they are made of."""
    names = forward_names(body)
    for index in unnamed_kept(body, names):
        names[index] = _new_name(names)
    totals = _totals(body)
    for name, carry, new in zip(body.graph.states, body.carries, body.new_states):
        names[carry] = f"d{name}[t]" if totals.get(new, carry) == carry else f"d{name}_later[t]"
    if body.above is not None:
        names[body.above] = f"d{results_of(body.graph)[0][0]}"
    for name, new, carry in zip(body.graph.states, body.new_states, body.carries):
        if totals.get(new, carry) != carry:
            names.setdefault(totals[new], f"d{name}[t]")
    _name_deltas(body, names)
    _name_shared(body, names, totals)
    return names


def unnamed_kept(body: Body, names: Names) -> list[int]:
    """Costly forward values that the backward pass is handed and the author gave no name."""
    return [i for i in kept_values(body) if i not in names and OPS[body.nodes[i].op].costly]


def _totals(body: Body) -> dict[int, int]:
    """Named forward value -> the node of the body that is its whole gradient, where there is one.

    Differentiating once more by that value alone makes the same nodes, and equal nodes are one.
    """
    seeds = [*zip(body.new_states, body.carries), *([] if body.above is None else [(body.output, body.above)])]
    known = {same_value(n.op, n.args, n.value, n.shape): n.index for n in body.nodes if n.op != "alias"}
    found = {}
    for index in sorted(forward_names(body)):
        builder = Builder(list(body.nodes), dict(known))
        if body.nodes[index].args:
            gradient = differentiate(builder, seeds, [index]).of.get(index)
            if gradient is not None and gradient < len(body.nodes):
                found[index] = gradient
    return found


def _name_deltas(body: Body, names: Names) -> None:
    """Gradients of products, hoisted or not: after the line in which they stand."""
    owner = _owners(body, names)
    places = [(body.backward.of[leaf], leaf) for h in body.hoisted for leaf in h.streams]
    places += [
        (o.gradient, n.index)
        for o in body.backward.outers
        for n in body.nodes[: body.forward_count]
        if n.op == "product" and n.args == (o.matrix, o.operand)
    ]
    taken: dict[str, int] = {}
    for gradient, value in places:
        if gradient in names or body.nodes[gradient].op == "constant" or value not in owner:
            continue
        line = owner[value]
        taken[line] = taken.get(line, 0) + 1
        called = Called.read(line)
        names[gradient] = f"delta_{called.name}{chr(39) * (taken[line] - 1)}{'[t]' if called.time else ''}"


def _owners(body: Body, names: Names) -> Names:
    """Each forward value -> the name of the first line that uses it."""
    owner: Names = {}
    for index in range(body.forward_count):
        if index in names and body.nodes[index].args:
            todo = list(body.nodes[index].args)
            while todo:
                value = todo.pop()
                owner.setdefault(value, names[index])
                if value not in names:
                    todo.extend(body.nodes[value].args)
    return owner


def _name_shared(body: Body, names: Names, totals: dict[int, int]) -> None:
    """Gradients that are used more than once get a name, so that they are shown once."""
    of_value = {gradient: value for value, gradient in reversed(totals.items())}
    roots = [*body.backward.of.values(), *(o.gradient for o in body.backward.outers)]
    uses = {body.backward.of[leaf]: 1 for leaf in body.states}
    for index in needed(body.nodes, roots):
        for a in body.nodes[index].args:
            uses[a] = uses.get(a, 0) + 1
    for index in range(body.forward_count, len(body.nodes)):
        if uses.get(index, 0) > 1 and index not in names and body.nodes[index].args:
            names[index] = f"d{names[of_value[index]]}" if index in of_value else _new_name(names)


def _new_name(names: Names) -> str:
    """The first of v1[t], v2[t], ... that means nothing yet."""
    taken, k = set(names.values()), 1
    while f"v{k}[t]" in taken:
        k += 1
    return f"v{k}[t]"


__all__ = ["all_names", "bracketed", "forward_names", "gradient_of", "outer_text", "unnamed_kept"]
