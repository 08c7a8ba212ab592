"""Every example of every docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import unrolled

SKIPPED = {"unrolled.__main__"}  # runs the command line when it is imported
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(unrolled.__path__, "unrolled.")
    if module.name not in SKIPPED
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name, one_thread):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert not found.failed


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    count = sum(bool(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name)))
    assert count >= 75
