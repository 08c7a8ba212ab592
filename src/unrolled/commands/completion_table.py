"""What can be typed after a command: derived from the signatures that the commands themselves are read from."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from .. import tasks
from ..cells import REGISTRY
from .options import function_of

CELL = ("cell", "what")  # parameters that name a cell


@dataclass(frozen=True)
class Option:
    """An option with its dashes; the words that it takes, where these are known; whether
    it takes anything at all.
    """

    name: str
    words: tuple[str, ...] = ()
    takes: bool = True


@dataclass(frozen=True)
class Context:
    """What can stand behind some words of a command line, such as ("train", "char-lm").

    words  that stand there without a dash; none: files and folders
    """

    after: tuple[str, ...]
    options: tuple[Option, ...]
    words: tuple[str, ...] = ()


def contexts(commands: dict[str, str]) -> list[Context]:
    """Every command's; of `train` one more for each task. A run's options are those of any task:
    only the run knows its own.
    """
    found = []
    for name, file in commands.items():
        command = import_module(f".{file}", __package__).command
        if name == "train":
            each = [function_of(command, name, [task]) for task in tasks.names()]
            resumed = function_of(command, name, ["--resume"])
            found.append(Context((name,), _joined(resumed, *each), tuple(tasks.names())))
            found += [Context((name, task), _joined(one)) for task, one in zip(tasks.names(), each)]
        elif name in ("predict", "sample"):
            of = tasks.names() if name == "predict" else ["char-lm"]
            found.append(Context((name,), _joined(*(function_of(command, name, [task]) for task in of))))
        else:
            function = function_of(command, name, ["bash"] if name == "completion" else [])
            found.append(Context((name,), _joined(function), _positional(function)))
    return found


def _joined(*functions: Callable) -> tuple[Option, ...]:
    """The options of all, each name once, sorted."""
    found: dict[str, Option] = {"--help": Option("--help", takes=False)}
    for function in functions:
        for option in _options(function):
            found.setdefault(option.name, option)
    return tuple(found[name] for name in sorted(found))


def _options(function: Callable) -> Iterator[Option]:
    for name, kind, marks in _parameters(function):
        if dataclasses.is_dataclass(kind):
            yield from _options(kind)
        elif not _is_positional(marks):
            said = next((mark.name for mark in marks if getattr(mark, "name", None)), name)
            aliases = [alias for mark in marks for alias in getattr(mark, "aliases", None) or ()]
            words = _words(name, kind)
            for each in (f"--{said.replace('_', '-')}", *aliases):
                yield Option(each, words, takes=kind is not bool)


def _parameters(function: Callable) -> Iterator[tuple[str, Any, tuple]]:
    """Names, types and marks of what a function or a dataclass takes."""
    hints = get_type_hints(function, include_extras=True)
    for name in inspect.signature(function).parameters:
        kind, marks = hints[name], ()
        if get_origin(kind) is Annotated:
            kind, *rest = get_args(kind)
            marks = tuple(rest)
        yield name, kind, marks


def _is_positional(marks: tuple) -> bool:
    return any("Positional" in str(mark) for mark in marks)


def _positional(function: Callable) -> tuple[str, ...]:
    return next(
        (_words(name, kind) for name, kind, marks in _parameters(function) if _is_positional(marks)), ()
    )


def _words(name: str, kind: Any) -> tuple[str, ...]:
    if get_origin(kind) in (UnionType, Union):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(REGISTRY) if name in CELL else ()
