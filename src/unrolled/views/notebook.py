"""What a notebook shows of a cell: its name and sentence, its equations, its picture."""

from __future__ import annotations

from html import escape

from .columns import paragraphs


def markdown(name: str, doc: str, latex: str) -> str:
    """Name, sentence and equations.

    >>> print(markdown("elman", "A net.", "h = x"))
    **elman**: A net.
    <BLANKLINE>
    $$
    h = x
    $$
    """
    return f"**{name}**{_sentence(doc)}\n\n$$\n{latex}\n$$"


def html(name: str, doc: str, latex: str, picture: str) -> str:
    """The same with the picture, for a page that sets equations between $$, as notebooks do."""
    return f"<p><b>{escape(name)}</b>{escape(_sentence(doc))}</p>\n$$\n{escape(latex)}\n$$\n{picture}"


def _sentence(doc: str) -> str:
    said = paragraphs(doc)
    return f": {said[0]}" if said else ""
