"""How a command's options are read: from a function's signature, or the fields of a dataclass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import tyro

Positional = tyro.conf.Positional
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Json = Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff]


def parse(function: Callable, program: str, arguments: list[str]):
    """Call a function with the options its signature names; wrong options end with exit code 2."""
    return tyro.cli(function, prog=program, args=arguments, config=(tyro.conf.OmitArgPrefixes,))


def about(kind: type) -> str:
    """What a dataclass says of itself, without its examples."""
    return kind.__doc__.split(">>>")[0].strip()
