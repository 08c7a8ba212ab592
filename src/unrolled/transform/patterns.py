"""Names of a cell picked by patterns: "U_*", or "U" for U itself and everything that begins with U_."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from ..errors import UsageError


def matching(who: str, patterns: str | Sequence[str], names: Sequence[str]) -> list[str]:
    """The names that one of the patterns means, in their order.

    A pattern is a name, a stem ("U" means U_i, U_f, ... where there is no U), or has *, ? and [...] as a
    shell's has. Raises UsageError, beginning with `who`, for a pattern that means none of them.

    >>> matching("example", ("W", "b_?"), ("W_i", "W_f", "U_i", "b_i"))
    ['W_i', 'W_f', 'b_i']
    """
    found: set[str] = set()
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        one = {n for n in names if fnmatchcase(n, pattern)} or {n for n in names if n.startswith(f"{pattern}_")}
        if not one:
            near = get_close_matches(pattern, names, 3, 0.5)
            raise UsageError(
                f"{who}: {pattern!r} is not a name here. "
                + (f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(names) or 'none'}.")
            )
        found |= one
    return [n for n in names if n in found]
