"""Emitted C becomes a loaded library, from a cache that may be damaged, shared, full or not writable."""

from __future__ import annotations

import ast
import ctypes
import doctest
import hashlib
import os
import shutil
import stat
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from building import (  # noqa: F401 (two are fixtures)
    COMPILER,
    REAL,
    THRICE,
    TWICE,
    clean,
    entries,
    fake,
    only_entry,
)

from unrolled.errors import UsageError
from unrolled.kernels.c.build import build as build_module
from unrolled.kernels.c.build import cache, compiler
from unrolled.kernels.c.build import toolchain as tools
from unrolled.kernels.c.build.build import build
from unrolled.kernels.c.build.compiler import CompilerError

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the fake compilers are shell scripts"),
    pytest.mark.skipif(COMPILER is None, reason="no C compiler is on the PATH"),
]


# Building, and the cache


def test_a_cold_build_computes_and_keeps_source_and_checksum(tmp_path):
    assert build(TWICE, name="twice").twice(21) == 42
    entry = only_entry(tmp_path)
    assert entry.name.startswith("twice-")
    assert {path.name for path in entry.iterdir()} == {cache.LIBRARY, "kernel.c", "kernel.sha256"}
    assert (entry / "kernel.c").read_text() == TWICE
    assert (
        hashlib.sha256((entry / cache.LIBRARY).read_bytes()).hexdigest()
        == (entry / "kernel.sha256").read_text()
    )


def test_a_second_build_and_a_second_process_run_no_compiler(fake):
    runs = fake(REAL)
    build(TWICE, name="twice")
    before = len(runs())
    assert before == 3  # the probe, its --version, the kernel
    tools._search.cache_clear()  # as a new process would start
    assert build(TWICE, name="twice").twice(4) == 8
    assert len(runs()) == before


def test_an_updated_compiler_is_probed_again_and_a_damaged_note_too(fake, tmp_path):
    runs = fake(REAL)
    tools.toolchain()
    assert len(runs()) == 2
    os.utime(tmp_path / "fake-cc", (1, 1))
    tools._search.cache_clear()
    tools.toolchain()
    assert len(runs()) == 4
    for note in (tmp_path / "cache").glob("toolchain-*.json"):
        note.write_text('{"version": ')
    tools._search.cache_clear()
    assert tools.toolchain() is not None
    assert len(runs()) == 6


def test_the_key_changes_with_source_flags_compiler_and_processor(tmp_path, monkeypatch):
    build(TWICE, name="a")
    build(TWICE + " ", name="a")
    build(TWICE, name="a", optimise="-O1")
    found = tools.toolchain()
    monkeypatch.setattr(
        build_module, "toolchain", lambda: tools.Toolchain(found.command, found.version + "+", found.flags)
    )
    build(TWICE, name="a")
    monkeypatch.undo()
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "processor", lambda: "another")
    build(TWICE, name="a")
    assert len(entries(tmp_path / "cache")) == 5


def test_a_key_keeps_its_parts_apart():
    assert cache.key("ab", "c") != cache.key("a", "bc")
    assert cache.key("ab") == cache.key("ab")


def test_the_optimisation_level_is_used_and_nothing_else_is_taken(fake):
    runs = fake(REAL)
    build(TWICE, name="twice", optimise="-O1")
    assert runs()[-1].startswith("-O1 ") and "-O3" not in runs()[-1]
    with pytest.raises(UsageError, match="-ffast-math"):
        build(TWICE, name="twice", optimise="-ffast-math")


def test_any_name_stays_inside_the_cache(tmp_path):
    assert build(TWICE, name="größe/../../../outside " * 9).twice(1) == 2
    assert only_entry(tmp_path).parent == tmp_path / "cache"


def test_no_flag_changes_the_arithmetic_of_the_thread():
    found = tools.toolchain()
    assert not {"-ffast-math", "-Ofast", "-fopenmp"} & set(found.flags)
    assert {"-fno-math-errno", "-fno-trapping-math"} <= set(found.flags)
    build(TWICE, name="twice")
    assert 5e-324 * float("1") > 0, "loading a kernel made this thread flush subnormals"


def test_the_cached_path_is_quick():
    # 200 kB, as a large cell emits.
    source = TWICE + "".join(f"/* {'x' * 90} {line} */\n" for line in range(2000))
    build(source, name="large")
    times = []
    for _ in range(7):
        tools._search.cache_clear()
        start = time.perf_counter()
        build(source, name="large")
        times.append(time.perf_counter() - start)
    assert statistics.median(times) < 0.05  # 2 ms when quiet


def test_the_example_in_the_docstring_runs():
    assert doctest.testmod(build_module).failed == 0
    assert doctest.testmod(tools).failed == 0


# Damage


def truncate(entry: Path) -> None:
    (entry / cache.LIBRARY).write_bytes((entry / cache.LIBRARY).read_bytes()[:-100])


def flip_a_bit(entry: Path) -> None:
    data = bytearray((entry / cache.LIBRARY).read_bytes())
    data[len(data) // 2] ^= 1
    (entry / cache.LIBRARY).write_bytes(data)


def write_garbage_with_its_checksum(entry: Path) -> None:
    (entry / cache.LIBRARY).write_bytes(b"garbage")
    (entry / "kernel.sha256").write_text(hashlib.sha256(b"garbage").hexdigest())


def replace_by_a_file(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("not a folder")


DAMAGES = {
    "truncated": truncate,
    "one bit": flip_a_bit,
    "empty": lambda entry: (entry / cache.LIBRARY).write_bytes(b""),
    "no library": lambda entry: (entry / cache.LIBRARY).unlink(),
    "no checksum": lambda entry: (entry / "kernel.sha256").unlink(),
    "binary checksum": lambda entry: (entry / "kernel.sha256").write_bytes(b"\xff\xfe"),
    "garbage with its checksum": write_garbage_with_its_checksum,
    "a file": replace_by_a_file,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_entry_is_rebuilt_once(damage, fake, tmp_path, monkeypatch):
    runs = fake(REAL)
    build(TWICE, name="twice")
    # A copy under another path: this process has mapped the first one and must not see it change.
    shutil.copytree(tmp_path / "cache", tmp_path / "copy")
    (tmp_path / "copy").chmod(0o700)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "copy"))
    (entry,) = entries(tmp_path / "copy")
    before = len(runs())
    damage(entry)
    assert build(TWICE, name="twice").twice(5) == 10
    assert len(runs()) == before + 1
    assert cache.whole(entry)
    assert entries(tmp_path / "copy") == [entry], "something was left behind"


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path):
    build(TWICE, name="twice")
    old, new = tmp_path / "cache" / ".building-old", tmp_path / "cache" / ".building-new"
    old.mkdir(), new.mkdir()
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    build(THRICE, name="thrice")
    assert not old.exists() and new.exists()


def test_two_processes_that_build_the_same_kernel_at_once_both_succeed(fake, tmp_path, monkeypatch):
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    # Neither compiler goes on before the other has started: both processes really build.
    runs = fake(f"""if grep -q twice kernel.c; then
        touch {meeting}/$$; n=0
        while [ $(ls {meeting} | wc -l) -lt 2 ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n+1)); done
    fi\n{REAL}""")
    code = f"from unrolled.kernels.c.build.build import build; print(build({TWICE!r}, name='twice').twice(3))"
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=90) for process in started]
    assert [out.strip() for out, _ in ended] == ["6", "6"], ended
    assert len(list(meeting.iterdir())) == 2
    assert cache.whole(only_entry(tmp_path))
    before = len(runs())
    assert build(TWICE, name="twice").twice(3) == 6
    assert len(runs()) == before, "the entry that both left is not used"


# The folder


def test_the_folder_is_made_for_us_alone(tmp_path):
    before = os.umask(0)
    try:
        build(TWICE, name="twice")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert stat.S_IMODE(only_entry(tmp_path).stat().st_mode) == 0o700


def test_where_the_folder_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("UNROLLED_CACHE", "~/mine")
    assert cache.wanted_folder() == tmp_path / "mine"
    monkeypatch.delenv("UNROLLED_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.wanted_folder() == tmp_path / "xdg" / "unrolled"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    usual = "Library/Caches" if sys.platform == "darwin" else ".cache"
    assert cache.wanted_folder() == tmp_path / usual / "unrolled"


def is_used_instead(tmp_path, reason: str) -> None:
    """Two builds: one warning with the reason, and both kernels in one private temporary folder."""
    with pytest.warns(cache.CacheWarning) as caught:
        assert build(TWICE, name="twice").twice(6) == 12
        assert build(THRICE, name="thrice").thrice(6) == 18
    (warning,) = caught
    assert reason in str(warning.message) and "UNROLLED_CACHE" in str(warning.message)
    (private,) = (tmp_path / "tmp").glob("unrolled-*")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert len(entries(private)) == 2


def test_a_home_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.delenv("UNROLLED_CACHE")
    monkeypatch.setenv("HOME", "/dev/null")  # not even root can
    is_used_instead(tmp_path, "/dev/null")


def test_a_home_that_is_not_known(tmp_path, monkeypatch):
    monkeypatch.delenv("UNROLLED_CACHE")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    is_used_instead(tmp_path, "no home")


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
def test_a_folder_that_others_may_write_is_refused(mode, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    is_used_instead(tmp_path, f"mode {mode:o}")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_that_belongs_to_another_is_refused(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: (tmp_path / "cache").stat().st_uid + 1)
    is_used_instead(tmp_path, "belongs to user")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o772])
@pytest.mark.parametrize("above", [1, 2])
def test_a_folder_below_one_that_others_may_write_is_refused(mode, above, tmp_path, monkeypatch):
    folder = tmp_path / "shared" / "mine" / "cache"
    folder.mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("UNROLLED_CACHE", str(folder))
    folder.parents[above - 1].chmod(mode)
    with pytest.raises(PermissionError, match="above it"):
        cache.user_folder()
    folder.parents[above - 1].chmod(0o1777)  # as /tmp is: nobody may move what is another's
    assert cache.user_folder() == folder.resolve()
    folder.parents[above - 1].chmod(0o700)
    assert cache.user_folder() == folder.resolve()


def test_a_folder_behind_a_link_is_judged_where_it_is(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    (shared / "cache").mkdir(parents=True, mode=0o700)
    shared.chmod(0o777)
    (tmp_path / "link").symlink_to(shared)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "link" / "cache"))
    with pytest.raises(PermissionError, match="above it"):
        cache.user_folder()


def test_a_group_of_ones_own_may_write_above(tmp_path, monkeypatch):
    (tmp_path / "home" / "cache").mkdir(parents=True, mode=0o700)
    (tmp_path / "home").chmod(0o770)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "home" / "cache"))
    monkeypatch.setattr(cache, "_alone_in", lambda group: True)
    assert cache.user_folder() == (tmp_path / "home" / "cache").resolve()
    monkeypatch.setattr(cache, "_alone_in", lambda group: False)
    with pytest.raises(PermissionError, match="above it"):
        cache.user_folder()


def test_a_full_disk_gives_way_to_the_temporary_folder(fake, tmp_path):
    runs = fake(
        'case "$PWD" in */cache/*) echo "ld: final link failed: No space left on device"; exit 1;;'
        f" esac\n{REAL}"
    )
    is_used_instead(tmp_path, "no space is left")
    assert entries(tmp_path / "cache") == []
    # 1 there; then the probe, --version, two kernels.
    assert len(runs()) == 5, "the full folder was tried again"


def test_a_full_disk_everywhere_is_one_clear_error(fake):
    fake(f'if grep -q twice kernel.c; then echo "ld: No space left on device"; exit 1; fi\n{REAL}')
    message = "built nowhere: no space.*Free some space"
    with pytest.warns(cache.CacheWarning), pytest.raises(CompilerError, match=message):
        build(TWICE, name="twice")


def test_a_forked_child_leaves_its_parents_folder(tmp_path):
    code = """if True:
        import os, sys, warnings
        warnings.simplefilter("ignore")
        from unrolled.kernels.c.build.cache import private_folder
        folder = private_folder()
        if (child := os.fork()) == 0:
            sys.exit(0)
        os.waitpid(child, 0)
        assert folder.is_dir(), "the child removed it"
        print(folder)"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.strip() and not Path(ended.stdout.strip()).exists(), "it outlives its process"


def test_processor_features_are_told_apart():
    assert cache.processor() == cache.processor()
    if Path("/proc/cpuinfo").exists():
        assert len(cache.processor().split()) > 1


def test_the_modules_import_nothing_from_above():
    for module in (build_module, cache, compiler, tools):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert (
                    name.split(".")[0] in sys.stdlib_module_names
                    or name == "unrolled.errors"
                    or name.startswith("unrolled.kernels.c")
                ), f"{module.__name__} imports {name}"


def test_a_loaded_kernel_takes_pointers():
    head, body = (
        "(double *y, const double *x, long n, double a)",
        "for (long i = 0; i < n; i++) y[i] = a * x[i];",
    )
    source = f"void scale{head} {{ {body} }}"
    scale = build(source, name="scale").scale
    scale.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_double]
    x, y = (ctypes.c_double * 3)(1, 2, 5e-324), (ctypes.c_double * 3)()
    scale(ctypes.addressof(y), ctypes.addressof(x), 3, 1.0)
    assert list(y) == [1, 2, 5e-324]
