"""`unrolled cells`: every cell is in it, filters choose, it fits the terminal, and
docs/zoo.md is what it says today.

UNROLLED_UPDATE_GOLDEN=1 pytest tests/test_catalogue.py writes docs/zoo.md and the listings
of CONTRIBUTING.md again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from unrolled import cli
from unrolled.cells import REGISTRY
from unrolled.commands import cells as command
from unrolled.commands.catalogue import NARROW, states_text, table
from unrolled.commands.cells import SORTS, WantedCells, about_families, as_json, rows
from unrolled.commands.show import show
from unrolled.commands.zoo_page import page
from unrolled.errors import UsageError
from unrolled.references import references

ROOT = Path(__file__).parent.parent
GOLDEN = bool(os.environ.get("UNROLLED_UPDATE_GOLDEN"))


def names(wanted: WantedCells) -> list[str]:
    return [row.name for row in rows(wanted)]


def listed(text: str) -> list[str]:
    """The cells that a table has a line for."""
    first = [line.split()[0].rstrip("*") for line in text.splitlines() if line and not line.startswith(" ")]
    families = set(about_families())
    lines = [line.split() for line in text.splitlines() if line and not line.startswith(" ")]
    return [
        name
        for name, words in zip(first, lines)
        if name in REGISTRY and (name not in families or words[1].isdigit())
    ]


@pytest.mark.parametrize("width", (80, 100, 120, 160, 200))
def test_every_cell_is_listed_once_and_lines_fit(width):
    text = table(width)
    assert sorted(listed(text)) == sorted(REGISTRY)
    assert max(map(len, text.splitlines())) <= width
    assert f"{len(REGISTRY)} cells in {len(about_families())} families." in text


@pytest.mark.parametrize("width", (80, 200))
def test_each_line_says_what_a_reader_compares(width):
    line = next(line for line in table(width).splitlines() if line.startswith("lstm ") and "2000" in line)
    assert all(word in line for word in ("Gers+" if width < NARROW else "Gers et al.", "131,584", "271,872"))
    assert ("h c" in line) == (width >= NARROW)
    assert "Long short-term memory with a forget gate." in table(width)


def test_families_stand_under_the_sentence_of_their_file():
    text = table(200)
    for family, sentence in about_families().items():
        assert sentence and f"{family}  {sentence}" in text


def test_in_a_family_the_oldest_is_first():
    years = [row.year for row in rows(WantedCells(family="lstm"))]
    assert years == sorted(years) and len(years) > 3


def test_filters_choose():
    assert names(WantedCells(family="highway")) == [n for n, c in REGISTRY.items() if c.family == "highway"]
    assert set(names(WantedCells(year="2014"))) == {n for n, c in REGISTRY.items() if c.year == 2014}
    assert set(names(WantedCells(year="2014-2016"))) == {
        n for n, c in REGISTRY.items() if 2014 <= c.year <= 2016
    }
    assert set(names(WantedCells(year="2014-2016"))) == set(names(WantedCells(since=2014, until=2016)))
    assert set(names(WantedCells(states=2))) == {n for n, c in REGISTRY.items() if len(c.states) == 2}
    assert set(names(WantedCells(search="schmidhuber FORGET"))) >= {"lstm"} and "elman" not in names(
        WantedCells(search="schmidhuber")
    )
    assert names(WantedCells(search="1409 nowhere")) == [] and "gru" in names(
        WantedCells(search="encoder-decoder", family="gru")
    )


@pytest.mark.parametrize("sort", SORTS)
def test_sorting_is_by_that_column(sort):
    found = rows(WantedCells(sort=sort, family="gru"))
    keys = [SORTS[sort](row) for row in found]
    assert keys == sorted(keys) and {r.name for r in found} == set(names(WantedCells(family="gru")))
    assert "family" in table(120, WantedCells(sort=sort, family="gru")).splitlines()[0]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (WantedCells(family="gur"), "--family gur: there is no such family. Did you mean gru?"),
        (WantedCells(family="qqq"), "--family qqq: there is no such family. Choose one of "),
        (
            WantedCells(year="2014-16"),
            (
                "--year 2014-16: that is neither a year nor a span of years. Write --year 2014 or --year"
                " 2014-2016."
            ),
        ),
        (
            WantedCells(year="2014", since=2012),
            "--year 2014 and --since both say which years. Leave one of them out.",
        ),
        (
            WantedCells(year="2014", until=2012),
            "--year 2014 and --until both say which years. Leave one of them out.",
        ),
        (
            WantedCells(since=2016, until=2014),
            "2016 is after 2014, so no year is between them. Write the earlier one first.",
        ),
        (WantedCells(backend="gpu"), "--backend gpu: there is no such backend. Choose c or reference."),
        (WantedCells(sort="size"), "--sort size: there is no such column. Choose one of name, family, year, "),
    ],
)
def test_an_unknown_value_is_one_clear_sentence(wanted, message):
    with pytest.raises(UsageError) as raised:
        rows(wanted)
    assert str(raised.value).startswith(message)


def test_cells_that_are_not_compiled_are_marked_with_the_reason(monkeypatch):
    monkeypatch.setattr(
        command, "obstacle", lambda plan: "op `fold` is missing" if plan.graph.name == "mgu" else None
    )
    assert names(WantedCells(backend="reference")) == ["mgu"] and "mgu" not in names(WantedCells(backend="c"))
    narrow, wide = table(80, WantedCells(family="gru")), table(120, WantedCells(family="gru"))
    assert "\nmgu* " in narrow and "* on the reference backend: mgu; op `fold` is missing" in narrow
    assert re.search(r"^mgu .* reference$", wide, re.M) and re.search(r"^gru .* c$", wide, re.M)


def test_as_json_with_filters():
    found = json.loads(json.dumps(as_json(WantedCells(family="lstm"))))
    assert [row["name"] for row in found] == names(WantedCells(family="lstm"))
    lstm = next(row for row in found if row["name"] == "lstm")
    assert (lstm["parameters"], lstm["flops"], lstm["states"], lstm["stages"], lstm["width"]) == (
        131_584,
        271_872,
        ["h", "c"],
        1,
        128,
    )
    assert [paper["key"] for paper in lstm["papers"]] == ["hochreiter1997", "gers2000"]
    assert lstm["papers"][0]["url"] == references()["hochreiter1997"].url


def test_the_command_takes_the_filters(capsys):
    assert cli.main(["cells", "--family", "highway", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == names(WantedCells(family="highway"))
    assert cli.main(["cells", "--states", "1", "--since", "2024", "--sort", "name"]) == 0
    assert listed(capsys.readouterr().out) == names(WantedCells(states=1, since=2024, sort="name"))
    assert cli.main(["cells", "--family", "gur"]) == 2
    assert capsys.readouterr().err == "UsageError: --family gur: there is no such family. Did you mean gru?\n"
    assert cli.main(["cells", "--year", "1900"]) == 0
    assert capsys.readouterr().out.startswith(f"0 of {len(REGISTRY)} cells fit.")


def test_letters_that_a_terminal_lacks_do_not_end_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "unrolled.cli", "show", "leaky_esn"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0 and b"Mantas Luko?evi?ius" in done.stdout


def test_the_buffer_of_a_delay_is_one_entry():
    assert states_text(("h", "past_1", "past_2", "past_3")) == "h past_1..3"
    assert (
        states_text(("h", "c")) == "h c"
        and states_text(()) == "none"
        and states_text(("re", "s_1")) == "re s_1"
    )


def test_the_page_of_the_zoo_is_todays():
    path = ROOT / "docs" / "zoo.md"
    if GOLDEN:
        path.write_text(page(), encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == page()


def test_the_page_has_every_cell_and_every_paper():
    text = page()
    assert sorted(re.findall(r"^\| `(\w+)` \|", text, re.M)) == sorted(REGISTRY)
    assert all(
        p.short in text and p.url in text for c in REGISTRY.values() for k in c.cite for p in [references()[k]]
    )
    assert "torchrecurrent's has, so b_h is there" in text  # a note


def test_listings_of_contributing_are_todays():
    """What `unrolled show` and `unrolled cells` print there; the function and the entry
    are the ones in the files.
    """
    path = ROOT / "CONTRIBUTING.md"

    def today(match: re.Match) -> str:
        command, _, name = match[1].rpartition(" ")
        return f"```console\n{match[1]}\n{show(name) if 'show' in command else table(100, WantedCells(search=name))}\n```\n"

    now = re.sub(
        r"```console\n(\$ unrolled (?:show|cells --search) \w+)\n.+?```\n",
        today,
        path.read_text(encoding="utf-8"),
        flags=re.S,
    )
    if GOLDEN:
        path.write_text(now, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == now and "$ unrolled show delta_rnn" in now
    sources = "".join(
        p.read_text(encoding="utf-8") for p in (ROOT / "src" / "unrolled" / "cells").iterdir() if p.is_file()
    )
    blocks = re.findall(r"```(?:python|bibtex)\n(.+?)```", now, re.S)
    assert len(blocks) == 2 and all(block in sources for block in blocks)
