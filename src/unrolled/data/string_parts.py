"""Rows of short strings in a model's numbers, and the parts to learn from and to hold out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..errors import UsageError
from .examples import Examples
from .split import grouped
from .string_rows import Rows
from .strings import Strings, Values

HELD_OUT = 0.1  # of the rows
SHARED = "{shared:,} of the {held_out:,} strings of {option} are learned from as well"


class Example(NamedTuple):
    """A string as its indices, and the values of its conditions."""

    text: tuple[int, ...]
    values: Values


def string_data(
    rows: Rows,
    valid: Rows | None,
    test: Rows | None,
    batch: int,
    gather: Callable[[Strings, Sequence[Example]], Any],
    known: Strings | None = None,
) -> Examples:
    """Rows to learn from, rows held out, `valid` or else a tenth of those given, and rows for the
    report, as data of a task.

    gather  makes a batch of examples
    known   the encoding of a run that is gone on from

    Raises UsageError where nothing can be held out, and for characters and values that
    no row to learn from has.
    """
    training, held_out = split(rows, HELD_OUT) if valid is None else (rows, valid)
    learned = Strings.of(training.texts, training.conditions, training.names)
    encoding = learned if known is None else known.grown(learned)
    given = {option: each for option, each in (("", rows), ("--valid", valid), ("--test", test)) if each}
    notes = [note for each in given.values() for note in each.notes]
    for option, each in given.items():
        if option and (shared := sum(map(learned.is_known, each.texts))):
            notes.append(SHARED.format(shared=shared, option=option, held_out=len(each.texts)))
    digests = "".join(f"{option} {each.digest} " for option, each in given.items())
    return Examples(
        encoding,
        examples(encoding, training),
        examples(encoding, held_out),
        batch,
        lambda rows: gather(encoding, rows),
        hashlib.sha256(digests.encode()).hexdigest(),
        ", ".join(each.source for each in given.values()),
        length=length,
        testing=None if test is None else examples(encoding, test),
        notes=tuple(notes),
    )


def length(example: Example) -> int:
    return len(example.text)


def split(rows: Rows, share: float) -> tuple[Rows, Rows]:
    """Rows to learn from, and a share held out; rows of one string are on one side.

    A row with a character or a value that no row to learn from has is not held out, but learned from.
    """
    places = grouped(rows.texts, share, labels=rows.conditions)
    training = rows.some(places.training)
    characters = set("".join(training.texts))
    values = [set(column) for column in zip(*training.conditions)]

    def strange(place: int) -> bool:
        unknown = any(value not in known for value, known in zip(rows.conditions[place], values))
        return unknown or not characters.issuperset(rows.texts[place])

    moved = {rows.texts[place] for place in places.held_out if strange(place)}
    held_out = [place for place in places.held_out if rows.texts[place] not in moved]
    if not held_out:
        raise UsageError(
            f"{rows.source}: no row could be held out, for each has a character or a value that no other row"
            " has. Give more data."
        )
    apart = set(held_out)
    return rows.some([k for k in range(len(rows.texts)) if k not in apart]), rows.some(held_out)


def examples(encoding: Strings, rows: Rows) -> list[Example]:
    """Rows in a model's numbers. Raises UsageError for characters and values that it does not know."""
    names = tuple(column.name for column in encoding.columns)
    if rows.names != names:
        raise UsageError(
            f"{rows.source} has the conditions {', '.join(rows.names) or 'none'}, and the model"
            f" {', '.join(names) or 'none'}. Name the model's with --by."
        )
    # One message for all characters that are unknown.
    encoding.vocabulary.encode("".join(rows.texts), rows.source)
    for column, found in zip(encoding.columns, zip(*rows.conditions)):
        for value in sorted(set(found) - set(column.values)):
            encoding.check(column.name, value)
    return [Example(encoding.encode(text), values) for text, values in zip(rows.texts, rows.conditions)]
