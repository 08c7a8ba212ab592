"""What an author declares beside his equations: shapes, first values, what is fixed.
Names must be the cell's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from inspect import signature as python_signature

from ..errors import CellError, NotYet, UsageError
from .node import Shape

Declared = dict[str, Shape]
WIDTH = re.compile(r"(?!0)\w+([+*]\w+)*(/\w+)?")  # H, 3, H+I, 2*O, H/heads


@dataclass(frozen=True)
class Signature:
    """What a cell function's arguments are: inputs / states, *, parameters, hyper-parameters with their values.

    `past` is the name behind a star, `*past`, that stands for more states; `trace` adds them to `states`.
    """

    inputs: tuple[str, ...]
    states: tuple[str, ...]
    parameters: tuple[str, ...]
    hyper: dict[str, object]
    past: str | None = None


def signature_of(function: Callable, values: dict[str, object]) -> Signature:
    """Inputs stand before `/` (else the first argument is the input), then states; keywords are parameters, and
    those with a default hyper-parameters, overridden by `values`."""
    inputs, states, parameters, hyper, past = [], [], [], {}, None
    listed = python_signature(function).parameters.values()
    slash = any(p.kind is p.POSITIONAL_ONLY for p in listed)
    for p in listed:
        if p.kind is p.VAR_KEYWORD:
            raise CellError(
                f"CellError in {function.__name__}: **{p.name} is not possible in a cell; name each parameter "
                "after a single `*`"
            )
        if p.kind is p.VAR_POSITIONAL:
            past = p.name
        elif p.kind is p.KEYWORD_ONLY:
            if p.default is p.empty:
                parameters.append(p.name)
            else:
                hyper[p.name] = values.get(p.name, p.default)
        elif p.kind is p.POSITIONAL_ONLY or (not slash and not inputs):
            inputs.append(p.name)
        else:
            states.append(p.name)
    if not inputs:
        raise CellError(
            f"CellError in {function.__name__}: the first argument is the input, e.g. "
            f"def {function.__name__}(x, h, *, W, U, b)"
        )
    return Signature(tuple(inputs), tuple(states), tuple(parameters), hyper, past)


def with_shapes(signature: Signature, declared: Declared, name: str) -> tuple[Signature, Declared]:
    """The signature with the states behind its star, and the shapes with numbers for the
    settings that divide a width.

    Raises CellError for shapes of what the cell does not have, and for what is not a shape;
    NotYet for matrices as states.
    """
    ours = (*signature.inputs, *signature.states, *signature.parameters, signature.past or "")
    check_names(name, "shapes", declared, [n for n in ours if n], "argument")
    signature, declared = _with_past(signature, _divided(signature, declared, name), name)
    for who, shape in declared.items():
        odd = next((d for d in shape if not WIDTH.fullmatch(d)), None)
        if odd is not None:
            raise CellError(
                f"CellError in {name}: shapes[{who!r}] has {odd!r}, which is not a width. Give letters or whole"
                f" numbers from 1 on: {who!r}: ('H',) for a vector, () for a number"
            )
    for who in (*signature.inputs, *signature.states):
        if len(declared.get(who, ())) > 1:
            kind = "state" if who in signature.states else "input"
            raise NotYet(
                f"CellError in {name}: the {kind} {who} is declared a matrix, {_shown(declared[who])}; matrices"
                f" as {kind}s are not built yet. Hand its rows on as vectors, each a {kind} of its own:"
                f" {who}_1, {who}_2"
            )
    return signature, declared


def listed(names: str | Sequence) -> tuple:
    """One name, or several."""
    return (names,) if isinstance(names, str) else tuple(names)


def check_names(cell: str, field: str, given: Iterable[str], known: Iterable[str], called: str) -> None:
    """CellError for the first of the given names that the cell does not have."""
    known = list(known)
    odd = next((n for n in given if n not in known), None)
    if odd is not None:
        near = get_close_matches(str(odd), known, 2, 0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(known) or 'none'}."
        raise CellError(
            f"CellError in {cell}: {field} names {odd!r}, which is not {'an' if called[0] in 'aeiou' else 'a'}"
            f" {called} of it. {hint}"
        )


def check_start(cell: str, start: Mapping[str, object], states: Iterable[str]) -> None:
    """CellError where a first value is not a state's, or not a number."""
    check_names(cell, "start", start, states, "state")
    for name, value in start.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise CellError(
                f"CellError in {cell}: start[{name!r}] is {value!r}, and a state's first value is a number,"
                " such as 1.0"
            )


def _divided(signature: Signature, declared: Declared, name: str) -> Declared:
    """The declared shapes with numbers for the settings that divide a width: "H/heads" becomes "H/4"."""

    def number(dim: str) -> str:
        whole, slash, divisor = dim.partition("/")
        value = signature.hyper.get(divisor, int(divisor) if divisor.isdigit() else None)
        if slash and (not isinstance(value, int) or value < 1):
            raise CellError(
                f"CellError in {name}: shapes has a width {dim}, and {divisor} is "
                f"{'no setting' if value is None else value}. What divides a width is a keyword with a whole "
                f"number, at least 1, such as {divisor if divisor.isidentifier() else 'heads'}=4"
            )
        return f"{whole}/{value}" if slash and value != 1 else whole

    return {name: tuple(number(dim) for dim in shape) for name, shape in declared.items()}


def _with_past(signature: Signature, declared: Declared, name: str) -> tuple[Signature, Declared]:
    """`*past` as the states past_1, past_2, ...: their number and their shape are
    declared, {"past": ("5", "H")}.
    """
    past = signature.past
    if past is None:
        return signature, declared

    def wrong(message: str):
        raise CellError(f"CellError in {name}: {message}")

    count, *shape = declared.get(past) or (None,)
    if count is None:
        wrong(
            f"*{past} stands for as many states as a whole number says, and none is named. Write"
            f" @cell(shapes={{{past!r}: ('delay', 'H')}}) and delay=5 among the keywords; parameters are named"
            " one by one after a single `*`"
        )
    if not count.isdigit() or int(count) < 1:
        wrong(
            f"shapes says that *{past} is {count} states. Their number is at least 1 and comes from a keyword"
            f" with a whole number, such as delay=5: shapes={{{past!r}: ('delay', 'H')}}"
        )
    names = tuple(f"{past}_{k}" for k in range(1, int(count) + 1))
    others = {name: s for name, s in declared.items() if name != past}
    shapes = {**dict.fromkeys(names, tuple(shape)), **others}
    return replace(signature, states=(*signature.states, *names)), shapes


def _shown(shape: Shape) -> str:
    return f"({', '.join(shape)})"


def function_of(named: Callable, cells: Container[str]) -> Callable:
    """What can be traced. Raises UsageError for layers and other things that can be called; `cells` are
    names that are known."""
    if hasattr(named, "__code__"):
        return named
    kind = type(named).__name__ if not isinstance(named, type) else named.__name__
    if hasattr(getattr(named, "cell", None), "graph"):
        raise UsageError(
            f"a {kind} is a layer, and its equations are asked for. Give its cell: layer.cell, or "
            f"{named.cell.name!r}."
        )
    known = kind.lower() if kind.lower() in cells else {"RNN": "elman"}.get(kind)
    remedy = f"Give the cell's name, {known!r}." if known else "Give a cell, a cell's name, or a function."
    raise UsageError(f"{kind} is not a function of one step. {remedy}")


def like_default(cell_name: str, name: str, default: object, value: object) -> object:
    """The value, if it is of the default's kind: a whole number or a text shapes the graph,
    another number does not.
    """
    accepted, called = {
        float: ((int, float), "a number"),
        int: (int, "a whole number"),
        str: (str, "a text"),
    }.get(type(default), (object, ""))
    if not isinstance(value, accepted):
        raise UsageError(f"{cell_name}.using({name}={value!r}): {name} is {called}, for instance {default!r}.")
    return float(value) if isinstance(default, float) else value
