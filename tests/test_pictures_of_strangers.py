"""Names that a stranger gave, in pictures: letters, never mathematics, markup or what no XML has."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from unrolled.errors import UsageError
from unrolled.views.attention import attention_svg
from unrolled.views.confusion import MOST_DRAWN, confusion_figure

STRANGE = ["$\\frac{$", "\x00\x1b[2J", "<b>&", "\ud800"]


def test_labels_of_a_confusion(tmp_path):
    pytest.importorskip("matplotlib")
    confusion_figure(STRANGE, [[1] * 4] * 4, tmp_path / "c.svg")
    ElementTree.parse(tmp_path / "c.svg")


def test_a_confusion_of_too_many_classes_is_refused(tmp_path):
    many = MOST_DRAWN + 1
    with pytest.raises(UsageError, match=f"{many} classes are too many"):
        confusion_figure(["x"] * many, [[0] * many] * many, tmp_path / "c.png")


def test_symbols_of_attention():
    ElementTree.fromstring(attention_svg(STRANGE, STRANGE, [[0.25] * 4] * 4, title=STRANGE[1]))
