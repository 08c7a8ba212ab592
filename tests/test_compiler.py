"""Compilers that are missing, refuse, crash, hang or lie: each is named with the reason,
and nothing is left behind.
"""

from __future__ import annotations

import importlib.util
import sys
import time

import pytest
from building import COMPILER, REAL, TWICE, clean, entries, fake  # noqa: F401 (two are fixtures)

from unrolled.errors import UsageError
from unrolled.kernels.c.build import toolchain as tools
from unrolled.kernels.c.build.build import build
from unrolled.kernels.c.build.compiler import CompilerError

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the fake compilers are shell scripts"),
    pytest.mark.skipif(COMPILER is None, reason="no C compiler is on the PATH"),
]


BROKEN = {
    "refuses": ("echo 'fake: error: no licence' >&2; exit 3", "exit status 3:\nfake: error: no licence"),
    "fails after writing": (f'{COMPILER} "$@"; exit 4', "exit status 4"),
    "crashes": ("kill -SEGV $$", "was ended by SIGSEGV"),
    "writes nothing": ("exit 0", "wrote no library"),
    "writes garbage": ("echo garbage >kernel.so", "cannot be loaded"),
    "computes wrongly": (
        "echo 'float unrolled_probe(float *x, int n) { return 7; }' >other.c; "
        f"{COMPILER} -shared -fPIC -o kernel.so other.c",
        "numbers are wrong",
    ),
}


@pytest.mark.parametrize(("body", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_compiler_is_named_with_the_reason(body, reason, fake, tmp_path):
    fake(body)
    assert tools.toolchain() is None
    assert str(tmp_path / "fake-cc") in tools.why_unusable()
    assert reason in tools.why_unusable()
    with pytest.raises(CompilerError, match="The kernel of twice cannot be built: .*fake-cc"):
        build(TWICE, name="twice")


@pytest.mark.parametrize("body", [body for body, _ in BROKEN.values()], ids=BROKEN.keys())
def test_a_broken_cc_variable_gives_way_to_the_system_compiler(body, fake):
    fake(body, variable="CC")
    assert tools.toolchain().command == (COMPILER,)
    assert build(TWICE, name="twice").twice(2) == 4  # and no warning: the cache folder is not to blame


def test_a_missing_compiler_is_named(monkeypatch):
    for text in ("/nowhere/cc", "no-such-compiler -m64", "'open quotation"):
        monkeypatch.setenv("UNROLLED_CC", text)
        tools._search.cache_clear()
        assert tools.toolchain() is None
        assert repr(text) in tools.why_unusable() and "UNROLLED_CC names it" in tools.why_unusable()


def test_an_executable_that_is_no_program_is_named(tmp_path, monkeypatch):
    (tmp_path / "cc").write_bytes(b"\x7fnothing")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("UNROLLED_CC", str(tmp_path / "cc"))
    assert tools.toolchain() is None
    assert "cannot be started" in tools.why_unusable()


def test_a_compiler_with_fast_math_is_refused(monkeypatch):
    monkeypatch.setenv("UNROLLED_CC", f"{COMPILER} -ffast-math")
    assert tools.toolchain() is None
    assert "-ffast-math" in tools.why_unusable()


def test_a_compiler_may_be_several_words(monkeypatch):
    monkeypatch.setenv("UNROLLED_CC", f"{COMPILER} -DFACTOR=5")
    assert build("int f(void) { return FACTOR; }", name="f").f() == 5


def test_a_hanging_compiler_and_its_children_are_ended(fake, tmp_path, monkeypatch):
    late = tmp_path / "late"
    runs = fake(f"(sleep 3; touch {late}) & wait")
    monkeypatch.setenv("UNROLLED_CC_TIMEOUT", "0.3")
    start = time.monotonic()
    assert tools.toolchain() is None
    assert time.monotonic() - start < 2.5, "the time limit did not hold"
    assert "did not finish within 0.3 seconds" in tools.why_unusable()
    assert len(runs()) == 1, "it was tried again with other flags"
    time.sleep(3.2 - (time.monotonic() - start))
    assert not late.exists(), "a child of the compiler lived on"


def test_a_compiler_that_hangs_on_a_kernel_only(fake, tmp_path, monkeypatch):
    fake(f"if grep -q twice kernel.c; then sleep 60; fi\n{REAL}")
    assert tools.toolchain() is not None
    monkeypatch.setenv("UNROLLED_CC_TIMEOUT", "0.3")
    with pytest.raises(
        CompilerError, match="kernel of twice could not be built: .*did not finish within 0.3 seconds"
    ):
        build(TWICE, name="twice")
    assert entries(tmp_path / "cache") == []


@pytest.mark.parametrize("text", ["soon", "0", "-3", "nan"])
def test_an_unreadable_time_limit_is_a_usage_error(text, monkeypatch):
    monkeypatch.setenv("UNROLLED_CC_TIMEOUT", text)
    with pytest.raises(UsageError, match=text):
        build(TWICE, name="twice")


def test_a_compiler_that_knows_no_native_instructions_gets_none(fake):
    fake(f'case "$*" in *=native*) echo "unknown option" >&2; exit 1;; esac\n{REAL}')
    assert tools.toolchain().flags == tools.BASE
    assert build(TWICE, name="twice").twice(8) == 16


def test_wrong_source_quotes_the_compiler_and_leaves_nothing(tmp_path):
    with pytest.raises(CompilerError) as caught:
        build("int f( { return 1; }", name="my_cell")
    message = str(caught.value)
    assert message.startswith("The kernel of my_cell could not be built: ")
    assert "kernel.c:1:" in message and "error" in message and 'backend="reference"' in message
    assert len(message.splitlines()) < 12
    assert entries(tmp_path / "cache") == []


def test_without_any_compiler_the_reason_names_what_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert tools.toolchain() is None
    for word in ("'cc'", "'gcc'", "'clang'", "ziglang"):
        assert word in tools.why_unusable()


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="the package ziglang is not installed")
def test_ziglang_is_used_where_there_is_no_system_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", "/dev/null")
    found = tools.toolchain()
    assert found is not None, tools.why_unusable()
    assert "ziglang" in found.command and found.version.startswith("ziglang ")
    assert build(TWICE, name="twice").twice(21) == 42


def test_one_warning_says_that_the_reference_backend_runs():
    with pytest.warns(tools.SlowBackendWarning) as caught:
        tools.warn_no_compiler("there is none")
        tools.warn_no_compiler("there is none")
    (warning,) = caught
    for word in (
        "there is none",
        "reference backend",
        "2 to 10 times slower",
        "gcc or clang",
        "pip install ziglang",
    ):
        assert word in str(warning.message)
