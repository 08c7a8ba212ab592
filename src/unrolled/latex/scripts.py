r"""What stands below and above a letter: parts of its name, the moment t or t-1, a layer, a power."""

from __future__ import annotations

from dataclasses import dataclass

from .tokens import LatexSource, LatexToken
from .tree import BEFORE, NOW

ACCENTS = {
    "\\tilde": "tilde",
    "\\widetilde": "tilde",
    "\\hat": "hat",
    "\\widehat": "hat",
    "\\bar": "bar",
    "\\overline": "bar",
    "\\dot": "dot",
    "\\acute": "acute",
    "\\grave": "grave",
    "\\check": "check",
}
LAYER_BELOW = "l-1"


@dataclass(frozen=True)
class Script:
    """The parts of one subscript or superscript, and the moment among them."""

    parts: tuple[str, ...]
    moment: str | None


def script_of(source: LatexSource, tokens: list[LatexToken]) -> Script:
    r"""What {xh}, {t-1}, {i,t}, (t), <t-1>, {\mathrm{slow},t} say.

    Raises CellError for other moments and other signs.
    """
    parts, moment = [], None
    for piece in _split(_unwrapped(tokens)):
        piece = _unwrapped(piece)
        said = _said(source, piece)
        # W_{\mathrm{t}} beside x_t.
        upright = source.timed and len(piece) == 1 and piece[0].kind == "word" and said == NOW
        if upright:
            parts.append(said)
        elif said in (NOW, BEFORE):
            if moment is not None:
                raise source.wrong(
                    piece[0].at, f"two moments on one name, {moment} and {said}. Leave one of them."
                )
            moment = said
        elif said.startswith(("t+", "t-")):
            remedy = (
                "Call the newest moment t and the one before it t-1"
                if said == "t+1"
                else (
                    "Hand what is older on as a state of its own: p_t = h_{t-1}, then p_{t-1} is h two steps"
                    " back"
                )
            )
            raise source.wrong(
                piece[0].at, f"{said} is a moment that a cell does not see: it has t and t-1. {remedy}."
            )
        else:
            parts.append(said)
    return Script(tuple(parts), moment)


def _split(tokens: list[LatexToken]) -> list[list[LatexToken]]:
    pieces: list[list[LatexToken]] = [[]]
    for token in tokens:
        if token.text in (",", ";"):
            pieces.append([])
        else:
            pieces[-1].append(token)
    return [piece for piece in pieces if piece]


def _unwrapped(tokens: list[LatexToken]) -> list[LatexToken]:
    pairs = {("(", ")"), ("<", ">"), ("\\langle", "\\rangle"), ("{", "}"), ("[", "]")}
    while len(tokens) > 2 and (tokens[0].text, tokens[-1].text) in pairs:
        tokens = tokens[1:-1]
    return tokens


def _said(source: LatexSource, tokens: list[LatexToken]) -> str:
    said = ""
    for token in tokens:
        if token.kind in ("letter", "number"):
            said += token.text
        elif token.kind == "word" and token.text:
            said += "_".join(token.text.split())
        elif token.text in ("-", "+") and said in ("t", "l", "ell"):
            said += token.text
        elif token.text in ACCENTS or token.text in ("{", "}"):
            continue
        elif token.text == "'":
            said += "prime"
        elif token.kind == "command" and token.text[1:].isalpha():
            said += {"\\ell": "l", "\\top": "T"}.get(token.text, token.text[1:])
        else:
            raise source.wrong(
                token.at,
                f"{token.text} cannot stand in a subscript or superscript. "
                "Letters, numbers, and t or t-1 can, with commas between them.",
            )
    return said
