"""The backward half of a worked net's document: gradients with their chains, and the sum over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..graph.node import needed
from ..views.symbols import latex_name
from .chain import Term
from .document import Heading, Lines, Paragraph, Piece, Said, WorkedLine
from .label import Label, units
from .numbers import shown, vector
from .program import Edge
from .tables import at_row, grids, loss_name, name_of, number, said, side_by_side, slope, vectors

MOST_PRODUCTS = 3  # of a sum over time that is written out

if TYPE_CHECKING:
    from .through_time import ThroughTime
    from .worked import Quantity, Worked


def backward(worked: Worked, row: int, every: bool) -> Iterable[Piece]:
    found = [
        q for q in worked.quantities if q.kind == "value" and q.row == row and q.index in worked.chains.moved
    ]
    lines = [_gradient(worked, q, q.terms) for group in reversed(vectors(found)) for q in group]
    if row == 1 and worked.recurrent:
        lines += [_gradient(worked, q, q.terms) for q in worked.quantities if q.kind == "state"]
    if not worked.recurrent:
        for name in worked.given.parameters:
            entries = [q for q in worked.quantities if q.kind == "parameter" and q.label.name == name]
            wanted = entries if every else entries[:1]
            lines += [_gradient(worked, q, worked.chains.terms(q.index, row)) for q in wanted]
    yield Heading(2, f"Backward{at_row(worked, row)}", "backward")
    short = _softmax_with_cross_entropy(worked, row)
    if short:
        yield Paragraph("Softmax and cross-entropy together: the probability less the target.")
        yield Lines(tuple(short))
        yield Paragraph("The same, factor by factor:")
    yield Lines(tuple(lines))


def _softmax_with_cross_entropy(worked: Worked, row: int) -> list[WorkedLine]:
    """dL/dz = p - y, where the output is a softmax of z and the loss makes it so."""
    program, values = worked.chains.program, worked.chains.values
    outputs = program.outputs[row].cells
    group, of = program.softmaxes.get(outputs[0], ((), ()))
    targets = [i for i, kind in program.kinds.items() if kind == "target" and program.rows[i] == row]
    if tuple(group) != tuple(outputs) or len(targets) != len(group) or any(z not in program.labels for z in of):
        return []
    pairs = [(z, p, y, worked.chains.whole.get(z, 0.0)) for z, p, y in zip(of, group, targets)]
    if any(abs(values[p] - values[y] - slope) > 1e-9 for _, p, y, slope in pairs):
        return []
    loss, labels = loss_name(worked), program.labels
    return [
        WorkedLine(
            slope(loss, said(labels[z])),
            (
                Said(f"{labels[p]} - {labels[y]}", f"{labels[p].latex} - {labels[y].latex}"),
                Said(*(f"{shown(values[p])} - {shown(values[y])}",) * 2),
                number(gradient),
            ),
        )
        for z, p, y, gradient in pairs
    ]


def _gradient(worked: Worked, q: Quantity, terms: Sequence[Term]) -> WorkedLine:
    """d loss / d q as chains in symbols, in formulas, in numbers, and worked out. Chains
    that are 0 are left out.
    """
    used = [t for t in terms if t.value != 0] or list(terms[:1])
    left = slope(loss_name(worked), said(q.label))
    if not used:
        return WorkedLine(left, (Said("0", "0"),))
    rights = [_added(_product(factors(worked, t)) for t in used) for factors in (_symbols, _slopes, _numbers)]
    rights.append(number(sum(t.value for t in terms)))
    before = [left, *rights]
    return WorkedLine(left, tuple(r for k, r in enumerate(rights) if r.text != before[k].text))


def _edges(worked: Worked, term: Term) -> tuple[Edge, ...]:
    """A chain's edges, short of the sum of the rows' losses, whose slope is 1."""
    first, program = term.edges[0], worked.chains.program
    sums = first.user == program.loss and first.of in program.losses.values() and first.value == 1
    return term.edges[1:] if sums and len(term.edges) > 1 else term.edges


def _above(worked: Worked, term: Term) -> list[Said]:
    top = worked.chains.program.labels.get(term.of)
    return [] if term.of == worked.chains.program.loss else [slope(loss_name(worked), said(top))]


def _symbols(worked: Worked, term: Term) -> list[Said]:
    labels = worked.chains.program.labels
    return [
        *_above(worked, term),
        *(slope(said(labels[e.user]), said(labels[e.of])) for e in _edges(worked, term)),
    ]


def _slopes(worked: Worked, term: Term) -> list[Said]:
    labels = worked.chains.program.labels
    found, edges = _above(worked, term), _edges(worked, term)
    for edge in edges:
        one = Said(edge.slope.text(labels), edge.slope.latex(labels))
        bare = len(edges) == 1 and not found or edge.slope.is_plain or (edge.slope.is_product and not found)
        found.append(one if bare else Said(f"({one.text})", rf"\left({one.latex}\right)"))
    return found


def _numbers(worked: Worked, term: Term) -> list[Said]:
    values = ([] if term.of == worked.chains.program.loss else [term.gradient]) + [
        e.value for e in _edges(worked, term)
    ]
    texts = [shown(v) if v >= 0 or len(values) == 1 else f"({shown(v)})" for v in values]
    return [Said(t, t) for t in texts]


def _product(factors: Sequence[Said]) -> Said:
    return Said(" * ".join(f.text for f in factors), r" \cdot ".join(f.latex for f in factors))


def _added(products: Iterable[Said]) -> Said:
    products = list(products)
    return Said(" + ".join(p.text for p in products), " + ".join(p.latex for p in products))


def weights(worked: Worked, every: bool) -> Iterable[Piece]:
    yield Heading(
        2,
        "Gradients of the weights"
        + (
            ", summed over " + ("the steps" if worked.recurrent else "the rows")
            if worked.given.rows > 1
            else ""
        ),
        "backward",
    )
    for name, one in worked.gradients.items():
        if worked.recurrent:
            entries = [q for q in worked.quantities if q.kind == "parameter" and q.label.name == name]
            yield Lines(tuple(_gradient(worked, q, q.terms) for q in (entries if every else entries[:1])))
        yield from grids(slope(loss_name(worked), name_of(name)), name, one, worked)
    if every and worked.given.rows > 1:
        for row, found in worked.row_gradients.items():
            yield Heading(3, f"{'Step' if worked.recurrent else 'Row'} {row} alone")
            for name, one in found.items():
                yield from grids(slope(loss_name(worked), name_of(name)), name, one, worked)


def terms_over_time(worked: Worked, every: bool) -> Iterable[Piece]:
    for found in worked.through_time if every else worked.through_time[-1:]:
        t = found.t
        states = worked.cell.states
        s = states[0] if len(states) == 1 else "s"
        yield Heading(2, f"Through time: the loss of step {t}, term by term", "backward")
        meant = "" if s in states else f"s stands for all states, {', '.join(states)}. "
        yield Paragraph(
            f"{meant}In `d{s}_k/dW`, `{s}_(k-1)` is treated as a constant. `|d{s}_{t}/d{s}_k|` is the spectral"
            " norm, the largest singular value of the product of Jacobians."
        )
        at, loss = said(Label(s, t)), said(Label(worked.called, t))
        one_k, output = Said(f"{s}[k]", rf"{latex_name(s)}_{{k}}"), _output(worked, t)
        factors = [slope(loss, output), slope(output, at)] if str(output) != str(at) else [slope(loss, at)]
        chain = _product([*factors, slope(at, one_k), slope(one_k, Said("W", "W"))])
        total = Said(f"sum over k = 1..{t} of {chain.text}", rf"\sum_{{k=1}}^{{{t}}} {chain.latex}")
        yield Lines((WorkedLine(slope(loss, Said("W", "W")), (total,), given=True),))
        yield Lines(tuple(_three_products(worked, found, factors, s)))
        firsts = [(n, a.places()[0]) for n, a in found.gradients.items()]
        lags = [Said(str(lag.k), str(lag.k)) for lag in found.lags]
        columns = [
            (
                Said(f"|d{at.text}/d{one_k.text}|", rf"\left\lVert {slope(at, one_k).latex} \right\rVert"),
                [shown(lag.norm) for lag in found.lags],
            ),
            (slope(loss, one_k), [vector(lag.state) for lag in found.lags]),
        ]
        for n, place in firsts:
            cells = [shown(one.cells[0]) for one in (*(lag.terms[n] for lag in found.lags), found.gradients[n])]
            columns.append((slope(loss, said(Label(n, None, units(n, place, worked.first)))), cells))
        yield from side_by_side(Said("k", "k"), [*lags, Said("sum", r"\text{sum}")], columns)
        if every:
            for lag in found.lags:
                yield Heading(3, f"The term of k = {lag.k}")
                for name, one in lag.terms.items():
                    yield from grids(slope(loss, name_of(name)), name, one, worked)


def _three_products(
    worked: Worked, found: ThroughTime, factors: Sequence[Said], s: str
) -> Iterable[WorkedLine]:
    """dL3/dW_hh as dL3/dy3 dy3/dh3 dh3/dW_hh + dL3/dy3 dy3/dh3 dh3/dh2 dh2/dW_hh + ..., for
    each matrix within the loop.
    """
    loss = said(Label(worked.called, found.t))
    for name in found.gradients:
        if len(worked.given.parameters[name].shape) != 2 or not _moves_state(worked, name):
            continue
        products = []
        for lag in found.lags[:MOST_PRODUCTS]:
            between = [slope(said(Label(s, j)), said(Label(s, j - 1))) for j in range(found.t, lag.k, -1)]
            products.append(_product([*factors, *between, slope(said(Label(s, lag.k)), name_of(name))]))
        more = [Said("...", r"\cdots")] if len(found.lags) > MOST_PRODUCTS else []
        yield WorkedLine(slope(loss, name_of(name)), (_added([*products, *more]),), given=True)


def _moves_state(worked: Worked, name: str) -> bool:
    """Whether a parameter has a part in the state, and not in the output alone."""
    graph = worked.cell.graph
    return graph.leaf("parameter", name).index in needed(graph.nodes, graph.new_states)


def _output(worked: Worked, t: int) -> Said:
    program = worked.chains.program
    return said(program.labels[program.outputs[t].cells[0]].whole)
