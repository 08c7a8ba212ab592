"""What the tests of the lower floors share: a cell with random values, what it means,
and how both are compared.

The meaning is the author's own function under `torch.vmap` and autograd, stepped by a Python loop: it shares no
line with the plan, the reference backend or the C backend.
"""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import pytest
import torch
from together import refused

from unrolled.cell import Cell
from unrolled.cells import REGISTRY
from unrolled.graph.node import size
from unrolled.kernels import StepRows, run
from unrolled.kernels.c.build.toolchain import toolchain
from unrolled.kernels.c.call.ways import fixed
from unrolled.plan import cost

CELLS = sorted(REGISTRY)
REFERENCE_ONLY = [name for name in CELLS if refused(name)]
C_CELLS = [name for name in CELLS if name not in REFERENCE_ONLY]
HAS_COMPILER = toolchain() is not None
needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler works here")
BACKENDS = ("reference", pytest.param("c", marks=needs_compiler))
DTYPES = (torch.float64, torch.float32)
PAIRS = [*(("reference", n) for n in CELLS), *(pytest.param("c", n, marks=needs_compiler) for n in C_CELLS)]
TRIPLES = [
    *(("reference", d, n) for d in DTYPES for n in CELLS),
    *(pytest.param("c", d, n, marks=needs_compiler) for d in DTYPES for n in C_CELLS),
]
CLOSE = {torch.float64: 1e-9, torch.float32: 5e-4}
POSITIVE = ("tau",)  # parameters that are periods or time constants


class Way(NamedTuple):
    """How the C backend goes about a call: threads, whether they share out units, whether BLAS
    takes all products over time.
    """

    threads: int
    split: bool
    blas: bool = False

    def taken(self) -> contextlib.AbstractContextManager:
        """Inside, whatever the cost model says."""
        return fixed(cost.Way(self.threads, self.split, cost.AHEAD), -1 if self.blas else cost.LARGE)


WAYS = (Way(1, False), Way(2, False), Way(2, True), Way(2, False, True))


@dataclass
class Instance:
    """One run's worth of random values: parameters, packed inputs and initial states, all
    of them wanting gradients.
    """

    cell: Cell
    sizes: dict[str, int]
    step_rows: StepRows
    parameters: dict[tuple[str, ...], torch.Tensor]
    inputs: list[torch.Tensor]
    state: list[torch.Tensor]
    named: list[str] = field(default_factory=list)

    @property
    def leaves(self) -> list[torch.Tensor]:
        return [t for t in (*self.parameters.values(), *self.inputs, *self.state) if t.is_floating_point()]

    def run(self, backend: str, way: Way | None = None, **more):
        given = (self.cell.graph, self.sizes, self.inputs, self.state, self.parameters, self.step_rows)
        with way.taken() if way else contextlib.nullcontext():
            y, final, _ = run(*given, backend=backend, **more)
        return [y, *final]


def instance(
    cell: Cell,
    sizes: dict[str, int],
    step_rows: StepRows,
    dtype=torch.float64,
    indices: bool = False,
    seed: int = 0,
) -> Instance:
    """Random values of a cell; zeros as biases or initial states would hide half of all mistakes. `indices`:
    the first input is int64 and stands for one-hot rows."""
    made = torch.Generator().manual_seed(seed)
    graph = cell.graph

    def normal(*shape, scale):
        return (torch.randn(shape, generator=made, dtype=torch.float64) * scale).to(dtype).requires_grad_()

    def widths(kind, name, default=()):
        return tuple(size(d, sizes) for d in graph.shape(kind, name)) or default

    sizes = fitting(cell, sizes)
    parameters = {(n,): normal(*widths("parameter", n), scale=0.5) for n in graph.parameters}
    for name in POSITIVE:
        if (name,) in parameters:
            parameters[(name,)] = (parameters[(name,)].detach().abs() * 2 + 1).requires_grad_()
    inputs = [normal(step_rows.total, *widths("input", n, (1,)), scale=1.0) for n in graph.inputs]
    if indices:
        inputs[0] = torch.randint(sizes["I"], (step_rows.total,), generator=made)
    state = [normal(step_rows.batch, *widths("state", n, (1,)), scale=0.6) for n in graph.states]
    named = [*graph.parameters, *graph.inputs[1 if indices else 0 :], *graph.states]
    return Instance(cell, sizes, step_rows, parameters, inputs, state, named)


def fitting(cell: Cell, sizes: dict[str, int]) -> dict[str, int]:
    """The sizes nearest above that a cell's equations allow: where they divide a width (`H/4`), a multiple;
    where they make two widths one, equal; 2 where a letter of the cell's own has no size."""
    graph, found = cell.graph, {letter: 2 for letter in cell.graph.dims if letter.isidentifier()} | dict(sizes)
    for letter, by in sorted(
        {pair for n in graph.nodes for d in n.shape or () for pair in re.findall(r"([A-Z])/(\d+)", str(d))}
    ):
        found[letter] = math.ceil(found[letter] / int(by)) * int(by)
    for clash in graph.clashes:
        if clash.left in found and clash.right in found:
            found[clash.left] = found[clash.right] = max(found[clash.left], found[clash.right])
    return found


def meaning(given: Instance) -> list[torch.Tensor]:
    """[output (N, width), final states]: the author's function, one step after the other."""
    cell, step_rows, graph = given.cell, given.step_rows, given.cell.graph
    weights = {names[0]: tensor for names, tensor in given.parameters.items()}
    inputs = [
        x
        if x.is_floating_point()
        else torch.nn.functional.one_hot(x, given.sizes["I"]).to(given.state[0].dtype)
        for x in given.inputs
    ]
    rows = [step_rows.rows(t) for t in range(step_rows.steps)]
    by_step = list(zip(*(x.split(rows) for x in inputs)))
    state, outputs = tuple(given.state), [None] * step_rows.steps
    order = reversed(range(step_rows.steps)) if step_rows.reverse else range(step_rows.steps)
    flat = (
        [graph.shape("input", n) == () for n in graph.inputs],
        [graph.shape("state", n) == () for n in graph.states],
    )

    def step(values, current):
        result = cell(*_numbers(values, flat[0]), *_numbers(current, flat[1]), **weights)
        return tuple(
            torch.as_tensor(r, dtype=state[0].dtype)
            for r in (result if isinstance(result, tuple) else (result,))
        )

    for t in order:
        n = rows[t]
        results = torch.vmap(step)(by_step[t], tuple(s[:n] for s in state))
        outputs[t] = _wide(results[0], n, _width(given, graph.output))
        fresh = results[len(results) - len(state) :]
        state = tuple(torch.cat([_wide(new, n, old.shape[1]), old[n:]]) for new, old in zip(fresh, state))
    return [torch.cat(outputs), *state]


def _numbers(values, flat):
    """States and inputs that are numbers are columns of width 1 outside and 0-dimensional inside."""
    return [v.squeeze(-1) if is_number else v for v, is_number in zip(values, flat)]


def _wide(value, rows: int, width: int):
    return (value if value.dim() == 2 else value.unsqueeze(-1)).expand(rows, width)


def _width(given: Instance, index: int) -> int:
    shape = given.cell.graph.nodes[index].shape
    return size(shape[0], given.sizes) if shape else 1


def weighted(results, seed: int = 9) -> torch.Tensor:
    """A fixed random weighting of all results, so that no gradient can be missed by symmetry."""
    made = torch.Generator().manual_seed(seed)
    return sum(
        (r * torch.randn(r.shape, generator=made, dtype=torch.float64).to(r.dtype)).sum() for r in results
    )


def gradients(results, leaves, **more):
    if not any(r.requires_grad for r in results):
        return [torch.zeros_like(t) for t in leaves]
    return torch.autograd.grad(weighted(results), leaves, allow_unused=True, materialize_grads=True, **more)


def compare(found, expected, names, tolerance: float) -> None:
    """Each tensor's largest difference against its own size; all that differ are named."""
    wrong = []
    for name, a, b in zip(names, found, expected, strict=True):
        assert a.shape == b.shape, f"{name}: shape {tuple(a.shape)} and not {tuple(b.shape)}"
        off = ((a - b).abs().max() / (1 + b.abs().max())).item() if b.numel() else 0.0
        if not off <= tolerance:
            wrong.append(f"{name} by {off:.1e}")
    assert not wrong, f"differ from the plain function: {', '.join(wrong)}"


@dataclass(frozen=True)
class Solved:
    """An instance with what the plain function makes of it: results, and all gradients of their
    weighting. Shared by tests, so that the plain function runs once for all backends and ways: none
    may change its tensors."""

    given: Instance
    results: list[torch.Tensor]
    gradients: list[torch.Tensor]


def solve(given: Instance) -> Solved:
    results = meaning(given)
    return Solved(given, [r.detach() for r in results], gradients(results, given.leaves))


@lru_cache(maxsize=2048)
def _solved(name: str, sizes, step_rows: StepRows, dtype, indices: bool, seed: int) -> Solved:
    given = instance(REGISTRY[name], dict(sizes), step_rows, dtype, indices, seed)
    if dtype is torch.float64:
        return solve(given)
    # The same numbers before they were rounded.
    exact = _solved(name, sizes, step_rows, torch.float64, indices, seed)
    return Solved(given, [r.to(dtype) for r in exact.results], [g.to(dtype) for g in exact.gradients])


def solved(
    name: str,
    sizes: dict[str, int],
    step_rows: StepRows,
    dtype=torch.float64,
    indices: bool = False,
    seed: int = 0,
) -> Solved:
    """A registered cell's instance and its solution (that of float64, rounded), worked out once per process."""
    return _solved(name, tuple(sizes.items()), step_rows, dtype, indices, seed)


def check(
    given: Instance | Solved, backend: str, tolerance: float | None = None, way: Way | None = None
) -> None:
    """Values and all gradients of a backend against the plain function."""
    known = given if isinstance(given, Solved) else solve(given)
    given, expected, wanted = known.given, known.results, known.gradients
    tolerance = tolerance or CLOSE[given.state[0].dtype]
    with way.taken() if way else contextlib.nullcontext():
        found = given.run(backend)
        slopes = gradients(found, given.leaves)
    compare(found, expected, ["y", *(f"final {n}" for n in given.cell.states)], tolerance)
    compare(slopes, wanted, [f"gradient of {n}" for n in given.named], tolerance)


def ways(backend: str) -> tuple[Way, ...]:
    """The ways in which a backend may run."""
    return WAYS if backend == "c" else WAYS[:1]
