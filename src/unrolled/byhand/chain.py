"""The chain rule over numbers: how the loss changes with each number, from what the number is used for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..errors import UsageError
from .numbers import Array
from .program import Edge, NetNumbers

LONG, SHORT = 5, 1  # slopes in one chain: of a feed-forward net, of a net through time


@dataclass(frozen=True)
class Term:
    """One product of a chain: the gradient of `of` (1 if `of` is the loss itself),
    then the slopes of `edges`.
    """

    of: int
    gradient: float
    edges: tuple[Edge, ...]

    @property
    def value(self) -> float:
        found = self.gradient
        for edge in self.edges:
            found *= edge.value
        return found


class Chains:
    """A program worked out, backward as well as forward."""

    def __init__(self, program: NetNumbers):
        self.program = program
        self.values = program.values()
        self.formulas, edges = program.formulas()
        self.edges = [replace(e, value=self._slope(e)) for e in edges]
        self.users: dict[int, list[Edge]] = {}
        self.parts: dict[int, list[Edge]] = {}
        for edge in self.edges:
            self.users.setdefault(edge.of, []).append(edge)
            self.parts.setdefault(edge.user, []).append(edge)
        self.moved = self._moved()
        self.whole = {} if program.loss is None else self.gradients({program.loss: 1.0})

    def _slope(self, edge: Edge) -> float:
        try:
            return edge.slope.value(self.values)
        except (ArithmeticError, ValueError):
            user, of = (self.program.labels[i] for i in (edge.user, edge.of))
            raise UsageError(
                f"the slope of {user} by {of} has no finite value where {of} is {self.values[edge.of]:g}: "
                f"{edge.slope.numbers(self.values)}. Give it other numbers."
            ) from None

    def _moved(self) -> set[int]:
        """Numbers that rest on a parameter or on a first state: who has nothing to learn needs no gradient."""
        found = {i for i, kind in self.program.kinds.items() if kind in ("parameter", "state")}
        for user in sorted(self.parts):
            if any(e.of in found for e in self.parts[user]):
                found.add(user)
        return found

    def gradients(self, seeds: Mapping[int, float], rows: Iterable[int] | None = None) -> dict[int, float]:
        """Of every number that the seeds rest on; through users in `rows` only, if that is given."""
        found = dict(seeds)
        allowed = None if rows is None else frozenset(rows)
        for user in sorted(self.parts, reverse=True):
            if user not in found or (allowed is not None and self.program.rows[user] not in allowed):
                continue
            for edge in self.parts[user]:
                found[edge.of] = found.get(edge.of, 0.0) + found[user] * edge.value
        return found

    def terms(self, index: int, row: int | None = None) -> list[Term]:
        """The gradient of a number as a sum of chains, each going up until a number has
        several users or is the loss.

        row   only what is used in that row
        """
        found, most = [], SHORT if any(self.program.new_states.values()) else LONG
        for edge in self.users.get(index, ()):
            if row is not None and self.program.rows[edge.user] not in (row, 0):
                continue
            edges, top = [edge], edge.user
            while top != self.program.loss and (len(edges) < most or self.program.kinds[top] == "loss"):
                above = [e for e in self.users.get(top, ()) if self.whole.get(e.user, 0.0) != 0.0]
                if len(above) != 1:
                    break
                edges.insert(0, above[0])
                top = above[0].user
            found.append(Term(top, self.whole.get(top, 0.0), tuple(edges)))
        return found

    def from_row(self, gradients: Mapping[int, float], row: int) -> dict[str, Array]:
        """The part of the parameters' gradients that comes through `row`: what all rows share, used there."""
        found: dict[int, float] = {}
        for edge in self.edges:
            if self.program.rows[edge.user] == row and self.program.rows[edge.of] == 0:
                found[edge.of] = found.get(edge.of, 0.0) + gradients.get(edge.user, 0.0) * edge.value
        for user in sorted(self.parts, reverse=True):
            if self.program.rows[user] == 0 and user in found:
                for edge in self.parts[user]:
                    found[edge.of] = found.get(edge.of, 0.0) + found[user] * edge.value
        return {name: one.of(lambda i: found.get(i, 0.0)) for name, one in self.program.parameters.items()}
