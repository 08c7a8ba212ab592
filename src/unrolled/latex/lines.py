"""Which tokens make one equation: at a line's end, a comma or a \\quad a new one
begins, where there is an `=`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .tokens import LatexSource, LatexToken

EQUALS = ("\\leftarrow", "\\coloneqq", "\\triangleq", "\\equiv", "\\gets", "\\doteq")
BREAKS = ("\\\\", "\\newline", "\\quad", "\\qquad", "\\cr")
OPEN = {"(": ")", "[": "]", "{": "}", "\\{": "\\}", "\\begin": "\\end", "\\langle": "\\rangle"}
BRACKETS = {"(": ")", "[": "]", "\\{": "\\}", "{": "}"}  # those that group
# Where \\\\ is a row's end; in round brackets a long sum goes on in the next line.
STACKS = ("[", "{", "\\{", "\\begin")
BETWEEN = (",", ";", "\\\\", "\\|", "\\Vert", "\\mid")  # what stands between vectors that are joined
FOR = ("for", "für", "pour", "para", "per")
INDICES = tuple("ijklmnr")
DOTS = ("\\dots", "\\ldots", "\\cdots")
CLOSE = {v: k for k, v in OPEN.items()}
GOES_ON = ("+", "-", "*", "/", "\\odot", "\\circ", "\\cdot", "\\times", "=")


@dataclass
class EquationTokens:
    r"""The tokens of one equation, left and right of its `=` (or of its \in), and the words behind it."""

    left: list[LatexToken]
    right: list[LatexToken]
    equals: LatexToken
    comment: list[str] = field(default_factory=list)


def lines_of(source: LatexSource, tokens: list[LatexToken]) -> list[EquationTokens]:
    """The equations, in order. Raises CellError for a piece that is not one, and for
    brackets that do not match.
    """
    found: list[EquationTokens] = []
    ranging = False
    for piece in _pieces(source, [_as_equals(t) for t in _without_ranges(tokens)]):
        ranging = _is_range([token for token, _ in piece], ranging)
        if ranging:
            continue
        places = [k for k, (token, depth) in enumerate(piece) if token.text == "=" and depth == 0]
        inside = [token for token, _ in piece]
        if places and places[0] == 0 and found and not found[-1].right:
            places = places[1:]
        member = [k for k, (token, depth) in enumerate(piece) if token.text == "\\in" and depth == 0]
        if member and not places:
            found.append(EquationTokens(inside[: member[0]], inside[member[0] + 1 :], inside[member[0]]))
            continue
        if not places:
            _add_on(source, found, inside)
            continue
        if len(places) > 1:
            raise source.wrong(
                inside[places[1]].at, "a second = in one equation. Give each equation a line of its own."
            )
        while inside and inside[-1].text == ".":
            inside.pop()
        words = []
        while (
            inside
            and inside[-1].kind == "word"
            and (" " in inside[-1].text or places[0] < len(inside) - 2)
            and inside[-2].text not in GOES_ON
        ):
            words.insert(0, inside.pop().text)
        found.append(EquationTokens(inside[: places[0]], inside[places[0] + 1 :], inside[places[0]], words))
    return found


def _without_ranges(tokens: list[LatexToken]) -> list[LatexToken]:
    r"""Without `\text{for } k = 1, 2` up to the end of its line."""
    kept: list[LatexToken] = []
    skipping = False
    for k, token in enumerate(tokens):
        if token.kind == "line" or token.text in ("\\\\", "\\newline", "\\cr", "\\end"):
            skipping = False
        words = token.text.split() if token.kind == "word" else []
        following = [t.text for t in tokens[k + 1 : k + 3]]
        if words and words[0] in FOR and (len(words) > 1 or following[1:] in (["="], ["\\in"], ["\\le"])):
            skipping = True
        if not skipping:
            kept.append(token)
    return kept


def _is_range(piece: list[LatexToken], before: bool) -> bool:
    r"""Whether a piece says which indices there are: `k = 1`, and the `\dots` and `n` behind it."""
    said = [t.text for t in piece if t.text != "."]
    small = all(t.kind in ("number", "letter") or t.text in (*DOTS, ".") for t in piece)
    if before and said and len(said) < 3 and small and piece[0].kind != "line":
        return True
    rest = all(t.kind == "number" or t.text in (*DOTS, *INDICES, ".", "T", "-", "+") for t in piece[2:])
    return len(said) > 2 and said[0] in (*INDICES, "t") and said[1] == "=" and rest


def _as_equals(token: LatexToken) -> LatexToken:
    return LatexToken("sign", "=", token.at) if token.text in EQUALS else token


def _add_on(source: LatexSource, found: list[EquationTokens], piece: list[LatexToken]) -> None:
    """A piece without `=`: words are a comment; what begins or ends at an operator goes on
    with the equation before.
    """
    while piece and piece[-1].text == ".":
        piece.pop()
    if not piece:
        return
    if all(t.kind == "word" for t in piece):
        if found:
            found[-1].comment.extend(t.text for t in piece)
    elif found and (piece[0].text in GOES_ON or not found[-1].right or found[-1].right[-1].text in GOES_ON):
        found[-1].right.extend(piece)
    else:
        raise source.wrong(
            piece[0].at,
            "this is not an equation: it has no =. Write NAME = ..., or put words into \\text{...}.",
        )


def _pieces(source: LatexSource, tokens: list[LatexToken]) -> list[list[tuple[LatexToken, int]]]:
    """Cut where no bracket is open; each token with the number of brackets around it."""
    pieces: list[list[tuple[LatexToken, int]]] = [[]]
    opened: list[LatexToken] = []
    ended = False  # a line has ended since the last bracket was opened
    for k, token in enumerate(tokens):
        following = tokens[k + 1].text if k + 1 < len(tokens) else ""
        if token.text == "=" and opened and ended and "\\begin" not in [t.text for t in opened]:
            raise _never_closed(source, opened[-1])
        if token.kind == "line" or token.text in BREAKS:
            ended = ended or bool(opened)
            if opened and token.text == "\\\\" and opened[-1].text in STACKS:
                pieces[-1].append((token, len(opened)))
        if not opened and (
            token.kind == "line"
            or token.text in BREAKS
            or token.text in (",", ";")
            and (any(t.text == "\\in" for t, _ in pieces[-1]) or not _before_member(tokens[k + 1 :]))
            or (token.text == "&" and following == "&")
        ):
            pieces.append([])
        elif (
            token.text == "&"
            and not any(t.text == "\\begin" for t in opened)
            or token.kind == "line"
            or token.text in BREAKS
        ):
            continue
        else:
            if token.text in CLOSE:
                _close(source, opened, token)
                ended = ended and bool(opened)
            pieces[-1].append((token, len(opened)))
            if token.text in OPEN:
                opened.append(token)
    if opened:
        raise _never_closed(source, opened[-1])
    return pieces


def _before_member(tokens: list[LatexToken]) -> bool:
    r"""Whether a comma stands in a list of names such as `u, v \in \mathbb{R}`."""
    for token in tokens:
        if token.text == "\\in":
            return True
        if token.text == "=" or token.kind == "line" or token.text in BREAKS:
            return False
    return False


def _close(source: LatexSource, opened: list[LatexToken], token: LatexToken) -> None:
    if not opened:
        raise source.wrong(
            token.at, f"{token.text} closes nothing. Take it out, or open it with {CLOSE[token.text]}."
        )
    if OPEN[opened[-1].text] != token.text:
        raise source.wrong(
            token.at, f"{token.text} closes {opened[-1].text}. Write {OPEN[opened[-1].text]} here."
        )
    opened.pop()


def _never_closed(source: LatexSource, token: LatexToken) -> Exception:
    return source.wrong(token.at, f"{token.text} is never closed. Write {OPEN[token.text]} where it ends.")


def separated(
    source: LatexSource, tokens: list[LatexToken], opening: LatexToken, marks: tuple[str, ...] = BETWEEN
) -> list[list[LatexToken]]:
    """Cut at the commas and the like that no further bracket holds."""
    pieces: list[list[LatexToken]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text in (*BRACKETS, "\\begin")) - (token.text in (*BRACKETS.values(), "\\end"))
        if depth == 0 and token.text in marks:
            pieces.append([])
        else:
            pieces[-1].append(token)
    if any(not piece for piece in pieces):
        raise source.wrong(
            opening.at, "a value is missing between these brackets. Write it, or take the comma out."
        )
    return pieces
