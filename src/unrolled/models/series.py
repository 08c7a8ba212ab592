"""How a classifier reads series of numbers: on a common scale, with their
differences, through learned filters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

NOISE = 0.1  # of each value, in deviations
WARP, KNOTS, PLACES = 0.2, 4, 33  # of the pace of time, at so many places of a row, joined by lines on a grid
STRETCH = 0.1  # of all values of a row
SMALLEST = 1e-4  # deviation of a row
SHORT = 16  # steps below which filters are narrow
FILTERS = ((32, 7), (64, 5), (64, 3))  # channels and width of each
NARROW = ((32, 3), (64, 3))
STRIDES = ((64, (1, 1, 1)), (128, (2, 1, 1)), (512, (2, 2, 1)))  # by the median length; of longer ones:
LONG = (4, 2, 1)


def mask_of(steps: int, lengths: Tensor) -> Tensor:
    """Which steps of rows belong to them: (T, B, 1) bool."""
    return (torch.arange(steps, device=lengths.device)[:, None] < lengths)[..., None]


class Scaled(nn.Module):
    """Numbers on a common scale, with their differences and, where values may be missing,
    with which ones are there.

    A lone channel is scaled by its own mean and deviation, for a series' level is seldom what it is about;
    several channels by those of the training part, for what they have to each other would be lost.

    scale    mean, deviation and the differences' deviation of each channel
    steps    whether rows have steps; otherwise they are numbers without time, and have no differences
    missing  whether values may be missing (NaN); these become 0

        x  (T, B, channels), lengths (B,) -> (T, B, width), zero past a row's length
    """

    def __init__(self, scale: Sequence[Sequence[float]], *, steps: bool, missing: bool, augment: str = "none"):
        super().__init__()
        channels = len(scale[0])
        self.steps, self.missing, self.augment = steps, missing, augment
        self.own = steps and channels == 1
        self.width = channels * (1 + steps + missing)
        for name, values in zip(("mean", "deviation", "change"), scale):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        inside = mask_of(len(x), lengths)
        there = inside & ~x.isnan()
        x = _kept(x - self.mean, there) / self.deviation
        if self.own:
            count = there.sum(0).clamp_min(1)
            x = _kept(x - x.sum(0) / count, there)
            x = x / ((x**2).sum(0) / count).sqrt().clamp_min(SMALLEST)
        if self.training and self.augment == "warp":
            x, there = _warped(x, there, lengths)
        features = [x]
        if self.steps:
            features.append(self._differences(x, there))
        if self.training and self.augment != "none":
            features = [part + NOISE * torch.randn_like(part) for part in features]
        features += [there.to(x.dtype)] * self.missing
        return _kept(torch.cat(features, -1), inside)

    def _differences(self, x: Tensor, there: Tensor) -> Tensor:
        """From each step to the one before, where both are there, scaled likewise."""
        both = there[1:] & there[:-1]
        change = functional.pad(_kept(x[1:] - x[:-1], both), (0, 0, 0, 0, 1, 0))
        if not self.own:
            return change * self.deviation / self.change
        return change / ((change**2).sum(0) / both.sum(0).clamp_min(1)).sqrt().clamp_min(SMALLEST)


def _kept(x: Tensor, there: Tensor) -> Tensor:
    """Zero where nothing is; NaN does not pass."""
    return torch.where(there, x, 0.0)


def _warped(x: Tensor, there: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Rows whose time runs now faster and now slower, and whose values are all a little larger or smaller. Each
    keeps its length, its first and its last value (T, B, channels)."""
    steps, rows, channels = x.shape
    knots = torch.randn(rows, 1, KNOTS, device=x.device) * WARP
    pace = functional.interpolate(knots, size=PLACES - 1, mode="linear", align_corners=True)[:, 0].exp()
    run = functional.pad(pace.cumsum(1), (1, 0))
    run = run / run[:, -1:]  # what share of its way a row has gone at each place
    last = (lengths - 1).clamp_min(1)[:, None]
    place = (torch.arange(steps, device=x.device) / last).clamp_max(1) * (PLACES - 1)
    before = place.long().clamp_max(PLACES - 2)
    share = run.gather(1, before).lerp(run.gather(1, before + 1), place - before)
    at = (share * last).clamp_max(steps - 1).t()[..., None].expand(-1, -1, channels)  # (T, B, channels)
    low = at.long()
    high = (low + 1).clamp_max(steps - 1)
    part = torch.where(high < lengths[:, None], at - low, 0.0)
    warped = x.gather(0, low).lerp(x.gather(0, high), part)
    there = there.expand(x.shape)
    there = there.gather(0, low) & there.gather(0, high)
    return warped * (1 + STRETCH * torch.randn(1, rows, 1, device=x.device)), there


class Filters(nn.Module):
    """Convolutions over time before the recurrence, which then has fewer steps and finds
    shapes instead of values.

    width     of the input
    steps     the usual length, by which filters and strides are chosen
    together  see `RowNorm`

        x  (T, B, width), lengths (B,) -> (T', B, 64), lengths'
    """

    def __init__(self, width: int, steps: int, together: bool):
        super().__init__()
        strides = next((strides for most, strides in STRIDES if steps <= most), LONG)
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for (channels, size), stride in zip(NARROW if steps < SHORT else FILTERS, strides):
            self.convolutions.append(nn.Conv1d(width, channels, size, stride, size // 2))
            self.norms.append(RowNorm(channels, together))
            width = channels
        self.width = width

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = x.permute(1, 2, 0)  # (B, width, T)
        for convolution, norm in zip(self.convolutions, self.norms):
            stride = convolution.stride[0]
            x, lengths = convolution(x), (lengths + stride - 1) // stride
            inside = mask_of(x.shape[2], lengths).permute(1, 2, 0)
            x = functional.relu(norm(x, inside)) * inside
        return x.permute(2, 0, 1).contiguous(), lengths


class RowNorm(nn.Module):
    """Each row by mean and deviation of its own steps, so that no row depends on the others of its batch, as it
    would with batch normalisation.

    together  over all channels at once (Ba et al. 2016), which keeps what they have to each other;
              or else channel by channel (Ulyanov et al. 2016), which suits a lone series that is
              scaled by its own deviation

        x (B, channels, T), inside (B, 1, T) bool
    """

    def __init__(self, channels: int, together: bool):
        super().__init__()
        self.over = (1, 2) if together else (2,)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        count = inside.sum(2, keepdim=True).clamp_min(1) * (x.shape[1] if 1 in self.over else 1)
        x = torch.where(inside, x, 0.0)
        x = torch.where(inside, x - x.sum(self.over, keepdim=True) / count, 0.0)
        variance = (x**2).sum(self.over, keepdim=True) / count
        return x * (variance + 1e-5).rsqrt() * self.weight[:, None] + self.bias[:, None]
