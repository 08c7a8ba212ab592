"""Commands that every task has: answers to lines as they come, data from standard input, lists and pictures of
runs, curves for TensorBoard.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy
from test_engine import stopped
from toy import count

from unrolled import list_runs, plot_runs, resume, train
from unrolled.cli import main
from unrolled.commands.lines import groups
from unrolled.errors import UsageError
from unrolled.runs.folder import RunFolder
from unrolled.runs.run import open_run
from unrolled.training import tensorboard

pytestmark = pytest.mark.usefixtures("one_thread")

WORDS = "\n".join(toy.words("abc", 96, 5)) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three runs: two of one task that differ, and one from another's weights that was ended early."""
    below = tmp_path_factory.mktemp("commands") / "runs"
    first = train(count(), epochs=10, out=below / "first", quiet=True)
    train(count(rate=0.001), epochs=2, out=below / "second", quiet=True)
    train(count(signs="abcd"), epochs=30, patience=1, start=first, out=below / "third", quiet=True)
    return below


@pytest.fixture
def typed(monkeypatch):
    """Put text on standard input."""

    def type_(text: str | bytes) -> None:
        content = text.encode() if isinstance(text, str) else text
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))

    return type_


def said(capsys, *arguments):
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


# --- predict --------------------------------------------------------------------------------------------------


def test_inputs_are_arguments_files_and_standard_input_in_their_order(folder, tmp_path, typed, capsys):
    (tmp_path / "a.txt").write_bytes(b"bb\r\nabc")
    typed("aa\nc\n")
    code, out, err = said(
        capsys, "predict", folder / "first", "abab", "-", "ccc", "--file", tmp_path / "a.txt", "--json"
    )
    assert (code, err) == (0, "")
    assert [json.loads(line)["word"] for line in out.splitlines()] == ["abab", "aa", "c", "ccc", "bb", "abc"]
    typed("aa\nc\n")
    alone = said(capsys, "predict", folder / "first")
    assert alone[0] == 0 and [line.split(":")[0] for line in alone[1].splitlines()] == ["aa", "c"]
    typed("aa\n")
    assert said(capsys, "predict", folder / "first", "--file", "-")[1].startswith("aa: ")


def test_lines_that_are_there_together_come_together(typed, tmp_path):
    typed("".join(f"{k}\n" for k in range(600)))
    assert [len(group) for group in groups(["x", "-", "y"])] == [1, 256, 256, 88, 1]
    assert list(groups(["a", "b"])) == [["a", "b"]] and list(groups([])) == []
    (tmp_path / "long.txt").write_text("x" * 200_000 + "\n\nend")
    assert [line for group in groups([], [tmp_path / "long.txt"]) for line in group] == [
        "x" * 200_000,
        "",
        "end",
    ]
    typed(b"gr\xfcn\n")
    assert list(groups(["-"])) == [["gr\udcfcn"]]


def test_a_line_is_answered_before_the_next_one_is_written(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(Path(toy.__file__).parent)!r}); import toy; "
         f"from unrolled.cli import main; sys.exit(main(['predict', {str(folder / 'first')!r}, '-', '--json']))"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    for word in ("aba", "c", "aaaa"):
        process.stdin.write(f"{word}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["word"] == word
    process.stdin.close()
    assert process.wait(timeout=60) == 0


def test_what_cannot_be_read_is_one_sentence(folder, capsys, tmp_path):
    assert said(capsys, "predict", folder / "first", "--file", tmp_path / "none") == (
        2,
        "",
        (
            f"UsageError: --file {tmp_path / 'none'} cannot be read (No such file or directory): give a file of"
            " lines.\n"
        ),
    )
    code, _, err = said(capsys, "predict", folder / "first", "xyz")
    assert code == 2 and err.startswith(
        "UsageError: the text has characters that the training text never had: 'x'"
    )


def test_options_may_stand_before_the_run(folder, capsys):
    code, out, _ = said(capsys, "predict", "--best", 2, folder / "first", "ab")
    assert code == 0 and len(out.split()) == 3


# --- data from standard input ---------------------------------------------------------------------------------


def test_data_from_standard_input_are_kept_and_learned_again(tmp_path, typed, monkeypatch):
    (tmp_path / "words.txt").write_text(WORDS)
    whole = train(count(data_file=tmp_path / "words.txt"), epochs=2, out=tmp_path / "whole", quiet=True)
    typed(WORDS)
    stopped(monkeypatch, count(data_file="-"), tmp_path / "run", 5, epochs=2)
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    assert (moved / "standard-input").read_text() == WORDS
    assert json.loads((moved / "settings.json").read_text())["options"]["data_file"] == "-"
    assert resume(moved, quiet=True).finished
    one, other = (RunFolder(folder).weights().tensors for folder in (whole.folder, moved))
    assert all((one[name] == other[name]).all() for name in one)
    assert open_run(moved).task.data_file == moved / "standard-input"


def test_standard_input_is_evaluated(folder, typed, tmp_path, capsys):
    (tmp_path / "words.txt").write_text("aab\nc\n")
    typed("aab\nc\n")
    assert said(capsys, "evaluate", folder / "first", "--data", "-") == said(
        capsys, "evaluate", folder / "first", "--data", tmp_path / "words.txt"
    )


def test_a_text_from_standard_input_is_named_as_it_was_given(typed, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content, message in (
        (b"", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"abc", "the text has 3 characters"),
    ):
        typed(content)
        code, out, err = said(capsys, "train", "char-lm", "--text", "-")
        assert (code, out, err.count("\n")) == (2, "", 1) and message in err and "/tmp" not in err
        assert ("--text - " in err) == (content != b"abc") and not list(tmp_path.iterdir())


def test_standard_input_cannot_be_two_things(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "train", "char-lm", "--text", "-", "--valid", "-") == (
        2,
        "",
        "UsageError: --text and --valid are both -: standard input can be read once. Give files.\n",
    )
    from unrolled.training.parallel import Team
    from unrolled.training.standard_input import readable

    with pytest.raises(
        UsageError, match="--data-file - is read by one process, and here are 2: write it into a"
    ):
        with readable(count(data_file="-"), Team(toy.Part(0, 2))):
            pass


# --- the character model's held-out and test texts ------------------------------------------------------------


def test_a_held_out_text_leaves_the_whole_text_to_be_learned(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("the cat sat. " * 40)
    Path("valid").write_text("a cat. the hat.")
    Path("test").write_text("that cat")
    given = ["--hidden=4", "--layers=1", "--batch=2", "--span=4", "--epochs=0.2", "--precision=float32"]
    code, out, err = said(capsys, "train", "char-lm", "--text=text", "--valid=valid", "--test=test", *given)
    assert (code, err) == (0, "") and "520 characters to learn, 15 held out" in out
    assert "on the test part: " in out
    run = open_run("runs/char-lm-1")
    nats = run.evaluate("test").figures["nats_per_character"]
    assert list_runs()[0].test["nats_per_character"] == pytest.approx(nats, rel=1e-6)
    Path("valid").write_text("no dog")
    code, _, err = said(capsys, "train", "char-lm", "--text=text", "--valid=valid", *given)
    assert code == 2 and err.startswith(
        "UsageError: --valid valid has characters that the training text never had: "
    )
    Path("valid").write_text("a")
    code, _, err = said(capsys, "train", "char-lm", "--text=text", "--valid=valid", *given)
    assert err == "UsageError: --valid valid has 1 character: evaluation takes 2 or more.\n"


# --- runs and plot --------------------------------------------------------------------------------------------


def test_runs_are_listed_with_what_differs_and_the_best_first(folder, capsys, monkeypatch):
    listed = list_runs(folder)
    assert [Path(run.run).name for run in listed] == ["first", "second", "third"]
    assert [run.state for run in listed] == ["finished", "finished", "ended early"]
    assert [run.differs for run in listed] == [
        {"signs": "abc", "rate": 0.02},
        {"signs": "abc", "rate": 0.001},
        {"signs": "abcd", "rate": 0.02},
    ]
    assert listed[2].origin == str(folder / "first") and listed[0].origin is None
    best = [run.figures["accuracy"] for run in list_runs(folder, "accuracy")]
    assert best == sorted(best, reverse=True) and best[0] > best[-1]
    assert [run.figures["accuracy"] for run in list_runs(folder, "-accuracy")] == best[::-1]
    assert [run.options["rate"] for run in list_runs(folder, "rate")] == [0.001, 0.02, 0.02]
    assert [run.seconds for run in list_runs(folder, "-seconds")] == sorted(
        (run.seconds for run in listed), reverse=True
    )
    code, out, err = said(capsys, "runs", folder, "--sort", "accuracy", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "") and [run["figures"]["accuracy"] for run in found] == best
    assert all(run["finished"] for run in found)
    assert found[0]["figures"]["of_nothing"] is None
    monkeypatch.chdir(folder.parent)
    shown = " ".join(said(capsys, "runs")[1].split())
    assert "rate=0.001" in shown and "from=first" in shown and "ended early" in shown and "batch" not in shown
    code, _, err = said(capsys, "runs", folder, "--sort", "beauty")
    assert code == 2 and err.startswith(
        "UsageError: --sort beauty is not there: choose one of accuracy, batch, "
    )


def test_figures_are_read_without_the_tensors(folder, tmp_path):
    found = RunFolder(folder / "first")
    assert found.best_figures() == pytest.approx(found.weights().state["figures"], nan_ok=True)
    for content in (b"", b"\0" * 8, b"\xff" * 40, b"\2\0\0\0\0\0\0\0[]"):
        (tmp_path / "weights.safetensors").write_bytes(content)
        with pytest.raises(UsageError, match="weights.safetensors cannot be read"):
            RunFolder(tmp_path).best_figures()


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_runs_are_drawn(folder, tmp_path, capsys, ending):
    out = tmp_path / f"p.{ending}"
    code, printed, err = said(
        capsys, "plot", folder / "first", folder / "third", "--over", "time", "--out", out, "--figures", "accuracy", "nats"
    )  # fmt: skip
    assert (code, printed, err) == (0, f"written: {out}\n", "") and out.stat().st_size > 5_000
    if ending == "svg":
        drawn = out.read_text()
        assert drawn.startswith("<svg") and drawn.count('id="axes_') == 3


def test_one_picture_holds_more_runs_than_there_are_colours(folder, tmp_path):
    assert plot_runs([folder / "first"] * 20, tmp_path / "p.svg") == tmp_path / "p.svg"


def test_a_name_cannot_be_read_as_mathematics(folder, tmp_path):
    (tmp_path / "$x^$_1").symlink_to(folder / "first")
    odd = tmp_path / r"run $\frac"
    odd.mkdir()
    for name in ("settings.json", "metrics.jsonl"):
        (odd / name).write_bytes((folder / "first" / name).read_bytes())
    plot_runs([odd], tmp_path / "p.svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--figures", "x"], "--figures x is not there: choose among accuracy, nats, of_nothing."),
        (["--out", "p.txt"], "--out p.txt is not a picture's name: end it in .svg, .png or .pdf."),
    ],
)
def test_pictures_that_cannot_be_are_one_sentence(folder, capsys, arguments, message):
    assert said(capsys, "plot", folder / "first", *arguments) == (2, "", f"UsageError: {message}\n")


@pytest.mark.parametrize("line", ['{"step": "x", "seconds": 1}', '{"step": 1}', "[]", '{"step": 1, "seconds": 1, "figures": 3}'])  # fmt: skip
def test_a_line_of_figures_that_nobody_wrote_is_a_damaged_run(folder, tmp_path, capsys, line):
    for name in ("settings.json", "encoding.json"):
        (tmp_path / name).write_bytes((folder / "first" / name).read_bytes())
    (tmp_path / "metrics.jsonl").write_text(line + "\n")
    for arguments in (["plot", tmp_path, "--out", tmp_path / "p.svg"], ["runs", tmp_path]):
        out = "".join(said(capsys, *arguments)[1:])
        assert "is damaged: metrics.jsonl cannot be read" in " ".join(out.split())


# --- TensorBoard ----------------------------------------------------------------------------------------------


def curves(run: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    return {name: [(e.step, e.value) for e in found.Scalars(name)] for name in found.Tags()["scalars"]}


def reported(run: Path, name: str) -> list[tuple[int, float]]:
    lines = RunFolder(run).metrics()
    values = [
        (line["step"], line["loss"] if name == "loss" else line.get("figures", {}).get(name)) for line in lines
    ]
    return [(step, pytest.approx(value)) for step, value in values if value is not None]


def test_tensorboard_shows_what_the_run_reports_also_after_it_was_stopped(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    run = tmp_path / "run"
    stopped(monkeypatch, count(), run, 13, epochs=4, tensorboard=True)
    resume(run, quiet=True)
    found = curves(run)
    assert found.keys() == {"training loss", "held out/accuracy", "held out/nats"}
    assert found["training loss"] == reported(run, "loss")
    assert found["held out/accuracy"] == reported(run, "accuracy")


def test_a_run_begun_without_tensorboard_has_all_its_curves_from_when_it_is_asked_for(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    stopped(monkeypatch, count(), tmp_path / "run", 13, epochs=4)
    resume(tmp_path / "run", quiet=True, tensorboard=True)
    assert curves(tmp_path / "run")["training loss"] == reported(tmp_path / "run", "loss")


def test_without_tensorboard_one_sentence_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    assert said(capsys, "train", "toy-count", "--tensorboard", "--out", tmp_path / "run") == (
        2,
        "",
        (
            "UsageError: --tensorboard: TensorBoard is not installed: pip install 'unrolled[tensorboard]' (or"
            " pip install tensorboard), or leave the option out.\n"
        ),
    )
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_where_tensorboard_is_gone(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboard")
    stopped(monkeypatch, count(), tmp_path / "run", 13, epochs=4, tensorboard=True)
    from unrolled.training import start

    monkeypatch.setattr(start, "installed", lambda: False)
    assert resume(tmp_path / "run").finished
    assert "TensorBoard is not installed" in capsys.readouterr().out


# --- a stranger's folder --------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="a system without symbolic links")
@pytest.mark.parametrize("name", ["standard-input", "start.safetensors", "tensorboard"])
def test_what_a_run_keeps_is_not_followed_out_of_its_folder(tmp_path, typed, monkeypatch, folder, name):
    outside = tmp_path / "outside"
    outside.mkdir() if name == "tensorboard" else outside.write_text(WORDS)
    typed(WORDS)
    stopped(
        monkeypatch,
        count(data_file="-"),
        tmp_path / "run",
        0,
        epochs=1,
        start=folder / "first",
        tensorboard=True,
    )
    place = tmp_path / "run" / name
    if name == "tensorboard":
        pytest.importorskip("tensorboard")
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
    else:
        place.unlink()
    place.symlink_to(outside)
    with pytest.raises(UsageError, match=f"is damaged: {name} cannot be read"):
        resume(tmp_path / "run", quiet=True)
    assert not outside.is_dir() or not list(outside.iterdir())


def test_first_weights_of_another_size_are_refused(tmp_path, monkeypatch, folder):
    stopped(monkeypatch, count(), tmp_path / "run", 0, epochs=1, start=folder / "first")
    other = RunFolder(tmp_path / "run")
    tensors, figures = other.start().tensors, other.start().state["figures"]
    other.save_start(tensors | {"head.bias": tensors["head.bias"][:2]}, figures, None)
    with pytest.raises(UsageError, match=r"start.safetensors cannot be read \(head.bias is \(2,\) float32"):
        resume(tmp_path / "run", quiet=True)
