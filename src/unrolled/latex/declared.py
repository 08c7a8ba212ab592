r"""Shapes that a paper says beside its equations: `W \in \mathbb{R}^{H \times I}`."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.node import Shape
from .lines import EquationTokens, separated
from .parser import Parser
from .scripts import script_of
from .tokens import LatexSource, LatexToken
from .tree import Name

EXAMPLE = r"Write W \in \mathbb{R}^{H \times I}, and \mathbb{R} for a number."


@dataclass(frozen=True)
class Declared:
    """One name with its shape, and where it stands."""

    name: Name
    shape: Shape
    at: int


def declared_of(source: LatexSource, line: EquationTokens) -> list[Declared]:
    r"""The names left of \in, each with the shape to the right. Raises CellError for another
    set than \mathbb{R}^{...}.
    """
    shape = _shape(source, line)
    if not line.left:
        raise source.wrong(line.equals.at, f"nothing stands left of \\in. {EXAMPLE}")
    pieces = separated(source, line.left, line.equals, (",",))
    found = []
    for piece in pieces:
        reader = Parser(source, piece, line.equals.at)
        tree = reader.atom()
        if tree.op != "name" or reader.next.kind != "end":
            raise source.wrong(tree.at, f"names stand left of \\in, with commas between them. {EXAMPLE}")
        found.append(Declared(tree.value, shape, tree.at))
    return found


def _shape(source: LatexSource, line: EquationTokens) -> Shape:
    tokens = list(line.right)
    while tokens and tokens[-1].text in (".", ","):
        tokens.pop()
    said = [t.text for t in tokens]
    start = next(
        (k for k in ([r"\mathbb", "R"], [r"\mathbb", "{", "R", "}"], [r"\R"]) if said[: len(k)] == k), None
    )
    if start is None:
        raise source.wrong(line.equals.at, f"only \\mathbb{{R}} can stand right of \\in. {EXAMPLE}")
    rest = tokens[len(start) :]
    if not rest:
        return ()
    if rest[0].text != "^" or len(rest) == 1:
        raise source.wrong(rest[0].at, f"this is not a shape. {EXAMPLE}")
    inside = rest[2:-1] if rest[1].text == "{" else rest[1:2]
    sides: list[list[LatexToken]] = [[]]
    for token in inside:
        if token.text == r"\times":
            sides.append([])
        else:
            sides[-1].append(token)
    return tuple(_side(source, side, line.equals.at) for side in sides)


def _side(source: LatexSource, tokens: list[LatexToken], at: int) -> str:
    """H, 4, d_h, H/4, H+I."""
    text, k = "", 0
    while k < len(tokens):
        token = tokens[k]
        if token.text == "_":
            last = k + 1 if k + 1 < len(tokens) and tokens[k + 1].text != "{" else None
            end = last or next((j for j in range(k, len(tokens)) if tokens[j].text == "}"), len(tokens) - 1)
            text += "_" + "_".join(
                script_of(source, [t for t in tokens[k + 1 : end + 1] if t.text not in "{}"]).parts
            )
            k = end + 1
            continue
        if token.kind not in ("letter", "number", "word") and token.text not in ("+", "/", r"\cdot"):
            raise source.wrong(token.at, f"{token.text} cannot stand in a shape. {EXAMPLE}")
        text += "*" if token.text == r"\cdot" else token.text
        k += 1
    if not text:
        raise source.wrong(at, f"a width is missing in this shape. {EXAMPLE}")
    return text
