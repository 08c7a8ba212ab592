"""Settings of the whole test run: hypothesis repeatable, and quick builds for tests of many kernels."""

from __future__ import annotations

import os

import pytest
import together
import torch
from hypothesis import HealthCheck, Phase, settings

from unrolled.kernels.c.build.toolchain import toolchain
from unrolled.kernels.c.call import library

settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
# Tests of sabotaged copies (test_mutants.py) only ask whether something fails, not for the smallest example.
settings.register_profile(
    "quick to fail", parent=settings.get_profile("repeatable"), phases=(Phase.explicit, Phase.generate)
)
settings.load_profile(os.environ.get("UNROLLED_TEST_PROFILE", "repeatable"))


WORKER = os.environ.get("PYTEST_XDIST_WORKER")  # gw0, gw1 with `-n 2`
if WORKER:  # the cores are taken; tests that need threads ask for two
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("COLUMNS", None)  # the worker's own, 80; what is printed into a pipe is wider
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def built_together(request):
    """The zoo's kernels come out of one file a family; a run of many tests builds them all first."""
    library.load = together.load
    if len(request.session.items) > 2000 and toolchain() is not None:
        together.build_all(backwards=WORKER == "gw1", at_once=1 if WORKER else 2)
    yield
    library.load = together.alone


@pytest.fixture
def built_quickly():
    """Every kernel at -O1, the starters' and float64's, too: for tests that build many of them."""
    before, library.OPTIMISE = library.OPTIMISE, "-O1"
    yield
    library.OPTIMISE = before


@pytest.fixture(scope="module")
def one_thread():
    """Tiny models gain nothing from a second thread, and lose much where other tests run beside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """From a kind of tiny.TINY to a run of it with a step to go on with, and what it is
    put to; each trained once.
    """
    import tiny

    made = {}

    def one(kind: str):
        if kind not in made:
            made[kind] = tiny.stopped(kind, tmp_path_factory.mktemp("tiny"))
        return made[kind]

    return one
