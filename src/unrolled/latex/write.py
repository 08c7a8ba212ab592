"""Equations as the Python function that means the same: its signature, its lines, what it returns."""

from __future__ import annotations

import re
from textwrap import wrap

from ..ops import functions
from .kinds import DIAGONAL, MATRIX, NUMBER, VECTOR, Kinds, kinds_of
from .roles import Roles
from .shapes import shapes_of
from .tree import BEFORE, COMPARED, Name, Tree

WIDE = 112  # columns
SUM, PRODUCT, SIGN, POWER, ATOM = 2, 3, 4, 5, 9
BINARY = {
    "add": (" + ", SUM),
    "sub": (" - ", SUM),
    "mul": (" * ", PRODUCT),
    "div": (" / ", PRODUCT),
    "product": (" @ ", PRODUCT),
    **{op: (f" {sign} ", 1) for op, sign in COMPARED.items()},
    "either": (" | ", 1.25),
    "both": (" & ", 1.5),
}
LANGUAGE = sorted(name for name in vars(functions) if callable(getattr(functions, name)) and name[0] != "_")
TAKEN = {*LANGUAGE, "cell"}


def source_of(roles: Roles, name: str) -> str:
    """The text of a module with one cell function called `name`; running it is all that is needed.

    Only names that were made legal, numbers and functions of the language get into it, whatever the LaTeX said.
    """
    kinds = kinds_of(roles)
    lines = _Lines(roles, kinds, _spellings(roles))
    body = [lines.equation(k) for k in range(len(roles.equations))]
    body.append(f"return {', '.join(lines.results())}")
    used = sorted(
        {w for line in body for w in re.findall(r"\b([a-z_]+)\(", line.partition("#")[0]) if w in LANGUAGE}
    )
    shapes = ", ".join(
        f"{said!r}: {shape!r}" for said, shape in shapes_of(roles, kinds, lines.said, lines.last).items()
    )
    before = [line.partition("#")[0].rstrip() for line in body]
    width = max((len(code) for code, line in zip(before, body) if "#" in line), default=0)
    aligned = [
        f"{code:{width}}      #{line.partition('#')[2]}" if "#" in line else line
        for code, line in zip(before, body)
    ]
    head = [
        f"from unrolled import {', '.join(['cell', *used])}",
        "",
        "",
        *_decorator(shapes, _starts(roles, lines.said), _symbols(lines.said)),
        *_signature(f"def {name}(", lines.signature()),
    ]
    docstring = _docstring(name, _notes(roles, kinds, lines.said))
    return "\n".join([*head, *docstring, *(f"    {line}" for line in aligned)]) + "\n"


def _symbols(said: dict[Name, str]) -> str:
    return ", ".join(f"{text!r}: {name.symbol!r}" for name, text in said.items() if name.symbol)


def _starts(roles: Roles, said: dict[Name, str]) -> str:
    return ", ".join(
        f"{said[name]!r}: {value!r}" for name, value in roles.start.items() if value and name in said
    )


def _decorator(shapes: str, start: str, symbols: str) -> list[str]:
    pairs = (("shapes", shapes), ("start", start), ("symbols", symbols))
    given = [(key, text) for key, text in pairs if text]
    whole = ", ".join(f"{key}={{{text}}}" for key, text in given)
    if not whole:
        return ["@cell"]
    if len(whole) <= WIDE - 7:
        return [f"@cell({whole})"]
    lines = ["@cell("]
    for key, text in given:
        inside = wrap(text, WIDE - 8, break_long_words=False)
        lines += [f"    {key}={{", *(f"        {line}" for line in inside), "    },"]
    return [*lines, ")"]


def _signature(start: str, arguments: list[str]) -> list[str]:
    lines, last = [], start
    for k, argument in enumerate(arguments):
        piece = argument + ("):" if k == len(arguments) - 1 else ", ")
        if len(last + piece) > WIDE:
            lines.append(last.rstrip())
            last = " " * len(start)
        last += piece
    return [*lines, last]


def _docstring(name: str, notes: list[str]) -> list[str]:
    if not notes:
        return ['    """Read from LaTeX."""']
    told = [line for note in notes for line in wrap(note, 108, initial_indent="    ", subsequent_indent="    ")]
    return ['    """Read from LaTeX.', "", *told, '    """']


def _notes(roles: Roles, kinds: Kinds, said: dict[Name, str]) -> list[str]:
    def listed(kind: int, test=lambda name: True) -> str:
        return ", ".join(said[p] for p in roles.parameters if kinds.of[p] == kind and test(p))

    matrices, numbers = listed(MATRIX), listed(NUMBER)
    found = ["Products are element by element."]
    if matrices:
        capital = all(p.capital for p in roles.parameters if kinds.of[p] == MATRIX)
        why = ", each a capital letter left of what it multiplies" if capital else ""
        found = [f"Matrices{why}: {matrices}. Other products are element by element."]
    if numbers:
        found.append(f"Numbers, learned: {numbers}.")
    odd = listed(VECTOR, lambda name: name.capital or not name.one_latin_letter)
    if odd:
        found.append(f"Vectors: {odd}.")
    if kinds.by_row:
        found.append(
            "A vector left of a matrix is read as the matrix times the vector:"
            f" {', '.join(dict.fromkeys(kinds.by_row))}."
        )
    if roles.output not in roles.states:
        found.append(
            f"{said[roles.output]} is the output: nothing else reads it." + _layer_note(roles, kinds, said)
        )
    return [*found, *roles.notes]


def _layer_note(roles: Roles, kinds: Kinds, said: dict[Name, str]) -> str:
    """What becomes of an output that is an output layer, f(V s + c)."""
    tree, _ = kinds.resolved(next(e.right for e in roles.equations if e.name == roles.output))
    tree = tree.args[0] if tree.op == "call" and len(tree.args) == 1 else tree
    product = (
        next((t for t in (tree, *tree.args) if t.op == "product"), None)
        if tree.op in ("add", "product")
        else None
    )
    if product is None or [t.op for t in product.args] != ["name", "name"] or len(tree.names()) > 3:
        return ""
    matrix, vector = (t.value for t in product.args)
    if vector in roles.inputs or [n.value for e in roles.equations for n in e.right.names()].count(matrix) > 1:
        return ""
    return (
        f" {said[matrix]} is an output layer: it stands on {said[vector]} once, and layers are stacked on"
        f" {said[vector]}."
    )


def _spellings(roles: Roles) -> dict[Name, str]:
    """Name -> a legal Python name that no other has and that hides no function."""
    said: dict[Name, str] = {}
    wanted = [*roles.inputs, *roles.states, *roles.parameters, *(e.name for e in roles.equations)]
    for name in dict.fromkeys(wanted):
        text = f"{name.python}_" if name.python in TAKEN else name.python
        while text in said.values():
            text += "_2"
        said[name] = text
    return said


class _Lines:
    """Spells the parts of one function."""

    def __init__(self, roles: Roles, kinds: Kinds, said: dict[Name, str]):
        self.roles, self.kinds, self.said = roles, kinds, said
        self.last = {name: self._free(f"{said[name]}_before") for name in roles.delayed}
        self.new = {
            name: self._free(f"{said[name]}_new") if self._read_later(name) else said[name]
            for name in roles.states
        }
        self.order = sorted(
            roles.states, key=lambda n: (n != roles.output, [e.name for e in roles.equations].index(n))
        )

    def _free(self, text: str) -> str:
        while text in self.said.values():
            text += "_"
        return text

    def _read_later(self, state: Name) -> bool:
        """Whether the old value is still wanted when the new one has its name."""
        rest = self.roles.equations[[e.name for e in self.roles.equations].index(state) + 1 :]
        return any(n.value == state and n.moment == BEFORE for e in rest for n in e.right.names())

    def signature(self) -> list[str]:
        inputs = [self.said[n] for n in self.roles.inputs]
        states = [*(self.said[n] for n in self.order), *self.last.values()]
        parameters = [self.said[n] for n in self.roles.parameters]
        return [
            *inputs,
            *(["/"] if len(inputs) > 1 else []),
            *states,
            *(["*", *parameters] if parameters else []),
        ]

    def equation(self, k: int) -> str:
        equation = self.roles.equations[k]
        comment = "".join(c for c in equation.comment if c.isprintable())
        left = self.new.get(equation.name, self.said[equation.name])
        tree, _ = self.kinds.resolved(equation.right)
        return f"{left} = {self.expression(tree)[0]}" + (f"  # {comment}" if comment else "")

    def results(self) -> list[str]:
        states = [*(self.new[n] for n in self.order), *(self.said[n] for n in self.last)]
        if self.order and self.roles.output == self.order[0]:
            return states
        return [self.said[self.roles.output], *states]

    def expression(self, tree: Tree) -> tuple[str, float]:
        """Python of an expression, and how tightly its outermost operation binds."""
        if tree.op == "name":
            return self._name(tree), ATOM
        if tree.op == "number":
            whole = tree.value == int(tree.value) and abs(tree.value) < 1e15
            return str(int(tree.value)) if whole else repr(tree.value), ATOM
        if tree.op in BINARY:
            sign, strength = BINARY[tree.op]
            tight = tree.op == "product" and tree.args[0].op in ("mul", "div")  # (M * U) @ h
            return (
                f"{self._held(tree.args[0], strength + tight + (tree.op in COMPARED))}{sign}"
                f"{self._held(tree.args[1], strength + 1)}",
                strength,
            )
        if tree.op == "neg":
            return f"-{self._held(tree.args[0], SIGN)}", SIGN
        if tree.op == "power":
            return f"{self._held(tree.args[0], POWER + 1)} ** {tree.value}", POWER
        if tree.op == "index":
            return f"{self._held(tree.args[0], ATOM)}[{tree.value}]", ATOM
        if tree.op == "diagonal":
            raise self.roles.source.wrong(tree.at, DIAGONAL)
        if tree.op == "transpose":
            return f"{self._held(tree.args[0], ATOM)}.T", ATOM
        if tree.op == "call" and tree.value == "identity":
            return self.expression(tree.args[0])
        call = {"concat": "concat", "cases": "where"}.get(tree.op, tree.value)
        return f"{call}({', '.join(self.expression(a)[0] for a in tree.args)})", ATOM

    def _held(self, tree: Tree, least: int) -> str:
        text, strength = self.expression(tree)
        return text if strength >= least else f"({text})"

    def _name(self, tree: Tree) -> str:
        if tree.moment == BEFORE:
            return self.last.get(tree.value) or self.said[tree.value]
        return self.new.get(tree.value, self.said[tree.value])
