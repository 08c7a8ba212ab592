"""A part held out of the data for choices, so that nothing in it also stands in the
part that is learned from.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from ..errors import UsageError


class Split(NamedTuple):
    """Places of the rows to learn from and of those held out, each in the order of the data.

    duplicates  rows whose key another row before them has: they stand on its side
    """

    training: list[int]
    held_out: list[int]
    duplicates: int


def grouped(
    keys: Sequence[str | bytes],
    share: float,
    seed: int = 0,
    labels: Sequence[Hashable] | None = None,
) -> Split:
    """Holds a share of the rows out; rows of the same key stand on the same side.

    keys    what must not stand on both sides: the text, the speaker, the word, the bytes of a series
    share   of the rows, 0 < share < 1
    seed    another split
    labels  one a row: each label gets its share, where it has enough groups (by its first row); a label with
            one group stays with what is learned from

    The order of a hash of the keys decides, so that the same rows are split alike in any order, on any machine.
    Raises UsageError where there are fewer than two distinct keys, of which one could be held out.

    >>> split = grouped(["anna", "bert", "anna", "carl", "dora", "emil"], 0.5)
    >>> split
    Split(training=[0, 2, 4], held_out=[1, 3, 5], duplicates=1)
    """
    strata = _strata(keys, seed, labels)
    held_out = _held_out(strata, share)
    if not held_out:
        held_out = min(max(strata, key=len), key=len)
    apart = set(held_out)
    training = [place for place in range(len(keys)) if place not in apart]
    return Split(training, sorted(held_out), len(keys) - sum(map(len, strata)))


def folded(
    keys: Sequence[str | bytes], folds: int, seed: int = 0, labels: Sequence[Hashable] | None = None
) -> list[int]:
    """The fold of each row, 0 to folds - 1: as many rows in each as can be, those of one key in one,
    each label spread over all.

    Raises UsageError where there are fewer than two distinct keys.

    >>> folded(["anna", "bert", "anna", "carl", "dora", "emil"], 3)
    [2, 1, 2, 0, 1, 0]
    """
    sizes, found = [0] * folds, [0] * len(keys)
    for groups in _strata(keys, seed, labels):
        taken = [0] * folds  # of this label
        for group in groups:
            fold = min(range(folds), key=lambda each: (taken[each], sizes[each]))
            taken[fold] += len(group)
            sizes[fold] += len(group)
            for place in group:
                found[place] = fold
    return found


def _strata(keys: Sequence[str | bytes], seed: int, labels: Sequence[Hashable] | None) -> list[list[list[int]]]:
    """Of each label, the most frequent first, its groups of rows in the order of a hash of their keys."""
    groups: dict[str | bytes, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    if len(groups) < 2:
        raise UsageError(
            f"there {'is' if len(groups) == 1 else 'are'} {len(groups)} distinct"
            f" example{'s' * (len(groups) != 1)}, and one must be held out beside those to learn from. Give"
            " more data."
        )
    strata: dict[Hashable, list[list[int]]] = {}
    for key in sorted(groups, key=lambda key: (_hash(key, seed), groups[key])):
        strata.setdefault(None if labels is None else labels[groups[key][0]], []).append(groups[key])
    return sorted(strata.values(), key=_size, reverse=True)


def _held_out(strata: list[list[list[int]]], share: float) -> list[int]:
    """Of each stratum the first groups, as many as come nearest to its share; what is missing to the share of
    all is made up by those after it."""
    due, held_out = 0.0, []
    for groups in strata:
        due += share * _size(groups)
        for group in groups[:-1]:  # one group at least is learned from
            if len(held_out) + len(group) / 2 < due:
                held_out += group
    return held_out


def _size(groups: list[list[int]]) -> int:
    return sum(map(len, groups))


def _hash(key: str | bytes, seed: int) -> bytes:
    content = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    return blake2b(content, digest_size=16, salt=(seed % 2**64).to_bytes(16, "little")).digest()
