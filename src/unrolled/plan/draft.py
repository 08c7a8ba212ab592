"""What the passes of a plan fill in, one after the other; each reads what stands above its own lines."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..graph.node import Dim
from .body import Body
from .program import Group, Place, ProductRun, Program


@dataclass
class PlanDraft:
    """A plan under construction; see `plan.PASSES` for who fills what."""

    body: Body
    # weights
    vectors: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    base: dict[int, Place] = field(default_factory=dict)  # what both directions read the same way
    # products
    groups: tuple[Group, ...] = ()
    # forward
    kept: tuple[int, ...] = ()
    kept_places: dict[int, Place] = field(default_factory=dict)
    kept_widths: tuple[Dim, ...] = ()
    forward: Program | None = None
    # gradients
    gradient: tuple[Dim, ...] = ()
    where: dict[tuple[int, Dim], Place] = field(default_factory=dict)  # (gradient's node, width) -> its column
    hoisted_runs: tuple[tuple[ProductRun, ...], ...] = ()
    # backward
    backward: Program | None = None
    # sharing
    splits_units: bool = False
