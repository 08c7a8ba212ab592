"""A run of a cell: prepared, given to a backend, and done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ..errors import UsageError
from ..graph.node import Dim, Graph
from .call import Call, Parameters, StepRows, check_sizes, parameter, prepare
from .choose import BACKENDS, chosen
from .delayed import delayed_of
from .recomputed import recomputed
from .reference.run import run_and_watch
from .remembered import remembered_of


def run(
    graph: Graph,
    sizes: Mapping[Dim, int],
    inputs: Sequence[Tensor],
    state: Sequence[Tensor],
    parameters: Parameters,
    step_rows: StepRows,
    *,
    backend: str = "auto",
    hyper: Mapping[str, float] | None = None,
    watch: Sequence[int] = (),
    recompute: bool = False,
    mixed: bool = False,
) -> tuple[Tensor, tuple[Tensor, ...], dict[int, Tensor]]:
    """Runs a cell over packed sequences.

    inputs      (N, width) float each, N = step_rows.total, or int64 (N,) standing for one-hot rows
                of the cell's first input
    state       (B, width) each; a state that is a number has width 1
    parameters  names stacked along the first axis -> tensor, e.g. {("W",): w} or {("W_i", "W_f"): both}
    backend     "auto", or the name of one: then an error where it cannot run
    watch       body nodes whose values are wanted at every step
    recompute   keep only the states between blocks of steps for the backward pass, and run each block again
    mixed       round operands of products to bfloat16; sums, states and gradients stay float32
    Returns the output (N, width), the final states (B, width) each, and {node: (N, width)} for `watch`.
    """
    if backend != "auto" and backend not in BACKENDS:
        raise UsageError(
            f"backend={backend!r}: there is no such backend. Choose auto, {' or '.join(BACKENDS)}."
        )
    if watch:
        return run_and_watch(prepare(graph, sizes, inputs, state, parameters, step_rows, hyper), tuple(watch))
    delayed = delayed_of(graph) if step_rows.total else None
    if delayed is not None and all(inputs[i].is_floating_point() for i in delayed.inputs):
        check_sizes(graph, sizes)
        given, rest = delayed.given(inputs, state, step_rows)
        call = _remembering(delayed.graph, sizes, given, rest, parameters, step_rows, hyper, mixed)
        y, final = _done(call, backend, recompute)
        return y, delayed.final(final, inputs, state, step_rows), {}
    call = _remembering(graph, sizes, inputs, state, parameters, step_rows, hyper, mixed)
    y, final = _done(call, backend, recompute)
    return y, final[: len(state)], {}


def _remembering(
    graph: Graph,
    sizes: Mapping[Dim, int],
    inputs: Sequence[Tensor],
    state: Sequence[Tensor],
    parameters: Parameters,
    step_rows: StepRows,
    hyper: Mapping[str, float] | None,
    mixed: bool,
) -> Call:
    """The call; products that the step before has made are further states, where there are
    steps enough to save some.
    """
    remembered = None if mixed else remembered_of(graph)
    if remembered is not None and step_rows.steps > len(remembered.states):
        check_sizes(graph, sizes)
        graph = remembered.graph
        weights = [parameter(graph, sizes, parameters, name) for name in remembered.weights]
        state = remembered.given(state, weights)
    return prepare(graph, sizes, inputs, state, parameters, step_rows, hyper, mixed)


def _done(call: Call, backend: str, recompute: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
    chosen_run = chosen(call, backend)
    return recomputed(call, chosen_run) if recompute else chosen_run(call)
