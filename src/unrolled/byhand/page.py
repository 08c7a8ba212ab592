"""A worked net as a document: what is given, forward line by line, backward, one step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..graph.node import Graph
from ..views.columns import paragraphs
from ..views.idioms import idioms, right_side
from ..views.latex import latex
from ..views.names import names_of, results_of, timeless
from ..views.symbols import latex_name
from .backward_page import backward, terms_over_time, weights
from .document import Equations, Heading, Lines, Paragraph, Piece, Said, WorkedLine
from .matrices import in_brackets
from .numbers import shown, vector
from .tables import at_row, grids, name_of, number, said, side_by_side, slope, vectors

if TYPE_CHECKING:
    from .optimiser import DescentStep
    from .worked import Quantity, Worked


def page(worked: Worked, rows: tuple[int, ...] | None = None, every: bool = False) -> list[Piece]:
    """The document. `rows` are shown line by line, `every` weight with its chain; without
    them what fits a reader.
    """
    count = worked.given.rows
    if rows is not None and not isinstance(rows, (tuple, list, range)):
        raise UsageError(f"rows={rows!r} are not rows. Give a tuple such as (1, 3).")
    rows = (tuple(range(1, count + 1)) if worked.recurrent else (1,)) if rows is None else tuple(rows)
    wrong = next((r for r in rows if not isinstance(r, int) or not 1 <= r <= count), None)
    if wrong is not None:
        raise UsageError(f"rows={rows}: there is no row {wrong}; they go from 1 to {count}.")
    pieces = [*_head(worked), *_given(worked)]
    for row in rows:
        pieces += _forward(worked, row)
    if count > 1:
        pieces += [Heading(2, "All steps" if worked.recurrent else "All rows", "forward"), *_overview(worked)]
    if worked.loss is not None:
        pieces += _losses(worked)
        for row in reversed(rows):
            pieces += backward(worked, row, every)
        pieces += weights(worked, every)
        pieces += terms_over_time(worked, every)
        pieces += _step(worked)
    return pieces


def _head(worked: Worked) -> Iterable[Piece]:
    about = paragraphs(worked.cell.doc)
    yield Heading(1, f"{worked.cell.name} by hand" + (f": {about[0]}" if about else ""), "given")
    yield Equations(tuple(_equations(worked.cell.graph)), latex(worked.cell.graph))


def _equations(graph: Graph) -> list[str]:
    """The author's lines, softmax and the like by their names."""
    names = {i: str(timeless(c, graph)) for i, c in names_of(graph).items()}
    forms = idioms(graph.nodes, names)
    lines = [f"{names[s.index]} = {right_side(graph.nodes, s.index, names, forms)}" for s in graph.statements]
    return lines + [
        f"{timeless(called, graph)} = {names.get(i) or right_side(graph.nodes, i, names, forms)}"
        for called, i in results_of(graph)
        if names.get(i) != str(called) and (i not in names or called.name in graph.states)
    ]


def _given(worked: Worked) -> Iterable[Piece]:
    if worked.given.parameters:
        yield Heading(2, "Given", "given")
    for name, one in worked.given.parameters.items():
        yield from grids(name_of(name), name, one, worked)
    settings = [q for q in worked.quantities if q.kind == "setting"]
    if settings:
        yield Lines(tuple(WorkedLine(said(q.label), (number(q.value),)) for q in settings))


def _forward(worked: Worked, row: int) -> Iterable[Piece]:
    yield Heading(2, f"Forward{at_row(worked, row)}", "forward")
    yield from in_brackets(worked, row)
    found = [
        q
        for q in worked.quantities
        if q.row == row or (q.row == 0 and row == 1 and q.kind in ("value", "state"))
    ]
    lines = [_leaves(group) for group in vectors(found) if group[0].kind in ("input", "target", "state")]
    for q in found:
        if q.kind in ("value", "loss") and not _is_whole(worked, q):
            lines.append(_made(worked, q))
    yield Lines(tuple(lines))


def _leaves(group: list[Quantity]) -> WorkedLine:
    text = vector(q.value for q in group) if group[0].label.units else shown(group[0].value)
    return WorkedLine(said(group[0].label.whole), (Said(text, text),), given=True)


def _made(worked: Worked, q: Quantity) -> WorkedLine:
    labels, values = worked.chains.program.labels, worked.chains.values
    rights = [
        Said(q.formula.text(labels), q.formula.latex(labels)),
        Said(q.formula.numbers(values), q.formula.latex_numbers(values)),
        number(q.value),
    ]
    return WorkedLine(
        said(q.label), tuple(r for k, r in enumerate(rights) if k == 0 or r.text != rights[k - 1].text)
    )


def _is_whole(worked: Worked, q: Quantity) -> bool:
    return q.index == worked.chains.program.loss and q.index not in worked.chains.program.losses.values()


def _overview(worked: Worked) -> Iterable[Piece]:
    """Every row's vectors in a table."""
    groups = vectors(
        [
            q
            for q in worked.quantities
            if q.row == 1 and q.kind in ("value", "loss") and not _is_whole(worked, q)
        ]
    )
    names = list(dict.fromkeys(group[0].label.name for group in groups))
    losses = {worked.called: {k: shown(v) for k, v in worked.losses.items()}}
    cells = {
        n: {row: _short(worked, n, row) for row in range(1, worked.given.rows + 1)}
        for n in names
        if n not in losses
    }
    cells.update(losses)
    corner = Said("t", "t") if worked.recurrent else Said("row", r"\mathrm{row}")
    rows = range(1, worked.given.rows + 1)
    yield from side_by_side(
        corner,
        [Said(str(r), str(r)) for r in rows],
        [(name_of(n), [cells[n].get(r, "") for r in rows]) for n in cells],
    )


def _short(worked: Worked, name: str, row: int) -> str:
    found = [q for q in worked.quantities if q.label.name == name and q.row == row and q.kind == "value"]
    return (
        vector(q.value for q in found)
        if found and found[0].label.units
        else shown(found[0].value)
        if found
        else ""
    )


def _losses(worked: Worked) -> Iterable[Piece]:
    whole = next((q for q in worked.quantities if _is_whole(worked, q)), None)
    if whole is not None and len(worked.losses) > 1:
        line = _made(worked, whole)
        numbers = Said(*(" + ".join(shown(v) for v in worked.losses.values()),) * 2)
        plain = whole.formula.is_plain or worked.recurrent
        yield Lines((line if plain else WorkedLine(line.left, (numbers, *line.rights[-1:])),))


def _step(worked: Worked) -> Iterable[Piece]:
    several = len(worked.steps) > 1
    for step in worked.steps:
        which = f"Step {step.k} of {len(worked.steps)}:" if several else "One step of"
        yield Heading(2, f"{which} {step.optimiser}, rate {shown(step.rate)}", "step")
        if step.k == 1:
            yield Paragraph(_rule(step, several))
        if several:
            for name, one in step.gradients.items():
                yield from grids(
                    slope(Said(worked.called, latex_name(worked.called)), name_of(name)), name, one, worked
                )
        for name, one in step.after.items():
            yield from grids(Said(f"{name}*", f"{latex_name(name)}^{{*}}"), name, one, worked)
        yield Paragraph(f"The loss was {shown(step.loss_before)} and is {shown(step.loss_after)} now.")


def _rule(step: DescentStep, several: bool) -> str:
    if several:
        begun = (
            " v and m begin with 0."
            if step.rule.memories > 1
            else " v begins with 0."
            if step.rule.memories
            else ""
        )
        return f"`{step.rule.words}`, where c is the gradient" + (f" and k the step.{begun}" if begun else ".")
    rule, _, what = step.rule.first.partition(", ")
    return f"`{rule}`{f', {what},' if what else ','} where c is the gradient."
