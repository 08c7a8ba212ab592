"""Settings of the whole test run: hypothesis repeatable, and a quick build for tests of many kernels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None, print_blob=False,
                          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large,
                                                 HealthCheck.function_scoped_fixture])
settings.load_profile("repeatable")


@pytest.fixture
def built_quickly():
    """Kernels at -O1, for tests that build many of them: most of the time would be the optimiser's."""
    from unrolled.kernels.c import library
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
