"""`python -m docs.builder`: the documentation as a site, in site/. Strict: a warning is an error.

python -m docs.builder                      # everything: guide, how-to pages, reference, every cell
python -m docs.builder --cells lstm,gru     # only these cells' pages
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from unrolled.cells import REGISTRY
from unrolled.errors import UnrolledError

from .executed import DocumentError
from .site import build

ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """0 done, 1 with warnings or a page that is not up to date, 2 wrong usage."""
    parser = argparse.ArgumentParser("python -m docs.builder", description="Write the documentation's site.")
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="the site's folder")
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / "build" / "docs",
        help="for what is made on the way, and kept for the next time",
    )
    parser.add_argument("--cells", default="", help="names of cells, with commas between; all without it")
    given = parser.parse_args(arguments)
    cells = tuple(name for name in given.cells.split(",") if name) or tuple(REGISTRY)
    if unknown := [name for name in cells if name not in REGISTRY]:
        parser.error(f"there is no cell called {unknown[0]!r}")
    begun = time.perf_counter()
    try:
        pages = build(given.out, given.work, cells)
    except (DocumentError, UnrolledError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(f"{pages} pages in {time.perf_counter() - begun:.0f} s: {given.out / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
