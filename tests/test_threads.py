"""The team of threads where no OpenMP runtime is loaded: the kernels' own."""

from __future__ import annotations

import pytest
from instances import Way, check, instance

from unrolled import find
from unrolled.kernels import StepRows
from unrolled.kernels.c.call import prepared

NAMES = ("lstm", "mgu", "indrnn")


@pytest.mark.parametrize("split", (False, True))
@pytest.mark.parametrize("name", NAMES)
def test_threads_of_our_own_give_the_same_numbers(name, split, monkeypatch):
    made = instance(find(name), {"I": 5, "H": 18}, StepRows(4, 3))
    monkeypatch.setattr(prepared, "runtime", lambda: (0, 0, 0))
    prepared._prepared.cache_clear()
    try:
        check(made, "c", way=Way(2, split))
    finally:
        prepared._prepared.cache_clear()
