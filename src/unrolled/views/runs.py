"""A label's markup as runs of letters: what is slanted, what stands low or high, and in which colour.

Markup is text with `<I>`, `<SUB>`, `<SUP>`, `<FONT COLOR="weight">` and `<BR/>`; letters in
it are escaped as in HTML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from html import unescape

from .letters import width

SMALL = 0.7  # of the type size, for what stands low or high
TOKEN = re.compile(r'<(/?)(I|SUB|SUP|FONT)(?: COLOR="(\w+)")?>|<(BR)/>|([^<]+)')


@dataclass(frozen=True)
class TextRun:
    """Letters of one look. `rise` is 0 on the line, -1 below it, 1 above it; `colour` is a name of `INK`."""

    text: str
    slanted: bool = False
    rise: int = 0
    colour: str = "text"

    def width(self, size: float) -> float:
        return width(self.text, size * SMALL if self.rise else size, self.slanted)


Line = tuple[TextRun, ...]


@lru_cache(4096)
def lines_of(markup: str, colour: str = "text") -> tuple[Line, ...]:
    """Markup as lines of runs; neighbours of one look are one run.

    >>> [run.text for run in lines_of("<I>h</I><SUB><I>t</I>−1</SUB>")[0]]
    ['h', 't', '−1']
    """
    lines: list[list[TextRun]] = [[]]
    look = [TextRun("", colour=colour)]
    for close, tag, ink, broken, text in TOKEN.findall(markup):
        if text:
            _append(lines[-1], replace(look[-1], text=unescape(text)))
        elif broken:
            lines.append([])
        elif close:
            look.pop()
        else:
            changed = {"I": {"slanted": True}, "SUB": {"rise": -1}, "SUP": {"rise": 1}}
            look.append(replace(look[-1], **changed.get(tag, {"colour": ink or look[-1].colour})))
    return tuple(tuple(line) for line in lines)


def _append(line: list[TextRun], run: TextRun) -> None:
    if line and replace(line[-1], text="") == replace(run, text=""):
        run = replace(run, text=line.pop().text + run.text)
    line.append(run)


@lru_cache(4096)
def places(line: Line, size: float) -> tuple[tuple[float, ...], float]:
    """Where each run begins, and how wide the line is: what stands low below what stands high shares its place.

    >>> places(lines_of("s<SUP>(2)</SUP><SUB>t</SUB>")[0], 10)[0]
    (0.0, 3.89, 3.89)
    """
    found, at, begun, end = [], 0.0, None, 0.0
    for before, run in zip((None, *line), line):
        if before and run.rise and before.rise == -run.rise and begun is not None:
            at, begun = begun, None
        elif run.rise and (before is None or before.rise != run.rise):
            begun = at = end
        elif not run.rise:
            begun, at = None, end
        found.append(round(at, 3))
        at += run.width(size)
        end = max(end, at)
    return tuple(found), end


def line_width(line: Line, size: float) -> float:
    """How wide a line is."""
    return places(line, size)[1]
