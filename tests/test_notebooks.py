"""The decks' notebooks are those of the guide's pages; they run, print what stands in them,
and show what they display.

UNROLLED_UPDATE_GOLDEN=1 pytest tests/test_notebooks.py writes them again.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import linecache
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # docs/builder stands beside the package, not in it

from docs.builder.notebooks import NOTEBOOKS, notebook, notebooks, write  # noqa: E402

DECKS = [f"deck00{k}.ipynb" for k in range(5)]
RICH = ("_repr_svg_", "_repr_html_", "_repr_markdown_", "_repr_latex_")
FIGURES = {  # what the decks' main results come out as
    "deck000.ipynb": ("0.374368 0.625632",),
    "deck001.ipynb": ("h_3 = 0.565227464 0.886945128", "lag 11: 0.0005"),
    "deck002.ipynb": ("after 300 steps the loss is 0.0187",),
    "deck003.ipynb": ("E      = 0.593245", "0.496553 0.495184", "total  5.966307", "∂E/∂w2[0,1] = 0.077574"),
    "deck004.ipynb": ("-0.336376", "largest difference below 1e-6: True"),
}


def test_they_are_those_of_the_guides_pages():
    if os.environ.get("UNROLLED_UPDATE_GOLDEN"):
        write()
    made = notebooks()
    assert list(made) == DECKS
    for name, text in made.items():
        assert (NOTEBOOKS / name).read_text(encoding="utf-8") == text, (
            f"{name}: python -m docs.builder.notebooks"
        )


@pytest.mark.parametrize("name", DECKS)
def test_a_notebook_runs_from_top_to_bottom(name, tmp_path, monkeypatch):
    pytest.importorskip("pygraphviz")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    space: dict = {"__name__": "__main__"}
    printed, displayed = "", 0
    for cell in json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        said, value = run("".join(cell["source"]), f"<{name} {cell['id']}>", space)
        printed += said
        if cell["outputs"]:
            assert tidy(said) == tidy("".join(cell["outputs"][0]["text"])), cell["source"]
        if value is not None:
            shown = [getattr(value, kind)() for kind in RICH if hasattr(value, kind)]
            assert any(shown), f"{cell['source']}: a notebook shows no picture of {type(value).__name__}"
            displayed += 1
    assert displayed and all(figure in printed for figure in FIGURES[name])


def run(source: str, name: str, space: dict) -> tuple[str, object]:
    """What a cell prints, and what its last line is, as a notebook would run it."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    tree, value = ast.parse(source), None
    last = (
        tree.body.pop() if isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";") else None
    )
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(tree, name, "exec"), space)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval"), space)
    return out.getvalue(), value


def tidy(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def test_a_page_becomes_words_code_and_prints():
    page = (
        "# A\n\nWords, [more](1-unrolled.md) and [a"
        " cell](../cells/lstm.md).\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n<!-- show: equations(net)"
        " -->\n\n```console\n$ unrolled show elman | head -3\nelman\n```\n"
    )
    title, setup, words, code, shown, command = json.loads(notebook(page))["cells"]
    assert title["source"] == ["# A"] and setup["source"] == ["from unrolled.cli import main as unrolled"]
    assert words["source"] == ["Words, [more](deck001.ipynb) and [a cell](../zoo.md)."]
    assert (code["source"], code["outputs"][0]["text"]) == (["print(1)"], ["1\n"])
    assert shown["source"] == ["net"] and command["source"] == ['unrolled(["show", "elman"]);']
