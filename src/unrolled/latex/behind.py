"""What stands right behind a name: (t) and [t-1], [i, k], and letters that were meant to stand below it."""

from __future__ import annotations

from .lines import INDICES
from .tokens import LatexToken
from .tree import BEFORE, NOW, Name

BRACKETS = {"(": ")", "[": "]"}


def without_braces(parser, name: Name, inside: list[LatexToken]) -> list[LatexToken]:
    """The tokens below a name. W_xz is set as W_x z, and what is meant is W_{xz};
    W_hh_{t-1} is W_h times h_{t-1}.
    """
    first, run = inside[0], []
    following = parser.tokens[parser.place : parser.place + 2]
    if first.text == "t" and [t.text for t in following] == ["-", "1"] and following[1].at == first.at + 2:
        said = name.base
        raise parser.source.wrong(
            first.at,
            f"{said}_t-1 is {said}_t minus 1. Write {said}_{{t-1}} for the step before, or {said}_t - 1 with"
            " spaces.",
        )
    if first.kind != "letter" or first.text == "t":
        return inside
    at = first.at + 1
    while parser.next.kind == "letter" and parser.next.at == at:
        run.append(parser.take())
        at += 1
    if run and (
        parser.next.text in ("_", "^", "'") or moment_in_brackets(parser) or parser.source.gives(run[-1].text)
    ):
        parser.place = parser.tokens.index(run.pop())
    if run:
        parser.source.unbraced.append(f"{name.base}_{first.text}{''.join(t.text for t in run)}")
    return [first, *run]


def moment_in_brackets(parser) -> str | None:
    """h(t) and h(t-1), h[t] and h[t-1]."""
    close = BRACKETS.get(parser.next.text)
    for said, moment in (["t"], NOW), (["t", "-", "1"], BEFORE):
        following = [t.text for t in parser.tokens[parser.place + 1 : parser.place + len(said) + 2]]
        if close and following == [*said, close]:
            parser.place += len(said) + 2
            return moment
    return None


def indices(parser) -> tuple[str, ...]:
    """[k] and [i, k], as one part of the name."""
    end = next((k for k in range(parser.place, len(parser.tokens)) if parser.tokens[k].text == "]"), None)
    if parser.next.text != "[" or end is None:
        return ()
    inside = [t.text for t in parser.tokens[parser.place + 1 : end]]
    said, commas = inside[::2], inside[1::2]
    if not said or len(commas) != len(said) - 1 or {*commas} - {","}:
        return ()
    if not all(one in INDICES or one.isdigit() for one in said):
        return ()
    parser.place = end + 1
    return (f"[{''.join(said)}]",)
