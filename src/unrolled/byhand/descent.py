"""Training by hand: the same optimiser step repeated, on plain floats."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import UsageError
from ..graph.builder import Builder
from ..graph.gradient import differentiate
from ..graph.node import needed
from .formula import result
from .numbers import Array
from .optimiser import find_rule
from .worked import Worked

MOST_STEPS = 100_000
# Most of all nodes.
FAST = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}


@dataclass(frozen=True)
class Descent:
    """losses[k] is the loss before step k; the last one is that of `parameters`, after all steps."""

    losses: tuple[float, ...]
    parameters: Mapping[str, Array]


def descend(worked: Worked, *, rate: float, steps: int) -> Descent:
    """Takes `steps` steps of gradient descent from a worked net's weights.

    The whole net is differentiated once, by the rules that the lines of `worked` show, and then only worked out
    again. Raises UsageError where there is no loss, and for a number of steps that is none.

    >>> from unrolled.byhand import worked
    >>> line = worked(lambda x, *, W: W @ x, [2], {"W": [[0.5]]}, target=[3])
    >>> round(descend(line, rate=0.1, steps=20).parameters["W"].cells[0], 4)
    1.5
    """
    if worked.loss is None:
        raise UsageError("there is no loss to descend: give worked(..., target=...).")
    if not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
        raise UsageError(f"steps={steps!r}: give a whole number from 1 to {MOST_STEPS:,}.")
    program, rule = worked.chains.program, find_rule("sgd")
    trained = {n: a for n, a in program.parameters.items() if n not in worked.cell.fixed}
    builder = Builder(list(program.nodes))
    weights = [i for a in trained.values() for i in a.cells]
    back = differentiate(builder, [(program.loss, builder.symbol(1.0).index)], weights).of
    order = [builder.nodes[i] for i in needed(builder.nodes, [program.loss, *back.values()])]
    made = [0.0] * len(builder.nodes)
    for i, value in program.leaves.items():
        made[i] = value
    for node in order:
        if node.op == "constant":
            made[node.index] = float(node.value)
    program_lines = [(n.index, FAST.get(n.op), n.args, n) for n in order if not n.is_leaf]
    losses = []
    for k in range(steps + 1):
        for i, fast, args, node in program_lines:
            made[i] = fast(made[args[0]], made[args[1]]) if fast else result(node, made)
        losses.append(made[program.loss])
        if k < steps:
            for i in weights:
                made[i] -= rate * rule.move(made[back[i]], (), k + 1)[0] if i in back else 0.0
    return Descent(tuple(losses), {n: a.of(lambda i: made[i]) for n, a in program.parameters.items()})
