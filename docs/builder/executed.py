"""A page whose Python and commands are run, in order: what they print stands in it, what
they make can be put in.

In a page of `docs/guide` or `docs/how-to`:

- a `python` block is executed; what it prints is the `text` block right below it; what differs from run
  to run is not shown, and a comment says so: `<!-- prints times -->`
- in a `console` block each line `$ unrolled ...` is run, and what follows is what it prints
  (`| head -20`: the start)
- `<!-- show: EXPRESSION -->` becomes, on the site, the Markdown or SVG that the expression gives; it may call
  `find(name)`, `equations(cell)`, `drawn("f.svg")` for what a command above it has drawn, `example(name, rows)`
  and `example_picture(name)` for the worked examples of `unrolled byhand`, `flow_picture(name)` for a
  gradient's way back, `use_picture(reads, says)` for what a net reads and says at each step, `pasted(page)` for
  the cell that a page's LaTeX makes

In the other pages of `docs/` only these comments are run.
- `py`, `bash` and other blocks are left alone
"""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

from unrolled import cli, find

from .embedded import drawn, equations, example, example_picture, figure, flow_picture, pasted, raw, use_picture

PART = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$|^<!-- show: (?P<shown>.+?) -->$", re.S | re.M)
UNSTABLE = "<!-- prints "
WIDTH = "100"


# What a `show` comment may call besides what the page itself has made.
SHOWN = {
    "drawn": drawn,
    "equations": equations,
    "example": example,
    "example_picture": example_picture,
    "find": find,
    "flow_picture": flow_picture,
    "pasted": pasted,
    "use_picture": use_picture,
}


class DocumentError(Exception):
    """A page does not run, or prints what it does not show."""


@dataclass(frozen=True)
class Executed:
    """written   the page as it stands, with today's output; the page is up to date if that is its text
    site      the same with what its `show` comments give"""

    written: str
    site: str


def executed(text: str, name: str) -> Executed:
    """Runs a page from top to bottom in a folder of its own.

    Raises DocumentError where a block fails, and where one prints and no `text` block follows.
    """
    with tempfile.TemporaryDirectory() as room, contextlib.chdir(room), patch.dict(os.environ, COLUMNS=WIDTH):
        parts = list(_parts(text, name))
    return Executed("".join(one for one, _ in parts), "".join(two for _, two in parts))


def with_shown(text: str, name: str) -> str:
    """A page of the reference, of which only the `show` comments are run. Raises
    DocumentError where one fails.
    """

    def one(found: re.Match) -> str:
        where = f"{name}, line {text.count(chr(10), 0, found.start()) + 1}"
        return (
            _guarded(lambda: _shown(eval(found["shown"], dict(SHOWN))), where) if found["shown"] else found[0]
        )

    return PART.sub(one, text)


def _parts(text: str, name: str) -> Iterator[tuple[str, str]]:
    """(as it stands in the file, as the site has it) piece by piece."""
    space: dict[str, object] = {"__name__": name, **SHOWN}
    printed, at = "", 0
    for found in PART.finditer(text):
        between, at = text[at : found.start()], found.end()
        where = f"{name}, line {text.count(chr(10), 0, found.start()) + 1}"
        if between.lstrip().startswith(UNSTABLE):
            printed = ""
        if printed and not (found["language"] == "text" and not between.strip()):
            raise DocumentError(
                f"{where}: the Python above prints {printed[:60]!r}. Put an empty ```text block right below it."
            )
        yield between, between
        written = site = found[0]
        if found["shown"]:
            site = _guarded(lambda: _shown(eval(found["shown"], space)), where)
        elif found["language"] == "python":
            printed = _guarded(lambda: _run(found["body"], f"<{where}>", space), where)
        elif found["language"] == "text" and printed:
            written = site = f"```text\n{printed}```"
            printed = ""
        elif found["language"] == "console":
            written = site = f"```console\n{_guarded(lambda: _commands(found['body']), where)}```"
        yield written, site
    if printed and not text[at:].lstrip().startswith(UNSTABLE):
        raise DocumentError(
            f"{name}: the last Python prints {printed[:60]!r}. Put an empty ```text block right below it."
        )
    yield text[at:], text[at:]


def _guarded(run, where: str):
    try:
        return run()
    except DocumentError as error:
        raise DocumentError(f"{where}: {error}") from None
    except (Exception, SystemExit) as error:
        raise DocumentError(f"{where}: {type(error).__name__}: {error}") from error


def _run(text: str, name: str, space: dict[str, object]) -> str:
    """Executes text as if it were a file, so that cells have lines to quote; what it printed."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(text, name, "exec"), space)
    return _tidy(out.getvalue())


def _commands(body: str) -> str:
    lines = []
    for line in body.splitlines():
        if line.startswith("$ "):
            lines += [line, *_command(line.removeprefix("$ ")).splitlines()]
    return "\n".join(lines) + "\n"


def _command(line: str) -> str:
    command, _, pipe = line.partition(" | ")
    words = shlex.split(command)
    if words[0] != "unrolled":
        raise DocumentError(f"{line!r}: only unrolled is run here. Make it a bash block.")
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        cli.main(words[1:])
    text = _tidy(out.getvalue())
    if pipe:
        kind, count = re.fullmatch(r"(head|tail) -(\d+)", pipe).groups()
        lines = text.splitlines()
        text = _tidy("\n".join(lines[: int(count)] if kind == "head" else lines[-int(count) :]))
    return text


def _tidy(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.rstrip().splitlines())


def _shown(made: object) -> str:
    """Markdown as it is; a picture in a box of its own."""
    text = str(made)
    return raw(figure(text)) if text.lstrip().startswith("<svg") else text
