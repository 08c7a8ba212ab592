"""Pretrained vectors of words from a text file: a word and its numbers a line, as word2vec, GloVe
and fastText write them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from ..errors import UsageError
from .text import read_text

KEPT = 100_000  # of the file's first words, which are the most frequent ones; and all that the data have
WIDEST = 4096


class Vectors(NamedTuple):
    """Words, and their vectors (words, width) float32, scaled so that their numbers have a
    standard deviation of 1.
    """

    words: tuple[str, ...]
    values: Tensor


def read_vectors(
    path: str | Path, wanted: Collection[str] = (), kept: int = KEPT, option: str = "--vectors"
) -> Vectors:
    """The vectors of a file's first words, and of those that are wanted.

    path    UTF-8; a word may hold spaces. A first line of two whole numbers, how many words and
            how wide, is not a vector
    wanted  words to keep wherever they stand in the file

    Raises UsageError, with file and line, for a line that has another number of numbers than the others.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "vectors.txt"
    >>> _ = file.write_text("2 3\\nthe 1 0 -1\\n. . . 2 1 0\\n")
    >>> read_vectors(file).words
    ('the', '. . .')
    """
    wanted, found, numbers = frozenset(wanted), {}, []
    width = 0
    for line, content in enumerate(_lines(path, option), 1):
        if not content.strip():
            continue
        if line == 1 and _is_header(content):
            width = int(content.split()[1])
            continue
        width = width or len(content.split(" ")) - 1
        if not 1 <= width <= WIDEST:
            raise UsageError(
                f"{option} {path}, line {line}: it has {width} numbers: a word and up to {WIDEST:,} numbers are"
                " expected."
            )
        word, *values = content.rsplit(" ", width)
        if word in found or (len(found) >= kept and word not in wanted):
            continue
        found[word] = len(found)
        numbers.append(_numbers(values, width, f"{option} {path}, line {line}"))
    if not found:
        raise UsageError(f"{option} {path} has no vector: a word and its numbers are expected in each line.")
    table = torch.from_numpy(numpy.stack(numbers))
    return Vectors(tuple(found), table / table.std(correction=0).clamp_min(1e-8))


def _lines(path: str | Path, option: str) -> Iterator[str]:
    rest = ""
    for block in read_text(path, option).blocks():
        *lines, rest = (rest + block).split("\n")
        yield from (line.rstrip(" \r") for line in lines)
    yield rest.rstrip(" \r")


def _is_header(line: str) -> bool:
    fields = line.split()
    return len(fields) == 2 and all(field.isdecimal() for field in fields)


def _numbers(values: list[str], width: int, place: str) -> numpy.ndarray:
    try:
        if len(values) != width:
            raise ValueError
        made = numpy.array(values, dtype=numpy.float32)
        if not numpy.isfinite(made).all():
            raise ValueError
        return made
    except ValueError:
        raise UsageError(
            f"{place}: {width} finite numbers are expected behind the word, as in the first line: mend it, or"
            " leave it out."
        ) from None
