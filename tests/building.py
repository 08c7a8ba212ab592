"""What the tests of the C backend's building share: a new process's state, fake
compilers, a look into the cache.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from unrolled.kernels.c.build import cache
from unrolled.kernels.c.build import toolchain as tools

COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
REAL = f'exec {COMPILER} "$@"'  # what a fake compiler ends with to do its work after all
TWICE = "int twice(int n) { return 2 * n; }\n"
THRICE = "int thrice(int n) { return 3 * n; }\n"


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """A new process's state, an empty cache folder and an own folder for temporary files."""
    for name in ("CC", "UNROLLED_CC", "UNROLLED_CC_TIMEOUT", "UNROLLED_MARCH", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(cache, "_given_up", set())
    monkeypatch.setattr(cache, "_private", [])
    monkeypatch.setattr(tools, "_warned", [])
    tools._search.cache_clear()
    yield
    tools._search.cache_clear()


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """`fake(body)`: UNROLLED_CC becomes a shell script that notes each run in the list it
    returns, then does `body`.
    """

    def make(body: str, variable: str = "UNROLLED_CC"):
        script, log = tmp_path / "fake-cc", tmp_path / "runs"
        script.write_text(f'#!/bin/sh\necho "$@" >>{log}\n{body}\n')
        script.chmod(0o755)
        monkeypatch.setenv(variable, str(script))
        tools._search.cache_clear()
        return lambda: log.read_text().splitlines() if log.exists() else []

    return make


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "zig")


def only_entry(tmp_path) -> Path:
    (entry,) = entries(tmp_path / "cache")
    return entry
