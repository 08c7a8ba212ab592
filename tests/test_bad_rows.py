"""A file with a bad row: training may leave it out; where a trained model reads there is no
--skip-bad, and none is named.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

import unrolled
from unrolled.cli import main
from unrolled.data.pairs import made_pairs
from unrolled.errors import UsageError
from unrolled.models.net import Net
from unrolled.tasks.classify import Classify
from unrolled.tasks.generate import Generate
from unrolled.tasks.tag import Tag
from unrolled.tasks.translate import Translate

SMALL = Net("gru", hidden=4, layers=1, dropout=0.0)
FILES = {
    "classify": ("label,text\n" + "a,xx\nb,yy\n" * 20, "label,text\na,xx\nb\n", "t.csv"),
    "generate": (
        "kind,text\n" + "".join(f"a,x{k}\nb,y{k}\n" for k in range(20)),
        "kind,text\na,xx\nb\n",
        "t.csv",
    ),
    "tag": ("".join(f"a{k}\tO\nb\tB-X\n\n" for k in range(20)), "a\tO\nb\n\n", "t.conll"),
    "translate": ("".join(f"{a}\t{b}\n" for a, b in made_pairs()[:40]), "a\tb\nc\n", "t.tsv"),
}
OPTIONS = {
    "classify": lambda file: Classify(train=file, net=SMALL),
    "generate": lambda file: Generate(train=file, net=SMALL),
    "tag": lambda file: Tag(train=file, net=SMALL),
    "translate": lambda file: Translate(pairs=file, net=SMALL, embedding=4),
}


@pytest.mark.parametrize("name", FILES)
def test_evaluate_of_a_bad_row(name, tmp_path, capsys):
    good, bad, called = FILES[name]
    file, other = tmp_path / called, tmp_path / f"bad-{called}"
    file.write_text(good)
    other.write_text(bad)
    task = OPTIONS[name](file)
    run = unrolled.train(
        replace(task, recipe=replace(task.recipe, precision="float32")),
        epochs=0.1,
        out=tmp_path / "run",
        quiet=True,
    )
    capsys.readouterr()
    assert main(["evaluate", str(run.folder), "--data", str(other)]) == 2
    said = capsys.readouterr().err
    assert f"bad-{called}, line " in said and said.endswith(". Mend it, or take it out.\n"), said
    with pytest.raises(UsageError, match="leave such rows out with --skip-bad"):
        unrolled.train(OPTIONS[name](other), epochs=0.1, out=tmp_path / "none", quiet=True)


def test_predict_of_a_bad_row(tmp_path, capsys):
    good, bad, called = FILES["classify"]
    file, other = tmp_path / called, tmp_path / f"bad-{called}"
    file.write_text(good)
    other.write_text(bad)
    run = unrolled.train(OPTIONS["classify"](file), epochs=0.1, out=tmp_path / "run", quiet=True)
    capsys.readouterr()
    assert main(["predict", str(run.folder), "--data", str(other)]) == 2
    assert capsys.readouterr().err.endswith(". Mend it, or take it out.\n")
