"""The C compiler of this machine: found once, and believed only after it has built a library
that loads and computes.

Tried in turn: $UNROLLED_CC alone if it is set; else $CC, cc, gcc, clang, and last the `ziglang`
package (a whole compiler in a wheel). What was found is noted in the kernel cache, so that later
processes need not try again.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import importlib.util
import json
import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unrolled.kernels.c.build import cache
from unrolled.kernels.c.build.compiler import CompilerError, CompilerHangs, compile_in, run, spelled, time_limit
from unrolled.kernels.c.build.target import target, target_flags

PROBE_SECONDS = 20.0  # a system compiler that needs longer for six lines hangs
# No -ffast-math: it flushes subnormals for the thread that loads the library, and loses
# NaN. These two are as fast.
BASE = ("-std=gnu11", "-shared", "-fPIC", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math")
FORBIDDEN = ("-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-fopenmp")

# A loop and libm, so that a missing assembler, linker, C library or instruction shows here and not in a kernel.
PROBE = """#include <math.h>
float unrolled_probe(const float *x, int n)
{
    float sum = 0;
    for (int i = 0; i < n; i++) sum += expf(x[i]) + (float)lgamma(x[i] + 2);
    return sum;
}
"""

# What the compiler builds for, by the macros that headers ask for: name -> macro.
INSTRUCTIONS = {
    "sse4_2": "__SSE4_2__",
    "avx": "__AVX__",
    "avx2": "__AVX2__",
    "fma": "__FMA__",
    "avx512f": "__AVX512F__",
    "avx512_bf16": "__AVX512BF16__",
    "amx_bf16": "__AMX_BF16__",
    "neon": "__ARM_NEON",
    "sve": "__ARM_FEATURE_SVE",
}

_warned: list[str] = []


class SlowBackendWarning(UserWarning):
    """No C compiler is usable, so the reference backend runs."""


@dataclass(frozen=True)
class Toolchain:
    """A compiler that works here.

    command, version, flags    the words that start it, its version line, the flags that it takes (without -O)
    instructions               what it builds for of `INSTRUCTIONS`, by its own word: not what the processor has
    """

    command: tuple[str, ...]
    version: str
    flags: tuple[str, ...]
    instructions: tuple[str, ...] = ()


def toolchain() -> Toolchain | None:
    """The compiler that kernels are built with, looked for once per process; None where
    none works (`why_unusable`).

    Raises UsageError where a setting ($UNROLLED_CC_TIMEOUT) cannot be read.

    Example:
        >>> found = toolchain()
        >>> found is None or "-fPIC" in found.flags
        True
    """
    return _search()[0]


def why_unusable() -> str:
    """Why `toolchain()` is None, as a sentence without its full stop; empty where a compiler works."""
    return _search()[1]


def warn_no_compiler(reason: str) -> None:
    """Say once per process, as a `SlowBackendWarning`, that the reference backend runs,
    why, and what to install.
    """
    if _warned:
        return
    _warned.append(reason)
    warnings.warn(
        f"kernels cannot be built: {reason}. The reference backend runs instead, roughly 2 to 10 times slower."
        " For the fast one, install gcc or clang, or `pip install ziglang`.",
        SlowBackendWarning,
        stacklevel=3,
    )


@functools.lru_cache(maxsize=1)
def _search() -> tuple[Toolchain | None, str]:
    """The first compiler that works and "", or None and why each of them does not."""
    reasons: list[str] = []
    for command, seconds in _candidates(reasons):
        try:
            return _probed(command, seconds), ""
        except CompilerError as error:
            reasons.append(str(error))
        except OSError as error:
            reasons.append(f"{spelled(command)!r} cannot be tried: {error}")
    return None, "; ".join(reasons)


def _candidates(reasons: list[str]) -> Iterator[tuple[tuple[str, ...], float]]:
    """Commands to try, each with its time limit; what is not there or must not be used goes to `reasons`."""
    chosen = os.environ.get("UNROLLED_CC", "").strip()
    texts = [chosen] if chosen else [os.environ.get("CC", "").strip(), "cc", "gcc", "clang"]
    seen: set[tuple[str, ...]] = set()
    for text in filter(None, texts):
        words = _words(text)
        program = shutil.which(words[0])
        if program is None:
            reasons.append(
                f"{text!r} is not a program that can be run" + (" (UNROLLED_CC names it)" if chosen else "")
            )
        elif bad := [word for word in words if word in FORBIDDEN]:
            reasons.append(f"{text!r} asks for {bad[0]}, which kernels must not be built with; leave it out")
        elif (resolved := (os.path.realpath(program), *words[1:])) not in seen:  # cc is often gcc
            seen.add(resolved)
            # The path as found, links kept: some compilers (ccache) act by the name that they are called by.
            yield (os.path.abspath(program), *words[1:]), time_limit(PROBE_SECONDS)
    if chosen:
        return
    if sys.executable and importlib.util.find_spec("ziglang"):
        # -P: modules are not searched for in the folder it runs in. Its traps for undefined behaviour are off.
        yield (sys.executable, "-P", "-m", "ziglang", "cc", "-fno-sanitize=undefined"), time_limit()
    else:
        reasons.append("the package ziglang is not installed")


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, posix=sys.platform != "win32")
    except ValueError:  # an open quotation mark: no such program, as the caller will say
        return [text]


def _probed(command: tuple[str, ...], seconds: float) -> Toolchain:
    """The working toolchain of `command`, as noted in the cache or by trying. Raises CompilerError, OSError."""
    name = f"toolchain-{cache.key(command, _stamps(command), target(), sorted(INSTRUCTIONS))}.json"

    def noted_or_tried(folder: Path) -> Toolchain:
        try:
            noted = json.loads((folder / name).read_text(encoding="utf-8"))
            return Toolchain(
                command, str(noted["version"]), tuple(noted["flags"]), tuple(noted["instructions"])
            )
        except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged
            pass
        with cache.staging(folder) as place:
            found = _try(command, place, seconds)
            note = {"version": found.version, "flags": found.flags, "instructions": found.instructions}
            (place / name).write_text(json.dumps(note), encoding="utf-8")
            os.replace(place / name, folder / name)
        return found

    return cache.somewhere(noted_or_tried)


def _stamps(command: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Path, time and size of every program in the command (`ccache gcc` has two), so
    that an update is noticed.
    """
    paths = [os.path.realpath(found) for word in command if (found := shutil.which(word))]
    if "ziglang" in command and (spec := importlib.util.find_spec("ziglang")) and spec.origin:
        paths.append(spec.origin)
    return [(path, found.st_mtime_ns, found.st_size) for path in paths for found in [os.stat(path)]]


def _try(command: tuple[str, ...], place: Path, seconds: float) -> Toolchain:
    """Build and load the probe, for the processor (with fewer of its instructions where the compiler does not
    take that) or what else is wanted."""
    tests = "".join(f'#ifdef {macro}\n"{name} "\n#endif\n' for name, macro in INSTRUCTIONS.items())
    probe = f'{PROBE}const char unrolled_instructions[] =\n{tests}"";\n'
    (place / cache.SOURCE).write_text(probe, encoding="utf-8")
    refused: list[CompilerError] = []
    for chosen in target_flags("ziglang" in command):
        flags = (*BASE, *chosen)
        try:
            compile_in(place, command, ("-O3", *flags), seconds)
        except CompilerHangs:
            raise
        except CompilerError as error:
            refused.append(error)
            continue
        instructions = _check_probe(command, place)
        version = run((*command, "--version"), place, seconds).output.strip().partition("\n")[0]
        if "ziglang" in command:
            version = f"ziglang {importlib.metadata.version('ziglang')}, {version}"
        return Toolchain(command, version[:200], flags, instructions)
    raise refused[-1]  # with the fewest flags: it names what is really wrong


def _check_probe(command: tuple[str, ...], place: Path) -> tuple[str, ...]:
    """Calls the probe. Returns the instructions that it was built for. Raises CompilerError."""
    try:
        library = ctypes.CDLL(str(place / cache.LIBRARY))
        probe = library.unrolled_probe
        probe.restype = ctypes.c_float
        if abs(probe((ctypes.c_float * 3)(), 3) - 3) > 1e-5:  # three times exp(0) + log(gamma(2))
            raise CompilerError(f"{spelled(command)!r} builds a library whose numbers are wrong")
        names = ctypes.c_char.in_dll(library, "unrolled_instructions")
    except (OSError, AttributeError, ValueError) as error:  # built for another machine, for instance
        raise CompilerError(f"{spelled(command)!r} builds a library that cannot be loaded: {error}") from error
    return tuple(ctypes.string_at(ctypes.addressof(names)).decode("ascii").split())
