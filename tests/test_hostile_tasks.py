"""Every task's run from a stranger: whatever is changed in its folder, it is refused
in one sentence or of use.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hostile import fuzz, state_of
from safetensors.torch import load_file, save_file
from tiny import TINY

from unrolled import tasks
from unrolled.cli import main
from unrolled.data.subwords import LETTERS, Subwords
from unrolled.errors import UsageError
from unrolled.models.decoding import MOST_UNITS
from unrolled.options import check_options
from unrolled.runs.run import open_run
from unrolled.training.start import resume

pytestmark = pytest.mark.usefixtures("one_thread")
KINDS = pytest.mark.parametrize("kind", TINY)
ODD = (
    "",
    "   ",
    "\x1b[2Jabc",
    "日本語 😀",
    "x" * 3000,
    "a\tb",
    "___",
    "sex=",
    "1,nan",
    "1:2,3",
    "</s> <unk>",
    "\ud800",
)


def test_every_task_is_attacked():
    assert {tiny.task for tiny in TINY.values()} == set(tasks.names()) - set(tasks._OWN)


def test_folders_with_one_thing_changed(tiny_run, tmp_path):
    fuzz(map(tiny_run, TINY), tmp_path, 2, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
@KINDS
def test_hundreds_of_folders_with_one_thing_changed(tiny_run, tmp_path, kind, seed):
    fuzz([tiny_run(kind)], tmp_path, 50, seed)


# --- what a user may ask --------------------------------------------------------------------------------------


def said(capsys, *arguments) -> str:
    """What a command says: what was asked for, as JSON where it is to be that, or
    one sentence; nothing else.
    """
    code = main([str(each) for each in arguments])
    out, err = capsys.readouterr()
    if "--json" in arguments:
        for line in out.splitlines():
            json.loads(line, parse_constant=pytest.fail)
    assert (code == 0 and not err) or (code in (1, 2) and ": " in err and err.count("\n") == 1)
    assert "\x1b" not in out + err
    return out + err


def options(ask: dict) -> list[str]:
    return [part for name, value in ask.items() for part in (f"--{name}", str(value))]


@KINDS
def test_any_input_is_answered_or_refused_in_one_sentence(tiny_run, capsys, kind):
    run, plan = tiny_run(kind)
    for text in ODD:
        said(capsys, "predict", run, text, *options(plan.ask), "--json")


@KINDS
def test_any_file_is_scored_or_refused_in_one_sentence(tiny_run, tmp_path, capsys, kind):
    run, plan = tiny_run(kind)
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "blank").write_text("\n\n")
    (tmp_path / "folder").mkdir()
    for name in ("empty", "binary", "blank", "folder", "missing"):
        said(capsys, "evaluate", run, "--data", tmp_path / name, "--json")
        said(capsys, "predict", run, "--file", tmp_path / name, *options(plan.ask), "--json")
    for other in {tiny.task: tiny for tiny in TINY.values()}.values():
        name, content = next(iter(other.data.items()))
        (tmp_path / name).write_text(content, encoding="utf-8")
        said(capsys, "evaluate", run, "--data", tmp_path / name, "--json")


@KINDS
def test_counts_below_one_are_refused(tiny_run, kind):
    run = open_run(tiny_run(kind)[0])
    for field in fields(run.task.Ask):
        if field.type in ("Count", "Natural", "int"):
            with pytest.raises(UsageError, match=f"--{field.name.replace('_', '-')} -1"):
                list(run.predict(tiny_run(kind)[1].inputs, run.task.Ask(**{field.name: -1})))


@KINDS
def test_weights_that_are_no_numbers_give_json_or_a_sentence(tiny_run, tmp_path, capsys, kind):
    run, plan = tiny_run(kind)
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    file = folder / "weights.safetensors"
    tensors, state = load_file(file), state_of(file)
    for tensor in tensors.values():
        if tensor.is_floating_point():
            tensor.fill_(float("nan"))
    save_file(tensors, file, metadata={"state": json.dumps(state)})
    said(capsys, "predict", folder, *plan.inputs, *options(plan.ask), "--json")
    said(capsys, "evaluate", folder, "--data", plan.data, "--json")


@pytest.mark.parametrize("name", sorted(set(tasks.names()) - set(tasks._OWN)))
def test_options_that_are_no_numbers_are_refused(name):
    usual = tasks.find(name)()
    for options in (usual, usual.net, usual.recipe):
        for field in fields(options):
            if isinstance(getattr(options, field.name), float):
                for value in (float("nan"), float("inf")):
                    with pytest.raises(UsageError, match=f"--{field.name.replace('_', '-')} {value}"):
                        check_options(replace(options, **{field.name: value}))


# --- single faults that were there ----------------------------------------------------------------------------


def test_the_letters_of_subwords_are_those_that_the_library_has_for_bytes():
    tokenizers = pytest.importorskip("tokenizers")
    assert set(tokenizers.pre_tokenizers.ByteLevel.alphabet()) == LETTERS
    strange = [chr(0x4E00 + k) for k in range(256)]
    for pieces in (strange, [*sorted(LETTERS)[1:], "ab"], [*sorted(LETTERS), strange[0]]):
        with pytest.raises(ValueError, match="made of bytes"):
            Subwords.of_json({"pieces": pieces, "merges": [], "marks": []})


def test_a_gap_that_no_part_of_a_word_fills_is_refused(tiny_run, capsys):
    pytest.importorskip("tokenizers")
    assert "--among" in said(capsys, "predict", tiny_run("word-lm of subwords")[0], "the ___ fox")


def test_a_tagger_of_further_columns_asks_for_them(tiny_run, tmp_path, capsys):
    run, _ = tiny_run("tag with vectors")
    assert "--form columns" in said(capsys, "predict", run, "the dog1")
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    stored = json.loads((folder / "encoding.json").read_text())
    stored["columns"] *= 2
    (folder / "encoding.json").write_text(json.dumps(stored))
    assert "--columns names 1" in said(capsys, "predict", folder, "the dog1")


def test_more_members_than_anybody_needs_are_refused_before_they_are_made(tiny_run, tmp_path, capsys):
    folder = Path(shutil.copytree(tiny_run("classify characters")[0], tmp_path / "run"))
    settings = json.loads((folder / "settings.json").read_text())
    settings["options"]["members"] = 2**31
    (folder / "settings.json").write_text(json.dumps(settings))
    assert "is damaged" in said(capsys, "predict", folder, "abc")


@pytest.mark.parametrize(
    ("field", "values"),
    [("init", {"b_f": 1e300}), ("start", {"c": 1e300}), ("init", {"W_f": "uniform(-1e300, 1e300)"})],
)
def test_numbers_of_a_cell_that_float32_does_not_hold_are_refused(tiny_run, tmp_path, field, values):
    folder = Path(shutil.copytree(tiny_run("generate")[0], tmp_path / "run"))
    settings = json.loads((folder / "settings.json").read_text())
    settings["cell"][field] = values
    (folder / "settings.json").write_text(json.dumps(settings))
    with pytest.raises(UsageError):
        resume(folder, quiet=True)


def test_a_long_sentence_is_translated_in_little_memory_or_refused(tiny_run, capsys):
    run, _ = tiny_run("translate characters")
    assert f"{MOST_UNITS:,} are read at once" in said(capsys, "predict", run, "a" * (MOST_UNITS + 1))
    assert f"{MOST_UNITS:,} are read at once" in said(
        capsys, "predict", run, f"a\t{'b' * MOST_UNITS}", "--score"
    )
