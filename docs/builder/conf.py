"""Sphinx's settings. The sources that it reads are written by `python -m docs.builder`, which calls it."""

from __future__ import annotations

from html import escape
from pathlib import Path

from docutils.nodes import SkipNode

project, author, copyright = "unrolled", "the authors of unrolled", "the authors of unrolled, Apache-2.0"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 3
nitpicky = True
html_theme = "furo"
html_title = "unrolled"
html_math_renderer = "katex"
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["katex/katex.min.css", "pictures.css", "site.css"]
html_js_files = [(name, {"defer": "defer"}) for name in ("katex/katex.min.js", "equations.js", "pictures.js")]
html_show_sphinx = False
html_use_index = False  # it would be empty: nothing is documented by directives
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style, pygments_dark_style = "friendly", "github-dark"


def _inline(writer, node) -> None:
    _written(writer, node, "span")


def _display(writer, node) -> None:
    _written(writer, node, "div")


def _written(writer, node, tag: str) -> None:
    """The LaTeX as text: static/equations.js sets it, and who has no JavaScript can still read it."""
    writer.body.append(f'<{tag} class="math">{escape(node.astext())}</{tag}>')
    raise SkipNode


def _made(app, config) -> None:
    """What is made from the package's own tables lies beside the sources that are made."""
    config.html_static_path.append(str(Path(app.srcdir) / "_made"))


def setup(app) -> dict:
    app.add_html_math_renderer("katex", (_inline, None), (_display, None))
    app.connect("config-inited", _made)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
