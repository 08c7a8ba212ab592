"""Text in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def columns(rows: Iterable[Sequence[str]], gap: str = "  ", right: Iterable[int] = ()) -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell; those in `right` are set to the right."""
    rows = [list(row) for row in rows]
    right = frozenset(right)
    most = max(map(len, rows), default=0)
    widths = [max(len(row[k]) for row in rows if k < len(row)) for k in range(most)]
    return [
        gap.join(
            cell.rjust(w) if k in right else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]


def shape_text(shape: Sequence[str]) -> str:
    """(H,) for a vector, (H, I) for a matrix, "a number" for a number."""
    return f"({', '.join(shape)}{',' if len(shape) == 1 else ''})" if shape else "a number"


def paragraphs(doc: str) -> list[str]:
    """A docstring's paragraphs, each as one line: what the thing is, then what else is to be said."""
    return [" ".join(part.split()) for part in doc.strip().split("\n\n") if part.strip()]


def printable(text: str) -> str:
    """Text from a file without what could steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
