"""The colours of every picture, on a light page and on a dark one."""

from __future__ import annotations

# Name -> (on a light page, on a dark one). No two alike on a side: a colour is found again by its number.
INK = {
    "page": ("#ffffff", "#14171c"),
    "text": ("#1c2430", "#e8ebf0"),
    "soft": ("#5d6776", "#a3acb9"),
    "line": ("#7b8594", "#8b95a5"),
    "frame": ("#d3d8e0", "#3a424e"),
    "panel": ("#f6f7f9", "#1b2027"),
    "weight": ("#a3480b", "#f2ae72"),
    "blue": ("#dbe8fd", "#1d3a63"),
    "blue_line": ("#3a6fc4", "#7caaf0"),
    "green": ("#dcf3e1", "#1c4a2c"),
    "green_line": ("#2f8f4e", "#71c98c"),
    "violet": ("#ece3fb", "#43306b"),
    "violet_line": ("#7a53c0", "#b79bf0"),
    "yellow": ("#fdf0c4", "#554511"),
    "yellow_line": ("#b08312", "#e2bf57"),
    "red": ("#fde0e2", "#632a33"),
    "red_line": ("#c9475a", "#f0909d"),
    "teal": ("#d6f1f1", "#164a4c"),
    "teal_line": ("#20868a", "#66c5c8"),
    "grey": ("#e9ecf0", "#2f3742"),
    "grey_line": ("#68727f", "#9aa4b2"),
}


def following(kind: str, rule: str) -> str:
    """CSS by which colours follow the reader's light or dark setting. The light ones are found again by their
    numbers, which is all that is seen where style sheets are not known.

    kind   the class of the SVG
    rule   for one colour: {what} is fill or stroke, {colour} the light one's number, {name} its name
    """
    light, dark = ("".join(f"--{name}:{pair[side]};" for name, pair in INK.items()) for side in (0, 1))
    rules = "".join(
        f".{kind} " + rule.format(what=what, colour=pair[0], name=name)
        for name, pair in INK.items()
        for what in ("fill", "stroke")
    )
    return f".{kind}{{{light}}}@media screen and (prefers-color-scheme:dark){{.{kind}{{{dark}}}}}{rules}"
