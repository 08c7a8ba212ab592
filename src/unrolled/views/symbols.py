"""An author's name as mathematics: W_f[t] is the letter W with f and t below, alpha is a Greek
letter, c_tilde wears a tilde.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from .names import NOW, Called

GREEK = dict(
    zip(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi"
        " chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split(),
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ",
    )
)
ACCENTS = {"tilde": "\u0303", "hat": "\u0302", "bar": "\u0304", "dot": "\u0307"}
VECTORS = frozenset("xhyzscoafgu")  # letters that stand for vectors; two of them below a matrix are not a word
TEXT = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    **{c: "\\" + c for c in "{}$&#_%"},
}


@dataclass(frozen=True)
class NameParts:
    """One name in its parts. W_f is ("W", ("f",))."""

    base: str
    below: tuple[str, ...] = ()
    accents: tuple[str, ...] = ()


def parts_of(name: str) -> NameParts:
    """The parts of the base of a name.

    >>> parts_of("h_slow")
    NameParts(base='h', below=('slow',), accents=())
    """
    if not re.fullmatch(r"\w+", name):
        return NameParts(name)
    base, *rest = [part for part in name.split("_") if part] or [name]
    numbered = re.fullmatch(r"([^\W\d]+)(\d+)", base)
    if numbered:
        base, rest = numbered[1], [numbered[2], *rest]
    marks = tuple(p for p in rest if p in ACCENTS or p == "prime")
    return NameParts(base, tuple(p for p in rest if p not in marks), marks)


def latex_name(called: Called | str, step: str | None = None, symbols: Mapping[str, str] | None = None) -> str:
    """LaTeX of a name, which may be printed already. `step` stands for t: "3" makes h[t] h_3 and h[t-1] h_2. Of
    `symbols`, such as {"W_h": "W^h"}, is taken which parts of a name stand above.

    >>> latex_name("W_f"), latex_name("h_slow[t-1]"), latex_name("C_tilde[t]"), latex_name("s(2)[t]")
    ('W_{f}', 'h_{\\\\mathrm{slow},t-1}', '\\\\tilde{C}_{t}', 's^{(2)}_{t}')
    >>> latex_name("W_h", symbols={"W_h": "W^h"})
    'W^{h}'
    """
    called = Called.read(called) if isinstance(called, str) else called
    name = parts_of(called.base)
    text = _latex_word(name.base, first=True)
    for mark in name.accents:
        text = text if mark == "prime" else rf"\{mark}{{{text}}}"
    text += "'" * name.accents.count("prime")
    if called.number is not None:
        text = f"{{{text}}}^{{({called.number})}}" if "'" in text else f"{text}^{{({called.number})}}"
    above = _above((symbols or {}).get(called.base, ""), name.below)
    if above:
        text = (
            f"{{{text}}}" if "'" in text or "^" in text else text
        ) + f"^{{{','.join(map(_latex_word, above))}}}"
    below = [*(_latex_word(word) for word in name.below if word not in above), *_moment(called, step)]
    return text + (f"_{{{','.join(below)}}}" if below else "")


def _above(symbol: str, below: tuple[str, ...]) -> tuple[str, ...]:
    """The parts of a name that its symbol lifts: h of W_h in "W^h"."""
    return tuple(part for part in re.findall(r"\^(\w+)", symbol.replace("_", " ")) if part in below)


@lru_cache(4096)
def markup_name(called: Called | str, step: str | None = None) -> str:
    """The same in the markup of a picture's labels, see `views.runs`.

    >>> markup_name("b")
    '<I>b</I>'
    """
    called = Called.read(called) if isinstance(called, str) else called
    name = parts_of(called.base)
    accents = "".join(ACCENTS.get(mark, "′") for mark in name.accents)
    text = _markup_word(name.base, accents, first=True)
    if called.number is not None:
        text += f"<SUP>({called.number})</SUP>"
    below = [*(_markup_word(word) for word in name.below), *(_markup_time(m) for m in _moment(called, step))]
    if below:
        text += "<SUB>" + ",".join(below) + "</SUB>"
    return text


def latex_text(text: str) -> str:
    """Plain words inside LaTeX, every special character made harmless.

    >>> latex_text("100% of x_t")
    '\\\\text{100\\\\% of x\\\\_t}'
    """
    return r"\text{" + "".join(TEXT.get(c, c if c.isprintable() else "?") for c in text) + "}"


def _moment(called: Called, step: str | None) -> list[str]:
    if called.time is None or step is None:
        return [called.time] if called.time else []
    return [step if called.time == NOW else str(int(step) - 1)]


def _latex_word(word: str, first: bool = False) -> str:
    """Below a letter, two letters such as xi are an x and an i, not Greek."""
    if word in GREEK and (first or len(word) > 2):
        return rf"\{word}"
    if word == "t" and not first:  # no moment
        return r"\mathrm{t}"
    if len(word) == 1 and word.isalnum() or word.isdigit():
        return word
    if not first and len(word) == 2 and set(word) <= VECTORS:
        return word  # from one to the other, as in W_{xh}
    return rf"\mathrm{{{word}}}" if word.isalnum() and word.isascii() else latex_text(word)


def _markup_word(word: str, accents: str = "", first: bool = False) -> str:
    letter = GREEK.get(word) if first or len(word) > 2 else None
    shown = escape(letter or word) + accents
    return f"<I>{shown}</I>" if letter or len(word) == 1 and word.isalpha() else shown


def _markup_time(moment: str) -> str:
    return "<I>t</I>" + moment[1:].replace("-", "−") if moment.startswith("t") else moment
