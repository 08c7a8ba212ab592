"""Attention as a picture: a row for each symbol that was written, a column for each that was read, the
fuller the more it counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..terminal import printable
from .ink import INK, following

CELL, LETTER, SIZE = 22.0, 7.2, 12.0  # side of a cell, width of a letter, height of letters
SLANT = 50  # degrees of what stands above the columns


def attention_svg(
    read: Sequence[str], written: Sequence[str], weights: Sequence[Sequence[float]], title: str = ""
) -> str:
    """An SVG element.

    read, written  what symbols are called
    weights        (written, read) numbers from 0 to 1

    >>> attention_svg(["a", "b"], ["c"], [[0.25, 0.75]]).count("<rect")
    2
    """
    title = printable(title)
    left = 14 + LETTER * max(map(len, written), default=0)
    top = 14 + LETTER * 0.8 * max(map(len, read), default=0)
    width, height = left + CELL * len(read) + top, top + CELL * len(written) + 6
    body = [
        _letters(
            name,
            left + CELL * (k + 0.6),
            top - 6,
            f' transform="rotate(-{SLANT} {left + CELL * (k + 0.6):g} {top - 6:g})"',
        )
        for k, name in enumerate(read)
    ]
    for row, (name, looked) in enumerate(zip(written, weights)):
        y = top + CELL * row
        body.append(_letters(name, left - 6, y + CELL * 0.7, ' text-anchor="end"'))
        body += [
            _cell(left + CELL * k, y, weight, f"{name} - {read[k]}: {weight:.3f}")
            for k, weight in enumerate(looked)
        ]
    style = following("unrolled-attention", '[{what}="{colour}"]{{{what}:var(--{name})}}')
    head = (
        f'<svg class="unrolled-attention" role="img" aria-label="{escape(title, quote=True)}" width="{width:g}"'
        f' height="{height:g}" viewBox="0 0 {width:g} {height:g}" xmlns="http://www.w3.org/2000/svg"'
        f' font-family="sans-serif" font-size="{SIZE:g}">'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{style}</style>", *body, "</svg>\n"])


def _letters(text: str, x: float, y: float, more: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{INK["text"][0]}"{more}>{escape(printable(text))}</text>'


def _cell(x: float, y: float, weight: float, said: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{CELL:g}" height="{CELL:g}" fill="{INK["blue_line"][0]}"'
        f' fill-opacity="{weight:.3f}"'
        f' stroke="{INK["frame"][0]}"><title>{escape(printable(said))}</title></rect>'
    )
