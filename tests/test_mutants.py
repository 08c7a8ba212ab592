"""Each sabotage in tests/mutants.py turns its test red: tests that cannot fail are worth nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mutants import MUTANTS, Mutant

import unrolled

TESTS = Path(__file__).parent
SOURCE = Path(unrolled.__file__).parent


def label(mutant: Mutant) -> str:
    return f"{mutant.file}: {(mutant.old.splitlines()[0]).strip()[:40]}"


def each(quick: bool):
    marks = () if quick else (pytest.mark.slow,)
    return [pytest.param(m, id=label(m), marks=marks) for m in MUTANTS if m.quick == quick]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The package's source, to spoil."""
    folder = tmp_path_factory.mktemp("mutants")
    shutil.copytree(SOURCE, folder / "unrolled", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def run(copy):
    """Runs tests on the copy, in children of one process that has imported torch:
    their exit status and output.
    """
    server = subprocess.Popen(
        [sys.executable, str(TESTS / "forked.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=TESTS.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(copy),
            "PYTHONDONTWRITEBYTECODE": "1",
            "UNROLLED_TEST_PROFILE": "quick to fail",
        },
    )

    def ask(*tests: str) -> tuple[int, str]:
        # Hypothesis is imported already.
        options = (
            "-q",
            "-x",
            "-m",
            "",
            "-p",
            "no:cacheprovider",
            "--tb=line",
            f"--rootdir={TESTS.parent}",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
        )
        print(json.dumps([*options, *(str(TESTS / test) for test in tests)]), file=server.stdin, flush=True)
        return tuple(json.loads(server.stdout.readline()))

    yield ask
    server.stdin.close()
    server.wait(timeout=60)
    server.stdout.close()


@pytest.mark.parametrize("mutant", [*each(quick=True), *each(quick=False)])
def test_a_sabotage_is_noticed(mutant, copy, run):
    path = copy / "unrolled" / mutant.file
    before = path.read_text(encoding="utf-8")
    assert before.count(mutant.old) >= 1, f"{mutant.file} no longer holds {mutant.old!r}; renew the mutant"
    path.write_text(before.replace(mutant.old, mutant.new, 1), encoding="utf-8")
    try:
        status, output = run(mutant.test)
    finally:
        path.write_text(before, encoding="utf-8")
    assert status == 1 and "failed" in output, f"nothing noticed it:\n{output[-3000:]}"


def test_the_copy_without_sabotage_passes(copy, run):
    """Else a mutant would be `noticed` because the copy itself is broken."""
    program = "import unrolled; print(unrolled.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(copy)},
    )
    assert done.stdout.strip() == str(copy / "unrolled" / "__init__.py")
    status, output = run(*(m.test for m in MUTANTS if m.quick))
    assert status == 0, output[-3000:]
