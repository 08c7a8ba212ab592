"""README is run: its Python in order, its listings compared with what the commands print today.

UNROLLED_UPDATE_GOLDEN=1 pytest tests/test_readme.py writes the listings again.
"""

from __future__ import annotations

import linecache
import os
import re
from pathlib import Path

import unrolled
from unrolled.commands.byhand import listed
from unrolled.commands.catalogue import table
from unrolled.commands.cells import WantedCells
from unrolled.commands.show import show

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.S | re.M)
LISTING = re.compile(r"^(\$ unrolled (show|cells|byhand)([^\n]*)\n)(.*)", re.S)
WIDTH = 112  # of the table of cells, which follows the terminal


def python_blocks() -> dict[str, object]:
    """Runs the Python of README from top to bottom; what it leaves behind."""
    found: dict[str, object] = {"__name__": "readme"}
    for number, (language, text) in enumerate(BLOCK.findall(README.read_text(encoding="utf-8"))):
        if language == "python":
            run(text, f"<README block {number}>", found)
    return found


def run(text: str, name: str, found: dict[str, object]) -> None:
    """Executes text as if it were a file, so that cells have lines to quote."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), found)


def printed(command: str, rest: str) -> str:
    """What a command of a listing prints."""
    if command == "byhand":
        assert rest == " --list"
        return listed()
    if command == "cells":
        words = rest.split()
        return table(
            WIDTH,
            WantedCells(**{name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2])}),
        )
    return show(*rest.replace("--stage ", "").split())


def listings(text: str, message: str) -> str:
    """README with every listing as it would be printed now."""

    def one(match: re.Match) -> str:
        language, body = match.groups()
        listing = LISTING.match(body)
        if language == "text":
            body = message + "\n"
        elif listing:
            body = f"{listing[1]}{printed(listing[2], listing[3])}\n"
        return f"```{language}\n{body}```\n"

    return BLOCK.sub(one, text)


def test_python_runs_and_listings_are_todays():
    left = python_blocks()
    text = README.read_text(encoding="utf-8")
    now = listings(text, left["message"])
    if os.environ.get("UNROLLED_UPDATE_GOLDEN"):
        README.write_text(now, encoding="utf-8", newline="\n")
    assert README.read_text(encoding="utf-8") == now
    assert left["y"].shape == (100, 32, 256) and 0 <= left["kept"] <= 1


def test_python_of_the_pages_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    for page in sorted((ROOT / "docs").glob("*.md")):
        for number, (language, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if language == "python":
                run(text, f"<{page.name} block {number}>", {"__name__": page.stem})


def test_the_first_two_shell_blocks_set_up_and_do_the_two_jobs():
    first, second = [
        body for language, body in BLOCK.findall(README.read_text(encoding="utf-8")) if language == "bash"
    ]
    for block in (first, second):
        assert block.splitlines()[:2] == ["python3 -m venv .venv", ". .venv/bin/activate"]
        assert "pip install -c constraints.txt " in block
    assert (
        first.splitlines()[-1] == "unrolled train char-lm"
        and second.splitlines()[-1] == "python -m pytest -n 2"
    )
    languages = [language for language, _ in BLOCK.findall(README.read_text(encoding="utf-8"))]
    shells = [language for language in languages if language in ("bash", "console")]
    assert shells[:2] == ["bash", "bash"]


def test_every_link_leads_to_a_file():
    for page in (README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_line_of_the_table_of_what_works_names_a_test():
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "around.md").read_text(encoding="utf-8"))
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    assert named and not [name for name in named if f"def {name}(" not in code]


def test_constraints_pin_every_direct_dependency():
    pinned = dict(
        re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)
    )
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[project]")[2]
    wanted = re.findall(r'"([\w-]+)[>=]=', project)
    assert {name.lower() for name in wanted} <= {name.lower() for name in pinned} and pinned[
        "torch"
    ] == "2.13.0"
    assert not [version for version in pinned.values() if "+" in version]


def test_the_picture_is_what_the_package_draws_today():
    assert (ROOT / "docs" / "mgu.svg").read_text(encoding="utf-8") == str(unrolled.find("mgu").picture(steps=3))
