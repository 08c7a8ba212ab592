"""What is printed of texts that are not ours."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Text without what would steer a terminal: control characters other than line ends and tabs show as \\ufffd.

    >>> printable("a" + chr(27) + "[2J") == "a" + chr(0xFFFD) + "[2J"
    True
    """
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)
