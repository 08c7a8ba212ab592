r"""What is written with braces or a pair of signs: fractions, roots, cases, columns, |v|."""

from __future__ import annotations

from dataclasses import dataclass

from .lines import INDICES, separated
from .tokens import LatexToken
from .tree import CONDITIONS, Tree

SPECIAL = (
    "\\frac",
    "\\dfrac",
    "\\tfrac",
    "\\sqrt",
    "\\begin",
    "\\mathbb",
    "\\lVert",
    "\\lfloor",
    "\\sum",
    "\\lvert",
    "|",
    "\\|",
)


@dataclass
class Forms:
    """Reads them for one `Parser`."""

    parser: object

    def wrong(self, at: int, message: str) -> Exception:
        return self.parser.source.wrong(at, message)

    def read(self, token: LatexToken) -> Tree:
        """The form that `token` begins."""
        form = {
            "\\frac": self.fraction,
            "\\dfrac": self.fraction,
            "\\tfrac": self.fraction,
            "\\sqrt": self.root,
            "\\begin": self.environment,
            "\\mathbb": self.indicator,
            "\\sum": self.total,
            "\\lfloor": self.floor,
        }.get(token.text)
        return form(token) if form else self.between(token)

    def inside(self, token: LatexToken) -> Tree:
        tokens = self.parser.group()
        if not tokens:
            raise self.wrong(token.at, f"{token.text} has an empty pair of braces. Fill it.")
        return self.parser.inner(tokens, token.at)

    def fraction(self, token: LatexToken) -> Tree:
        return Tree("div", (self.inside(token), self.inside(token)), at=token.at)

    def root(self, token: LatexToken) -> Tree:
        return Tree("call", (self.inside(token),), "sqrt", token.at)

    def floor(self, token: LatexToken) -> Tree:
        return Tree("call", (self.upto("\\rfloor", token),), "floor", token.at)

    def total(self, token: LatexToken) -> Tree:
        over = None
        while self.parser.next.text in ("_", "^"):
            sign = self.parser.take()
            inside = [t.text for t in self.parser.group()]
            over = inside[0] if sign.text == "_" and inside else over
        if over is not None:
            return self.indexed(over, token)
        return Tree("call", (self.parser.factor(None),), "total", token.at)

    def indexed(self, over: str, token: LatexToken) -> Tree:
        r"""\sum_j and all factors behind it; `indices` makes a product of them."""
        if over not in INDICES:
            raise self.wrong(
                token.at,
                f"a sum over {over} is not part of one step. An index is one of {', '.join(INDICES)}, as in "
                "\\sum_j w_{ij} x_j; what runs over time is a state: s_t = s_{t-1} + x_t.",
            )
        return Tree("sum", (self.parser.term(token),), over, token.at)

    def between(self, token: LatexToken) -> Tree:
        close, call = {
            "|": ("|", "absolute"),
            "\\lvert": ("\\rvert", "absolute"),
            "\\lVert": ("\\rVert", "norm"),
            "\\|": ("\\|", "norm"),
        }[token.text]
        return Tree("call", (self.upto(close, token),), call, token.at)

    def upto(self, close: str, token: LatexToken) -> Tree:
        inside = []
        while self.parser.next.text != close:
            if self.parser.next.kind == "end":
                raise self.wrong(token.at, f"{token.text} is never closed. Write {close} where it ends.")
            inside.append(self.parser.take())
        self.parser.take()
        return self.parser.inner(inside, token.at)

    def indicator(self, token: LatexToken) -> Tree:
        r"""\mathbb{1}[a > b] is 1 where it holds, else 0."""
        if [t.text for t in self.parser.group()] != ["1"]:
            raise self.wrong(token.at, "\\mathbb writes \\mathbb{1}[a > b] only: 1 where it holds, else 0.")
        tree = self.parser.factor(None)
        if tree.op not in CONDITIONS:
            raise self.wrong(
                tree.at, "\\mathbb{1} asks whether something holds. Write [a > b] or [a < b] behind it."
            )
        sides = {"less": tree.args, "greater": tree.args[::-1]}.get(tree.op)
        zero = sides is not None and sides[0].op == "number" and sides[0].value == 0
        return Tree("call", sides[1:], "step", token.at) if zero else tree

    def environment(self, token: LatexToken) -> Tree:
        inside = self.parser.until("\\end")
        if token.kind == "cases":
            return self.cases(token, inside)
        if not token.kind.endswith("matrix"):
            raise self.wrong(
                token.at, f"\\begin{{{token.kind}}} cannot stand inside an equation. cases and bmatrix can."
            )
        if any(t.text == "&" for t in inside):
            raise self.wrong(
                token.at,
                "a matrix of several columns cannot be read. Give each product an equation of its own.",
            )
        pieces = separated(self.parser.source, inside, token)
        parts = [self.parser.inner(piece, token.at) for piece in pieces]
        return Tree("concat", tuple(parts), at=token.at) if len(parts) > 1 else parts[0]

    def cases(self, token: LatexToken, inside: list[LatexToken]) -> Tree:
        parts = [_at_ampersands(row) for row in separated(self.parser.source, inside, token, ("\\\\",))]
        if len(parts) != 2 or any(len(p) != 2 for p in parts):
            raise self.wrong(
                token.at, "cases has two rows here: VALUE & \\text{if } a < b \\\\ VALUE & \\text{otherwise}."
            )
        chosen, other = (self.parser.inner(p[0], token.at) for p in parts)
        asked = [t for t in parts[0][1] if t.kind != "word" or t.text not in ("if", "for", "when")]
        condition = self.parser.inner(asked, token.at)
        if condition.op == "unequal" and condition.args[1].op == "number" and condition.args[1].value == 0:
            condition = condition.args[0]
        return Tree("cases", (condition, chosen, other), at=token.at)


def _at_ampersands(tokens: list[LatexToken]) -> list[list[LatexToken]]:
    pieces: list[list[LatexToken]] = [[]]
    for token in tokens:
        if token.text == "&":
            pieces.append([])
        else:
            pieces[-1].append(token)
    return [p[:-1] if p[-1].text in (",", ";", ".") else p for p in pieces if p]
