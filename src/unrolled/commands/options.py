"""How a command's options are read: from a function's signature, or the fields of a dataclass."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Annotated

import tyro

Positional = tyro.conf.Positional
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Json = Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff]


class OptionsAsked(Exception):
    """In place of a command: the function whose signature has its options."""

    def __init__(self, function: Callable):
        self.function = function


_listing: ContextVar[bool] = ContextVar("listing", default=False)


def parse(function: Callable, program: str, arguments: list[str]):
    """Call a function with the options its signature names; wrong options end with exit code 2."""
    if _listing.get():
        raise OptionsAsked(function)
    return tyro.cli(function, prog=program, args=arguments, config=(tyro.conf.OmitArgPrefixes,))


def function_of(command: Callable[[str, list[str]], object], name: str, arguments: list[str]) -> Callable:
    """The function (or dataclass) whose signature has a command's options, without running it."""
    token = _listing.set(True)
    try:
        command(name, arguments)
    except OptionsAsked as found:
        return found.function
    finally:
        _listing.reset(token)
    raise TypeError(f"{name} reads no options")


def about(kind: type) -> str:
    """What a dataclass says of itself, without its examples."""
    return kind.__doc__.split(">>>")[0].strip()


def given(arguments: list[str], option: str) -> str | None:
    """What an option is given, before the options are known; None where it is not there.

    >>> given(["--from", "runs/a"], "--from"), given(["--from=runs/a"], "--from"), given(["--from"], "--from")
    ('runs/a', 'runs/a', '')
    """
    for place, argument in enumerate(arguments):
        if argument.startswith(f"{option}="):
            return argument.removeprefix(f"{option}=")
        if argument == option:
            return next(iter(arguments[place + 1 :]), "")
    return None
