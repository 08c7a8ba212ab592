"""Settings of the whole test run: hypothesis repeatable, and a quick build for tests of many kernels."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None, print_blob=False,
                          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.load_profile("repeatable")


@pytest.fixture(scope="module")
def built_quickly():
    """Kernels at -O1, for modules that build many of them: most of the time would be the optimiser's."""
    from unrolled.kernels.c import library
    before, library.OPTIMISE = library.OPTIMISE, "-O1"
    yield
    library.OPTIMISE = before
