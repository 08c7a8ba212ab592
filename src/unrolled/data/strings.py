"""Short strings with what each of them is: the encoding of a model that makes such strings to order."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import ClassVar

import torch
from torch import Tensor

from ..errors import UsageError
from .vocabulary import Vocabulary

MOST_VALUES = 1000  # of a column
MOST_COMBINATIONS = 100_000
LONGEST = 2**16  # characters of a string
SHOWN = 8  # values in a message
BYTES = 6  # of a string's hash: one of a million unknown strings in 300 million is taken for a known one
Values = tuple[str, ...]  # one of each column


@dataclass(frozen=True)
class Column:
    """A condition: its name and the values that it may have, in order."""

    name: str
    values: Values

    def grown(self, other: Column) -> Column:
        """With the values that another one has beside behind its own. Raises UsageError
        where they become too many.
        """
        values = tuple(dict.fromkeys((*self.values, *other.values)))
        if len(values) > MOST_VALUES:
            raise UsageError(
                f"the condition {self.name!r} has {len(self.values):,} values, with the new ones "
                f"{len(values):,}, and {MOST_VALUES:,} are allowed: train afresh, without --from."
            )
        return Column(self.name, values)


@dataclass(frozen=True)
class Strings:
    """Characters, conditions, and which strings were learned from.

    columns       the conditions
    combinations  values that came together in a row to learn from, as places in their
                  columns, and in how many rows
    longest       characters of the longest string to learn from
    known         hashes of the strings to learn from, one after the other in order: none is to
                  be given out as a new one

    >>> encoding = Strings.of(["anna", "otto"], [("f",), ("m",)], ("sex",))
    >>> encoding.characters, encoding.columns[0].values, encoding.is_known("anna"), encoding.is_known("nana")
    (('a', 'n', 'o', 't'), ('f', 'm'), True, False)
    >>> encoding.given(("m",)).tolist()
    [0.0, 1.0]
    """

    beside: ClassVar[tuple[str, ...]] = ("combinations", "longest", "known")

    vocabulary: Vocabulary
    columns: tuple[Column, ...]
    combinations: tuple[tuple[tuple[int, ...], int], ...]
    longest: int
    known: bytes

    @classmethod
    def of(cls, texts: Sequence[str], conditions: Sequence[Values], names: Sequence[str]) -> Strings:
        """Of the rows to learn from: each one's string and its values, in the order of the columns' names."""
        columns = tuple(
            Column(name, tuple(sorted({values[k] for values in conditions}))) for k, name in enumerate(names)
        )
        counted = Counter(
            tuple(column.values.index(value) for column, value in zip(columns, values)) for values in conditions
        )
        known = b"".join(sorted({_hash(text) for text in texts}))
        return cls(
            Vocabulary.of("".join(sorted(set("".join(texts))))),
            columns,
            tuple(sorted(counted.items())),
            max(map(len, texts)),
            known,
        )

    def grown(self, other: Strings) -> Strings:
        """This encoding, with what another one of the same columns has beside behind its own. How many rows had
        some values is the larger of both. Raises UsageError for a column of too many values."""
        columns = tuple(map(Column.grown, self.columns, other.columns))
        counted = dict(self.combinations)
        for places, count in other.combinations:
            values = (column.values[k] for column, k in zip(other.columns, places))
            here = tuple(column.values.index(value) for column, value in zip(columns, values))
            counted[here] = max(count, counted.get(here, 0))
        return Strings(
            self.vocabulary.grown("".join(other.characters)),
            columns,
            tuple(sorted(counted.items())),
            max(self.longest, other.longest),
            b"".join(sorted(self._hashes | other._hashes)),
        )

    @property
    def lists(self) -> tuple[int, ...]:
        """How many places a model has for characters, for the mark behind them, and
        for each column's values.
        """
        return len(self.vocabulary), 1, *(len(column.values) for column in self.columns)

    @property
    def characters(self) -> tuple[str, ...]:
        return self.vocabulary.characters

    @property
    def width(self) -> int:
        """How many numbers say what is asked for: one a value."""
        return sum(len(column.values) for column in self.columns)

    def __len__(self) -> int:
        """Characters, with the mark that begins and ends a string: the last one."""
        return len(self.vocabulary) + 1

    def encode(self, text: str, what: str | None = None) -> tuple[int, ...]:
        """A string's indices. Raises UsageError naming the characters that are unknown."""
        return tuple(self.vocabulary.encode(text, what).tolist())

    def decode(self, indices: Iterable[int]) -> str:
        return self.vocabulary.decode(indices)

    def is_known(self, text: str) -> bool:
        """Whether the string was learned from, under whatever conditions."""
        return _hash(text) in self._hashes

    @cached_property
    def _hashes(self) -> frozenset[bytes]:
        return frozenset(self.known[k : k + BYTES] for k in range(0, len(self.known), BYTES))

    def given(self, values: Values) -> Tensor:
        """What a model is told of a row: (K,) float, 1 at each of its values. Raises
        KeyError for an unknown value.
        """
        told, first = torch.zeros(self.width), 0
        for places, value in zip(self._places, values):
            told[first + places[value]] = 1.0
            first += len(places)
        return told

    @cached_property
    def _places(self) -> list[dict[str, int]]:
        return [{value: k for k, value in enumerate(column.values)} for column in self.columns]

    def values_of(self, asked: dict[str, str]) -> list[tuple[Values, int]]:
        """Values of all columns that fit what is asked for, and in how many rows they came together.

        Raises UsageError for values that there are not, and where some columns are left open
        and no row has the others.
        """
        for name, value in asked.items():
            self.check(name, value)
        if len(asked) == len(self.columns):
            return [(tuple(asked[column.name] for column in self.columns), 1)]
        every = (
            (tuple(column.values[k] for column, k in zip(self.columns, places)), count)
            for places, count in self.combinations
        )
        found = [
            (values, count)
            for values, count in every
            if all(asked.get(column.name, value) == value for column, value in zip(self.columns, values))
        ]
        if not found:
            said = " and ".join(f"{name}={value}" for name, value in asked.items())
            open_ones = ", ".join(column.name for column in self.columns if column.name not in asked)
            raise UsageError(f"no row to learn from had {said}, so nothing says {open_ones}: give it, too.")
        return found

    def check(self, name: str, value: str) -> None:
        """Raises UsageError for a condition or a value that there is not."""
        column = next((one for one in self.columns if one.name == name), None)
        if column is None:
            there = ", ".join(one.name for one in self.columns) or "none"
            raise UsageError(f"the model has no condition {name!r}. Its conditions: {there}.")
        if value not in column.values:
            raise UsageError(
                f"{value!r} is not a {name} that the model has learned: give one of {_listed(column.values)}."
            )

    def asked(self, text: str) -> dict[str, str]:
        """What an input asks for, by column: "language=Greek, sex=f", or a value alone
        where there is one column.

        Raises UsageError where it says neither.
        """
        names = {column.name for column in self.columns}
        if not text.strip():
            return {}
        if len(self.columns) == 1 and text.partition("=")[0].strip() not in names:
            return {self.columns[0].name: text.strip()}
        found: dict[str, str] = {}
        for part in text.split(","):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if name in names and equals and name not in found:
                found[name] = value
            elif found and name not in names:  # a value with a comma
                last = next(reversed(found))
                found[last] += f",{part}"
            else:
                form = ", ".join(f"{each.name}=..." for each in self.columns) or "nothing, for there are none"
                raise UsageError(f"{text!r} does not say what is wanted: give conditions as {form!r}.")
        return found

    def to_json(self) -> dict:
        return {
            "characters": list(self.characters),
            "columns": [{"name": column.name, "values": list(column.values)} for column in self.columns],
            "combinations": [[*places, count] for places, count in self.combinations],
            "longest": self.longest,
            "known": base64.b64encode(self.known).decode("ascii"),
        }

    @classmethod
    def of_json(cls, stored: dict) -> Strings:
        """Read what `to_json` made; raises ValueError where it is anything else."""
        if set(stored) != {"characters", "columns", "combinations", "longest", "known"}:
            raise ValueError("not characters, columns, combinations, longest and known")
        columns = tuple(map(_column, _list(stored["columns"], 100)))
        if len({column.name for column in columns}) != len(columns):
            raise ValueError("two columns of one name")
        combinations = tuple(
            _combination(each, columns) for each in _list(stored["combinations"], MOST_COMBINATIONS)
        )
        if not combinations or len(dict(combinations)) != len(combinations):
            raise ValueError("combinations are none, or one stands there twice")
        longest, known = stored["longest"], stored["known"]
        if type(longest) is not int or not 1 <= longest <= LONGEST or not isinstance(known, str):
            raise ValueError("longest is not a number of characters, or known is not text")
        hashes = base64.b64decode(known, validate=True)
        if len(hashes) % BYTES:
            raise ValueError("known is not a list of hashes")
        return cls(
            Vocabulary.of_json({"characters": stored["characters"]}), columns, combinations, longest, hashes
        )


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=BYTES).digest()


def _listed(values: Values) -> str:
    more = len(values) - SHOWN
    return ", ".join(values[:SHOWN]) + (
        f" and {more} more, which are in the run's encoding.json" if more > 0 else ""
    )


def _list(value: object, most: int) -> list:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"{str(value)[:40]!r} is not a list of at most {most:,}")
    return value


def _column(value: object) -> Column:
    if not isinstance(value, dict) or set(value) != {"name", "values"} or not isinstance(value["name"], str):
        raise ValueError("a column is not a name with values")
    values = _list(value["values"], MOST_VALUES)
    if not values or not all(isinstance(one, str) for one in values) or len(set(values)) != len(values):
        raise ValueError(f"the values of {value['name'][:40]!r} are not distinct texts")
    return Column(value["name"], tuple(values))


def _combination(value: object, columns: tuple[Column, ...]) -> tuple[tuple[int, ...], int]:
    numbers = _list(value, 101)
    if len(numbers) != len(columns) + 1 or not all(type(number) is int for number in numbers):
        raise ValueError("a combination is not a place in each column and a count")
    *places, count = numbers
    if not all(0 <= k < len(column.values) for k, column in zip(places, columns)) or not 1 <= count <= 2**50:
        raise ValueError("a combination has a place that its column has not, or no count")
    return tuple(places), count
