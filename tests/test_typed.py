"""The public names are typed: a program of a user's passes a type checker, and wrong uses do not."""

import subprocess
import sys
from pathlib import Path

import pytest

USE = Path(__file__).parent / "typed_use.py"
WRONG = """
import unrolled
unrolled.Recurrent("lstm", "3", 5)
unrolled.train(3)
unrolled.Net(hidden="wide")
unrolled.find("lstm").nothing
"""


def test_a_users_program_runs(tmp_path, one_thread):
    import typed_use

    (tmp_path / "verse.txt").write_text("the quick brown fox\n" * 40)
    assert typed_use.layers().isfinite() and "deck" not in typed_use.looked_into()
    assert typed_use.trained(tmp_path / "verse.txt", tmp_path / "run").startswith("t")


def checked(file: Path, cache: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", f"--cache-dir={cache}", str(file)],
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_users_program_is_well_typed_and_a_wrong_one_is_not(tmp_path):
    pytest.importorskip("mypy")
    found = checked(USE, tmp_path / "cache")
    assert found.returncode == 0, found.stdout + found.stderr
    (tmp_path / "wrong.py").write_text(WRONG)
    found = checked(tmp_path / "wrong.py", tmp_path / "cache")
    assert [
        line.split(":")[1] for line in found.stdout.splitlines() if "error" in line and "Found" not in line
    ] == ["3", "4", "5", "6"], found.stdout
