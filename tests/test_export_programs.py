"""The programs on the tasks' pages: run as they stand there, in a fresh Python without torch and unrolled, in
the folder of an exported run, they say what the run says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from onnx_cases import onnxruntime  # noqa: F401  (skips without it)
from tiny import TINY, tiny_task

from unrolled import train
from unrolled.cli import main
from unrolled.models.marking import Marking
from unrolled.models.translating import Translating
from unrolled.runs.run import Run

PAGES = Path(__file__).parent.parent / "docs" / "tasks"
PROGRAM = re.compile(r"^```python\n(.*?)^```\n", re.S | re.M)
ALONE = "import sys; sys.modules.update(torch=None, unrolled=None)\n"

pytestmark = pytest.mark.usefixtures("one_thread")


def programs(page: str) -> list[str]:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return PROGRAM.findall(text[text.index("## ONNX") :].partition("\n## ")[0] + "\n")


def printed(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ALONE + program], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert not done.returncode, done.stderr
    return done.stdout


def exported(kind: str, room: Path, capsys, **options) -> Run:
    """A run of that kind, trained for a moment, with its file beside it."""
    task, _ = tiny_task(TINY[kind], room)
    run = train(replace(task, **options), epochs=3, out=room / "run", quiet=True)
    assert main(["export", str(run.folder)]) == 0
    assert "outputs" in capsys.readouterr().out
    return run


def test_classify(tmp_path, capsys):
    run = exported("classify characters", tmp_path, capsys)
    texts = ["Onassis", "van der Meer"]
    said = [
        f"{answer.given}: {run.encoding.labels[best]} {answer.chances[best]:.3f}"
        for answer in run.predict(texts)
        for best in [max(range(2), key=answer.chances.__getitem__)]
    ]
    assert printed(programs("classify")[0], run.folder).splitlines() == said


def test_classify_series(tmp_path, capsys):
    run = exported("classify series", tmp_path, capsys, members=2)
    found = [
        float(number)
        for number in re.findall(r"\d\.\d+(?:e-\d+)?", printed(programs("classify")[1], run.folder))
    ]
    assert found == pytest.approx(next(run.predict(["1.5,2.0,?,4.5"])).chances, abs=1e-4)


@pytest.mark.parametrize("kind", ["tag"])
def test_tag(kind, tmp_path, capsys):
    run = exported(kind, tmp_path, capsys)
    (said,) = run.predict(["Justin Bieber is here"], Marking())
    lines = printed(programs("tag")[0], run.folder).splitlines()
    assert lines == [f"{word}\t{tag}" for word, tag in zip(said.words, said.tags)]
    program = programs("tag")[0].replace('"Justin Bieber is here"', '"the dog1 runs1 dog2 McDonald\'s-2000"')
    (said,) = run.predict(["the dog1 runs1 dog2 McDonald's-2000"], Marking())
    assert [line.split("\t")[1] for line in printed(program, run.folder).splitlines()] == said.tags


def test_translate(tmp_path, capsys):
    pytest.importorskip("tokenizers")
    run = exported("translate subwords", tmp_path, capsys)
    for text in ("I want to drink beer.", "a 1 b 2 c"):
        (said,) = run.predict([text], Translating(beam=1))
        program = programs("translate")[0].replace("I want to drink beer.", text)
        assert printed(program, run.folder).startswith(said.text)  # which ends sooner where no end comes


def test_generate(tmp_path, capsys):
    run = exported("generate", tmp_path, capsys)
    text = printed(
        programs("generate")[0].replace('"language": "Greek"', '"sex": "first", "group": "0"'), run.folder
    )
    assert set(text.strip("\n")) <= set(run.encoding.characters)


def test_word_lm(tmp_path, capsys):
    run = exported("word-lm", tmp_path, capsys, softmax="adaptive")
    program = programs("word-lm")[0].replace("I speak fluent", "the quick unheard-of fox")
    lines = printed(program, run.folder).splitlines()
    x = run.encoding.encode("\nthe quick unheard-of fox")[:, None]
    with torch.no_grad():
        chances, places = run.model(x)[0][-1, 0].softmax(-1).topk(5)
    assert lines == [f"{chance:.4f} {run.encoding.names[k]!r}" for chance, k in zip(chances, places)]


def test_a_translator_is_written_beside_a_name_that_is_given(tmp_path, capsys):
    run = exported("translate words", tmp_path, capsys)
    assert {file.name for file in run.folder.glob("*.onnx")} == {"model.encoder.onnx", "model.decoder.onnx"}
    assert main(["export", str(run.folder), "--out", str(tmp_path / "en-es.onnx"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert Path(told["path"]).name == "en-es.encoder.onnx" and told["outputs"][:2] == ["memory", "keys"]
    assert Path(told["others"][0]["path"]).name == "en-es.decoder.onnx"
