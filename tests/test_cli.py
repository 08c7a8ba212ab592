"""The command line, end to end: what it prints, its exit codes, and one clear sentence for every mistake."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from char_lm import char_lm, nats_per_character, sampled

from unrolled.cli import main
from unrolled.models.sample import rounded
from unrolled.models.writing import Writing
from unrolled.training.start import train

pytestmark = pytest.mark.usefixtures("one_thread")

VERSE = "the quick brown fox jumps over the lazy dog.\n"
SMALL = ["--hidden=8", "--batch=4", "--span=8", "--epochs=0.2"]
CELL_FILE = """
from unrolled import cell, sigmoid, tanh

number = 3

@cell
def gated(x, h, *, W, U, b):
    f = sigmoid(W @ x + U @ h + b)
    h = f * h + (1 - f) * tanh(W @ x)
    return h

def plain(x, h, *, W, U, b):
    h = tanh(W @ x + U @ h + b)
    return h

def branching(x, h, *, W, U, b):
    h = tanh(W @ x + U @ h + b)
    if h > 0:
        h = -h
    return h

def forgetful(x, h, c, *, W, U, b):
    h = tanh(W @ x + U @ h + b)
    return
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    file = tmp_path_factory.mktemp("cli") / "verse.txt"
    file.write_text(VERSE * 40)
    return file


@pytest.fixture(scope="module")
def run(text):
    return train(char_lm(text=text, hidden=8, batch=4, span=8), epochs=0.5, out=text.parent / "run", quiet=True)


@pytest.fixture
def damaged(run, tmp_path):
    """A copy of the run, to be spoilt."""
    return shutil.copytree(run.folder, tmp_path / "run")


def said(capsys, *arguments):
    """Run a command in this process: (exit code, standard output, standard error)."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as end:  # how tyro reports options that do not parse
        code = end.code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


# --- what works -----------------------------------------------------------------------------------------------


def test_train_sample_and_evaluate_work_from_a_shell(text, tmp_path):
    def shell(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "unrolled", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            timeout=120,
        )

    first = shell("train", "char-lm", "--text", text, *SMALL)
    assert (first.returncode, first.stderr) == (0, "")
    assert "building the kernel of lstm ..." in first.stdout
    assert "bits per character, perplexity" in first.stdout and " on the held-out part" in first.stdout
    assert "to compare with: each character by its frequency, nats " in first.stdout
    assert first.stdout.endswith(
        "the run is in runs/char-lm-1. Next:\n"
        "    unrolled sample runs/char-lm-1 --length 1000 --temperature 0.7\n"
        "    unrolled evaluate runs/char-lm-1 --data FILE\n"
    )
    written = shell("sample", "runs/char-lm-1", "--length", 30, "--prime", "the ")
    assert len(written.stdout) == 4 + 30 + 1 and written.stdout.startswith("the ")
    scored = shell("evaluate", "runs/char-lm-1", "--text", text, "--json")
    assert json.loads(scored.stdout)["characters"] == 40 * len(VERSE) - 1


def test_the_next_free_folder_is_taken_without_out(text, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert said(capsys, "train", "char-lm", f"--text={text}", *SMALL)[0] == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["char-lm-1", "char-lm-2"]


def test_help_loads_no_torch_of_its_own_and_names_every_command():
    code = (
        "import sys; sys.modules['unrolled'] = type(sys)('unrolled'); sys.modules['unrolled'].__path__ ="
        " [{!r}]; from unrolled.cli import main; main(['--help']); assert 'torch' not in sys.modules"
    )
    source = os.path.dirname(sys.modules["unrolled.cli"].__file__)
    shown = subprocess.run([sys.executable, "-c", code.format(source)], capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    for command in ("train", "predict", "sample", "evaluate", "cells", "show", "check"):
        assert f"\n  {command} " in shown.stdout


def test_evaluate_prints_the_three_figures(run, text, capsys):
    count, (nats, bits, perplexity) = len(text.read_text()) - 1, run.evaluate(text).figures.values()
    assert said(capsys, "evaluate", run.folder, "--text", text) == (
        0,
        f"{count:,} characters: {nats:.4f} nats, {bits:.3f} bits per character, perplexity {perplexity:.3f}\n",
        "",
    )


def test_sample_is_deterministic(run, capsys):
    arguments = ["sample", run.folder, "--length", 40, "--seed", 3, "--top-k", 5]
    assert said(capsys, *arguments) == said(capsys, *arguments)


def test_several_texts_are_printed_below_each_other_each_as_alone(run, capsys):
    options = ["sample", run.folder, "--length", 20, "--prime", "the ", "--top-p", 0.9]
    code, out, err = said(capsys, *options, "--seed", 3, "--count", 2)
    alone = [said(capsys, *options, "--seed", seed)[1] for seed in (3, 4)]
    assert (
        (code, err) == (0, "")
        and out == f"--- seed 3\n{alone[0]}--- seed 4\n{alone[1]}"
        and alone[0] != alone[1]
    )
    assert out.replace("--- seed 3\n", "").replace("--- seed 4\n", "") == "".join(
        f"the {text.text}\n" for text in run.predict("the ", Writing(None, 20, top_p=0.9, seed=3, count=2))
    )


def test_weights_in_bfloat16_are_used_and_their_loss_is_said(run, text, capsys):
    code, out, err = said(capsys, "sample", run.folder, "--length", 20, "--weights", "bf16")
    assert (code, out) == (0, sampled(run, length=20, weights="bf16") + "\n")
    held_out = run.task.data().validation
    exact, coarse = (nats_per_character(model, held_out) for model in (run.model, rounded(run.model)))
    assert exact != coarse
    assert err == (
        f"weights in bfloat16: {coarse:.4f} nats per character on {len(held_out) - 1:,} held-out characters, "
        f"{exact:.4f} in float32\n"
    )


def test_the_loss_of_rounded_weights_is_not_known_without_the_text(run, text, capsys):
    aside = text.rename(text.with_suffix(".aside"))
    try:
        assert said(capsys, "sample", run.folder, "--length", 5, "--weights", "bf16")[2] == (
            f"weights in bfloat16; the text {text} is not there, so that what they cost is not known\n"
        )
    finally:
        aside.rename(text)


def test_cells_lists_every_registered_cell(capsys):
    from unrolled.cells import REGISTRY

    code, out, _ = said(capsys, "cells", "--json")
    assert code == 0 and sorted(row["name"] for row in json.loads(out)) == sorted(REGISTRY)
    code, out, _ = said(capsys, "cells")
    assert code == 0 and all(f"\n{name} " in out for name in REGISTRY)


def test_check_of_a_cell_and_of_a_run(run, capsys):
    code, out, _ = said(capsys, "check", "mgu", "--json")
    found = json.loads(out)
    assert code == 0 and found["passed"] and abs(found["nats"] - found["log_v"]) < 0.3
    assert {"layers.0.W_f", "input x", "state h"} <= found["gradients"].keys()
    code, out, _ = said(capsys, "check", run.folder)
    assert code == 0 and out.endswith("lstm: all is right\n")


@pytest.mark.parametrize(
    ("stage", "part"),
    [
        ("equations", "f[t] * c[t-1]"),
        ("graph", "sigmoid"),
        ("backward", "tanh"),
        ("plan", "before the loop"),
        ("c", "forward("),
    ],
)
def test_show_prints_each_stage(capsys, stage, part):
    code, out, err = said(capsys, "show", "lstm", "--stage", stage)
    assert (code, err) == (0, "") and part in out


def test_a_cell_out_of_a_file_trains_and_its_run_is_read_without_the_file(text, tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(CELL_FILE)
    for function in ("gated", "plain"):
        out = tmp_path / function
        given = [f"--text={text}", f"--cell={file}:{function}", f"--out={out}", *SMALL]
        code, _, err = said(capsys, "train", "char-lm", *given)
        assert (code, err) == (0, "")
    file.unlink()
    assert said(capsys, "sample", tmp_path / "gated", "--length", 5)[0] == 0


# --- what does not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["trian"],
            (
                "UsageError: there is no command 'trian': choose one of train, predict, sample, evaluate,"
                " export, runs, plot, cells, show, byhand, check, completion."
            ),
        ),
        (["train", "char"], "UsageError: there is no task 'char': choose one of char-lm, classify, "),
        (
            ["train", "--text=a"],
            (
                "UsageError: train was given --text=a before a task: write unrolled train TASK ..., "
                "TASK being one of char-lm, classify, "
            ),
        ),
        (
            ["train", "char-lm", "--hidden=0"],
            "UsageError: --hidden 0 is below 1: give a whole number from 1 up.",
        ),
        (
            ["train", "char-lm", "--minutes=0"],
            "UsageError: --minutes 0 is not above 0: give a positive number.",
        ),
        (
            ["train", "char-lm", "--epochs=-1"],
            "UsageError: --epochs -1 is not above 0: give a positive number.",
        ),
        (
            ["train", "char-lm", "--minutes=nan"],
            "UsageError: --minutes nan is not above 0: give a positive number.",
        ),
        (
            ["train", "char-lm", "--minutes=1", "--epochs=1"],
            "UsageError: --minutes 1 and --epochs 1 exclude each other: give one of them.",
        ),
        (
            ["train", "char-lm", "--seed=-1"],
            "UsageError: --seed -1 is out of range: give a whole number from 0 up.",
        ),
        (["train", "char-lm", "--text=no.txt"], "UsageError: --text no.txt does not exist: check the path."),
        (["train", "char-lm", "--text=."], "UsageError: --text . is a folder: give one text file."),
        (["train", "char-lm", "--cell=lsmt"], "UsageError: there is no cell called 'lsmt'. Did you mean lstm"),
        (
            ["train", "char-lm", "--cell=mine.py"],
            "UsageError: mine.py names no function: write FILE.py:FUNCTION, e.g. mine.py:my_cell",
        ),
        (
            ["train", "char-lm", "--cell=no.py:f"],
            "UsageError: no.py:f: the file no.py does not exist: check the path.",
        ),
        (
            ["train", "--resume", "no"],
            "UsageError: no does not exist: give the folder that `unrolled train` named at its end.",
        ),
        (
            ["sample", "no"],
            "UsageError: no does not exist: give the folder that `unrolled train` named at its end.",
        ),
        (["check", "no"], "UsageError: there is no cell called 'no'."),
        (
            ["show", "lstm", "--stage=d"],
            (
                "UsageError: there is no stage 'd': choose one of equations, latex, picture, listing, graph,"
                " backward, plan, c"
            ),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_is_one_sentence_and_exit_code_2(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = said(capsys, *arguments)
    assert (code, out) == (2, "") and err.startswith(message) and err.count("\n") == 1
    assert not list(tmp_path.iterdir()), "a wrong command must leave nothing behind"


@pytest.mark.parametrize(
    "arguments",
    [["train", "char-lm", "--hiden=3"], ["train", "char-lm", "--hidden=x"], ["evaluate", "run"], ["sample"]],
    ids=" ".join,
)
def test_options_that_do_not_parse_end_with_exit_code_2(capsys, arguments):
    assert said(capsys, *arguments)[0] == 2


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("none", "UsageError: {file}:none: {file} has no 'none'; it has gated. Check the function's name."),
        (
            "number",
            "UsageError: {file}:number: 'number' is a int, not a function: name the function that holds the "
            "cell's equations.",
        ),
        ("branching", "CellError in branching, line 3:   if h > 0:"),
        ("forgetful", "CellError in forgetful"),
    ],
)
def test_a_mistake_in_a_cells_file_is_named(text, tmp_path, capsys, function, message):
    file = tmp_path / "mine.py"
    file.write_text(CELL_FILE)
    given = [f"--text={text}", f"--cell={file}:{function}", f"--out={tmp_path / 'o'}"]
    code, _, err = said(capsys, "train", "char-lm", *given)
    assert code == 2 and err.startswith(message.format(file=file))
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def f(:\n", "SyntaxError in line 1: invalid syntax"),
        (
            "import nothing_of_the_kind\n",
            "ModuleNotFoundError in line 1: No module named 'nothing_of_the_kind'",
        ),
        ("x = 1\ny = x / 0\n", "ZeroDivisionError in line 2: division by zero"),
    ],
)
def test_a_cells_file_that_cannot_be_run_is_named_with_its_line(text, tmp_path, capsys, content, message):
    file = tmp_path / "mine.py"
    file.write_text(content)
    code, _, err = said(capsys, "train", "char-lm", f"--text={text}", f"--cell={file}:f")
    assert (code, err) == (2, f"UsageError: {file}:f: {file} cannot be run: {message}\n")


def test_unknown_characters_are_named_in_prime_and_text(run, tmp_path, capsys):
    tail = "Remove or replace them; the 29 known ones are in the run's encoding.json.\n"
    assert said(capsys, "sample", run.folder, "--prime", "thé") == (
        2,
        "",
        f"UsageError: --prime has characters that the training text never had: 'é' (U+00E9) (1 of 3). {tail}",
    )
    (tmp_path / "other.txt").write_text("THE")
    assert said(capsys, "evaluate", run.folder, "--text", tmp_path / "other.txt") == (
        2,
        "",
        (
            f"UsageError: --data {tmp_path / 'other.txt'} has characters that the training text never had: 'T'"
            f" (U+0054), 'H' (U+0048), 'E' (U+0045) (3 of 3). {tail}"
        ),
    )


def test_an_out_folder_that_holds_files_is_not_written_over(run, text, capsys):
    before = sorted(run.folder.rglob("*"))
    code, _, err = said(capsys, "train", "char-lm", f"--text={text}", f"--out={run.folder}", *SMALL)
    assert (code, err) == (
        2,
        f"UsageError: --out {run.folder} already holds files: give another folder, or go on with "
        f"that run: unrolled train --resume {run.folder}\n",
    )
    assert sorted(run.folder.rglob("*")) == before


def test_a_file_in_the_way_of_out_is_named(text, capsys):
    code, _, err = said(capsys, "train", "char-lm", f"--text={text}", f"--out={text}", *SMALL)
    assert (code, err) == (2, f"UsageError: --out {text} is a file: give the name of a new folder.\n")


def test_a_folder_that_is_no_run_is_named(tmp_path, capsys):
    assert said(capsys, "sample", tmp_path)[2] == (
        f"UsageError: {tmp_path} is not a run: it has no settings.json. "
        "Give the folder that `unrolled train` named at its end.\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (
            "settings.json",
            "{",
            "settings.json cannot be read (Input data was truncated)",
        ),
        ("settings.json", "[]", "settings.json cannot be read (Expected `object`, got `array`)"),
        (
            "settings.json",
            '{"format": 2, "task": "char-lm", "hiden": 3}',
            "settings.json cannot be read (Object contains unknown field `hiden`)",
        ),
        (
            "encoding.json",
            '{"characters": ["a", "a"]}',
            "encoding.json cannot be read (not a list of distinct characters)",
        ),
        ("encoding.json", '{"characters": ["a", "b"]}', "weights.safetensors cannot be read ("),
        ("weights.safetensors", "nothing", "weights.safetensors cannot be read ("),
    ],
)
def test_a_damaged_run_names_the_file(damaged, capsys, name, content, why):
    (damaged / name).write_text(content)
    code, out, err = said(capsys, "sample", damaged)
    assert (code, out) == (2, "")
    assert err.startswith(f"UsageError: the run {damaged} is damaged: {why}")
    assert err.endswith("Restore that file from a copy, or train again.\n") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("seed", "x", "Expected `int`, got `str` - at `$.seed`"),
        ("schedule", {"steps": -3}, "Expected `int` >= 0 - at `$.schedule.steps`"),
        ("schedule", {"steps": 3, "done": [3, 2]}, "3 / 2 of a run is not a share - at `$.schedule`"),
        ("threads", 100000, "Expected `int` <= 512 - at `$.threads`"),
        ("epochs", 1e300, "Expected `float` <= 10000000.0 - at `$.epochs`"),
        ("minutes", 3.0, "minutes and epochs"),
        ("task", "../evil", "there is no task"),
        ("options", {"text": 3}, "its task: '3' is not a path - at `$.text`"),
    ],
)
def test_damaged_settings_are_found_before_training_goes_on(damaged, capsys, key, value, why):
    settings = json.loads((damaged / "settings.json").read_text()) | {"finished": False, key: value}
    (damaged / "settings.json").write_text(json.dumps(settings))
    code, _, err = said(capsys, "train", "--resume", damaged)
    assert code == 2
    assert err.startswith(f"UsageError: the run {damaged} is damaged: settings.json cannot be read (")
    assert why in err


def test_a_cell_spoilt_in_the_settings_is_a_damaged_run(damaged, capsys):
    settings = json.loads((damaged / "settings.json").read_text())
    settings["cell"]["graph"] = {}
    (damaged / "settings.json").write_text(json.dumps(settings))
    code, _, err = said(capsys, "sample", damaged)
    assert code == 2
    assert err.startswith(f"UsageError: the run {damaged} is damaged: settings.json cannot be read (its cell: ")


def test_a_run_without_weights_yet_says_how_to_get_them(damaged, capsys):
    (damaged / "weights.safetensors").unlink()
    assert said(capsys, "sample", damaged)[2] == (
        f"UsageError: the run {damaged} has no weights yet: let it train until its first evaluation, "
        f"unrolled train --resume {damaged}\n"
    )


def test_a_rate_that_is_much_too_large_stops_the_run_with_exit_code_1(text, tmp_path, capsys):
    code, _, err = said(
        capsys, "train", "char-lm", f"--text={text}", f"--out={tmp_path / 'o'}", "--rate=1e38", *SMALL
    )
    assert code == 1 and err.startswith("Diverged: ") and "training stopped" in err and err.count("\n") == 1


def test_a_closed_pipe_ends_quietly(run):
    command = f"{sys.executable} -m unrolled.cli sample {run.folder} --length 100000 | head -c 5"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.stderr == ""


def test_on_a_terminal_one_live_line_shows_loss_bits_speed_and_time_left(text, tmp_path):
    command = [
        sys.executable,
        "-m",
        "unrolled.cli",
        "train",
        "char-lm",
        f"--text={text}",
        "--hidden=8",
        "--batch=4",
        "--span=8",
        "--epochs=8",
        f"--out={tmp_path / 'run'}",
    ]
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command,
        stdout=follower,
        stderr=follower,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        seen += part
    assert process.wait(timeout=60) == 0
    shown = seen.decode()
    assert (
        "building the kernel of lstm" in shown
        and "bits/char" in shown
        and "chars/s" in shown
        and " left" in shown
    )


def test_a_run_is_exported_and_onnxruntime_goes_on_where_it_stops(run, tmp_path, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    out = tmp_path / "model.onnx"
    code, said_out, err = said(capsys, "export", run.folder, "--out", out, "--lengths", "none")
    assert (code, err) == (0, "") and str(out) in said_out and "LSTM" in said_out
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(out, options)
    stored = session.get_modelmeta().custom_metadata_map
    assert json.loads(stored["characters"]) == list(run.encoding.characters) and stored["task"] == "char-lm"
    text = run.encoding.encode("the lazy dog")[:, None]
    with torch.no_grad():
        expected = run.model(text)[0]
    begin = {name: numpy.zeros((2, 1, 8), numpy.float32) for name in ("h_in", "c_in")}
    found = session.run(None, {"x": text.numpy(), **begin})
    assert abs(expected.numpy() - found[0]).max() < 1e-5


def test_an_export_into_no_folder_is_one_sentence(run, tmp_path, capsys):
    code, _, err = said(capsys, "export", run.folder, "--out", tmp_path / "none" / "m.onnx")
    assert (code, err.count("\n")) == (2, 1) and "which is not a folder. Make one" in err


def test_runs_are_listed_with_what_differs_and_drawn(run, text, tmp_path, capsys):
    shutil.copytree(run.folder, tmp_path / "first")
    other = char_lm(text=text, cell="gru", hidden=6, batch=4, span=8)
    train(other, epochs=0.3, out=tmp_path / "second", quiet=True)
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "settings.json").write_text("{")
    code, out, err = said(capsys, "runs", tmp_path, "--json")
    lines = json.loads(out)
    assert code == 0 and [Path(line["run"]).name for line in lines] == ["first", "second"]
    assert "third is damaged: settings.json cannot be read" in " ".join(err.split())
    assert [line["cell"] for line in lines] == ["lstm", "gru"] and all(line["finished"] for line in lines)
    assert lines[0]["figures"].keys() == {"nats_per_character", "bits_per_character", "perplexity"}
    code, out, err = said(capsys, "runs", tmp_path, "--sort", "nats_per_character")
    flat = " ".join(out.split())
    assert (code, err) == (0, "") and "hidden=8" in flat and "hidden=6" in flat and "batch" not in flat
    assert "is damaged: settings.json cannot be read" in flat
    code, out, _ = said(capsys, "plot", tmp_path / "first", tmp_path / "second", "--out", tmp_path / "p.svg")
    assert (code, out) == (0, f"written: {tmp_path / 'p.svg'}\n")
    assert "training loss" in (tmp_path / "p.svg").read_text() or (tmp_path / "p.svg").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", "nowhere"], "nowhere is not a folder: give the one that holds the runs."),
        (["runs", "."], ". holds no run: begin one with unrolled train TASK, or give another folder."),
        (["plot", "--out", "x.svg"], "plot takes at least one run: unrolled plot RUN ..."),
        (["plot", "x", "--out", "x.txt"], "--out x.txt is not a picture's name: end it in .svg, .png or .pdf."),
    ],
)
def test_runs_and_plots_that_cannot_be(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert said(capsys, *arguments) == (2, "", f"UsageError: {message}\n")
