"""Noise for training: zoneout, recurrent dropout, weight drop. In evaluation each mask is its mean.

A mask is a leaf of its own kind: the layer draws it with torch's generator before the kernel runs, so that
`torch.manual_seed` repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..cell import Cell, find
from ..errors import UsageError
from ..graph.node import Graph, Node
from ..graph.replay import Draft
from ..noise import Noise
from ..ops import Symbol
from .derived import derived
from .operands import entering, in_products, recurrent_matrices
from .patterns import matching

Rates = float | Mapping[str, float]


def zoneout(cell: Cell | str | Callable, rate: Rates) -> Cell:
    """Each unit of a state keeps its old value with probability `rate`, drawn again at every step (Krueger et
    al. 2017: all new states are worked out from each other as without zoneout, then mixed with the old ones).

    rate   one number for all states (those that are numbers, such as a clock, and those that only hand another
           value on, as in a delay line, are left out), or {state: rate}

    In evaluation a state is rate * old + (1 - rate) * new. Raises UsageError for what is not a
    state or not a probability.

    >>> print(zoneout("mgu", 0.1).evaluation.parameters)
    ('W_f', 'U_f', 'b_f', 'W_n', 'U_n', 'b_n')
    """
    cell = find(cell)
    rates = _rates("zoneout", cell, rate, _renewed(cell.graph))
    draft, noise = Draft(cell.graph), {}
    for state, index in zip(cell.states, cell.graph.new_states):  # h of the equations becomes h_new
        if state in rates and draft.names.get(index) == state:
            draft.names[index] = draft.free(f"{state}_new")
    draft.all()
    states = []
    for state, index in zip(cell.states, cell.graph.new_states):
        old, new = draft.value(cell.graph.leaf("state", state).index), draft.value(index)
        if state in rates:
            name = draft.free(f"zoneout_{state}")
            mask = draft.input(name, cell.graph.shape("state", state))
            noise[name] = Noise(rates[state], "keep", "step")
            new = draft.call(mask * old + (1 - mask) * new, state, "with zoneout")
        states.append(new)
    graph = draft.finish(f"zoneout({cell.name}, {_shown(rate)})", None, states)
    return derived(cell, graph, f"zoneout of {_listed(rates)}", "zoneout", noise=noise)


def recurrent_dropout(cell: Cell | str | Callable, rate: Rates) -> Cell:
    """Units of a state are dropped where it enters matrices, the same ones at all steps of a sequence (Gal and
    Ghahramani 2016, section 4); what is added up or gated outside of matrices is left alone.

    rate   one number for all states that enter matrices, or {state: rate}

    What is kept is scaled by 1 / (1 - rate), so that evaluation is the cell itself. Raises UsageError where no
    state enters a matrix, and for what is not a state or not a probability.

    >>> print(recurrent_dropout("lstm", 0.25).graph.inputs)
    ('x', 'dropout_h')
    """
    cell = find(cell)
    states = entering(cell.graph)
    if not states:
        raise UsageError(
            f"recurrent_dropout({cell.name}): no state of {cell.name} enters a matrix, so there is nothing to "
            "drop. zoneout works on every state."
        )
    rates = _rates("recurrent_dropout", cell, rate, states)
    masks, noise = {}, {}

    def dropped(draft: Draft, state: str, value: Symbol) -> Symbol:
        if state not in rates:
            return value
        if state not in masks:
            name = draft.free(f"dropout_{state}")
            masks[state] = draft.input(name, cell.graph.shape("state", state))
            noise[name] = Noise(rates[state], "inverted dropout", "sequence")
        return draft.call(masks[state] * value, f"{state}_dropped", "as it enters matrices")

    graph = Draft(cell.graph, in_products(cell.graph, dropped)).finish(
        f"recurrent_dropout({cell.name}, {_shown(rate)})"
    )
    return derived(cell, graph, f"dropout of {_listed(rates)} in matrices", "recurrent_dropout", noise=noise)


def weight_drop(cell: Cell | str | Callable, rate: float, weights: str | tuple[str, ...] = ()) -> Cell:
    """Entries of the recurrent matrices are dropped, the same ones at all steps and rows of a call (Merity et
    al. 2018, section 2: DropConnect on the weights of the hidden state).

    weights   names or patterns such as "U_*"; without any, all matrices whose operand has to do with a state

    What is kept is scaled by 1 / (1 - rate), so that evaluation is the cell itself. The dropped
    matrix is made once a call, outside the loop. Raises UsageError where there is no such matrix, or
    the rate is not a probability.

    >>> print(list(weight_drop("mgu", 0.5).noise))
    ['dropout_U_f', 'dropout_U_n']
    """
    cell = find(cell)
    _check_rate("weight_drop", cell, rate)
    matrices = [n for n in cell.parameters if len(cell.graph.shape("parameter", n)) > 1]
    chosen = (
        matching(f"weight_drop({cell.name})", weights, matrices) if weights else recurrent_matrices(cell.graph)
    )
    chosen = [n for n in chosen if n not in cell.noise]
    if not chosen:
        raise UsageError(
            f"weight_drop({cell.name}): {cell.name} has no matrix whose operand has to do with a state. Name "
            f"some, weights={tuple(matrices[:1])!r}."
        )
    noise = {}

    def dropped(draft: Draft, node: Node) -> Symbol | None:
        if node.op != "parameter" or node.value not in chosen:
            return None
        name = draft.free(f"dropout_{node.value}")
        noise[name] = Noise(rate, "inverted dropout", "call")
        return draft.parameter(name, node.shape) * draft.plain(node.index)

    graph = Draft(cell.graph, dropped).finish(f"weight_drop({cell.name}, {rate:g})")
    return derived(cell, graph, f"dropped weights at rate {rate:g}", "weight_drop", noise=noise)


def _renewed(graph: Graph) -> list[str]:
    """States that are vectors and made in the step, not handed on."""

    def behind(index: int) -> Node:
        while graph.nodes[index].op == "alias":
            index = graph.nodes[index].args[0]
        return graph.nodes[index]

    return [
        name
        for name, new in zip(graph.states, graph.new_states)
        if graph.shape("state", name) and behind(new).op not in ("state", "input")
    ]


def _rates(what: str, cell: Cell, rate: Rates, usual: list[str]) -> dict[str, float]:
    """Rate by state, without those that are 0."""
    rates = dict(rate) if isinstance(rate, Mapping) else dict.fromkeys(usual, rate)
    for state, value in rates.items():
        if state not in cell.states:
            raise UsageError(
                f"{what}({cell.name}): {state!r} is not a state of {cell.name}. It has"
                f" {', '.join(cell.states)}."
            )
        _check_rate(what, cell, value)
    return {state: float(value) for state, value in rates.items() if value}


def _check_rate(what: str, cell: Cell, rate: object) -> None:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise UsageError(f"{what}({cell.name}): rate {rate!r} is not a probability. Give 0 to below 1.")


def _listed(rates: Mapping[str, float]) -> str:
    return " and ".join(f"{state} at rate {rate:g}" for state, rate in rates.items()) or "nothing"


def _shown(rate: Rates) -> str:
    return f"{rate:g}" if not isinstance(rate, Mapping) else ", ".join(f"{k}={v:g}" for k, v in rate.items())
