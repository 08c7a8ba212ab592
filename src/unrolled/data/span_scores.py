"""How many spans were found, by type: precision, recall and F1 as conlleval (BIO) and strict seqeval (BIOES)
count them. Of plain tags each word is a span of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import UsageError
from .spans import Scheme, Span, spans


@dataclass(frozen=True)
class Count:
    """Spans of a type: that there are, that were said, and that were both, with the same words and type.

    >>> Count(there=4, said=2, right=1)
    Count(there=4, said=2, right=1)
    >>> Count(4, 2, 1).precision, Count(4, 2, 1).recall, round(Count(4, 2, 1).f1, 4)
    (0.5, 0.25, 0.3333)
    """

    there: int
    said: int
    right: int

    @property
    def precision(self) -> float:
        """0 where none was said."""
        return self.right / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        """0 where there is none."""
        return self.right / self.there if self.there else 0.0

    @property
    def f1(self) -> float:
        """0 where nothing is right."""
        return 2 * self.right / (self.there + self.said) if self.right else 0.0


def counted(
    true: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]], scheme: Scheme
) -> tuple[Count, dict[str, Count]]:
    """Spans of all types together, and of each, by name.

    true, predicted  tags, a sequence a sentence

    >>> counted([["B-PER", "O", "B-LOC"]], [["B-PER", "O", "O"]], "bio")[0]
    Count(there=2, said=1, right=1)
    """
    there, said, right = Counter(), Counter(), Counter()
    for of, by in zip(true, predicted, strict=True):
        gold, found = (set(spans(tags, scheme) if scheme != "plain" else words(tags)) for tags in (of, by))
        there.update(span.type for span in gold)
        said.update(span.type for span in found)
        right.update(span.type for span in gold & found)
    types = sorted({*there, *said})
    each = {name: Count(there[name], said[name], right[name]) for name in types}
    return Count(there.total(), said.total(), right.total()), each


def words(tags: Sequence[str]) -> list[Span]:
    """Each word as a span of its tag's type."""
    return [Span(place, place + 1, tag) for place, tag in enumerate(tags)]


@dataclass(frozen=True)
class ByType:
    """What is said of an evaluation beyond its figures: each type of span, or each tag."""

    all_types: Count
    each: dict[str, Count]

    def text(self) -> str:
        return table(self.all_types, self.each)

    def to_json(self) -> dict:
        each = {
            name: asdict(count) | {"precision": count.precision, "recall": count.recall, "f1": count.f1}
            for name, count in self.each.items()
        }
        return {"types": each}

    def draw(self, file: Path) -> None:
        raise UsageError(f"--picture {file}: types of spans are a table, and no picture. Leave it out.")


def table(all_types: Count, each: dict[str, Count]) -> str:
    """Precision, recall and F1 of each type, a line a type, all of them last.

    >>> print(table(Count(2, 1, 1), {"PER": Count(2, 1, 1)}))
    type    there   said  right   precision   recall       F1
    PER         2      1      1      1.0000   0.5000   0.6667
    all         2      1      1      1.0000   0.5000   0.6667
    """
    width = max(4, *map(len, each), 0) if each else 4
    lines = [f"{'type':<{width}}{'there':>9}{'said':>7}{'right':>7}{'precision':>12}{'recall':>9}{'F1':>9}"]
    for name, count in [*each.items(), ("all", all_types)]:
        lines.append(
            f"{name:<{width}}{count.there:>9,}{count.said:>7,}{count.right:>7,}{count.precision:>12.4f}"
            f"{count.recall:>9.4f}{count.f1:>9.4f}"
        )
    return "\n".join(lines)
