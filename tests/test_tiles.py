"""What compilers make of the products' tiles: all sums in registers, each of B's vectors loaded
once, however they tune.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess

import pytest
from headers import FLAGS, TEXT

TILES = (1, 2, 3, 4, 5, 6)  # rows
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="looks at x86-64 instructions")


def assembly(folder, compiler: str, real: str, *flags: str) -> str:
    """The instructions of full_tile."""
    bits = 32 if real == "float" else 64
    source = (
        f"typedef {real} real;\n#define REAL {bits}\n{TEXT}\nvoid use(int rows, strip *s) {{ full_tile(rows,"
        " s); }\n"
    )
    (folder / "tile.c").write_text(source)
    words = [compiler, *(f for f in FLAGS if f != "-shared"), *flags, "-S", "tile.c", "-o", "tile.s"]
    built = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
    if built.returncode and re.search("march|mtune|target CPU", built.stderr):
        pytest.skip(f"{compiler} does not know {' '.join(flags)}")
    assert built.returncode == 0, built.stderr
    return re.search(r"^full_tile[\w.]*:.*?\.cfi_endproc", (folder / "tile.s").read_text(), re.S | re.M)[0]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("tune", ["generic", "znver3", "skylake-avx512"])
def test_every_sum_of_a_tile_is_a_register_and_every_vector_is_loaded_once(tmp_path, compiler, real, tune):
    """znver3 is what GCC 12 tunes for on any later processor of AMD's; it made one load of each product."""
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler} here")
    text = assembly(tmp_path, compiler, real, "-march=x86-64-v4", f"-mtune={tune}")
    lines = [line.partition("#")[0] for line in text.splitlines()]
    products = [line for line in lines if "vfmadd" in line and "zmm" in line]
    assert len(products) >= 4 * sum(TILES), "a loop over rows was left, and the sums with it in memory"
    assert [line for line in products if "(" in line] == []


@pytest.mark.skipif(shutil.which("clang") is None, reason="there is no clang here")
@pytest.mark.parametrize("level", ["-O0", "-O1"])
def test_a_lesser_level_is_silent(tmp_path, level):
    """Loops that are not laid out at -O0 are not a warning: tests build with it, and with -Werror."""
    (tmp_path / "a.c").write_text(f"typedef float real;\n#define REAL 32\n{TEXT}")
    words = ["clang", *FLAGS, "-Wall", "-Wextra", "-Werror", level, "a.c", "-o", "a.so", "-lm"]
    built = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
