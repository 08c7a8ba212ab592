"""The papers that the cells are from: `cells/references.bib`, read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .errors import UsageError

FILE = Path(__file__).parent / "cells" / "references.bib"
START = re.compile(r"@(\w+)\{([\w-]+),$")
FIELD = re.compile(r"(\w+) = \{(.*)\},$")
VENUES = ("journal", "booktitle", "institution", "school", "publisher", "howpublished")


@dataclass(frozen=True)
class Reference:
    """One paper.

    authors  (family name, given names) each, in the paper's order
    venue    where it appeared, with volume and pages
    url      where it can be read: at arXiv if it is there, else by its DOI, else its own
             address; "" if none is known
    """

    key: str
    authors: tuple[tuple[str, str], ...]
    title: str
    venue: str
    year: int
    url: str

    @property
    def short(self) -> str:
        """Hochreiter & Schmidhuber 1997, Gers et al. 2000."""
        names = [family for family, _ in self.authors]
        return f"{' & '.join(names) if len(names) < 3 else f'{names[0]} et al.'} {self.year}"

    @property
    def citation(self) -> str:
        """The whole of it in one line."""
        names = ", ".join(f"{given} {family}".strip() for family, given in self.authors)
        title = self.title if self.title[-1] in "?!." else f"{self.title}."
        return " ".join(part for part in (f"{names}.", title, f"{self.venue}, {self.year}.", self.url) if part)


@lru_cache(maxsize=1)
def references() -> dict[str, Reference]:
    """Every paper by its key, in the order of the file.

    >>> references()["elman1990"].short
    'Elman 1990'
    """
    return {found.key: found for found in parse(FILE.read_text(encoding="utf-8"))}


def citations(keys: Iterable[str], year: int | None = None) -> list[str]:
    """Full citations. A key that is not in the file, as a user's cell may have, stands
    for itself, with the year.

    >>> citations(["smith2031"], 2031)
    ['smith2031 (2031)']
    """
    known = references()
    return [known[key].citation if key in known else key + (f" ({year})" if year else "") for key in keys]


def bibtex(keys: Iterable[str], year: int | None = None) -> str:
    """The entries of these keys as BibTeX, as they stand in the file; one with its year alone
    for a key that does not.

    >>> print(bibtex(["smith2031"], 2031))
    @misc{smith2031,
      year = {2031},
    }
    """
    text = FILE.read_text(encoding="utf-8")
    found = {
        entry[1]: entry[0]
        for entry in re.finditer(r"^@\w+\{([\w-]+),\n.*?^\}$", text, re.MULTILINE | re.DOTALL)
    }
    dated = f"  year = {{{year}}},\n" if year else ""
    return "\n\n".join(found.get(key) or f"@misc{{{key},\n{dated}}}" for key in keys)


def year_of(keys: Sequence[str]) -> int | None:
    """The year in the first paper's key.

    >>> year_of(["zhang2018atr", "smith2031"]), year_of(["smith"]), year_of([])
    (2018, None, None)
    """
    found = re.match(r"\D+(\d{4})(?!\d)", keys[0]) if keys else None
    return int(found[1]) if found else None


def parse(text: str) -> list[Reference]:
    """The entries of a file of the simple form that ours has: one field a line, no macros,
    nothing nested but braces.

    Raises UsageError, with the line, for anything else.
    """
    found, key, fields = [], "", {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        start, one = START.match(line), FIELD.match(line)
        if not key and start:
            key, fields = start[2], {}
        elif key and line == "}":
            found.append(_reference(key, fields))
            key = ""
        elif key and one and one[1].lower() not in fields:
            fields[one[1].lower()] = re.sub(r"[{}]", "", one[2])
        elif key or line and not line.startswith("%"):
            raise UsageError(
                f"references.bib, line {number}: {line!r} is not a line of an entry (or a field twice). "
                "Write @article{key, then one `field = {value},` a line, then }."
            )
    if key:
        raise UsageError(
            f"references.bib: the entry {key} has no end. Write }} on a line of its own after its fields."
        )
    return found


def _reference(key: str, fields: dict[str, str]) -> Reference:
    for wanted in ("author", "title", "year"):
        if wanted not in fields:
            raise UsageError(f"references.bib: the entry {key} has no {wanted}. Add `{wanted} = {{...}},`.")
    authors = tuple(
        (family.strip(), given.strip())
        for family, _, given in (name.partition(",") for name in fields["author"].split(" and "))
    )
    return Reference(key, authors, fields["title"], _venue(fields), int(fields["year"]), _url(fields))


def _venue(fields: dict[str, str]) -> str:
    name = next((fields[v] for v in VENUES if v in fields), "arXiv preprint" if "eprint" in fields else "")
    if name == "arXiv preprint":
        return f"arXiv:{fields['eprint']}"
    volume, number = fields.get("volume", ""), fields.get("number", "")
    if volume:
        issue = f" {volume} ({number})" if number else f" {volume}"
    else:
        issue = f", {number}" if number else ""
    pages = f", {fields['pages'].replace('--', '-')}" if "pages" in fields else ""
    return f"{name}{issue}{pages}"


def _url(fields: dict[str, str]) -> str:
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return f"https://doi.org/{fields['doi']}" if "doi" in fields else fields.get("url", "")
