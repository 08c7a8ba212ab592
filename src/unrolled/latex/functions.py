r"""Functions that the text defines: `f = \tanh`, `g(z) = \frac{1}{1 + e^{-z}}`, put where they are called."""

from __future__ import annotations

from dataclasses import replace

from .tokens import FUNCTIONS, LatexSource
from .tree import Equation, Name, Tree, changed, parts

# What some definitions are called; Z stands for the argument.
Z = ("z",)
ONE, POWER, INVERSE = 1.0, ("exp", Z), ("exp", ("neg", Z))
KNOWN = {
    ("div", ONE, ("add", ONE, INVERSE)): "sigmoid",
    ("div", ONE, ("add", INVERSE, ONE)): "sigmoid",
    ("div", POWER, ("add", ONE, POWER)): "sigmoid",
    ("div", POWER, ("add", POWER, ONE)): "sigmoid",
    ("div", ("sub", POWER, INVERSE), ("add", POWER, INVERSE)): "tanh",
    ("maximum", 0.0, Z): "relu",
    ("maximum", Z, 0.0): "relu",
    ("log", ("add", ONE, POWER)): "softplus",
    ("log", ("add", POWER, ONE)): "softplus",
    Z: "identity",
}


def split_functions(source: LatexSource, equations: list[Equation]) -> tuple[list[Equation], dict[str, str]]:
    """(the equations without the definitions, each defined function's name -> the function that it is).

    A definition that is not of a known function, g(z) = 2 z + 1, is written out where it is called. Raises
    CellError for a function that stands without a value, and for a text that holds definitions only.
    """
    rest, functions, macros = [], {}, {}
    for equation in equations:
        left, right = equation.left, equation.right
        if right.op == "function" and left.op in ("name", "function"):
            name = left.value if left.op == "function" else left.value.python
            functions[name] = FUNCTIONS.get(right.value, right.value)
        elif left.op == "function":
            known = _known(left, right)
            if known:
                functions[left.value] = known
            else:
                macros[left.value] = _checked(source, left), right
        else:
            rest.append(equation)
        for part in parts(right) if right.op != "function" else ():
            if part.op == "function":
                raise source.wrong(
                    part.at,
                    f"{part.value} is a function and stands here without a value. Write {part.value}(...).",
                )
    if not rest:
        raise source.wrong(
            0, "there is no equation here, only names of functions. Write e.g. h_t = f(W x_t + U h_{t-1} + b)."
        )
    return [replace(e, right=_written_out(source, e.right, macros)) for e in rest], functions


def _checked(source: LatexSource, left: Tree) -> Name:
    if left.args[0].op != "name":
        raise source.wrong(
            left.args[0].at, f"one letter stands in the brackets of a definition, {left.value}(z) = ..."
        )
    return left.args[0].value


def _known(left: Tree, right: Tree) -> str | None:
    """The function that a definition is: one that is called by name, or written out as in KNOWN."""
    argument = left.args[0].value if left.args and left.args[0].op == "name" else None
    if right.op == "call" and len(right.args) == 1 and right.args[0].op == "name":
        if right.args[0].value == argument or argument is None:
            return FUNCTIONS.get(right.value, right.value)
    return KNOWN.get(_form(right, argument))


def _form(tree: Tree, argument: Name | None):
    if tree.op == "name":
        return Z if tree.value == argument else ("name", tree.value)
    if tree.op == "number":
        return tree.value
    if tree.op == "chain" and set(tree.value) == {"/"} and len(tree.args) == 2:
        return "div", *(_form(a, argument) for a in tree.args)
    said = FUNCTIONS.get(tree.value, tree.value) if tree.op == "call" else tree.op
    return said, *(_form(a, argument) for a in tree.args)


def _written_out(source: LatexSource, tree: Tree, macros: dict[str, tuple[Name, Tree]], depth: int = 0) -> Tree:
    def change(part: Tree) -> Tree:
        if part.op != "call" or part.value not in macros:
            return part
        if depth > 8:
            raise source.wrong(part.at, f"{part.value} is defined by itself. Write it with other functions.")
        argument, body = macros[part.value]
        given = part.args[0]
        put = changed(body, lambda p: given if p.op == "name" and p.value == argument else p)
        return _written_out(source, replace(put, at=part.at), macros, depth + 1)

    return changed(tree, change)
