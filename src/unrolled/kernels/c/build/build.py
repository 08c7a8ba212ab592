"""Emitted C text to a loaded shared library: compiled once, then taken from the user's cache.

library = build(source, name="lstm")
library.lstm_forward(...)
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

from unrolled.errors import UsageError
from unrolled.kernels.c.build import cache
from unrolled.kernels.c.build.compiler import CompilerError, compile_in, time_limit
from unrolled.kernels.c.build.toolchain import toolchain, why_unusable

OPTIMISE = ("-O0", "-O1", "-O2", "-O3")


def build(source: str, *, name: str, optimise: str = "-O3") -> ctypes.CDLL:
    """Compile C text with the machine's compiler, or find it compiled already, and load it.

    Args:
        source: one whole C file, its headers' text included (it is the key: nothing else is read). name: what
        it is called in the cache and in messages, such as the cell's name; need not be an identifier. optimise:
        "-O3", or a lesser level for tests, where building counts for more than running.

    Returns the loaded library; functions take their `argtypes` and `restype` from the caller.

    Raises CompilerError where no compiler works, or the compiler refuses the source, hangs or crashes, or
    nothing can be written or loaded anywhere (`toolchain()` tells beforehand whether there is a compiler);
    UsageError for another `optimise`.

    Example:
        >>> build("int twice(int n) { return 2 * n; }", name="twice").twice(21)
        42
    """
    if optimise not in OPTIMISE:
        raise UsageError(f"optimise is {optimise!r}; it is one of {', '.join(OPTIMISE)}.")
    found = toolchain()
    if found is None:
        raise CompilerError(f"The kernel of {name} cannot be built: {why_unusable()}.")
    flags = (optimise, *found.flags)
    key = cache.key(source, found.command, found.version, flags)
    title = f"{re.sub(r'[^A-Za-z0-9_]+', '_', name)[:40]}-{key}"

    def make(place: Path) -> None:
        (place / cache.SOURCE).write_text(source, encoding="utf-8", errors="backslashreplace", newline="\n")
        compile_in(place, found.command, flags, time_limit())

    try:
        return cache.somewhere(lambda folder: cache.fetch(folder / title, make))
    except CompilerError as error:
        raise CompilerError(
            f'The kernel of {name} could not be built: {error}\nPass backend="reference" to go on without it.'
        ) from None
    except OSError as error:
        raise CompilerError(
            f"The kernel of {name} was built nowhere: {error}. Free some space on the disk, or set "
            "UNROLLED_CACHE and TMPDIR to folders where programs may be written and run."
        ) from error
