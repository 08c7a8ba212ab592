"""A cell's equations as text, in the order in which the author wrote them, and what a
reader wants to know besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from textwrap import wrap
from types import MappingProxyType

from ..graph.node import Dim, Graph, Statement, needed
from .columns import columns, paragraphs, printable, shape_text
from .count import USUAL, count, widths_at
from .expression import constant
from .idioms import idioms, right_side
from .names import OUTPUT, names_of, results_of, timeless

TORCH_DRAW = "uniform, +-1/sqrt(H)"
MEANING = {
    "phase": "exp(uniform, 0 to log 1000)",
    "shift": "uniform, 0 to the period",
    "zeros": "0",
    "ones": "1",
}


def equations(graph: Graph) -> list[str]:
    """One line per line of the author's, with his names and comments.

    i[t] = sigmoid(W_i @ x[t] + U_i @ h[t-1] + b_i)      # input gate
    """
    names = {i: str(timeless(c, graph)) for i, c in names_of(graph).items()}
    forms = idioms(graph.nodes, names)
    used = frozenset(needed(graph.nodes, [graph.output, *graph.new_states]))
    rows = [_row(graph, s, names, forms) for s in graph.statements if s.index in used]
    for called, index in results_of(graph):
        said, name = names.get(index), str(timeless(called, graph))
        if said is None or (said != name and called != OUTPUT):
            rows.append(
                [
                    f"{name} = {said or right_side(graph.nodes, index, names, forms)}",
                    "# output" if called == OUTPUT else "# new state",
                ]
            )
    return [printable(line) for line in columns(rows, gap="      ")]


def _row(graph: Graph, statement: Statement, names: Mapping[int, str], forms: Mapping[int, str]) -> list[str]:
    left = f"{names[statement.index]} = {right_side(graph.nodes, statement.index, names, forms)}"
    return [left, f"# {statement.comment}"] if statement.comment else [left]


def parameter_table(graph: Graph, init: Mapping[str, float | str], fixed: Sequence[str]) -> list[str]:
    """Parameters of one shape and one beginning share a line: names, shape, trained or fixed, initial value."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for name in graph.parameters:
        shape = graph.shape("parameter", name)
        key = (shape_text(shape), "fixed" if name in fixed else "trained", initial(init.get(name)))
        groups.setdefault(key, []).append(name)
    return columns([" ".join(names), *key] for key, names in groups.items())


def initial(value: float | str | Callable | None) -> str:
    """A parameter's first value in words."""
    if value is None:
        return TORCH_DRAW
    if callable(value):
        return f"{getattr(value, '__name__', type(value).__name__)}(...)"
    return MEANING.get(value, value) if isinstance(value, str) else constant(value)


def card(
    name: str,
    graph: Graph,
    *,
    doc: str,
    papers: Sequence[str],
    hyper: Mapping[str, object],
    init: Mapping[str, float | str],
    fixed: Sequence[str],
    start: Mapping[str, float],
    widths: Mapping[Dim, int],
    masks: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Everything about a cell on one page: its sentence, its equations, then what they rest on.

    The arguments are a Cell's fields, its papers as full citations, and what its masks are;
    `print(cell)` is this text.
    """
    if masks:
        graph = replace(
            graph,
            inputs=tuple(n for n in graph.inputs if n not in masks),
            parameters=tuple(n for n in graph.parameters if n not in masks),
        )
    facts = [
        ("input" if len(graph.inputs) == 1 else "inputs", _leaves(graph, "input", graph.inputs, {})),
        ("states", _leaves(graph, "state", graph.states, start) or "none"),
        ("output", _output(graph)),
    ]
    facts += [("" if k else "masks", f"{name}: {what}") for k, (name, what) in enumerate(masks.items())]
    if hyper:
        facts.append(("settings", ", ".join(f"{k} = {v!r}" for k, v in hyper.items())))
    facts += [
        ("parameters" if k == 0 else "", line) for k, line in enumerate(parameter_table(graph, init, fixed))
    ]
    facts.append(("counts", _counts(graph, widths)))
    facts += [
        ("" if k else "paper" if len(papers) == 1 else "papers", line)
        for k, line in enumerate(_wrapped(papers))
    ]
    said = paragraphs(doc)
    facts += [("" if k else "note", line) for k, line in enumerate(_wrapped(said[1:]))]
    title = f"{name}: {said[0]}" if said else name
    body = ["    " + line for line in equations(graph)]
    lines = [*wrap(title, 110), "", *body, "", *columns(facts, gap="   ")]
    return "\n".join(printable(line) for line in lines)


def _wrapped(texts: Sequence[str]) -> list[str]:
    return [
        line
        for text in texts
        for line in wrap(text, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    ]


def _leaves(graph: Graph, kind: str, names: Sequence[str], start: Mapping[str, float]) -> str:
    return ", ".join(
        f"{n} {shape_text(graph.shape(kind, n))}{f', at first {constant(start[n])}' if n in start else ''}"
        for n in names
    )


def _output(graph: Graph) -> str:
    name, index = results_of(graph)[0]
    said = names_of(graph).get(index, name) if name == OUTPUT else name
    return f"{timeless(said, graph)} {shape_text(graph.nodes[index].shape)}"


def _counts(graph: Graph, widths: Mapping[Dim, int]) -> str:
    sizes = widths_at(graph, widths, USUAL)
    found = count(graph, sizes)
    at = " = ".join([letter for letter, n in sizes.items() if n == USUAL]) + f" = {USUAL}"
    others = "".join(f", {letter} = {n}" for letter, n in sizes.items() if n != USUAL)
    return (
        f"{found.parameters:,} parameters ({found.bytes / 1024:,.0f} KiB in float32), "
        f"{found.flops:,} operations per step and row, at {at}{others}"
    )
