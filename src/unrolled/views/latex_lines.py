r"""How wide a formula of LaTeX is, about, and where a wide one is broken: before a + or -, as few
brackets deep as will do.
"""

from __future__ import annotations

import re

DEEPEST = 2  # brackets that a line is broken within
MARKS = re.compile(r"\\begin\{|\\end\{|\\left\b|\\right\b|[(\[{}\])]|(?<= )(?:[+-]|\\odot)(?= )")
# What does not break: braces, environments, and brackets that grow with what they hold.
OPENS = {"{": 1, "}": -1, "\\left": 1, "\\right": -1, "\\begin{": 2, "\\end{": 0}
CONTINUED = " \\\\\n  &\\qquad {} "  # between the lines of a broken equation
LOWERED = 0.7  # of a letter's width, in a sub- or superscript
UNSEEN = re.compile(
    r"\\(?:begin|end)\{[a-z*]+\}|\\(?:math[a-z]+|text|left|right|tilde|hat|bar|sqrt|[,;!])(?![a-z])|[&\s]"
)
NAMED = re.compile(r"\\(tanh|exp|log|max|min|sin|cos|dim)\b")
FRACTION, GROUP = re.compile("\x01(.)(.)"), re.compile(r"\{([^{}]*)\}")


def latex_width(text: str) -> float:
    r"""How many letters stand beside each other, about: \sigma is one, a fraction as wide as
    the wider of its halves.

    >>> latex_width(r"\sigma(a)"), latex_width(r"\frac{a + b}{c_{t}}"), latex_width(r"x_{t-1}")
    (4.0, 4.0, 3.1)
    """
    text = re.sub(r" (?:[+-]|\\odot|\\cdot) ", "xx", text)  # with the space around it
    text = NAMED.sub(r"\1", UNSEEN.sub("", text)).replace(r"\frac", "\x01")
    text = re.sub(r"\\(?:[a-zA-Z]+|.)", "x", text)
    widths: dict[str, float] = {}

    def kept(width: float) -> str:
        widths[mark := chr(0xE000 + len(widths))] = width
        return mark

    def width(part: str) -> float:
        part = FRACTION.sub(lambda halves: kept(max(width(halves[1]), width(halves[2]))), part)
        lowered = sum(LOWERED * widths.get(one, 1.0) for one in re.findall(r"[_^](.)", part))
        return lowered + sum(widths.get(one, 1.0) for one in re.sub(r"[_^].|[{}]", "", part))

    while group := GROUP.search(text):
        text = text[: group.start()] + kept(width(group[1])) + text[group.end() :]
    return round(width(text), 1)


def latex_broken(text: str, wide: float) -> list[str]:
    r"""The formula in lines no wider than `wide`, as far as its sums and products allow.

    >>> latex_broken("a + b + c", 5)
    ['a + b', '+ c']
    """
    lines = [text]
    for deepest in range(DEEPEST + 1):
        if max(map(latex_width, lines)) <= wide:
            break
        lines = _broken(text, wide, deepest)
    return lines


def _broken(text: str, wide: float, deepest: int) -> list[str]:
    pieces, depth, whole, start = [], 0, 0, 0
    for found in MARKS.finditer(text):
        mark = found[0]
        if mark in OPENS:
            whole += OPENS[mark]
        elif mark in "()[]":
            depth += 1 if mark in "([" else -1
        elif depth <= deepest and not whole and (mark != r"\odot" or deepest):
            pieces.append(text[start : found.start()])
            start = found.start()
    lines = [""]
    for piece in [*pieces, text[start:]]:
        if lines[-1] and latex_width(lines[-1] + piece) > wide:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]
