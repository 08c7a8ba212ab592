"""`python -m bench generate`: who judges has seen nothing of what the generator learned from, and the
table says what was found.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # bench/ stands beside the package, not in it

from bench import __main__ as command  # noqa: E402
from bench import generate  # noqa: E402
from unrolled.errors import UsageError  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def by_letter(learned: dict):
    """A judge that knows its half by heart, and else goes by the first letter."""

    def judge_of(rows, room):
        learned.update(zip(rows.texts, rows.conditions))
        return lambda texts: [
            learned[text][0] if text in learned else "Low" if text[0] in "abc" else "High" for text in texts
        ]

    return judge_of


def test_names_are_judged_by_who_has_not_seen_them(tmp_path, monkeypatch):
    folder = tmp_path / generate.NAMES
    folder.mkdir(parents=True)
    for name, letters in (("Low", "abc"), ("High", "xyz")):
        lines = ["".join(word) for n in (2, 3, 4) for word in product(letters, repeat=n)]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    learned: dict = {}
    monkeypatch.setenv("UNROLLED_DATA", str(tmp_path))
    monkeypatch.setattr(generate, "classifier", lambda *_: by_letter(learned))
    monkeypatch.setattr(generate, "COUNT", 20)
    options = command.parser().parse_args(["generate", "--minutes", "0.01", "--temperature", "1"])
    judged = generate.asked(options)
    low, high = sorted(judged.languages, key=lambda each: each.name != "Low")
    assert (low.real, high.real) == (1.0, 1.0) and 0 < low.made <= 1 and 0 < judged.nats < 5
    assert 110 <= low.learned + high.learned <= 124 and low.learned + high.learned + len(learned) == 234
    page = generate.keep(judged, tmp_path)
    assert generate.keep(judged, tmp_path) == page
    text = page.read_text()
    assert text.count("## `python -m bench generate --minutes 0.01 --temperature 1 --seed 1`") == 1
    assert f"| Low | {low.learned} | 1.00 | {low.made:.2f} |" in text
    assert f"**{judged.mean('made', weighed=True):.3f}**" in text
    weighed = (low.made * low.learned + high.made * high.learned) / (low.learned + high.learned)
    assert judged.mean("made", weighed=True) == pytest.approx(weighed)
    assert judged.mean("made", weighed=False) == pytest.approx((low.made + high.made) / 2)


def test_the_names_must_be_there(monkeypatch):
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    with pytest.raises(UsageError, match="set UNROLLED_DATA to the folder of data"):
        generate.run(0.01, 1.0, 1, "", by_letter({}))
