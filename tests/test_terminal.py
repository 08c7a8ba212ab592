"""Terminals of every kind: one sentence for what cannot be printed, and nothing
printed that could steer one.
"""

from __future__ import annotations

import ast
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import unrolled
from unrolled import terminal
from unrolled.terminal import printable, say

ROOT = Path(unrolled.__file__).parent
SLOW = pytest.mark.slow  # a start takes a second or two
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
TEXT = "größer als 🐘\n" * 200
SMALL = "--hidden=8 --batch=4 --span=8 --epochs=0.2"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """A line of a shell, in which `unrolled` is the command."""
    command = f'unrolled() {{ "{sys.executable}" -m unrolled "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT.parent), "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run that learned letters which ASCII has not, trained where only ASCII can be printed."""
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    done = shell(f"unrolled train char-lm --text text.txt --out run {SMALL}", folder, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout.isascii()
    return folder


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("unrolled >&-", 1, "OutputError: standard output is closed: "),
        ("unrolled cells >&-", 1, "OutputError: standard output is closed: "),
        pytest.param("unrolled sample run >&-", 1, "OutputError: standard output is closed: ", marks=SLOW),
        pytest.param("unrolled train char-lm >&-", 1, "OutputError: standard output is closed: ", marks=SLOW),
        pytest.param(
            "unrolled > /dev/full", 1, "unrolled: standard output: No space left on device", marks=FULL
        ),
        pytest.param("unrolled cells > /dev/full", 1, "unrolled: standard output: No space", marks=FULL),
        pytest.param("unrolled show lstm > /dev/full", 1, "unrolled: standard output: No space", marks=FULL),
        pytest.param("unrolled show --help > /dev/full", 1, "unrolled: standard output: No space", marks=FULL),
        pytest.param("unrolled sample run > /dev/full", 1, "unrolled: standard output: No space", marks=FULL),
        (
            "unrolled sample run --prime $'gr\\xfc'",
            2,
            "UsageError: --prime has characters that the training text never",
        ),
        ("printf 'gr\\374\\n' | unrolled predict run -", 2, "UsageError: --prime has characters that"),
        ("unrolled show $(printf 'a%.0s' {1..300})", 2, "UsageError: there is no cell called 'aaaa"),
        pytest.param("unrolled sample $(printf 'a%.0s' {1..300})", None, "File name too long", marks=SLOW),
        pytest.param("unrolled check $(printf 'a%.0s' {1..300})", None, "File name too long", marks=SLOW),
        pytest.param(
            "unrolled show lstm --out $(printf 'a%.0s' {1..300})", None, "File name too long", marks=SLOW
        ),
        pytest.param(
            "unrolled train char-lm --text $(printf 'a%.0s' {1..300})", None, "File name too long", marks=SLOW
        ),
        ("unrolled byhand lstm --rows 1-1000000000", 2, "rows at most"),
        pytest.param("unrolled sample run --count 0", 2, "--count", marks=SLOW),
        pytest.param("unrolled sample run --seed 99999999999999999999999999", 2, "--seed", marks=SLOW),
        pytest.param(
            "unrolled sample run --count 99999999999 --seed 9223372036854775807", 2, "--seed", marks=SLOW
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_sentence_and_the_exit_status_of_other_programs(run, line, code, said):
    done = shell(line, run)
    err = done.stderr.decode()
    assert done.returncode == code if code is not None else done.returncode in (1, 2)
    assert said in err and err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize(
    ("line", "environment"),
    [
        ("unrolled sample run --length 50", {"PYTHONIOENCODING": "ascii"}),
        pytest.param(
            "unrolled sample run --length 50 --count 3 --json", {"PYTHONIOENCODING": "latin-1"}, marks=SLOW
        ),
        pytest.param("unrolled evaluate run --data text.txt", {"PYTHONIOENCODING": "ascii"}, marks=SLOW),
        ("unrolled cells", {"PYTHONIOENCODING": "ascii"}),
        ("unrolled sample --help", {"COLUMNS": "1"}),
        pytest.param("unrolled sample --help", {"COLUMNS": "0"}, marks=SLOW),
        pytest.param("unrolled train char-lm --help", {"COLUMNS": "-7"}, marks=SLOW),
        pytest.param("unrolled cells", {"COLUMNS": "1"}, marks=SLOW),
        ("unrolled cells", {"COLUMNS": "1000000000"}),
        pytest.param("unrolled byhand lstm", {"COLUMNS": "1"}, marks=SLOW),
        pytest.param("unrolled cells 2>&-", {}, marks=SLOW),
        pytest.param("unrolled sample run --length 5 0<&- 2>&-", {}, marks=SLOW),
        ("unrolled sample run --count 1000000000 --length 3 | head -c 1000", {}),
    ],
    ids=str,
)
def test_what_works_on_any_terminal(run, line, environment):
    done = shell(line, run, **environment)
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout


def heeded() -> None:
    """In a child: Ctrl-C is heard, also where the tests themselves were started in the
    background, which ignores it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stopped_by_ctrl_c(run: Path, after: float | None) -> str:
    """What the command says when it is stopped so long after its start; None waits until it writes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "unrolled", "sample", "run", "--length", "100000000"],
        cwd=run,
        env=os.environ | {"PYTHONPATH": str(ROOT.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heeded,
    )
    if after is None:
        process.stdout.read(20)
    else:
        time.sleep(after)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1].decode()
    assert process.returncode in (130, -signal.SIGINT)
    return said


@pytest.mark.parametrize("after", [0.2, 0.7, None])
def test_ctrl_c_ends_the_command_with_one_sentence(run, after):
    said = stopped_by_ctrl_c(run, after)
    # A busy machine: Python had not come to our code yet.
    while "<frozen runpy>" in said and "cli.py" not in said:
        after *= 2
        said = stopped_by_ctrl_c(run, after)
    assert ends_well(said)


def ends_well(said: str) -> bool:
    """One sentence; on a busy machine Python itself may still be starting, and then it is Python's to say."""
    return said == "stopped by Ctrl-C\n" or "unrolled" not in said


@pytest.mark.slow
def test_ctrl_c_at_many_moments(run):
    for k in range(60):
        assert ends_well(stopped_by_ctrl_c(run, 0.15 + k * 0.05)), k


def test_what_is_printed_cannot_steer_a_terminal():
    evil = "a\x1b[2J\x1b]0;title\x07b\x9b31m\r\u202e\x7f\x00\tc\n"
    assert printable(evil) == "a\ufffd[2J\ufffd]0;title\ufffdb\ufffd31m\ufffd\ufffd\ufffd\ufffd\tc\n"
    stream = io.StringIO()
    say("\x1b[31mred\x1b[0m \x1b[2J", stream, colours=True, end="")
    assert stream.getvalue() == "\x1b[31mred\x1b[0m \ufffd[2J"


def test_one_function_prints_what_the_commands_say():
    for file in (ROOT / "cli.py", *(ROOT / "commands").glob("*.py")):
        calls = [n for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        assert not [c.lineno for c in calls if getattr(c.func, "id", "") == "print"], file


def test_somebody_elses_program_keeps_its_own_ctrl_c():
    code = "import signal, unrolled; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, preexec_fn=heeded)


def test_only_the_command_is_the_command(monkeypatch):
    for words, right in (
        (["python", "-m", "unrolled", "cells"], True),
        (["/usr/bin/python", "/usr/bin/unrolled", "cells"], True),
        (["python", "train.py", "unrolled"], False),
        (["python", "-m", "pytest", "-k", "unrolled"], False),
    ):
        monkeypatch.setattr(sys, "orig_argv", words)
        monkeypatch.setattr(sys, "argv", ["-m"] if words[1] == "-m" else words[1:])
        assert terminal.is_command() is right
