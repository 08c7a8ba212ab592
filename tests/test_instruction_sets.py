"""Every processor: kernels and their tests at lesser instruction sets than this one's, and
for another architecture.

A child process builds for the instruction set that UNROLLED_MARCH names, and torch is
told to do with as little.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from headers import BINARY, DRIVER, TEXT, UNARY
from instances import needs_compiler

from unrolled.errors import UsageError
from unrolled.kernels.c.build import cache, target

TESTS = Path(__file__).parent
# What torch and oneDNN may use beside: a processor with AVX2 alone has no bfloat16
# instructions for them either.
TORCH = {
    "x86-64-v2": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "x86-64-v3": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}
x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="an x86-64 machine's instruction sets")
QUICK = [
    "test_threads.py",
    "test_translation.py::test_a_sentence_alone_is_screened_and_finds_the_same",
    "test_mixed.py::test_it_is_another_number_and_nearly_the_same",
    "test_cells.py::test_values_and_gradients[c-torch.float32-gru]",
    "test_cells.py::test_values_and_gradients[c-torch.float64-lem]",
]
KERNELS = [
    "test_cells.py",
    "test_header.py",
    "test_layers.py",
    "test_linear.py",
    "test_masks.py",
    "test_mixed.py",
    "test_ops.py",
    "test_oracles.py",
    "test_pairs.py",
    "test_random_cells.py",
    "test_recompute.py",
    "test_resets.py",
    "test_sample.py",
    "test_stacked.py",
    "test_teams.py",
    "test_threads.py",
    "test_torch_names.py",
    "test_torchrecurrent.py",
    "test_translation.py",
    "test_wholes.py",
]


def green(tests: list[str], march: str, **more: str) -> None:
    """The tests pass in a process that builds for `march`; skips where this processor cannot run that."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("UNROLLED_MARCH", march)
            target.target()
    except UsageError as error:
        pytest.skip(str(error))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**kept, **TORCH.get(march, {}), "UNROLLED_MARCH": march, **more}
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, timeout=7200)
    assert done.returncode == 0, done.stdout[-4000:]


@x86
@needs_compiler
@pytest.mark.parametrize("march", ["x86-64-v2", "x86-64-v3"])
def test_a_few_kernels_at(march):
    green(QUICK, march)


@x86
@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("march", ["x86-64-v2", "x86-64-v3", "x86-64-v4", "native"])
def test_the_kernels_tests_at(march):
    green(KERNELS, march)


@x86
@pytest.mark.slow
@pytest.mark.parametrize("march", ["x86-64-v2", "x86-64-v3", "native"])
@pytest.mark.parametrize("compiler", ["clang", "ziglang"])
def test_another_compiler_at(compiler, march):
    command = compiler
    if compiler == "ziglang":
        pytest.importorskip("ziglang")
        command = f"{sys.executable} -P -m ziglang cc -fno-sanitize=undefined"
    elif not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    green(QUICK, march, UNROLLED_CC=command, UNROLLED_CC_TIMEOUT="600")


# ---- The setting

SHOW = """
from unrolled.kernels import multiplies_pairs
from unrolled.kernels.c.build.toolchain import toolchain
print(*toolchain().instructions, multiplies_pairs(), toolchain().flags[-1])
"""


@x86
@needs_compiler
def test_python_decides_by_what_is_built(tmp_path):
    """Not by what the processor has: mixed precision is float32 where kernels cannot
    multiply bfloat16 numbers.
    """
    found = {}
    for march in ("x86-64", "x86-64-v2"):
        environment = {**os.environ, "UNROLLED_MARCH": march, "UNROLLED_CACHE": str(tmp_path)}
        command = [sys.executable, "-c", SHOW]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        found[march] = done.stdout.split()
    assert found == {"x86-64": ["False", "-march=x86-64"], "x86-64-v2": ["sse4_2", "False", "-march=x86-64-v2"]}
    # Noted apart, as kernels are kept apart by their flags.
    assert len(list(tmp_path.glob("toolchain-*.json"))) == 2


@pytest.mark.parametrize(
    ("name", "machine", "message"),
    [
        ("haswell", "x86_64 avx2 sse4_2", "it is one of native, x86-64,"),
        ("x86-64-v3", "x86_64 sse4_2 ssse3 popcnt sse2", "this processor has no avx2"),
        ("x86-64-v4", "x86_64 sse4_2 ssse3 popcnt avx2 bmi2 f16c fma movbe", "this processor has no avx512f"),
        ("x86-64-v2", "aarch64 asimd fp", "leave it out"),
    ],
)
def test_what_cannot_run_here_is_refused(name, machine, message, monkeypatch):
    monkeypatch.setenv("UNROLLED_MARCH", name)
    monkeypatch.setattr(cache, "processor", lambda: machine)
    with pytest.raises(UsageError, match=message):
        target.target()


# ---- Another architecture

CHECKS = r"""
#include <stdio.h>
#include <stdlib.h>
static int wrong;
static void expect(int right, const char *what) { if (!right) wrong = 1, printf("%s\n", what); }
static real number(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return (real)((double)(*s >> 11) / 4503599627370496.0 - 1);
}
static real A[40000], B[300000], P[400000] __attribute__((aligned(64))), C[40000], one[2000];
static void products(long M, long N, long K, int transposed)
{
    uint64_t seed = 1;
    for (long i = 0; i < M * K; i++) A[i] = number(&seed);
    for (long i = 0; i < N * K; i++) B[i] = number(&seed);
    pack(P, B, 1, N, N, K, N, 0);
    if (transposed) product_transposed(M, N, K, A, M, P, C, N, 0);
    else product(M, N, K, A, K, P, C, N, 0);
    for (long m = 0; m < M; m++) {
        for (long n = 0; n < N; n++) {
            double sum = 0, size = 0;
            for (long k = 0; k < K; k++) {
                const double p = (double)(transposed ? A[m + k * M] : A[m * K + k]) * (double)B[k * N + n];
                sum += p, size += fabs(p);
            }
            expect(fabs((double)C[m * N + n] - sum) <= (REAL == 32 ? 4e-6 : 4e-15) * size, "product");
        }
        if (transposed) continue;
        product(1, N, K, A + m * K, K, P, one, N, 0);
        expect(!memcmp(one, C + m * N, (size_t)N * sizeof(real)), "a row depends on how many there are");
    }
}
int main(void)
{
    const double allowed = REAL == 32 ? 1e-6 : 1e-14;
    products(7, 900, 300, 0), products(33, 70, 31, 0), products(13, 17, 515, 1), products(1, 1, 1, 0);
    for (int i = -400; i <= 400; i++) {
        const real v = (real)(i / 8.0);
        const double x = (double)v, logistic = 1 / (1 + exp(-x));
        expect(fabs((double)tanh_(v) - tanh(x)) <= allowed * fabs(tanh(x)), "tanh");
        expect(fabs((double)exp_(v) - exp(x)) <= allowed * exp(x), "exp");
        expect(fabs((double)sigmoid_(v) - logistic) <= allowed * logistic, "sigmoid");
        expect(fabs((double)sin_(v) - sin(x)) <= allowed && fabs((double)cos_(v) - cos(x)) <= allowed, "sin, cos");
        if (i > 0) expect(fabs((double)log_(v) - log(x)) <= allowed * (1 + fabs(log(x))), "log");
    }
    const real nan = (real)NAN;
    expect(tanh_(nan) != tanh_(nan) && exp_(nan) != exp_(nan) && sigmoid_(nan) != sigmoid_(nan), "NaN");
    if (!wrong) printf("right");
    return wrong;
}
"""


@pytest.mark.parametrize(("bits", "real"), [(32, "float"), (64, "double")])
def test_the_headers_on_an_arm_processor(bits, real, tmp_path):
    compiler, emulator = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
    if not compiler or not emulator:
        pytest.skip("no aarch64-linux-gnu-gcc, or no qemu-aarch64, here")
    macros = "".join(f"UNARY({n})\n" for n in UNARY) + "".join(f"BINARY({n})\n" for n in BINARY)
    text = f"typedef {real} real;\n#define REAL {bits}\n{TEXT}{DRIVER}{macros}{CHECKS}"
    (tmp_path / "checks.c").write_text(text)
    flags = ["-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-static"]
    command = [compiler, *flags, "checks.c", "-o", "checks", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    done = subprocess.run([emulator, str(tmp_path / "checks")], capture_output=True, text=True, timeout=300)
    assert done.stdout == "right", (done.stdout[:500], done.stderr[:500])
