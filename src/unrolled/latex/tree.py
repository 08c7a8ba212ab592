"""What an equation is once it is read: a name, and the expression that gives its value."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from dataclasses import dataclass, field, replace

NOW, BEFORE = "t", "t-1"
COMPARED = {"less": "<", "greater": ">", "at_most": "<=", "at_least": ">=", "equal": "==", "unequal": "!="}
JOINED = {"both": "&", "either": "|"}
CONDITIONS = (*COMPARED, *JOINED)
RELATIONS = {
    "less": ("<", "\\lt"),
    "greater": (">", "\\gt"),
    "at_most": ("\\leq", "\\le", "\\leqslant"),
    "at_least": ("\\geq", "\\ge", "\\geqslant"),
    "equal": ("=",),
    "unequal": ("\\neq", "\\ne"),
}
RELATION = {sign: op for op, signs in RELATIONS.items() for sign in signs}
AND, OR = ("\\land", "\\wedge"), ("\\lor", "\\vee")
GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma"
    " tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
).split()


@dataclass(frozen=True)
class Name:
    r"""A value's name without its moment: \tilde{C}_t is Name("C", ("tilde",)),
    W_{xh} Name("W", (), ("xh",)).
    """

    base: str
    marks: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    above: tuple[str, ...] = field(default=(), compare=False)  # those of `below` that stand above

    @property
    def symbol(self) -> str | None:
        """How it is set, where something stands above: "W^h"."""
        lifted = [p for p in self.above if p in self.below and p.isidentifier()]
        rest = [p for p in self.below if p not in lifted]
        if not lifted or self.marks:
            return None
        return self.base + "".join(f"^{p}" for p in lifted) + "".join(f"_{p}" for p in rest)

    @property
    def python(self) -> str:
        """A legal name. Capital letters stay: C_tilde, W_xh, lambda_.

        >>> Name("C", ("tilde",)).python, Name("lambda").python
        ('C_tilde', 'lambda_')
        """
        said = "_".join([self.base, *self.marks, *self.below])
        said = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in said)
        said = said if said[:1].isalpha() else f"v_{said}"
        return f"{said}_" if keyword.iskeyword(said) else said

    @property
    def capital(self) -> bool:
        return self.base[:1].isupper()

    @property
    def one_latin_letter(self) -> bool:
        return len(self.base) == 1


@dataclass(frozen=True)
class Tree:
    """An expression.

    op      number, name, call, chain (factors as they stand in the text), add, sub, neg, power,
            transpose, concat, cases, one of CONDITIONS; once it is known what is a matrix, product, mul,
            div and total stand for a chain
    value   a number; a Name; a function; a chain's signs between its factors
    moment  of a name: t, t-1, or nothing
    at      where it begins in the text
    """

    op: str
    args: tuple[Tree, ...] = ()
    value: object = None
    at: int = 0
    moment: str | None = None

    def names(self) -> list[Tree]:
        """Every name in it, from left to right."""
        return [self] if self.op == "name" else [n for a in self.args for n in a.names()]


@dataclass(frozen=True)
class Equation:
    """`left` = `right`, and the words that stood behind it."""

    left: Tree
    right: Tree
    comment: str = ""

    @property
    def name(self) -> Name:
        return self.left.value


def changed(tree: Tree, change: Callable[[Tree], Tree]) -> Tree:
    """The tree with `change` done to every part, the inner ones first."""
    return change(replace(tree, args=tuple(changed(a, change) for a in tree.args)))


def parts(tree: Tree) -> list[Tree]:
    """The tree and everything in it."""
    return [tree, *(p for a in tree.args for p in parts(a))]
