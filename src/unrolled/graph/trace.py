"""A plain function becomes a graph: it is called once on symbols, and its lines are watched for names.

Python's own tracing hook reports each line of the author's function; what that line bound to a node gives the node
its name. So closures, loops and functions made by `exec` work; without source only names are lost to the reader,
never the meaning.
"""

from __future__ import annotations

import inspect
import io
import linecache
import sys
import tokenize
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FrameType

from ..errors import CellError, Never, UnrolledError, quote
from ..ops import Symbol
from .check import excess
from .node import Builder, Graph, Statement
from .widths import Declared, infer


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


def signature_of(function: Callable, values: dict[str, object]) -> Signature:
    """Inputs stand before `/` (else the first argument is the input), then states; keywords are parameters, and those
    with a default hyper-parameters, overridden by `values`."""
    inputs, states, parameters, hyper, past = [], [], [], {}, None
    listed = inspect.signature(function).parameters.values()
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


def _divided(signature: Signature, declared: Declared, function: Callable) -> Declared:
    """The declared shapes with numbers for the settings that divide a width: "H/heads" becomes "H/4"."""

    def number(dim: str) -> str:
        whole, slash, divisor = dim.partition("/")
        value = signature.hyper.get(divisor, int(divisor) if divisor.isdigit() else None)
        if slash and (not isinstance(value, int) or value < 1):
            raise CellError(
                f"CellError in {function.__name__}: shapes has a width {dim}, and {divisor} is "
                f"{'no setting' if value is None else value}. What divides a width is a keyword with a whole "
                f"number, at least 1, such as {divisor if divisor.isidentifier() else 'heads'}=4"
            )
        return f"{whole}/{value}" if slash and value != 1 else whole

    return {name: tuple(number(dim) for dim in shape) for name, shape in declared.items()}


def _with_past(signature: Signature, declared: Declared, function: Callable) -> tuple[Signature, Declared]:
    """`*past` as the states past_1, past_2, ...: their number and their shape are declared, {"past": ("5", "H")}."""
    past = signature.past
    if past is None:
        return signature, declared

    def wrong(message: str):
        raise CellError(f"CellError in {function.__name__}: {message}")

    count, *shape = declared.get(past) or (None,)
    if count is None:
        wrong(
            f"*{past} stands for as many states as a whole number says, and none is named. Write @cell(shapes={{{past!r}: "
            f"('delay', 'H')}}) and delay=5 among the keywords; parameters are named one by one after a single `*`"
        )
    if not count.isdigit() or int(count) < 1:
        wrong(
            f"shapes says that *{past} is {count} states. Their number is at least 1 and comes from a keyword with a whole "
            f"number, such as delay=5: shapes={{{past!r}: ('delay', 'H')}}"
        )
    names = tuple(f"{past}_{k}" for k in range(1, int(count) + 1))
    others = {name: s for name, s in declared.items() if name != past}
    return replace(signature, states=(*signature.states, *names)), {
        **dict.fromkeys(names, tuple(shape)),
        **others,
    }


def trace(function: Callable, declared: Declared, values: dict[str, object] | None = None) -> Graph:
    """The graph of `function`. `declared` holds the shapes that use cannot tell, `values` overrides hyper-parameters.

    Raises CellError, quoting the author's line, where the equations are wrong.
    """
    signature = signature_of(function, values or {})
    signature, declared = _with_past(signature, _divided(signature, declared, function), function)
    builder = Builder()
    watch = Watch(function, builder)
    given = _leaves(builder, signature, declared)
    builder.on_new = watch.note_place
    result = _run(function, signature, given, watch)
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


def _run(function, signature, given, watch: Watch):
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
        message += ". Parameters stand after `*` in the signature; functions are imported from unrolled."
    if isinstance(error, TypeError) and "Symbol" in message:
        message += ". Inside a cell use the functions of unrolled, e.g. tanh(v) for torch.tanh(v)"
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
        return f"it has no state and returns {values}. Return the output alone, or name the states after the first argument"
    if len(states) == 1:
        return f"it has one state ({states[0]}) and returns {values}. Return its new value, or the output first and then the state"
    return (
        f"it has {len(states)} states ({', '.join(states)}) and returns {values}. Return the {len(states)} new states in order, "
        f"or the output first and then the states"
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
