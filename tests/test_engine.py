"""The engine serves a task that is as unlike char-lm as can be: tests/toy.py, whose words are independent,
whose batches differ in their counts, whose figure is not a loss, and whose best one is the highest."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy
from test_resume import assert_same_end
from toy import Asking, count

from unrolled import resume, train
from unrolled.cli import main
from unrolled.errors import UsageError
from unrolled.runs.folder import RunFolder
from unrolled.runs.run import open_run
from unrolled.scoring import finite, scored
from unrolled.task import Part

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(count(), epochs=12, out=tmp_path_factory.mktemp("toy") / "run", quiet=True)


def stopped(monkeypatch, task, out, steps, **options):
    """A run that is killed after some steps, just after a checkpoint."""
    true_loss, seen = type(task).loss, iter(range(10**9))

    def loss(self, model, batch, state):
        if torch.is_grad_enabled() and next(seen) >= steps:
            raise ZeroDivisionError
        return true_loss(self, model, batch, state)

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(type(task), "loss", loss)
        train(task, out=out, save_every=1e-9, quiet=True, **options)


# --- figures --------------------------------------------------------------------------------------------------


def test_the_highest_accuracy_decides_which_weights_are_kept(run):
    evaluated = [line for line in run.metrics() if "figures" in line]
    accuracies = [line["figures"]["accuracy"] for line in evaluated]
    assert len(evaluated) == 5 and accuracies[-1] > accuracies[0]
    kept = RunFolder(run.folder).weights().state
    assert kept["figures"]["accuracy"] == max(accuracies) == evaluated[-1]["validation"] or accuracies[
        -1
    ] < max(accuracies)
    data = run.task.data()
    found = scored(run.task, run.model, data.encoding, data.held_out())
    assert found.figures["accuracy"] == max(accuracies) and found.count == 16
    assert found.loss == found.figures["nats"] != found.figures["accuracy"]


def test_a_figure_that_is_no_number_is_null_in_the_files(run):
    assert all(line["figures"]["of_nothing"] is None for line in run.metrics() if "figures" in line)
    assert math.isnan(RunFolder(run.folder).best_figures()["of_nothing"])
    assert finite({"a": math.inf, "b": 1.0}) == {"a": None, "b": 1.0}


def test_units_are_counted_as_they_are(tmp_path):
    made = train(count(batch=30), epochs=2, out=tmp_path / "run", quiet=True)  # batches of 30, 30 and 20
    assert [line["words"] for line in made.metrics()] == [30, 60, 80, 110, 140, 160]


def test_evaluation_leaves_the_random_numbers_of_training_alone(tmp_path, monkeypatch):
    """Counting draws numbers in `figures` and in `example`; a run that evaluates oftener learns the same."""
    one = train(count(dropout=0.3), epochs=2, evaluations=1, out=tmp_path / "one", quiet=True)
    four = train(count(dropout=0.3), epochs=2, evaluations=4, out=tmp_path / "four", quiet=True)
    first, other = (RunFolder(made.folder).last_checkpoint()[0].tensors for made in (one, four))
    assert first.keys() == other.keys() and all(torch.equal(first[name], other[name]) for name in first)


def test_a_first_figure_that_is_no_number_stops_the_run(tmp_path, monkeypatch):
    from unrolled.training.state import Diverged

    figures = toy.Count.figures
    monkeypatch.setattr(toy.Count, "figures", lambda self, *a: figures(self, *a) | {"accuracy": math.nan})
    with pytest.raises(Diverged, match="the held-out part's accuracy is nan at step"):
        train(count(), epochs=1, out=tmp_path / "run", quiet=True)


# --- resume, patience, parts ----------------------------------------------------------------------------------


def test_a_run_that_was_stopped_ends_like_one_that_was_not(run, tmp_path, monkeypatch):
    (tmp_path / "samples.txt").touch()
    stopped(monkeypatch, count(), tmp_path / "run", 37, epochs=12)
    assert resume(tmp_path / "run", quiet=True).finished
    for folder in (run.folder, tmp_path / "run"):
        (folder / "samples.txt").touch()
    assert_same_end(run.folder, tmp_path / "run")


PATIENT = {"epochs": 40, "patience": 2}


def test_patience_ends_a_run_and_is_recorded(tmp_path, capsys):
    made = train(count(rate=0.05), out=tmp_path / "run", **PATIENT)
    evaluated = [line["figures"]["accuracy"] for line in made.metrics() if "figures" in line]
    best = max(range(len(evaluated)), key=evaluated.__getitem__)
    assert len(evaluated) < 40 and best == len(evaluated) - 3  # an evaluation an epoch, and two in vain
    settings = RunFolder(made.folder).settings()
    assert (settings.patience, settings.evaluations, settings.finished) == (2, 40, True)
    assert settings.ended == len(evaluated) * 8 == made.metrics()[-1]["step"]
    out = capsys.readouterr().out
    assert (
        f"ended at step {settings.ended} of 320, after 2 evaluations in a row without a better figure\n" in out
    )
    assert resume(made.folder).finished and "nothing to go on with" in capsys.readouterr().out


@pytest.mark.parametrize("before", [1, 9])
def test_patience_is_the_same_in_a_run_that_was_stopped(tmp_path, monkeypatch, before):
    whole = train(count(rate=0.05), out=tmp_path / "whole", quiet=True, **PATIENT)
    ended = RunFolder(whole.folder).settings().ended
    stopped(monkeypatch, count(rate=0.05), tmp_path / "run", ended - before, **PATIENT)
    resume(tmp_path / "run", quiet=True)
    for folder in (tmp_path / "whole", tmp_path / "run"):
        (folder / "samples.txt").touch()
    assert_same_end(tmp_path / "whole", tmp_path / "run")
    assert RunFolder(tmp_path / "run").settings().ended == ended


def test_a_run_killed_between_its_last_evaluation_and_its_end_takes_no_more_steps(tmp_path, monkeypatch):
    from unrolled.training import loop

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(loop, "finish", lambda training: 1 / 0)
        train(count(rate=0.05), out=tmp_path / "run", quiet=True, **PATIENT)
    step = RunFolder(tmp_path / "run").last_checkpoint()[1].step
    resume(tmp_path / "run", quiet=True)
    assert RunFolder(tmp_path / "run").settings().ended == step


def test_parts_of_a_batch_make_the_whole_and_may_be_empty():
    data = count(batch=30).data()
    whole = data.batch(2)  # the last one has 20
    parts = [data.batch(2, Part(rank, 25)) for rank in range(25)]
    assert whole.count == 20 == sum(part.count for part in parts) and parts[24].count == 0


def started(size, *arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={size}"]
    source = str(Path(sys.modules["unrolled"].__file__).parent.parent)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": source}
    script = str(Path(__file__).parent / "toy.py")
    done = subprocess.run(
        [*command, script, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in (Path(arguments[0]) / "metrics.jsonl").read_text().splitlines()]


def test_two_processes_learn_what_one_learns_where_one_of_them_has_no_row_of_a_batch(tmp_path):
    """79 rows would leave a batch of one; here batches of 79 and of 1 of 80 words."""
    alone = train(count(batch=79), epochs=4, out=tmp_path / "alone", quiet=True).metrics()
    both = started(2, tmp_path / "both", "batch=79", "epochs=4")
    assert [line["words"] for line in both] == [line["words"] for line in alone]
    for one, other in zip(alone, both):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-4)
        assert one.get("validation") == pytest.approx(other.get("validation"), abs=0.07)  # a word of 16


# --- evaluate, predict, held-out and test files ---------------------------------------------------------------


def test_a_held_out_file_and_one_for_the_report(tmp_path, capsys):
    (tmp_path / "valid.txt").write_text("aa\nabc\nb\ncab\n")
    (tmp_path / "test.txt").write_text("aaa\nbbb\n")
    task = count(valid=tmp_path / "valid.txt", test=tmp_path / "test.txt")
    made = train(task, epochs=1, out=tmp_path / "run")
    out = capsys.readouterr().out
    assert "96 words to learn, 4 held out" in out and "on the test part: accuracy" in out
    data = task.data()
    tested = scored(task, made.model, data.encoding, data.test()).figures
    assert RunFolder(made.folder).settings().test == {k: v for k, v in tested.items() if math.isfinite(v)}
    (tmp_path / "test.txt").write_text("aaa\nbbbb\n")
    settings = made.folder / "settings.json"
    settings.write_text(settings.read_text().replace('"finished": true', '"finished": false'))
    with pytest.raises(UsageError, match="have changed since the run began"):
        resume(made.folder, quiet=True)


def test_a_run_of_an_added_task_is_opened_evaluated_and_asked(run, tmp_path, capsys):
    opened = open_run(run.folder)
    (tmp_path / "words.txt").write_text("aab\nccc\n")
    assert opened.evaluate(tmp_path / "words.txt").figures == pytest.approx(
        run.evaluate(tmp_path / "words.txt").figures, nan_ok=True
    )
    assert main(["evaluate", str(run.folder), "--data", str(tmp_path / "words.txt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == {"words", "accuracy", "nats", "of_nothing"}
    expected = [answer.to_json() for answer in opened.predict(["aab", "ccc"], Asking(best=2))]
    assert main(["predict", str(run.folder), "aab", "ccc", "--best", "2", "--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == expected


# --- from another run's weights -------------------------------------------------------------------------------


def test_weights_are_carried_over_by_what_they_mean_and_new_ones_are_the_mean(run, tmp_path):
    made = train(count(signs="cdaeb"), epochs=1, start=run, out=tmp_path / "run", quiet=True)
    assert made.encoding.characters == ("a", "b", "c", "d", "e")  # those that were known keep their places
    begun = RunFolder(made.folder).start().tensors
    before = run.model.state_dict()
    for name, tensor in begun.items():
        assert torch.equal(tensor[: len(before[name])], before[name]), name
    mean = before["embedding.weight"].mean(0)
    assert begun["embedding.weight"][3:].allclose(mean.expand(2, 8))
    origin = RunFolder(made.folder).settings().origin
    assert (origin.run, origin.step) == (str(run.folder), RunFolder(run.folder).weights().state["step"])
    assert len(origin.digest) == 64
    compared = RunFolder(made.folder).settings().baseline
    model = toy.Counter(5, made.task.net)
    model.load_state_dict(begun)
    data = made.task.data(run.encoding)
    assert compared["the weights it begins with, accuracy"] == scored(
        made.task, model, made.encoding, data.held_out()
    ).figures.get("accuracy")


def test_weights_that_only_get_worse_are_given_back_as_they_were(run, tmp_path, capsys):
    made = train(count(rate=1.0), epochs=1, start=run, out=tmp_path / "run")
    first = RunFolder(run.folder).best_figures()["accuracy"]
    last = [line["validation"] for line in made.metrics() if "validation" in line][-1]
    assert last < first and RunFolder(made.folder).best_figures()["accuracy"] == first
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(made.model.state_dict()[name], tensor)
    assert f"accuracy {first:.3f} on the held-out part (the last step: {last:.4f})" in capsys.readouterr().out


def test_the_average_of_a_run_from_weights_begins_with_them(run, tmp_path):
    task = count(rate=1e-12)
    task = replace(task, recipe=replace(task.recipe, average=0.9, decay=0.0))
    made = train(task, epochs=0.01, start=run, out=tmp_path / "run", quiet=True)
    kept = RunFolder(made.folder).last_checkpoint()[0].tensors
    for name, tensor in run.model.state_dict().items():
        assert torch.allclose(kept[f"average.{name}"], tensor, atol=1e-6), name


def test_what_was_learned_is_there_at_the_first_step(run, tmp_path):
    fresh = train(count(), epochs=1, out=tmp_path / "fresh", quiet=True).metrics()[0]["loss"]
    going_on = train(count(), epochs=1, out=tmp_path / "on", start=run.folder, quiet=True).metrics()[0]["loss"]
    assert going_on < 0.8 * fresh


@pytest.mark.parametrize("steps", [0, 5])
def test_a_run_from_weights_is_resumed_bit_for_bit_without_the_run_it_came_from(
    run, tmp_path, monkeypatch, steps
):
    task = count(signs="abcde", dropout=0.2)
    first = train(count(), epochs=1, out=tmp_path / "first", quiet=True)
    whole = train(task, epochs=2, start=first, out=tmp_path / "whole", quiet=True)
    stopped(monkeypatch, task, tmp_path / "run", steps, epochs=2, start=first)
    for file in sorted((tmp_path / "first").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    resume(tmp_path / "run", quiet=True)
    for folder in (whole.folder, tmp_path / "run"):
        (folder / "samples.txt").touch()
    assert_same_end(whole.folder, tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 9}, "--hidden 9 here and 8 there"),
        ({"layers": 2, "rate": 0.1}, "--layers 2 here and 1 there"),
        ({"cell": "lstm"}, "--cell lstm here and gru there"),
        ({"cell": "elman", "hidden": 3}, "--cell elman here and gru there, --hidden 3 here and 8 there"),
    ],
)
def test_sizes_that_clash_are_an_error_that_names_both(run, tmp_path, options, said):
    with pytest.raises(UsageError) as caught:
        train(count(**options), start=run, out=tmp_path / "run", quiet=True)
    assert str(caught.value) == (
        f"the weights of {run.folder} do not fit: {said}. "
        "Leave such options as that run has them, or train afresh, without --from."
    )
    assert not (tmp_path / "run").exists()


def test_a_task_that_cannot_extend_an_encoding_goes_on_where_it_is_the_same(run, tmp_path, monkeypatch):
    extending = toy.Count.data
    monkeypatch.setattr(toy.Count, "data", lambda self: extending(self))
    assert train(count(), epochs=1, start=run, out=tmp_path / "run", quiet=True).finished
    with pytest.raises(UsageError) as caught:
        train(count(signs="Aabc"), epochs=1, start=run, out=tmp_path / "x", quiet=True)
    assert (
        str(caught.value)
        == "the data None do not mean what the weights were learned for: their characters are not as the run"
        " has them, and toy-count cannot learn the difference. Give data with the same, or train afresh,"
        " without --from."
    )


def test_other_data_come_without_the_held_out_file_of_the_old_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("old", "valid", "new"):
        Path(name).write_text("ab\nc\naa\n" * 40)
    given = ["--data-file", "old", "--valid", "valid", "--epochs", "1", "--out", "first"]
    assert main(["train", "toy-count", *given]) == 0
    assert main(["train", "--from", "first", "--epochs", "1", "--out", "again"]) == 0
    assert main(["train", "--from", "first", "--data-file=old", "--epochs", "1", "--out", "second"]) == 0
    files = [RunFolder(Path(name)).settings().options["valid"] for name in ("first", "again", "second")]
    assert files == [str(tmp_path / "valid"), str(tmp_path / "valid"), None]


def test_from_on_the_command_line_takes_the_runs_options(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--from", str(run.folder), "--signs", "abcd", "--epochs", "0.5", "--out", "new"]) == 0
    out = capsys.readouterr().out
    assert f"its first weights are those of {run.folder} at step" in out and "the weights it begins with" in out
    made = open_run(tmp_path / "new")
    assert (made.task.net.hidden, made.task.recipe.rate, made.task.signs) == (8, 2e-2, "abcd")
    assert made.task.net.cell.name == "gru"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--from", "a", "--resume", "b"],
            "--resume goes on with a run, and --from begins another one: give one of them.",
        ),
        (["--from"], "--from names no run: write unrolled train --from RUN ..."),
        (["--from", "no"], "no does not exist: give the folder that `unrolled train` named at its end."),
        (
            ["char-lm", "--from", "{run}"],
            "{run} is a run of toy-count, and char-lm was to be trained from it: leave char-lm out.",
        ),
        (["toy-count", "--patience", "0"], "--patience 0 is below 1: give a whole number from 1 up."),
        (["toy-count", "--evaluations", "0"], "--evaluations 0 is below 1: give a whole number from 1 up."),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(run, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    code = main(["train", *(each.format(run=run.folder) for each in arguments)])
    out, err = capsys.readouterr()
    assert (code, out, err) == (2, "", f"UsageError: {message.format(run=run.folder)}\n")
    assert not list(tmp_path.iterdir())
