"""The site: its pages run and show what they print, it builds without a warning, and its
cell pages have everything.

UNROLLED_UPDATE_GOLDEN=1 pytest tests/test_docs.py writes what the pages print again.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from html import escape
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # docs/builder stands beside the package, not in it

from docs.builder.executed import DocumentError, executed, with_shown  # noqa: E402
from unrolled.cells import REGISTRY  # noqa: E402

PAGES = sorted(path for folder in ("guide", "how-to") for path in (ROOT / "docs" / folder).glob("*.md"))
GOLDEN = bool(os.environ.get("UNROLLED_UPDATE_GOLDEN"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_shows_what_it_prints(path):
    pytest.importorskip("pygraphviz")
    pytest.importorskip("matplotlib")
    text = path.read_text(encoding="utf-8")
    now = executed(text, path.name).written
    if GOLDEN:
        path.write_text(now, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == now


def test_a_page_that_prints_what_it_does_not_show_is_an_error():
    page = "```python\nprint(6 * 7)\n```\n\nwords\n"
    with pytest.raises(
        DocumentError,
        match=r"p\.md: the last Python prints '42\\n'. Put an empty ```text block right below it.",
    ):
        executed(page, "p.md")
    with pytest.raises(DocumentError, match=r"p\.md, line 7: the Python above prints '42"):
        executed(page + "\n```text\n41\n```\n", "p.md")


def test_output_is_put_below_and_a_stale_one_replaced():
    page = "```python\nx = 6\nprint(x * 7)\n```\n\n```text\n41\n```\n\n<!-- show: x + 1 -->\n"
    made = executed(page, "p.md")
    assert made.written == page.replace("41", "42")
    assert made.site == made.written.replace("<!-- show: x + 1 -->", "7")


@pytest.mark.parametrize(
    "block, said",
    [
        ("```python\n1 / 0\n```\n", "p.md, line 1: ZeroDivisionError: division by zero"),
        (
            "\n```console\n$ rm -r x\n```\n",
            "p.md, line 2: 'rm -r x': only unrolled is run here. Make it a bash block.",
        ),
        ("<!-- show: nothing -->\n", "p.md, line 1: NameError: name 'nothing' is not defined"),
    ],
)
def test_a_block_that_fails_is_named_with_its_line(block, said):
    with pytest.raises(DocumentError) as error:
        executed(block, "p.md")
    assert str(error.value).startswith(said)


def test_commands_print_what_they_print_and_head_cuts():
    made = executed("```console\n$ unrolled show elman | head -3\nold\n```\n", "p.md").written
    assert made == (
        "```console\n$ unrolled show elman | head -3\nelman: The simple recurrent network: "
        "the hidden state is fed back.\n\n"
        "    h[t] = tanh(W @ x[t] + U @ h[t-1] + b)      # hidden state\n```\n"
    )


def test_only_pictures_of_a_page_of_the_reference_are_made():
    page = "```python\n1 / 0\n```\n\n<!-- show: find('elman').picture(view='rolled') -->\n"
    made = with_shown(page, "p.md")
    assert made.startswith("```python\n1 / 0\n```") and "elman with its loop" in made and "{raw} html" in made
    with pytest.raises(DocumentError, match="p.md, line 1: NameError: name 'nothing' is not defined"):
        with_shown("<!-- show: nothing -->\n", "p.md")


def test_the_latex_page_shows_what_it_pastes():
    page = with_shown((ROOT / "docs" / "latex.md").read_text(encoding="utf-8"), "latex.md")
    assert (
        page.count('class="unrolled-picture"') == 2
        and r"\tilde{C}_{t} &= \tanh" in page
        and "show:" not in page
    )


def test_every_public_name_is_in_the_reference():
    import unrolled
    from docs.builder.api import api_page, public_names

    names, page = public_names(), api_page()
    headings = set(re.findall(r"^### (\S+)$", page, re.M))
    brought = {name for name in {*unrolled.__all__, *unrolled._LATER} if name not in ("cells", "transform")}
    assert (
        brought | {"Run", "Worked", "GradientFlow", "UsageError", "transform.split_head"}
        <= headings
        == set(names)
    )
    assert [name for name, value in names.items() if not (value.__doc__ or "").strip()] == []
    assert "- `num_layers`: how many layers" in page and "`layers.0.W_i`" in page and "<factory>" not in page
    assert "**Recurrent.step**" in page and "**Worked.picture**" in page and ">>> flow = gradient_flow(" in page


def test_cells_of_the_zoo_are_links_to_their_pages():
    from docs.builder.site import _named

    zoo = (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8")
    linked = re.findall(r"\[`(\w+)`\]\(cells/(\w+)\.md\)", _named(zoo, tuple(REGISTRY)))
    assert {name for name, _ in linked} == set(REGISTRY) and all(name == page for name, page in linked)
    assert "](cells/" not in _named(zoo, ())


def test_readers_get_no_developers_instructions():
    readers = [path for path in (ROOT / "docs").rglob("*.md")]
    assert [path.name for path in readers if "UNROLLED_UPDATE_GOLDEN" in path.read_text(encoding="utf-8")] == []


def test_prints_that_differ_from_run_to_run_are_left_out():
    page = "```python\nprint(1)\n```\n\n<!-- prints times -->\n"
    assert executed(page, "p.md").written == page


@pytest.mark.parametrize("name", ["elman", "lstm", "slstm", "orthogonal_rnn", "lstm_cifg"])
def test_a_cells_page_has_everything(name):
    pytest.importorskip("pygraphviz")
    from docs.builder.cell_page import cell_page

    cell = REGISTRY[name]
    page = cell_page(cell)
    for part in (
        "# " + name,
        cell.latex(comments=True),
        "## Picture",
        "unrolled-picture",
        "## What it weighs and costs",
        "FLOPs a row and step",
        "## One step by hand",
        "## Backpropagation through time",
        "## What the machine does",
        "## Papers",
    ):
        assert part in page
    assert all(f"{{{key}," in page for key in cell.cite)
    assert ("def " + name in page) == (cell.function is not None)
    assert name == "orthogonal_rnn" or "\\frac{\\partial E}{\\partial" in page and "lines</summary>" in page


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site with the pages of the cells that other pages link to."""
    pytest.importorskip("pygraphviz")
    pytest.importorskip("matplotlib")
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    from docs.builder.site import build

    linked = {
        name for path in PAGES for name in re.findall(r"cells/(\w+)\.md", path.read_text(encoding="utf-8"))
    } - {"index"}
    room = tmp_path_factory.mktemp("site")
    build(room / "html", room / "work", tuple(sorted(linked)))
    return room / "html"


def test_the_site_builds_without_a_warning_and_needs_no_network(site):
    pages = sorted(site.rglob("*.html"))
    assert {
        "index.html",
        "guide/0-memory.html",
        "how-to/learner.html",
        "cells/lstm.html",
        "language.html",
        "contributing.html",
        "api.html",
    } <= {page.relative_to(site).as_posix() for page in pages}
    fetched = re.compile(
        r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["'](?:https?:)?//(?!docs\.invalid)"""
    )
    assert not [page.name for page in pages if fetched.search(page.read_text(encoding="utf-8"))]
    styles = (site / "_static" / "katex" / "katex.min.css").read_text(encoding="utf-8")
    fonts = set(re.findall(r"url\((fonts/[\w.-]+)\)", styles))
    assert len(fonts) == 20 and all((site / "_static" / "katex" / font).exists() for font in fonts)


def test_a_warning_is_an_error(tmp_path):
    pytest.importorskip("furo")
    from docs.builder.site import run_sphinx

    (tmp_path / "sources" / "_made").mkdir(parents=True)
    (tmp_path / "sources" / "_made" / "pictures.css").write_text("")
    (tmp_path / "sources" / "index.md").write_text("# A\n\n[nowhere](nothing.md)\n")
    with pytest.raises(DocumentError, match="nothing.md"):
        run_sphinx(tmp_path / "sources", tmp_path / "html", tmp_path / "doctrees")


def test_the_equations_of_every_cell_fit_the_column_of_a_telephone(tmp_path):
    """Broken at operators, then made smaller: nothing is left to scroll at 390 px."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium")
    static = (ROOT / "docs" / "builder" / "static").as_uri()
    head = f"""<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="{static}/katex/katex.min.css">
        <link rel="stylesheet" href="{static}/site.css"><script src="{static}/katex/katex.min.js"></script>
        <script src="{static}/equations.js"></script><body style="width: 350px; margin: 0; font-size: 16px">"""
    every = "".join(f'<div class="math" id="{n}">{escape(c.latex())}</div>' for n, c in REGISTRY.items())
    (tmp_path / "a.html").write_text(head + every, encoding="utf-8")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 390, "height": 900}).new_page()
        page.goto((tmp_path / "a.html").as_uri())
        page.evaluate("document.fonts.ready")
        found = page.evaluate(
            "[...document.querySelectorAll('div.math')].map(one => [one.id, one.scrollWidth - one.clientWidth])"
        )
        browser.close()
    assert len(found) == len(REGISTRY) and not [name for name, over in found if over > 1]


# Equations that are wider than their column, but for those that are as small as can be read:
# these scroll in their box.
WIDE = """document.fonts.ready.then(() => [...document.querySelectorAll('div.math')].filter(place => place.clientWidth
    && place.style.fontSize !== '0.5em' && place.scrollWidth > place.clientWidth + 1).length)"""


def test_every_equation_is_set_in_a_browser_light_and_dark_wide_and_narrow(site):
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme, width in (("light", 1360), ("dark", 390)):
            page = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}).new_page()
            asked = []
            page.on("request", lambda request: asked.append(request.url))
            for path in sorted(site.rglob("*.html")):
                page.goto(path.as_uri())
                page.wait_for_load_state("load")
                found = page.evaluate(
                    """[document.querySelectorAll('.math').length, document.querySelectorAll('.math > *').length,
                    document.querySelectorAll('.katex-error').length,
                    document.documentElement.scrollWidth - document.documentElement.clientWidth]"""
                )
                assert found[0] == found[1] and found[2:] == [0, 0], (path.name, scheme, width, found)
                cut = page.evaluate(
                    """[...document.querySelectorAll('figure.picture')].filter(figure => figure.clientWidth
                    && figure.querySelector('svg').getBoundingClientRect().right > figure.getBoundingClientRect().right + 1
                    ).length"""
                )
                wide = page.evaluate(WIDE)
                for _ in range(40):  # letters that are still on their way change widths
                    if not wide:
                        break
                    page.wait_for_timeout(50)
                    wide = page.evaluate(WIDE)
                assert wide == 0, (path.name, scheme, width, "an equation is wider than its column")
                assert cut == 0, (path.name, scheme, width, "a picture is wider than its column")
            page.goto((site / "cells" / "lstm.html").as_uri())
            picture = page.locator("figure.picture").first
            picture.click()
            assert picture.evaluate("figure => getComputedStyle(figure).position") == "fixed"
            page.keyboard.press("Escape")
            assert picture.evaluate("figure => getComputedStyle(figure).position") == "static"
            assert not [url for url in asked if not url.startswith(("file:", "data:"))]
        browser.close()
