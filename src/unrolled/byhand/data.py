"""A worked net as plain data: dicts, lists, numbers and texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .numbers import Array
from .through_time import ThroughTime

if TYPE_CHECKING:
    from .optimiser import DescentStep
    from .worked import Quantity, Worked


def as_data(worked: Worked) -> dict:
    """Everything that `worked` knows; `json.dumps` takes it."""
    return {
        "cell": worked.cell.name,
        "rows": worked.given.rows,
        "loss": worked.loss,
        "losses": {str(row): value for row, value in worked.losses.items()},
        "quantities": [_quantity(worked, q) for q in worked.quantities],
        "gradients": _arrays(worked.gradients),
        "row_gradients": {str(row): _arrays(found) for row, found in worked.row_gradients.items()},
        "through_time": [_through_time(one) for one in worked.through_time],
        "step": worked.step and _step(worked.step),
        "steps": [_step(step) for step in worked.steps],
    }


def _step(step: DescentStep) -> dict:
    return {
        "optimiser": step.optimiser,
        "rate": step.rate,
        "k": step.k,
        "gradients": _arrays(step.gradients),
        "before": _arrays(step.before),
        "after": _arrays(step.after),
        "loss_before": step.loss_before,
        "loss_after": step.loss_after,
    }


def _quantity(worked: Worked, q: Quantity) -> dict:
    labels, values = worked.chains.program.labels, worked.chains.values
    chains = [
        {
            "of": str(labels[term.of]),
            "gradient": term.gradient,
            "value": term.value,
            "factors": [
                {
                    "d": str(labels[edge.user]),
                    "by": str(labels[edge.of]),
                    "formula": edge.slope.text(labels),
                    "value": edge.value,
                }
                for edge in term.edges
            ],
        }
        for term in q.terms
    ]
    made = (
        {"formula": None, "numbers": None}
        if q.formula is None
        else {"formula": q.formula.text(labels), "numbers": q.formula.numbers(values)}
    )
    return {
        "name": str(q.label),
        "kind": q.kind,
        "row": q.row,
        "value": q.value,
        "gradient": q.gradient,
        **made,
        "chains": chains,
    }


def _through_time(one: ThroughTime) -> dict:
    lags = [
        {
            "k": lag.k,
            "jacobian": lag.jacobian,
            "norm": lag.norm,
            "state": lag.state,
            "terms": _arrays(lag.terms),
        }
        for lag in one.lags
    ]
    return {"t": one.t, "lags": lags, "gradients": _arrays(one.gradients)}


def _arrays(found: Mapping[str, Array]) -> dict:
    return {name: one.nested() for name, one in found.items()}
