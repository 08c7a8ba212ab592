"""Scores of labels against scikit-learn's, and by hand."""

from __future__ import annotations

import pytest
import torch

from unrolled.errors import UsageError
from unrolled.models.scores import Report, accuracy, brier, class_rows, confusion, macro_f1, micro_f1


def drawn(classes: int, count: int = 200, seed: int = 0):
    torch.manual_seed(seed)
    right = torch.randint(classes, (count,))
    return right, torch.where(torch.rand(count) < 0.6, right, torch.randint(classes, (count,)))


@pytest.mark.parametrize("classes, count", [(2, 9), (5, 200), (40, 60)])
def test_scores_are_scikit_learns(classes, count):
    metrics = pytest.importorskip("sklearn.metrics")
    right, said = drawn(classes, count)
    a, b = right.numpy(), said.numpy()
    assert accuracy(right, said) == pytest.approx(metrics.accuracy_score(a, b))
    assert macro_f1(right, said, classes) == pytest.approx(
        metrics.f1_score(a, b, average="macro", zero_division=0)
    )
    assert (
        confusion(right, said, classes).tolist()
        == metrics.confusion_matrix(a, b, labels=range(classes)).tolist()
    )
    theirs = metrics.precision_recall_fscore_support(a, b, labels=range(classes), zero_division=0)
    for row, *expected in zip(class_rows(right, said, [str(k) for k in range(classes)]), *theirs):
        assert row[1:] == pytest.approx(expected)


def test_scores_of_many_labels_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    torch.manual_seed(1)
    right, said = (torch.rand(100, 6) < 0.3).float(), (torch.rand(100, 6) < 0.4).float()
    a, b = right.numpy(), said.numpy()
    assert accuracy(right, said) == pytest.approx(metrics.accuracy_score(a, b))
    assert micro_f1(right, said) == pytest.approx(metrics.f1_score(a, b, average="micro"))
    assert macro_f1(right, said, 6) == pytest.approx(metrics.f1_score(a, b, average="macro"))
    assert [r.f1 for r in class_rows(right, said, "abcdef")] == pytest.approx(
        metrics.f1_score(a, b, average=None)
    )


def test_brier():
    chances = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    assert brier(chances, torch.tensor([0, 1])) == pytest.approx(0.25)
    assert brier(chances, torch.tensor([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(0.25)


REPORT = """\
class  precision  recall     F1  examples
a          0.750   1.000  0.857         3
b          1.000   0.500  0.667         2
c          0.000   0.000  0.000         0

right \\ said  a  b  c
a             3  .  .
b             1  1  .
c             .  .  ."""


def test_report(tmp_path):
    report = Report.of(torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 0, 0, 0, 1]), ["a", "b", "c"])
    assert report.text() == REPORT
    assert report.to_json()["confusion"] == [[3, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert report.to_json()["classes"]["b"]["recall"] == 0.5
    pytest.importorskip("matplotlib")
    report.draw(tmp_path / "confusion.svg")
    assert "<svg" in (tmp_path / "confusion.svg").read_text()
    several = Report.of(torch.ones(2, 3), torch.ones(2, 3), ["a", "b", "c"])
    assert several.table is None and "confusion" not in several.to_json()
    with pytest.raises(UsageError, match="there is no table of which class"):
        several.draw(tmp_path / "none.svg")


def test_of_many_classes_the_confusions_are_listed():
    labels = [f"class {k}" for k in range(40)]
    right = torch.arange(40).repeat(3)
    said = right.clone()
    said[:2] = torch.tensor([7, 7])
    said[40] = 7
    text = Report.of(right, said, labels).text()
    assert "class 0  class 7         2\nclass 1  class 7         1" in text


def test_fifty_thousand_classes_take_no_square_of_memory():
    labels = [str(k) for k in range(50_000)]
    right, said = torch.tensor([0, 1, 49_999]), torch.tensor([0, 2, 49_999])
    report = Report.of(right, said, labels)
    assert report.table is None and report.rows[49_999].f1 == 1.0
    assert macro_f1(right, said, len(labels)) == 0.5
