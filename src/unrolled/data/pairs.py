"""Pairs of texts, one to be written after the other was read: from a file with tabs, from two
parallel files, or made here.
"""

from __future__ import annotations

import gzip
import hashlib
import random
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from ..errors import UsageError
from .bad_rows import BadRows

MADE = 6000  # dates that are made where no file is given
MOST_LINE = 4000  # characters of a side


class Pair(NamedTuple):
    """A text and what it becomes."""

    source: str
    target: str


class Pairs(NamedTuple):
    """The pairs of a file, and what is to be said of them."""

    pairs: list[Pair]
    notes: tuple[str, ...] = ()


def read_pairs(
    path: str | Path,
    languages: tuple[str | None, str | None] = (None, None),
    *,
    swap: bool = False,
    lowercase: bool = False,
    skip_bad: bool = False,
    option: str = "--pairs",
) -> Pairs:
    """The pairs of a file, or of two parallel ones.

    path       a file of which each line has a source, a tab, and a target (what stands behind another tab is
               passed over); or, with `languages`, what the names of two files begin with whose lines belong
               together: train for train.de and train.en. UTF-8; a name that ends in .gz is unpacked
    languages  the ends of the two files' names, "de" and "en"
    swap       the second text is the source
    lowercase  all letters small
    skip_bad   leave out lines that cannot be read
    option     what named the path, for messages

    Raises UsageError, with file, line and what was expected, for what cannot be read.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "pairs.tsv"
    >>> _ = file.write_text("Go.\\tVe.\\nHi.\\tHola.\\n")
    >>> read_pairs(file).pairs[1]
    Pair(source='Hi.', target='Hola.')
    """
    path = Path(path)
    bad = BadRows(f"{option} {path}", skip_bad)
    if all(languages):
        rows = _parallel(path, languages, bad, option)
    elif any(languages):
        raise UsageError("of two parallel files both languages are given: --source de --target en.")
    else:
        rows = _tabbed(path, bad, option)
    pairs = [Pair(*(side.lower() if lowercase else side for side in pair)) for pair in rows]
    if not pairs:
        raise UsageError(f"{option} {path} has no pairs. {bad.said()}".rstrip())
    if swap:
        pairs = [Pair(pair.target, pair.source) for pair in pairs]
    return Pairs(pairs, tuple(filter(None, [bad.said()])))


def _tabbed(path: Path, bad: BadRows, option: str) -> Iterator[Pair]:
    for number, line in _lines(path, option):
        if not line.strip():
            continue
        with bad.reading(number):
            sides = [side.strip() for side in line.split("\t")]
            if len(sides) < 2:
                raise ValueError("it has no tab: a source, a tab and a target are expected")
            yield _checked(sides[0], sides[1])


def _parallel(
    path: Path, languages: tuple[str | None, str | None], bad: BadRows, option: str
) -> Iterator[Pair]:
    files = [_named(path, str(language), option) for language in languages]
    sources, targets = ([line for _, line in _lines(file, option)] for file in files)
    if len(sources) != len(targets):
        raise UsageError(
            f"{files[0]} has {len(sources):,} lines and {files[1]} {len(targets):,}: line by line they must"
            " belong together."
        )
    for number, (source, target) in enumerate(zip(sources, targets), 1):
        with bad.reading(number):
            yield _checked(source.strip(), target.strip())


def _named(path: Path, language: str, option: str) -> Path:
    """train.de or train.de.gz."""
    for end in ("", ".gz"):
        file = path.with_name(f"{path.name}.{language}{end}")
        if file.exists():
            return file
    raise UsageError(
        f"{option} {path}: there is neither {path.name}.{language} nor {path.name}.{language}.gz in"
        f" {path.parent}."
    )


def _checked(source: str, target: str) -> Pair:
    for name, side in (("source", source), ("target", target)):
        if not side:
            raise ValueError(f"its {name} is empty")
        if len(side) > MOST_LINE:
            raise ValueError(f"its {name} has {len(side):,} characters: at most {MOST_LINE:,} are expected")
    return Pair(source, target)


def _lines(path: Path, option: str) -> Iterator[tuple[int, str]]:
    """The lines of a file of UTF-8 text, packed or not, with their numbers from 1 on."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{option} {path} is not a regular file: give a file of text.")
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise UsageError(f"{option} {path} does not exist: check the path.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise UsageError(f"{option} {path} is not a whole gzip file: pack it again.") from None
    except OSError as error:
        raise UsageError(
            f"{option} {path} cannot be read ({error.strerror}): give a file you may read."
        ) from None
    content = content.removeprefix(b"\xef\xbb\xbf")
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise UsageError(
                f"{option} {path}, line {number}: it is not UTF-8. Convert the file, e.g. with iconv."
            ) from None
        if "\0" in text:
            raise UsageError(f"{option} {path}, line {number}: a binary file; give a file of text.")
        if text or number <= content.count(b"\n"):
            yield number, text.removesuffix("\r")


def digest(*parts: Sequence[Pair]) -> str:
    """SHA-256 of pairs, part by part, hexadecimal."""
    made = hashlib.sha256()
    for part in parts:
        for pair in part:
            for side in pair:
                content = side.encode("utf-8", "surrogatepass")
                made.update(len(content).to_bytes(4, "little") + content)
        made.update(b"\xff\xff\xff\xff")
    return made.hexdigest()


WAYS = ("{a}, {d} {b} {y}", "{b} {d}, {y}", "{d} {b} {y}", "{a}, {b} {th}, {y}", "the {th} of {b} {y}")


def made_pairs(count: int = MADE, seed: int = 0) -> list[Pair]:
    """Dates as people write them, and as a calendar's file does: `the 3rd of march 1984` and `1984-03-03`.

    Day, month and year change places: what is written looks back and forth.
    """
    drawn, first = random.Random(seed), date(1900, 1, 1)
    return [_date(drawn, first + timedelta(days=drawn.randrange(54_786))) for _ in range(count)]


def _date(drawn: random.Random, day: date) -> Pair:
    ends = {1: "st", 2: "nd", 3: "rd"}
    end = "th" if day.day in (11, 12, 13) else ends.get(day.day % 10, "th")
    month = MONTHS[day.month - 1]
    said = drawn.choice(WAYS).format(
        a=DAYS[day.weekday()],
        b=drawn.choice((month, month[:3])),
        d=day.day,
        th=f"{day.day}{end}",
        y=day.year,
    )
    return Pair(said, day.isoformat())


# strftime's would be the locale's.
MONTHS = "january february march april may june july august september october november december".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
