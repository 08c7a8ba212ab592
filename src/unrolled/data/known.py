"""What data make of an encoding that is known from another run, whose weights they are to be learned with."""

from __future__ import annotations

from ..errors import UsageError


def check_same(option: str, asked: object, has: object) -> None:
    """Raise UsageError where an option says that numbers shall mean something else than the run's
    weights were learned for.

    >>> check_same("tokens", "words", "words")
    """
    if asked != has:
        raise UsageError(
            f"--{option} {asked}, and the weights to go on from were learned with {has}: leave it so, or train "
            "afresh, without --from."
        )


def no_room(left: int, size: int, what: str = "words") -> tuple[str, ...]:
    """What is to be said where a vocabulary of `size`, which is full, had no room for some more.

    >>> no_room(20, 100)
    ('20 words are often enough there and find no room: --vocabulary 120 has it',)
    """
    return (f"{left:,} {what} are often enough there and find no room: --vocabulary {size + left} has it",) * (
        left > 0
    )
