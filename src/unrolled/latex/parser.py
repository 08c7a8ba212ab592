r"""Tokens become expressions: sums of chains of factors as they stand; what a factor does
to the next comes later.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from .behind import indices, moment_in_brackets, without_braces
from .forms import SPECIAL, Forms
from .lines import BRACKETS, EquationTokens, separated
from .scripts import ACCENTS, Script, script_of
from .tokens import FUNCTIONS, LatexSource, LatexToken
from .tree import AND, CONDITIONS, GREEK, OR, RELATION, Equation, Name, Tree

SIGNS = {
    "*": "*",
    "\\cdot": "*",
    "\\times": "*",
    "\\ast": "*",
    "/": "/",
    "\\odot": "odot",
    "\\circ": "odot",
    "\\otimes": "odot",
}
# Letters that papers give to a function.
FREE = ("f", "g", "phi", "varphi", "psi", "Phi", "Psi", "rho", "act", "activation")
# \mathrm{mean} without brackets is a name.
ALSO_NAMES = ("mean", "norm", "maximum", "minimum", "stop_gradient", "concat", "log")
END = LatexToken("end", "", -1)
MANY = {"maximum": 2, "minimum": 2, "clip": 3}


def equations_of(source: LatexSource, lines: list[EquationTokens]) -> list[Equation]:
    """Every equation of a text, in order. Raises CellError with a caret where the text cannot be read."""
    found = []
    for line in lines:
        if [t.text for t in line.left] == ["t"]:  # t = 1, ..., T says how long, not what
            continue
        left = _left(source, line)
        right = Parser(source, line.right, line.equals.at).whole()
        found.append(Equation(left, right, " ".join(" ".join(line.comment).split())))
    if not found:
        raise source.wrong(
            0, "there is no equation here. Write at least one, such as h_t = \\tanh(W x_t + U h_{t-1} + b)."
        )
    return found


def _left(source: LatexSource, line: EquationTokens) -> Tree:
    if not line.left:
        raise source.wrong(line.equals.at, "nothing stands left of this =. Name the value, e.g. h_t = ...")
    reader = Parser(source, line.left, line.equals.at)
    tree = reader.atom()
    if tree.op == "call" and len(tree.args) == 1:  # g(x) = \tanh(x) tells what g is
        tree = replace(tree, op="function")
    if tree.op not in ("name", "function") or reader.next.kind != "end":
        raise source.wrong(
            tree.at, "one name stands left of =, e.g. h_t. Give every value an equation of its own."
        )
    return tree


@dataclass
class Parser:
    """Reads one expression; `place` is the token it has come to, `before` where it began."""

    source: LatexSource
    tokens: list[LatexToken]
    before: int
    place: int = 0

    @property
    def next(self) -> LatexToken:
        return self.tokens[self.place] if self.place < len(self.tokens) else END

    def inner(self, tokens: list[LatexToken], at: int) -> Tree:
        """The expression of some of the tokens, as one that stands in brackets that begin at `at`."""
        return Parser(self.source, tokens, at).whole()

    def take(self) -> LatexToken:
        token = self.next
        self.place += 1
        return token

    def wrong(self, token: LatexToken, message: str) -> Exception:
        at = token.at if token.kind != "end" else self.tokens[-1].at if self.tokens else self.before
        return self.source.wrong(at, message)

    def expect(self, text: str, why: str) -> LatexToken:
        if self.next.text != text:
            raise self.wrong(self.next, why)
        return self.take()

    def whole(self) -> Tree:
        """The expression that all tokens make."""
        if not self.tokens:
            raise self.source.wrong(self.before, "nothing stands right of this =. Write what the value is.")
        tree = self.joined("either", OR, lambda: self.joined("both", AND, self.compared))
        if self.next.kind != "end":
            raise self.wrong(
                self.next, f"{self.next.text} cannot stand here. Take it out, or write what it is to do."
            )
        return tree

    def joined(self, op: str, signs: tuple[str, ...], side: Callable[[], Tree]) -> Tree:
        """Conditions with `and` or `or` between them."""
        left = side()
        while self.next.text in signs:
            sign = self.take()
            right = side()
            odd = next((t for t in (left, right) if t.op not in CONDITIONS), None)
            if odd is not None:
                raise self.source.wrong(
                    odd.at, f"{sign.text} stands between conditions. Write a < b {sign.text} c < d."
                )
            left = Tree(op, (left, right), at=left.at)
        return left

    def compared(self) -> Tree:
        left = self.sum()
        if self.next.text in RELATION:
            sign = self.take()
            return Tree(RELATION[sign.text], (left, self.sum()), at=left.at)
        return left

    def sum(self) -> Tree:
        left = self.term()
        while self.next.text in ("+", "-"):
            sign = self.take()
            left = Tree("add" if sign.text == "+" else "sub", (left, self.term(sign)), at=left.at)
        return left

    def term(self, after: LatexToken | None = None) -> Tree:
        """Factors and the signs between them; "" where two stand side by side."""
        if self.next.text in ("-", "+") and after is None:
            sign = self.take()
            inner = self.term(sign)
            return Tree("neg", (inner,), at=sign.at) if sign.text == "-" else inner
        factors, signs = [self.factor(after)], []
        while True:
            if self.next.text in SIGNS:
                sign = self.take()
                right = self.factor(sign)
                if sign.text == "/" and factors[-1].op == right.op == "number":  # 1/4 x_t is a quarter of x_t
                    factors[-1] = Tree("div", (factors[-1], right), at=factors[-1].at)
                    continue
                signs.append(SIGNS[sign.text])
                factors.append(right)
            elif self.starts():
                signs.append("")
                factors.append(self.factor(None))
            else:
                break
        return factors[0] if not signs else Tree("chain", tuple(factors), tuple(signs), at=factors[0].at)

    def starts(self) -> bool:
        """Whether the next token begins a factor."""
        token = self.next
        if token.text in SPECIAL:
            return token.text not in ("|", "\\|")
        return (
            token.kind in ("letter", "number", "word")
            or token.text in BRACKETS
            or token.text in ACCENTS
            or token.kind == "command"
            and token.text[1:] in (*GREEK, *FUNCTIONS, "ell")
        )

    def factor(self, after: LatexToken | None) -> Tree:
        if self.next.text == "-" and after is not None and after.text not in ("+", "-"):
            sign = self.take()
            return Tree("neg", (self.factor(sign),), at=sign.at)
        return self.raised(self.atom(after))

    def raised(self, base: Tree) -> Tree:
        """Powers and transposes behind something."""
        while self.next.text == "^":
            sign = self.take()
            inside = self.group()
            said = [t.text for t in inside]
            if said in (["T"], ["\\top"], ["\\intercal"], ["\\mathsf", "T"]):
                base = Tree("transpose", (base,), at=base.at)
            elif base.op == "name" and base.value == Name("e"):
                base = Tree("call", (self.inner(inside, sign.at),), "exp", base.at)
            else:
                base = self.power(base, inside, sign)
        return base

    def power(self, base: Tree, inside: list[LatexToken], sign: LatexToken) -> Tree:
        text = "".join(t.text for t in inside)
        digits = text.removeprefix("-")
        if not re.fullmatch(r"\d{1,9}|\d{0,9}\.\d{1,9}", digits) or not 0 < float(digits) <= 64:
            raise self.source.wrong(
                sign.at,
                f"the power {text} is not a number up to 64. "
                "Write \\exp(p \\log v) for another power, e^{...} for an exponential.",
            )
        if not digits.isdigit() and base.op != "number":
            return Tree("power", (base,), float(text), base.at)
        if base.op == "number":
            return replace(base, value=float(f"1e{text}") if base.value == 10 else base.value ** float(text))
        if base.op == "name" and base.value.capital and base.moment is None:
            raise self.source.wrong(
                sign.at,
                f"{base.value.python} may be a matrix, and a matrix has no powers here. Write "
                "W W x_t for a square; for an inverse, a parameter of its own.",
            )
        made = Tree("power", (base,), int(digits), base.at) if digits != "1" else base
        return (
            made if text == digits else Tree("div", (Tree("number", value=1.0, at=base.at), made), at=base.at)
        )

    def group(self) -> list[LatexToken]:
        """The tokens of {...}, or the one token that stands without braces."""
        token = self.take()
        if token.kind == "end":
            raise self.wrong(token, "something is missing behind this. Write it, in braces.")
        if token.text != "{":
            return [token] + (self.group() if token.text in ACCENTS else [])
        return self.until("}")

    def until(self, close: str) -> list[LatexToken]:
        """The tokens up to the bracket that closes; brackets match, `lines` has seen to it."""
        inside, depth = [], 0
        while not (depth == 0 and self.next.text == close):
            depth += (self.next.text in (*BRACKETS, "\\begin")) - (
                self.next.text in (*BRACKETS.values(), "\\end")
            )
            if self.next.kind == "end":
                raise self.wrong(self.next, f"a bracket is never closed here. Write {close} where it ends.")
            inside.append(self.take())
        self.take()
        return inside

    def atom(self, after: LatexToken | None = None) -> Tree:
        token = self.take()
        if token.kind == "number":
            if float(token.text) == float("inf"):
                raise self.wrong(
                    token, f"{token.text} is too large for a number. Write one that a computer can hold."
                )
            return Tree("number", value=float(token.text), at=token.at)
        if token.text in BRACKETS:
            return self.bracket(token)
        if token.text in SPECIAL:
            return Forms(self).read(token)
        if token.kind == "letter":
            return self.named(Name(token.text), token)
        if token.kind == "word":
            return self.named(self.word(token), token)
        if token.text in ACCENTS:
            return self.accented(token)
        if token.kind == "command" and token.text[1:] in (*GREEK, "ell"):
            return self.named(Name(token.text[1:]), token)
        if token.kind == "command" and token.text[1:] in FUNCTIONS:
            return self.named(Name(token.text[1:]), token)
        if token.kind == "command" and token.text not in SIGNS:
            raise self.wrong(
                token,
                f"{token.text} is not a command that is understood here. "
                "Write it with +, -, \\odot, \\sigma, \\tanh, \\frac and the like.",
            )
        if token.kind == "end":
            raise self.wrong(
                token,
                "the equation ends where a value is expected. Write what comes next, or take out the last"
                " sign.",
            )
        said = f"behind {after.text}" if after else "here"
        raise self.wrong(
            token, f"a value is expected {said}, not {token.text}. Put one before it, or take it out."
        )

    def word(self, token: LatexToken) -> Name:
        if " " in token.text:
            raise self.wrong(
                token, f"the words {token.text!r} stand in the middle of an equation. Put \\quad before them."
            )
        said = token.text.replace("-", "_")
        if not re.fullmatch(r"[^\W\d_]\w*", said):
            raise self.wrong(token, f"{token.text!r} cannot be a name. Letters and digits can.")
        return Name(said)

    def accented(self, token: LatexToken) -> Tree:
        inside = self.inner(self.group(), token.at)
        if inside.op != "name":
            raise self.wrong(token, f"{token.text} stands over a name only, e.g. {token.text}{{h}}_t.")
        name = inside.value
        tree = self.named(replace(name, marks=(*name.marks, ACCENTS[token.text])), token)
        return replace(tree, moment=tree.moment or inside.moment)

    def bracket(self, token: LatexToken) -> Tree:
        """(...) groups; [a, b] and [a; b] are one vector behind the other; {h}_t is a name in braces."""
        inside = self.until(BRACKETS[token.text])
        if not inside:
            raise self.wrong(token, "nothing stands in these brackets. Fill them or take them out.")
        parts = [self.inner(piece, token.at) for piece in separated(self.source, inside, token)]
        if len(parts) > 1:
            return Tree("concat", tuple(parts), at=token.at)
        tree = parts[0]
        if token.text == "{" and tree.op == "name" and self.next.text in ("_", "^", "'"):
            again = self.named(tree.value, token)
            return replace(again, moment=again.moment or tree.moment) if again.op == "name" else again
        return tree

    def named(self, name: Name, token: LatexToken) -> Tree:
        """A name with what is below and above it; a call where a function's brackets follow."""
        moment = None
        while self.next.text in ("_", "^", "'"):
            start = self.place
            sign = self.take()
            if sign.text == "'":
                name = replace(name, marks=(*name.marks, "prime"))
                continue
            inside = self.group()
            if sign.text == "_" and len(inside) == 1:
                inside = without_braces(self, name, inside)
            said = [t.text for t in inside]
            if sign.text == "^" and (
                said in (["T"], ["\\top"], ["\\intercal"]) or name.base == "e" or _is_power(said)
            ):
                self.place = start
                break
            if sign.text == "^" and set(said) <= {"'", "\\prime"}:
                name = replace(name, marks=(*name.marks, *("prime",) * len(said)))
                continue
            script: Script = script_of(self.source, inside)
            if script.moment and moment:
                raise self.source.wrong(
                    sign.at, f"two moments on one name, {moment} and {script.moment}. Leave one of them."
                )
            moment = script.moment or moment
            above = script.parts if sign.text == "^" else ()
            name = replace(name, below=(*name.below, *script.parts), above=(*name.above, *above))
        if moment is None:
            moment = moment_in_brackets(self)
        name = replace(name, below=(*name.below, *indices(self)))
        tree = Tree("name", (), name, token.at, moment)
        return self.called(tree, token) if moment is None else tree

    def called(self, tree: Tree, token: LatexToken) -> Tree:
        name = tree.value
        known = FUNCTIONS.get(name.base)
        opens = self.next.text in ("(", "[", "\\{", "{")
        if known is None or name.marks or (not opens and token.kind != "command" and known in ALSO_NAMES):
            if not (opens and name.base in FREE and self.next.text == "(" and not name.marks):
                self.check_word(tree, token)
                return tree
        said = name.python if known is None or name.below else name.base
        if not opens and not self.starts():
            return Tree("function", (), said, tree.at)  # f = \tanh
        if opens:
            bracket = self.take()
            inside = self.until(BRACKETS[bracket.text])
            pieces = separated(self.source, inside, bracket)
            args = tuple(self.inner(piece, bracket.at) for piece in pieces)
        else:
            args = (self.unbracketed(),)
        wanted = MANY.get(known, 1)
        if known == "concat":
            return Tree("concat", args, at=tree.at)
        if known and len(args) != wanted:
            raise self.source.wrong(
                tree.at,
                f"{name.base} takes {wanted} value{'s' * (wanted > 1)} and is given {len(args)}. "
                + (
                    "Join vectors with square brackets: [a, b]." if wanted == 1 else "Write both, with a comma."
                ),
            )
        return Tree("call", args, said, tree.at)

    def check_word(self, tree: Tree, token: LatexToken) -> None:
        r"""\mathrm{diag}(R) is meant as a function; \mathrm{dt} \, (...) as a product."""
        if token.kind != "word" or self.next.text != "(" or "\\," in self.source.text[token.at : self.next.at]:
            return
        known = ", ".join(sorted(f for f in FUNCTIONS if len(f) > 2 and f.islower()))
        raise self.source.wrong(
            token.at,
            f"{tree.value.python} is not a known function; {known} are. "
            f"For a product write \\mathrm{{{token.text}}} \\cdot (...).",
        )

    def unbracketed(self) -> Tree:
        """The argument of \\tanh C_t: what stands side by side, up to the next sign."""
        factors = [self.factor(None)]
        while self.starts():
            factors.append(self.factor(None))
        signs = ("",) * (len(factors) - 1)
        return Tree("chain", tuple(factors), signs, factors[0].at) if signs else factors[0]


def _is_power(said: list[str]) -> bool:
    return re.fullmatch(r"-?[\d.]+", "".join(said)) is not None
