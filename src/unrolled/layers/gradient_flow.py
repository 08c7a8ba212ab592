"""`gradient_flow`: how much of a loss at step t reaches the state after step k, for every t and k."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import ShapeError, UsageError
from ..views.drawing import draw
from ..views.flow_scene import flow_scene
from ..views.picture import Picture
from .check import type_name
from .probe import probing

Loss = Callable[[Tensor, int], Tensor]

CLIP_MARGIN = 1e-6  # torch.nn.utils.clip_grad_norm_ divides by norm + 1e-6


@dataclass(frozen=True)
class GradientFlow:
    """Norms of the gradients of the losses L_t with respect to the states h_k.

    steps       the t, one for each row of the norms
    norms       by layer ("0", "1", "reversed.0", or a path in a module, "rnn.0") and state ("h", "c"):
                (len(steps), T, B) with ||dL_t/dh_k|| at [row of t, k, b]; 0 where nothing of h_k
                reaches L_t, as where k > t
    parameters  (len(steps),): ||dL_t/dtheta|| over all parameters that are trained, the sum over the batch
    """

    steps: tuple[int, ...]
    norms: Mapping[str, Mapping[str, Tensor]]
    parameters: Tensor

    def __getitem__(self, key: str | tuple[str, str]) -> Tensor:
        """flow["h"] of the first layer, or flow["rnn.1", "c"]. Raises UsageError
        where there is no such state.
        """
        layer, state = key if isinstance(key, tuple) else (next(iter(self.norms)), key)
        if layer not in self.norms or state not in self.norms[layer]:
            known = " ".join(f"[{at!r}, {name!r}]" for at, states in self.norms.items() for name in states)
            raise UsageError(f"gradient_flow saw no state {key!r}. It saw {known}.")
        return self.norms[layer][state]

    def by_lag(self, key: str | tuple[str, str]) -> Tensor:
        """(T,): the mean norm over all pairs with t - k = lag and all rows of the batch; NaN
        where no pair has that lag.
        """
        norms = self[key].mean(-1)
        rows = [torch.full_like(norms[0], torch.nan) for _ in self.steps]
        for row, t, given in zip(rows, self.steps, norms):
            seen = given[: t + 1].flip(0)
            row[: len(seen)] = seen
        return torch.stack(rows).nanmean(0)

    def clipped(self, limit: float) -> GradientFlow:
        """What is left where the gradient of each L_t is clipped to norm `limit` (Pascanu et al. 2013): all of
        its terms are scaled by the same factor, so what has vanished beside the others stays vanished.

        Raises UsageError where the limit is not above 0.
        """
        if not limit > 0:
            raise UsageError(f"clipped({limit!r}): a norm's limit is above 0. Give 1.0, for instance.")
        factors = (limit / (self.parameters + CLIP_MARGIN)).clamp(max=1.0)
        norms = {
            layer: {name: value * factors[:, None, None] for name, value in states.items()}
            for layer, states in self.norms.items()
        }
        return replace(self, norms=norms, parameters=self.parameters * factors)

    def picture(
        self, file: str | Path | None = None, *, state: str | None = None, theme: str = "auto"
    ) -> Picture:
        """How far back the gradient reaches: every state's mean norm by the number of steps back, on a
        logarithmic scale; and squares for all pairs of steps of one state, a square a twelfth smaller
        for each power of ten less.

        file   where to write it, too: .svg, .png or .pdf
        state  whose pairs are shown, of the first layer; the last of its states without it,
               for an LSTM the cell state
        theme  "auto" (an SVG follows its reader's setting and is light in print), "light" or "dark"

        Raises UsageError for a state that there is not, and for what does not fit. Returns SVG text.

            gradient_flow(model, x).picture("flow.svg")
        """
        first = next(iter(self.norms))
        shown = state or list(self.norms[first])[-1]
        several = len(self.norms) > 1
        by_lag = {
            f"{name} of {layer}" if several else name: self.by_lag((layer, name)).nan_to_num(0.0).tolist()
            for layer, states in self.norms.items()
            for name in states
        }
        scene = flow_scene(by_lag, self[first, shown].mean(-1).tolist(), shown)
        return Picture(draw(scene, file, theme=theme, title="Gradient through time"))

    def _repr_svg_(self) -> str:
        return str(self.picture())

    def to_json(self) -> dict:
        """Plain data: steps, and the norms' means over the batch."""
        return {
            "steps": list(self.steps),
            "parameters": self.parameters.tolist(),
            "norms": {
                layer: {name: value.mean(-1).tolist() for name, value in states.items()}
                for layer, states in self.norms.items()
            },
        }


def gradient_flow(
    model: nn.Module,
    x,
    *,
    target: Tensor | None = None,
    loss: Loss | None = None,
    steps: Sequence[int] | None = None,
) -> GradientFlow:
    """The norm of dL_t/dh_k for every pair of steps, every recurrent layer in a model, and
    every state of its cells.

    model   a Recurrent, Stacked, LSTM, GRU or RNN, or any module with such layers; called once, model(x), as it
            is (training or evaluation mode)
    x       what the model reads: (T, B, I), indices (T, B), a tuple for several inputs; its output y, or the
            first of what it returns, is (T, B, ·), or (B, T, ·) where its layers are batch_first
    target  int64, (T, B) or as y is laid out: L_t is the cross-entropy of y at step t, summed over the batch
    loss    or: loss(y_t, t) with y_t (B, ·) gives L_t, a number, or one for each row, which are summed. Without
            target and loss L_t is the sum of y_t
    steps   which t; all of them without it. Negative ones count from the end

    One forward pass, and one backward pass of the layers' kernels for each t: that gives dL_t/dh_k for all k at
    once, as the gradient of zeros that were added to the states (`unrolled.transform.probed`). dL_t/dc_k of an
    LSTM has both ways in it, c_k to c_(k+1) and c_k to h_k. `.grad` of the parameters is left alone.

    Raises UsageError where a model has no recurrent layer, none with a state ran, a step is out of range,
    or both target and loss are given; ShapeError where target or losses do not fit. Source: Bengio et al.
    1994; Pascanu et al. 2013.

    >>> from unrolled import Recurrent
    >>> flow = gradient_flow(Recurrent("lstm", 3, 5), torch.randn(7, 2, 3))
    >>> flow["c"].shape, flow["h"][6, :, 0].count_nonzero()
    (torch.Size([7, 7, 2]), tensor(7))
    """
    if target is not None and loss is not None:
        raise UsageError(
            "gradient_flow got target and loss. A target is compared by cross-entropy: give one of them."
        )
    with torch.enable_grad(), probing(model) as probes:
        result = model(x)
        y = _by_step(model, result[0] if isinstance(result, tuple) else result)
        if not probes.zeros:
            raise UsageError(
                f"gradient_flow({type(model).__name__}): no layer with a state ran on our kernels in model(x). "
                "Torch's own serve LSTM, GRU and RNN away from the CPU or with projections: use Recurrent."
            )
        chosen = _steps(steps, len(y))
        if target is not None:
            loss = _cross_entropy(model, y, target)
        losses = _losses(y, chosen, loss or _sum)
        return _measured(model, probes.zeros, losses, chosen)


def _measured(
    model: nn.Module, zeros: dict[str, dict[str, Tensor]], losses: list[Tensor], steps: tuple[int, ...]
) -> GradientFlow:
    """One backward pass a loss, down to all probes and parameters together."""
    probes = [probe for states in zeros.values() for probe in states.values()]
    wanted = [*probes, *(p for p in model.parameters() if p.requires_grad)]
    norms, parameters = [], []
    for value in losses:
        found = (
            torch.autograd.grad(value, wanted, retain_graph=True, allow_unused=True, materialize_grads=True)
            if value.requires_grad
            else [torch.zeros_like(v) for v in wanted]
        )
        norms.append([torch.linalg.vector_norm(g, dim=-1) for g in found[: len(probes)]])
        own = [torch.linalg.vector_norm(g) for g in found[len(probes) :]]
        parameters.append(torch.linalg.vector_norm(torch.stack(own)) if own else value.new_zeros(()))
    columns = iter([torch.stack(column) for column in zip(*norms)])
    return GradientFlow(
        steps,
        {layer: {name: next(columns) for name in states} for layer, states in zeros.items()},
        torch.stack(parameters).detach(),
    )


def _batch_first(model: nn.Module) -> bool:
    """As the module says, or the first recurrent layer in it."""
    layers = [model, *(m for m in model.modules() if hasattr(m, "watchers"))]
    return bool(next((m.batch_first for m in layers if hasattr(m, "batch_first")), False))


def _by_step(model: nn.Module, y: object) -> list[Tensor]:
    """Step by step, (B, ·) each. unbind: indexing would make the backward pass quadratic in time."""
    if not isinstance(y, Tensor) or y.dim() < 2:
        shown = f"of shape {tuple(y.shape)}" if isinstance(y, Tensor) else f"of type {type_name(y)}"
        raise UsageError(
            f"gradient_flow({type(model).__name__}): model(x) gave an output {shown}. Give a model whose"
            " output, or the first of its outputs, is (T, B, width)."
        )
    return list(y.unbind(1 if y.dim() > 2 and _batch_first(model) else 0))


def _steps(steps: Sequence[int] | None, count: int) -> tuple[int, ...]:
    if steps is None:
        return tuple(range(count))
    for t in steps:
        if not -count <= t < count:
            raise UsageError(
                f"gradient_flow(steps=...): step {t} of an output of {count} steps. They run from 0 to"
                f" {count - 1}."
            )
    if not len(steps):
        raise UsageError("gradient_flow(steps=[]): no step is asked for. Leave steps out for all of them.")
    return tuple(t % count for t in steps)


def _sum(y_t: Tensor, t: int) -> Tensor:
    return y_t.sum()


def _cross_entropy(model: nn.Module, y: list[Tensor], target: Tensor) -> Loss:
    """The loss against classes, which must be laid out as the output is."""
    turned = target.transpose(0, 1) if y[0].dim() > 1 and target.dim() > 1 and _batch_first(model) else target
    wanted = (len(y), *y[0].shape[:-1])
    if target.dtype is not torch.int64 or turned.shape != wanted:
        raise ShapeError(
            f"gradient_flow got a target of type {type_name(target)} and shape {tuple(target.shape)}; the "
            f"output has {' x '.join(map(str, wanted))} steps and rows. Give classes as int64, laid out so."
        )
    return lambda y_t, t: nn.functional.cross_entropy(y_t, turned[t], reduction="sum")


def _losses(y: list[Tensor], steps: tuple[int, ...], loss: Loss) -> list[Tensor]:
    """One number for each step."""
    found = []
    for t in steps:
        value = loss(y[t], t)
        if not isinstance(value, Tensor) or value.dim() > 1:
            shown = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"type {type_name(value)}"
            raise ShapeError(
                f"gradient_flow: loss(y_t, {t}) gave a result of {shown}. Give a number, or one for each row."
            )
        found.append(value.sum())
    return found
