"""What a worked net says, before it is text, Markdown or LaTeX: headings, words, equations, tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """A piece of mathematics in plain text and in LaTeX."""

    text: str
    latex: str


@dataclass(frozen=True)
class Heading:
    """`part`: which part of the document begins here: given, forward, backward, step, slides, or another."""

    level: int
    words: str
    part: str = ""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; `code` in backquotes."""

    text: str


@dataclass(frozen=True)
class Equations:
    """The author's equations: lines of text, and an align* environment."""

    lines: tuple[str, ...]
    latex: str


@dataclass(frozen=True)
class WorkedLine:
    """left = right = right = ...; `given` where nothing has to be worked out."""

    left: Said
    rights: tuple[Said, ...]
    given: bool = False


@dataclass(frozen=True)
class Lines:
    lines: tuple[WorkedLine, ...]


@dataclass(frozen=True)
class Grid:
    """A table of texts, each row and column with its name."""

    title: Said
    columns: tuple[Said, ...]
    rows: tuple[tuple[Said, tuple[str, ...]], ...]
    given: bool = False


@dataclass(frozen=True)
class Brackets:
    """Matrices and columns in brackets, each the texts of its cells, and what stands between them; `made` says
    which of them are worked out."""

    pieces: tuple[Said | tuple[tuple[str, ...], ...], ...]
    made: frozenset[int] = frozenset()


Piece = Heading | Paragraph | Equations | Lines | Grid | Brackets
