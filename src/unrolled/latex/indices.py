r"""Sums over an index become products: y_i = f(\sum_j u_{ij} h_j + b_i) is y = f(u @ h +
b), and so is y[i] = ...
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .lines import INDICES
from .tokens import LatexSource
from .tree import Equation, Name, Tree, changed, parts

WRITE = "Write W x_t for \\sum_j w_{ij} x_j, and v^\\top s for \\sum_j v_j s_j."


@dataclass
class Indexed:
    """The equations without indices; how many sides each name that had some has, and what the sums run over."""

    equations: list[Equation]
    sides: dict[Name, int] = field(default_factory=dict)
    summed: list[Name] = field(default_factory=list)


def without_indices(source: LatexSource, equations: list[Equation]) -> Indexed:
    r"""Equations of single units as equations of vectors. A text without \sum_j and [k] stays as it is.

    Raises CellError for a sum that is not a product of a matrix and a vector or of two
    vectors, and for single units.
    """
    found = Indexed(equations)
    bracketed = {c for e in equations for n in (e.left, *e.right.names()) for c in _in_brackets(n)}
    if not bracketed and not any(p.op == "sum" for e in equations for p in parts(e.right)):
        return found
    found.equations = [_one(source, e, found) for e in equations]
    found.equations = [_follow(e, found) for e in found.equations]
    return found


def _one(source: LatexSource, equation: Equation, found: Indexed) -> Equation:
    sums = {p.value for p in parts(equation.right) if p.op == "sum"}
    left = equation.left
    names = [left, *equation.right.names()] if left.op == "name" else equation.right.names()
    own = _indices_at_end(left.value) if left.op == "name" and (sums or _in_brackets(left)) else ""
    if not _in_brackets(left) and not any(own and own in _ending(n.value, {own, *sums}) for n in names[1:]):
        own = ""
    extra = _of_matrices(equation, sums) - {*sums, own}
    if not own and len(extra) == 1:  # s = \\sum_j w_{ij} x_j, with i left out
        own = min(extra)
    elif extra:
        raise source.wrong(
            left.at,
            f"the index {min(extra)} stands in a sum and not left of =, where {own or 'none'} stands. {WRITE}",
        )
    letters = {*sums, *own, *(c for n in names for c in _in_brackets(n))}
    if not letters:
        return equation
    digit = next((n for n in names for c in _in_brackets(n) if c.isdigit()), None)
    if digit is not None:
        raise source.wrong(
            digit.at,
            f"{digit.value.base}[...] with a number is a single unit, and a cell has equations of whole"
            " vectors. Write the equation for [k].",
        )

    def change(tree: Tree) -> Tree:
        return _contracted(source, tree, own, letters, found) if tree.op == "sum" else tree

    right = changed(equation.right, change)
    right = changed(right, lambda t: _bare(t, letters, found) if t.op == "name" else t)
    return replace(equation, left=_bare(left, letters, found) if left.op == "name" else left, right=right)


def _of_matrices(equation: Equation, sums: set[str]) -> set[str]:
    """All indices of the names in sums that have one that a sum runs over."""
    bodies = [p for p in parts(equation.right) if p.op == "sum"]
    found = [_ending(n.value, set(INDICES)) for body in bodies for n in body.names()]
    return {c for said in found if set(said) & sums for c in said}


def _follow(equation: Equation, found: Indexed) -> Equation:
    """a_k = f(s_k) beside a sum that gives s_k."""
    left = equation.left
    if left.op != "name" or left.value in found.sides:
        return equation
    own = _indices_at_end(left.value)
    stripped = [_stripped(n.value, {own}) for n in equation.right.names()] if own else []
    if not any(name in found.sides for name in stripped):
        return equation
    right = changed(equation.right, lambda t: _bare(t, {own}, found) if t.op == "name" else t)
    return replace(equation, left=_bare(left, {own}, found), right=right)


def _contracted(source: LatexSource, tree: Tree, own: str, letters: set[str], found: Indexed) -> Tree:
    """One sum over `tree.value`."""
    over, body = tree.value, tree.args[0]
    factors = list(body.args) if body.op == "chain" else [body]
    if body.op == "chain" and any(sign not in ("", "*", "odot") for sign in body.value):
        raise source.wrong(
            tree.at, f"a quotient stands in a sum over {over}. Give it an equation of its own. {WRITE}"
        )
    seen = [{c for n in f.names() for c in _ending(n.value, letters)} for f in factors]
    inner = [k for k, s in enumerate(seen) if over in s]
    rest = [f for k, f in enumerate(factors) if k not in inner]
    matrices = [k for k in inner if len(seen[k]) == 2]
    too_many = any(len(s) > 2 for s in seen) or any(p.op == "product" for f in factors for p in parts(f))
    if too_many:
        matrices = inner = []
    if len(inner) == 2 and len(matrices) == 1 and factors[matrices[0]].op == "name":
        matrix = factors[matrices[0]]
        vector = factors[next(k for k in inner if k not in matrices)]
        turned = _ending(matrix.value, letters)[-1] != over
        made = Tree("transpose", (matrix,), at=matrix.at) if turned else matrix
        made = Tree("product", (made, vector), at=tree.at)
    elif inner and not matrices and len(inner) < 3:
        vectors = tuple(factors[k] for k in inner)
        vector = vectors[-1]
        made = Tree("mul", vectors, at=tree.at) if len(vectors) == 2 else vector
        made = Tree("call", (made,), "total", tree.at)
    else:
        raise source.wrong(
            tree.at,
            f"a sum over {over} is read where it is a matrix times a vector, or a vector times a vector."
            f" {WRITE}",
        )
    found.summed += [n.value for n in vector.names() if over in _ending(n.value, letters)]
    return made if not rest else Tree("chain", (*rest, made), ("*",) * len(rest), tree.at)


def _bare(tree: Tree, letters: set[str], found: Indexed) -> Tree:
    """A name without its indices; how many there were is its number of sides."""
    name = _stripped(tree.value, letters)
    if name != tree.value:
        found.sides[name] = max(found.sides.get(name, 0), len(_ending(tree.value, letters)))
        found.summed = [name if n == tree.value else n for n in found.summed]
    return replace(tree, value=name)


def _stripped(name: Name, letters: set[str]) -> Name:
    return replace(name, below=tuple(p for p in name.below if not _of(p, letters)))


def _ending(name: Name, letters: set[str]) -> str:
    """The indices of a name, "ij" for w_{ij}, w_{i,j} and w[i,j]."""
    return "".join(p.strip("[]") for p in name.below if _of(p, letters))


def _of(part: str, letters: set[str]) -> bool:
    inside = part.strip("[]")
    return bool(inside) and set(inside) <= letters


def _in_brackets(tree: Tree) -> str:
    below = tree.value.below if tree.op == "name" else ()
    return "".join(p.strip("[]") for p in below if p[0] == "[")


def _indices_at_end(name: Name) -> str:
    """The free index of what an equation gives: i of y_i and of b^u_i, k of s_1[k]."""
    found = [p.strip("[]") for p in name.below if p.strip("[]") in INDICES]
    return found[-1] if found else ""
