"""The pages of the guide as notebooks, docs/notebooks/deck000.ipynb to deck004.ipynb: the
same words, code and prints.

`python -m docs.builder.notebooks` writes them again. A notebook's code needs the package alone: what a page
shows by a comment is an expression here, whose value the notebook displays.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from .executed import PART

ROOT = Path(__file__).parents[2]
GUIDE, NOTEBOOKS = ROOT / "docs" / "guide", ROOT / "docs" / "notebooks"
# What a notebook's cells use besides what the page itself imports: a name, and where it comes from.
NEEDED = {
    "Path": "from pathlib import Path",
    "find": "from unrolled import find",
    "find_example": "from unrolled.byhand.examples import find_example",
    "unrolled": "from unrolled.cli import main as unrolled",
    "Picture": "from unrolled.views.picture import Picture",
}
# A call in a `show` comment, and what a notebook says instead.
SHOWN = (
    (r"^equations\((.+)\)$", r"\1"),
    (r'^drawn\("(.+)"\)$', r'Picture(Path("\1").read_text(encoding="utf-8"))'),
    (
        r'^example_picture\("([\w-]+)"\)$',
        r'shown = find_example("\1").make(None, False)\nshown.worked.picture(**shown.picture)',
    ),
    (
        r'^example_picture\("([\w-]+)", "(\w+)"\)$',
        r'find_example("\1").make(None, False).worked.picture(view="\2")',
    ),
    (r'^example\("([\w-]+)".*\)$', r'find_example("\1").make(None, False).worked'),
)
CALLED = re.compile(r"(?<![\w.])(\w+)\(")
PAGE = re.compile(r"\]\((\d)-[\w-]+\.md\)")
CELL_PAGE = re.compile(r"\]\(\.\./cells/\w+\.md\)")


def notebooks() -> dict[str, str]:
    """Name -> JSON of every notebook, one for each deck."""
    pages = sorted(GUIDE.glob("[0-9]-*.md"))
    return {f"deck00{path.name[0]}.ipynb": notebook(path.read_text(encoding="utf-8")) for path in pages}


def notebook(page: str) -> str:
    """A page as the JSON of a notebook, nbformat 4.5. The cells' names are their places: the
    same page, the same bytes.
    """
    cells = list(_cells(page))
    used = {
        name
        for cell in cells
        if cell["cell_type"] == "code"
        for name in CALLED.findall("".join(cell["source"]))
    }
    if needed := [line for name, line in NEEDED.items() if name in used]:
        cells.insert(1, _code("\n".join(needed)))
    cells = [{"id": f"cell-{n}", **cell} for n, cell in enumerate(cells)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _cells(page: str) -> Iterator[dict]:
    title, _, rest = page.partition("\n")
    yield _words(title)
    at, before = 0, None
    for found in PART.finditer(rest):
        between, at = rest[at : found.start()], found.end()
        if between.strip():
            yield from _held(before)
            before = None
            yield _words(between)
        if found["language"] == "text" and before is not None:
            before["outputs"] = [_printed(found["body"])]
            continue
        yield from _held(before)
        before = None
        if found["shown"]:
            before = _code(_shown(found["shown"]))
        elif found["language"] == "python":
            before = _code(found["body"])
        elif found["language"] == "console":
            yield from _commands(found["body"])
        else:
            yield _words(found[0])
    yield from _held(before)
    if rest[at:].strip():
        yield _words(rest[at:])


def _held(cell: dict | None) -> Iterator[dict]:
    if cell is not None:
        yield cell


def _commands(body: str) -> Iterator[dict]:
    """Each command as a call of the command line's own function, with what it prints."""
    for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
        line, _, printed = part.partition("\n")
        command, pipe, _ = line.removeprefix("unrolled ").partition(" | ")
        made = _code(f"unrolled({json.dumps(shlex.split(command), ensure_ascii=False)});")
        if printed and not pipe:
            made["outputs"] = [_printed(printed)]
        yield made


def _shown(expression: str) -> str:
    for pattern, instead in SHOWN:
        if re.match(pattern, expression):
            return re.sub(pattern, instead, expression)
    return expression


def _words(text: str) -> dict:
    text = PAGE.sub(r"](deck00\1.ipynb)", text)
    text = CELL_PAGE.sub("](../zoo.md)", text)
    text = re.sub(r"\]\(index\.md\)", "](../guide/index.md)", re.sub(r"<!-- .*? -->", "", text))
    return {"cell_type": "markdown", "metadata": {}, "source": _lines(text.strip())}


def _code(text: str) -> dict:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": _lines(text.strip()),
    }


def _printed(text: str) -> dict:
    return {"name": "stdout", "output_type": "stream", "text": _lines(text)}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def write() -> None:
    NOTEBOOKS.mkdir(exist_ok=True)
    for name, text in notebooks().items():
        (NOTEBOOKS / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
