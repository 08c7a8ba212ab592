"""What kernels are built for: this processor, or a lesser instruction set that $UNROLLED_MARCH names.

One machine then stands for others: what a processor with AVX2 alone computes is computed here
by its very instructions.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

from unrolled.errors import UsageError
from unrolled.kernels.c.build import cache

# Levels of the x86-64 psABI, and which of their features, as Linux spells them, a processor must have at least.
LEVELS = {
    "x86-64": (),
    "x86-64-v2": ("sse4_2", "ssse3", "popcnt"),
    "x86-64-v3": ("avx2", "bmi2", "f16c", "fma", "movbe"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
}
# Compilers prefer 256 bits; the whole width doubles the speed of clang's products.
WIDE = ("-mprefer-vector-width=512",)


def target() -> str:
    """$UNROLLED_MARCH, or "native". Raises UsageError where it is not such a name, or this
    processor lacks what it needs.
    """
    name = os.environ.get("UNROLLED_MARCH", "").strip() or "native"
    if name == "native":
        return name
    if name not in LEVELS:
        raise UsageError(f"UNROLLED_MARCH is {name!r}; it is one of native, {', '.join(LEVELS)}.")
    known = cache.processor().split()
    if known[0].lower() not in ("x86_64", "amd64"):
        raise UsageError(f"UNROLLED_MARCH is {name!r}, and this machine is {platform.machine()}; leave it out.")
    wanted = [feature for level in LEVELS.values() for feature in level][: _count(name)]
    missing = [feature for feature in wanted if feature not in known]
    if missing and len(known) > 2:  # a system that tells its processor's features
        raise UsageError(
            f"UNROLLED_MARCH is {name!r}, and this processor has no {missing[0]}; choose a lesser one."
        )
    return name


def _count(name: str) -> int:
    """How many features the levels up to this one need together."""
    levels = list(LEVELS)
    return sum(len(LEVELS[level]) for level in levels[: levels.index(name) + 1])


def target_flags(zig: bool) -> Iterator[tuple[str, ...]]:
    """A compiler's flags for the target, best first; for the processor itself down to none."""
    name = target()
    if name != "native":  # what was asked for, or nothing
        march = "-march=" + (name.replace("-", "_") if zig else name)
        yield (march, *(WIDE if name == "x86-64-v4" else ()))
        return
    if "avx512f" in cache.processor().split():
        yield ("-march=native", *WIDE)
    yield ("-march=native",)
    yield ("-mcpu=native",)  # compilers for ARM that know no -march=native
    yield ()
