"""The papers: each cell's are in references.bib, each entry is some cell's, and they are
read as they were written.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from unrolled import Cell, cell, tanh
from unrolled.cells import REGISTRY
from unrolled.errors import UsageError
from unrolled.references import FILE, citations, parse, references
from unrolled.transform import PAPERS

TEXT = FILE.read_text(encoding="utf-8")
ENTRY = """@article{key2001,
  author = {Doe, Jane and van der Poe, P.},
  title = {On {RNN}s},
  journal = {Journal},
  volume = {9},
  number = {8},
  pages = {1--22},
  year = {2001},
  doi = {10.1/2},
}
"""


@pytest.mark.parametrize("name", REGISTRY)
def test_every_cell_is_from_a_paper_of_its_year(name):
    found = REGISTRY[name]
    assert found.cite, f"{name} has no cite"
    missing = [key for key in found.cite if key not in references()]
    assert not missing, f"{name} cites {missing}; append them to {FILE.name}"
    years = [references()[key].year for key in found.cite]
    assert found.year in years, f"{name} is of {found.year}, its papers of {years}"


def test_every_paper_is_some_cells():
    cited = {key for found in REGISTRY.values() for key in found.cite} | set(PAPERS.values())
    unused = [key for key in references() if key not in cited]
    assert not unused, f"no registered cell cites {unused}"


def test_no_paper_stands_twice():
    papers = parse(TEXT)
    places = {
        "key": [p.key for p in papers],
        "url": [p.url for p in papers if p.url],
        "title": [re.sub(r"\W", "", p.title).lower() for p in papers],
    }
    twice = {what: [name for name, n in Counter(names).items() if n > 1] for what, names in places.items()}
    assert not any(twice.values()), twice


def test_entries_are_whole():
    """Authors with both names, no LaTeX, a venue, and but for old reports a place
    where the paper can be read.
    """
    assert "\\" not in TEXT, "write letters, not LaTeX"
    for paper in parse(TEXT):
        assert all(family and given for family, given in paper.authors), f"{paper.key}: {paper.authors}"
        assert (
            "others" not in {family for family, _ in paper.authors} and paper.venue and len(paper.title) > 8
        ), paper.key
        assert paper.url or paper.year < 1996, f"{paper.key}: give an eprint, a doi or a url"
        assert re.fullmatch(r"[a-z]+\d{4}\w*", paper.key) and str(paper.year) in paper.key, paper.key


def test_an_entry_as_text():
    (paper,) = parse(ENTRY)
    assert paper.short == "Doe & van der Poe 2001"
    assert (
        paper.citation == "Jane Doe, P. van der Poe. On RNNs. Journal 9 (8), 1-22, 2001. https://doi.org/10.1/2"
    )
    (alone,) = parse(
        "@article{a1999,\n author = {Doe, Jane},\n title = {Why?},\n year = {1999},\n eprint = {1234.5},\n}"
    )
    assert (
        alone.short == "Doe 1999"
        and alone.citation == "Jane Doe. Why? arXiv:1234.5, 1999. https://arxiv.org/abs/1234.5"
    )
    assert references()["gers2000"].short == "Gers et al. 2000"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.replace("  volume = {9},", "  volume = 9,"), "line 5: 'volume = 9,' is not a line of an entry"),
        (
            ENTRY.replace("  volume = {9},", "  title = {Again},"),
            "line 5: 'title = {Again},' is not a line of an entry (or a field twice)",
        ),
        (ENTRY.rstrip("}\n"), "the entry key2001 has no end"),
        (ENTRY.replace("year", "yeer"), "the entry key2001 has no year. Add `year = {...},`."),
        ("stray\n" + ENTRY, "line 1: 'stray'"),
    ],
)
def test_a_slip_in_the_file_is_named(text, message):
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert message in str(raised.value)


def test_a_cells_page_cites_in_full():
    page = " ".join(str(REGISTRY["lstm"]).split())
    assert all(" ".join(citation.split()) in page for citation in citations(REGISTRY["lstm"].cite))
    assert "papers" in page and "paper " in str(REGISTRY["mgu"])


def test_a_paper_of_ones_own_stands_for_itself():
    @cell(cite="me2031", year=2031)
    def mine(x, h, *, W, U):
        h = tanh(W @ x + U @ h)
        return h

    assert str(mine).splitlines()[-1] == "paper        me2031 (2031)"
    assert "paper" not in str(Cell("bare", mine.function))
