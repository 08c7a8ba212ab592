"""A cell's account: its arrays with shapes, numbers, bytes and first values; a
step's arithmetic; its papers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from textwrap import wrap

from ..errors import UsageError
from ..graph.builder import Builder
from ..graph.gradient import differentiate
from ..graph.node import Dim, Graph, needed, size
from ..ops import OPS
from .columns import columns, printable, shape_text
from .count import USUAL, count, widths_at
from .equations import initial
from .expression import constant
from .names import varies

HEAD = ("", "name", "shape", "here", "numbers", "bytes", "first value")
ROLES = (("input", "inputs"), ("state", "states"), ("parameter", "parameters"))


def account(
    name: str,
    graph: Graph,
    *,
    doc: str,
    sizes: Mapping[Dim, int],
    init: Mapping[str, float | str],
    fixed: Sequence[str],
    start: Mapping[str, float],
    bibtex: str,
    masks: Sequence[str] = (),
) -> str:
    """The account as text.

    sizes   letters of widths and their numbers, {"I": 28, "H": 64}; others are what the cell says, else 128
    masks   inputs and parameters that a layer draws, which belong to nobody's account

    Raises UsageError for a letter that the cell does not have and a number below 1. FLOPs are of one row in one
    step, 2 for each multiply-add, functions by the table of primitives; bytes are those of float32.
    """
    known = {*graph.dims, "I", "H"}
    for letter, number in sizes.items():
        if letter not in known or not isinstance(number, int) or number < 1:
            raise UsageError(
                f"{name}.listing({{{letter!r}: {number!r}}}): widths of {name} are "
                f"{', '.join(sorted(known))}, whole numbers from 1 on."
            )
    widths = widths_at(graph, sizes, USUAL)
    shown = replace(
        graph,
        inputs=tuple(n for n in graph.inputs if n not in masks),
        parameters=tuple(n for n in graph.parameters if n not in masks),
    )
    at = ", ".join(f"{letter} = {number}" for letter, number in widths.items())
    title = wrap(f"{name}: {doc.splitlines()[0]}" if doc else name, 110)
    lines = [*title, "", f"at {at}", "", *_arrays(shown, widths, init, fixed, start), "", *_work(shown, widths)]
    text = "\n".join(printable(line) for line in lines)
    return f"{text}\n\n{bibtex}" if bibtex else text


def _arrays(graph: Graph, widths, init, fixed, start) -> list[str]:
    rows = [HEAD]
    for kind, many in ROLES:
        names = getattr(graph, many)
        for k, name in enumerate(names):
            shape = graph.shape(kind, name)
            numbers = [size(dim, widths) for dim in shape]
            first = (
                ""
                if kind == "input"
                else constant(start.get(name, 0.0))
                if kind == "state"
                else f"{initial(init.get(name))}{', not trained' if name in fixed else ''}"
            )
            rows.append(
                (
                    many if k == 0 else "",
                    name,
                    shape_text(shape),
                    " x ".join(map(str, numbers)),
                    f"{prod(numbers):,}",
                    f"{4 * prod(numbers):,}",
                    first,
                )
            )
    return columns(rows, right=(4, 5))


def _work(graph: Graph, widths: dict[Dim, int]) -> list[str]:
    found = count(graph, widths)
    back = backward_flops(graph, widths)
    said = (
        "by automatic differentiation, not counted"
        if back is None
        else f"{back:,} FLOPs a row and step, gradients of weights included"
    )
    trained = (
        f"{found.parameters:,} parameters, {found.bytes:,} bytes; {found.state_bytes:,} bytes of state for"
        " each row"
    )
    rows = [
        ("in all", trained),
        ("forward", f"{found.flops:,} FLOPs a row and step, {found.products:,} of them in matrix products"),
        ("backward", said),
    ]
    return columns(rows, gap="   ")


def backward_flops(graph: Graph, widths: Mapping[Dim, int]) -> int | None:
    """Arithmetic of one row in one step of backpropagation through time: what `graph.gradient` adds to the
    step, and for each weight matrix an outer product. None where a primitive's gradient is left to torch."""
    moving = varies(graph)  # what is made of parameters alone is differentiated once a call
    used = needed(graph.nodes, [graph.output, *graph.new_states])
    if any(moving[i] and graph.nodes[i].args and OPS[graph.nodes[i].op].gradient is None for i in used):
        return None
    builder = Builder(list(graph.nodes))
    roots = dict.fromkeys((graph.output, *graph.new_states))
    seeds = [
        (index, builder.leaf("input", f"gradient {index}", graph.nodes[index].shape).index) for index in roots
    ]
    leaves = [
        n.index
        for n in graph.nodes
        if n.op in ("input", "state") or not moving[n.index] and n.op not in ("constant", "hyper", "width")
    ]
    backward = differentiate(builder, seeds, leaves)
    nodes, sizes = builder.nodes, dict(widths)
    made = needed(nodes, [*backward.of.values(), *(outer.gradient for outer in backward.outers)])
    flops = 0
    for index in made:
        node = nodes[index]
        if index < len(graph.nodes) or not node.args:
            continue
        products = {"products_t": node.args[::2], "product": node.args[:1], "product_t": node.args[:1]}.get(
            node.op
        )
        flops += (
            OPS[node.op].flops * _numbers(node.shape, sizes)
            if products is None
            else sum(2 * _numbers(nodes[matrix].shape, sizes) for matrix in products)
        )
    return flops + sum(2 * _numbers(nodes[outer.matrix].shape, sizes) for outer in backward.outers)


def _numbers(shape, sizes: dict[Dim, int]) -> int:
    return prod(size(dim, sizes) for dim in shape or ())
