"""The site's sources, put together from the pages of docs/, the cells and the
project's own texts; then Sphinx.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from unrolled.cells import REGISTRY

from .api import api_page
from .catalogue import index_page
from .cell_page import cell_page
from .colours import picture_rules
from .executed import DocumentError, executed, with_shown

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
RUN = ("guide", "how-to")  # folders whose pages are run
# The folder of a page for each task: what they print takes minutes, so that only their pictures are made.
TASKS = "tasks"
# Texts beside docs/, and where the site has them.
PROJECT = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "bench/RESULTS.md": "results.md",
    "bench/quality.md": "quality.md",
    "bench/generate.md": "names-to-order.md",
}
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")
NAMED = re.compile(r"^(\| |- )`(\w+)`(?= \||:)", re.M)
MOST_SAID = 20  # lines
FIRST = ("language", "layers", "transform", "zoo")  # of the reference; others follow by name


def build(out: Path, work: Path, cells: tuple[str, ...]) -> int:
    """Writes the site into `out`; returns the number of pages.

    work   the sources' folder, and the pages of cells kept for next time

    Raises DocumentError where a page does not run, where it shows what is not printed any
    more, and where Sphinx warns.
    """
    sources = work / "sources"
    if sources.exists():
        shutil.rmtree(sources)
    for name, text in pages(work / "kept", cells):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text(text, encoding="utf-8", newline="\n")
    for picture in (*DOCS.glob("*.svg"), *(DOCS / TASKS).glob("*.svg")):
        shutil.copy(picture, sources / picture.parent.relative_to(DOCS))
    (sources / "_made").mkdir()
    (sources / "_made" / "pictures.css").write_text(picture_rules(), encoding="utf-8", newline="\n")
    run_sphinx(sources, out, work / "doctrees")
    return len(list(sources.rglob("*.md")))


def pages(kept: Path, cells: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(place in the site, Markdown) of every page."""
    yield "index.md", _linked((DOCS / "index.md").read_text(encoding="utf-8") + _contents(), DOCS, "")
    for path in sorted(DOCS.glob("*.md")):
        if path.name != "index.md":
            text = _named(with_shown(path.read_text(encoding="utf-8"), path.name), cells)
            yield path.name, _linked(text, DOCS, "")
    for path in sorted((DOCS / TASKS).glob("*.md")):
        text = with_shown(path.read_text(encoding="utf-8"), path.name)
        yield f"{TASKS}/{path.name}", _linked(text, path.parent, "../")
    for folder in RUN:
        for path in sorted((DOCS / folder).glob("*.md")):
            yield f"{folder}/{path.name}", _linked(site_page(path), path.parent, "../")
    for path in sorted((DOCS / "notebooks").glob("*.ipynb")):  # to be downloaded
        yield f"notebooks/{path.name}", path.read_text(encoding="utf-8")
    for source, name in PROJECT.items():
        yield name, _linked((ROOT / source).read_text(encoding="utf-8"), (ROOT / source).parent, "")
    yield "api.md", api_page()
    yield "cells/index.md", index_page(cells)
    stamp = _stamp()
    for name in cells:
        yield f"cells/{name}.md", _kept(kept / stamp / f"{name}.md", name)


def site_page(path: Path) -> str:
    """A page of the guide, run. Raises DocumentError where it shows something else than is printed."""
    text = path.read_text(encoding="utf-8")
    made = executed(text, path.name)
    if made.written != text:
        pairs = zip(text.splitlines(), made.written.splitlines())
        line = next((k for k, (old, new) in enumerate(pairs, 1) if old != new), len(text.splitlines()))
        raise DocumentError(
            f"{path.name}, line {line}: it does not show what is printed today. "
            "Run UNROLLED_UPDATE_GOLDEN=1 python -m pytest tests/test_docs.py and read what changed."
        )
    return made.site


def _contents() -> str:
    """The table of contents; a new page in docs/ is in it by itself."""
    guide, how_to, tasks = (
        [
            f"{folder}/{path.stem}"
            for path in sorted((DOCS / folder).glob("*.md"), key=lambda p: (p.stem != "index", p))
        ]
        for folder in (*RUN, TASKS)
    )
    others = sorted(path.stem for path in DOCS.glob("*.md") if path.stem not in ("index", "topology", *FIRST))
    project = [name.removesuffix(".md") for name in PROJECT.values()]
    groups = {
        "Guide": guide,
        "How to": how_to,
        "Tasks": ["topology", *tasks],
        "Reference": ["cells/index", *FIRST, *others, "api"],
        "Project": project,
    }
    return "".join(
        "\n```{toctree}\n:hidden:\n:caption: " + caption + "\n\n" + "\n".join(names) + "\n```\n"
        for caption, names in groups.items()
    )


def _named(text: str, cells: tuple[str, ...]) -> str:
    """Cells' names that begin a row or a point of a list, as in the zoo's tables, are links to their pages."""

    def one(found: re.Match) -> str:
        return f"{found[1]}[`{found[2]}`](cells/{found[2]}.md)" if found[2] in cells else found[0]

    return NAMED.sub(one, text)


def _linked(text: str, folder: Path, up: str) -> str:
    """Links of a page in `folder` to files of the project, as links of the site."""

    def one(found: re.Match) -> str:
        target = (folder / found[2]).resolve()
        if not target.is_relative_to(ROOT) or found[2].startswith("cells/") or found[2].startswith("../cells/"):
            return found[0]
        place = target.relative_to(ROOT).as_posix()
        place = PROJECT.get(place, place.removeprefix("docs/"))
        return f"{found[1]}{up}{place}{found[3]}"

    return LINK.sub(one, text)


def _kept(path: Path, name: str) -> str:
    if not path.exists():
        text = cell_page(REGISTRY[name])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return path.read_text(encoding="utf-8")


def _stamp() -> str:
    """Of everything that a cell's page is made by."""
    found = hashlib.sha256()
    for folder in (ROOT / "src" / "unrolled", Path(__file__).parent):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".h", ".bib"):
                found.update(path.read_bytes())
    return found.hexdigest()[:16]


def run_sphinx(sources: Path, out: Path, doctrees: Path) -> None:
    """Sphinx, strictly. Raises DocumentError with the first warnings, and where it is not installed."""
    if not all(map(find_spec, ("sphinx", "furo", "myst_parser"))):
        raise DocumentError(
            "the site is made by Sphinx, furo and myst-parser, and one of them is missing: pip install -e"
            " '.[docs]'"
        )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-q",
            "-W",
            "--keep-going",
            "-b",
            "html",
            "-c",
            str(Path(__file__).parent),
            "-d",
            str(doctrees),
            str(sources),
            str(out),
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise DocumentError("Sphinx warns:\n" + "\n".join(said[:MOST_SAID]))
