"""A plain function becomes a graph: it is called once on symbols, and its lines are watched for names.

Python's own tracing hook reports each line of the author's function; what that line bound to a node gives the
node its name. So closures, loops and functions made by `exec` work; without source only names are lost to the
reader, never the meaning.
"""

from __future__ import annotations

import inspect
import io
import linecache
import re
import sys
import tokenize
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from ..errors import CellError, Never, UnrolledError, quote
from ..ops import Symbol
from ..ops.advice import instead_of, instead_of_name
from .builder import Builder
from .chance import DRAWN, states
from .check import excess
from .declared import Declared, Signature, signature_of, with_shapes
from .node import Graph, Statement
from .widths import infer


@dataclass
class Watch:
    """Notes, while the function runs, which line made which node and which names it bound."""

    function: Callable
    builder: Builder
    statements: list[Statement] = field(default_factory=list)
    places: dict[int, tuple[int, int]] = field(default_factory=dict)  # node -> (line, column)
    bound: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    line: int | None = None

    def note_place(self, index: int) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not self.function.__code__:
            frame = frame.f_back
        if frame is not None:
            position = list(frame.f_code.co_positions())[frame.f_lasti // 2]
            self.places[index] = (position[0] or frame.f_lineno, position[2])

    def __call__(self, frame: FrameType, event: str, argument):
        if frame.f_code is not self.function.__code__:
            return None
        if event in ("line", "return"):
            self._names(frame)
            self.line = frame.f_lineno
        return self

    def _names(self, frame: FrameType) -> None:
        values = frame.f_locals
        # `h, c = step(...)` binds several names in one line: what reads another comes after it.
        for name in sorted(values, key=lambda n: values[n].index if isinstance(values[n], Symbol) else -1):
            symbol = values[name]
            if not isinstance(symbol, Symbol) or self.bound.get(name) == symbol.index:
                continue
            if name not in self.bound and self.line is None:  # an argument, on entry
                self.bound[name] = symbol.index
                continue
            if self._already_named(symbol.index):  # `h = c`: an equation of its own
                symbol = self.builder.alias(symbol)
                values[name] = symbol
                self.places[symbol.index] = (self.line or frame.f_lineno, None)
            self.bound[name] = symbol.index
            self.counts[name] = self.counts.get(name, 0) + 1
            self.statements.append(Statement(name, symbol.index, self.line, None, self.counts[name]))

    def _already_named(self, index: int) -> bool:
        return self.builder.nodes[index].is_leaf or any(s.index == index for s in self.statements)


def trace(function: Callable, declared: Declared, values: dict[str, object] | None = None) -> Graph:
    """The graph of `function`. `declared` holds the shapes that use cannot tell, `values`
    overrides hyper-parameters.

    Raises CellError, quoting the author's line, where the equations are wrong.
    """
    signature, declared = with_shapes(signature_of(function, values or {}), declared, function.__name__)
    builder = Builder()
    watch = Watch(function, builder)
    given = _leaves(builder, signature, declared)
    builder.on_new = watch.note_place
    before = states(function)
    result = _run(function, given, watch)
    if states(function) != before:
        raise CellError(quote(function.__name__, None, None, None, DRAWN))
    output, new_states = _results(function, signature, result, watch)
    statements = _with_comments(function, watch.statements)
    hyper = tuple((k, float(v)) for k, v in signature.hyper.items() if isinstance(v, float))
    draft = Graph(
        function.__name__,
        tuple(builder.nodes),
        signature.inputs,
        signature.states,
        signature.parameters,
        hyper,
        output,
        new_states,
        tuple(statements),
    )
    _all_used(draft, function)
    if message := excess(draft):
        raise CellError(quote(draft.name, None, None, None, f"{message}. Write a smaller step"))
    return infer(draft, declared, lambda index: _place(function, watch, index))


def _leaves(builder: Builder, signature: Signature, declared: Declared) -> tuple[list, dict]:
    positional = [builder.leaf("input", n, declared.get(n)) for n in signature.inputs]
    positional += [builder.leaf("state", n, declared.get(n)) for n in signature.states]
    keywords: dict[str, object] = {
        n: builder.leaf("parameter", n, declared.get(n)) for n in signature.parameters
    }
    for name, value in signature.hyper.items():
        keywords[name] = builder.leaf("hyper", name, ()) if isinstance(value, float) else value
    return positional, keywords


def _run(function, given, watch: Watch):
    positional, keywords = given
    before = sys.gettrace()
    sys.settrace(watch)
    try:
        return function(*positional, **keywords)
    except (
        UnrolledError,
        ArithmeticError,
        TypeError,
        NameError,
        AttributeError,
        ValueError,
        LookupError,
    ) as error:
        sys.settrace(before)
        raise CellError(_complaint(function, error)) from None
    finally:
        sys.settrace(before)


def _complaint(function: Callable, error: Exception) -> str:
    """The author's line with a caret, and what is wrong with it."""
    place = error.__traceback__
    found = None
    while place is not None:
        if place.tb_frame.f_code is function.__code__:
            found = place
        place = place.tb_next
    message = str(error)
    if isinstance(error, NameError):
        message += f". {instead_of_name(error.name or '')}"
    if isinstance(error, TypeError) and "Symbol" in message:
        # tanh(): argument 'input' must be Tensor, ...
        called = re.search(r"^(\w+)\(\)|callable (\w+) method", message)
        message += f". Inside a cell {instead_of(called[1] or called[2] if called else '')}"
    if found is None:
        return quote(function.__name__, None, None, None, message)
    positions = list(found.tb_frame.f_code.co_positions())[found.tb_lasti // 2]
    return quote(function.__name__, *_source(function, found.tb_lineno, positions[2]), message)


def _source(function: Callable, line: int | None, column: int | None):
    """(line counted from `def`, its text, column) for a line number of the file."""
    if line is None:
        return None, None, None
    code = function.__code__
    text = linecache.getline(code.co_filename, line).rstrip("\n")
    return line - _first_line(function) + 1, text or None, column


def _first_line(function: Callable) -> int:
    """The line of `def` (decorators stand before it)."""
    code = function.__code__
    line = code.co_firstlineno
    while function.__name__ != "<lambda>" and line < code.co_firstlineno + 50:
        text = linecache.getline(code.co_filename, line).lstrip()
        if text.startswith(("def ", "async def ")) or not text:
            break
        line += 1
    return line if linecache.getline(code.co_filename, line) else code.co_firstlineno


def _place(function: Callable, watch: Watch, index: int):
    line, column = watch.places.get(index, (None, None))
    return _source(function, line, column)


def _results(function, signature: Signature, result, watch: Watch) -> tuple[int, tuple[int, ...]]:
    values = result if isinstance(result, tuple) else (result,)
    n, name = len(signature.states), function.__name__
    if result is None:
        raise CellError(
            quote(
                name,
                None,
                None,
                None,
                f"it returns nothing. End it with `return {', '.join(signature.states) or 'y'}`",
            )
        )
    bad = next((v for v in values if not isinstance(v, (Symbol, int, float))), None)
    if bad is not None:
        raise CellError(
            quote(name, None, None, None, f"it returns a {type(bad).__name__}; return the new states in order")
        )
    if len(values) not in ((n, n + 1) if n else (1,)):
        raise CellError(quote(name, None, None, None, _count_message(signature.states, len(values))))
    indices = [watch.builder.symbol(v).index for v in values]
    # A state handed on untouched, or returned twice, needs a node of its own.
    nodes = watch.builder.nodes
    unique = [watch.builder.alias(Symbol(watch.builder, i)).index if nodes[i].is_leaf else i for i in indices]
    return unique[0], tuple(unique[-n:] if n else ())


def _count_message(states: tuple[str, ...], returned: int) -> str:
    values = f"{returned} value{'s' * (returned != 1)}"
    if not states:
        return (
            f"it has no state and returns {values}. Return the output alone, or name the states after the first"
            " argument"
        )
    if len(states) == 1:
        return (
            f"it has one state ({states[0]}) and returns {values}. Return its new value, or the output first"
            " and then the state"
        )
    return (
        f"it has {len(states)} states ({', '.join(states)}) and returns {values}. Return the {len(states)} new"
        " states in order, or the output first and then the states"
    )


def _all_used(graph: Graph, function: Callable) -> None:
    used = {a for node in graph.nodes for a in node.args}
    for node in graph.nodes:
        if node.op == "parameter" and node.index not in used:
            raise CellError(
                quote(
                    graph.name,
                    None,
                    None,
                    None,
                    f"the parameter {node.value} is never used. Use it or take it out of the signature",
                )
            )


def _with_comments(function: Callable, statements: list[Statement]) -> list[Statement]:
    comments = _comments(function)
    first = _first_line(function)
    return [
        Statement(
            s.name, s.index, None if s.line is None else s.line - first + 1, comments.get(s.line), s.count
        )
        for s in statements
    ]


def _comments(function: Callable) -> dict[int, str]:
    """Line of the file -> the comment at its end."""
    try:
        lines, start = inspect.getsourcelines(function)
        tokens = list(tokenize.generate_tokens(io.StringIO("".join(lines)).readline))
    except (OSError, TypeError, tokenize.TokenError, IndentationError, SyntaxError):
        return {}
    return {t.start[0] + start - 1: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


__all__ = ["Never", "Signature", "signature_of", "trace"]
