"""`unrolled show CELL`: a cell on its way through the house, from equations to C."""

from __future__ import annotations

from ..cell import Cell
from ..cell_file import find_cell
from ..errors import UsageError
from ..plan.describe import describe
from ..plan.gradients import gradients
from ..plan.plan import plan_of
from ..views.listing import listing

STAGES = ("equations", "graph", "backward", "plan", "c")


def show(wanted: str | Cell, stage: str = "equations") -> str:
    """The text of one stage of a cell.

    wanted   a name, "FILE.py:FUNCTION", or a Cell
    stage    equations: what the author wrote, parameters, counts; graph: node by node; backward: the equations of
             backpropagation through time; plan: what is done before, in and after the loop; c: the C of both directions

    Raises UsageError for an unknown cell or stage, CellError for equations with a mistake.

    >>> print(show("elman").splitlines()[2].strip())
    h[t] = tanh(W @ x[t] + U @ h[t-1] + b)      # hidden state
    """
    if stage not in STAGES:
        raise UsageError(f"there is no stage {stage!r}: choose one of {', '.join(STAGES)}.")
    cell = find_cell(wanted)
    if stage == "equations":
        return str(cell)
    if stage == "graph":
        return listing(cell.graph)
    if stage == "c":
        return _source(cell)
    return (gradients if stage == "backward" else describe)(plan_of(cell.graph))


def _source(cell: Cell) -> str:
    """The C in float32, without the header of micro-kernels that every file begins with."""
    from ..kernels.c.emit import emit      # torch comes with the kernels: a second that the other stages do not need
    return emit(plan_of(cell.graph), False, with_header=False).rstrip("\n")
