"""Ctrl-C during a long call of a kernel: the handlers of signals run meanwhile, and what
they raise ends the call.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextvars import copy_context

import pytest
import torch
from instances import Way, needs_compiler
from layer_cases import make_layer

from unrolled.kernels.c.call import library, prepared
from unrolled.kernels.c.emit.emit import emit

pytestmark = [
    needs_compiler,
    pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no signal here that is free for a test"),
    pytest.mark.usefixtures("one_thread"),
]
WAYS = ((1, False), (2, False), (3, True))
STEPS = 1500


class Asked(Exception):
    """What a handler raises."""


@pytest.fixture
def slow(monkeypatch, built_quickly):
    """Kernels that take a millisecond a step, and look for signals at each."""

    def slowed(plan, precision: str) -> str:
        text = emit(plan, precision).replace("#include <math.h>", "#include <math.h>\n#include <unistd.h>")
        return text.replace("if (--until", "usleep(1000);\n        if (--until")

    monkeypatch.setattr(library, "emit", slowed)
    monkeypatch.setattr(prepared, "LOOK", 0)
    library.functions.cache_clear()
    yield
    library.functions.cache_clear()
    prepared._prepared.cache_clear()


@pytest.fixture
def signalled(monkeypatch):
    """`signalled(handler)`: the signal comes in a tenth of a second."""
    before, timers = signal.getsignal(signal.SIGUSR1), []

    def start(handler) -> None:
        signal.signal(signal.SIGUSR1, handler)
        timers.append(threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)))
        timers[-1].start()

    yield start
    for timer in timers:
        timer.join()
    signal.signal(signal.SIGUSR1, before)


def ask(*_) -> None:
    raise Asked


@pytest.mark.parametrize("each", WAYS, ids=str)
def test_what_a_handler_raises_ends_the_call(each, slow, signalled):
    layer, x = make_layer("lstm", "c", torch.float32, 64), torch.randn(STEPS, 4, 3)
    with Way(*each).taken():
        expected = layer(x[:5])[0]
        for grad in (False, True):
            began = time.monotonic()
            signalled(ask)
            with pytest.raises(Asked), torch.set_grad_enabled(grad):
                layer(x)
            assert time.monotonic() - began < 1.4  # of 1.5 seconds and more
        torch.testing.assert_close(layer(x[:5])[0], expected, rtol=0, atol=0)


@pytest.mark.parametrize("each", WAYS, ids=str)
def test_the_backward_pass_ends_too(each, slow, signalled):
    layer, x = make_layer("lstm", "c", torch.float32, 64), torch.randn(600, 4, 3)
    with Way(*each).taken():
        y = layer(x)[0].sum()
        began = time.monotonic()
        signalled(ask)
        with pytest.raises(Asked):
            y.backward()
        assert time.monotonic() - began < 0.55


def test_a_handler_that_raises_nothing_changes_nothing(slow, signalled):
    layer, x, seen = make_layer("gru", "c", torch.float32, 16), torch.randn(500, 4, 3), []
    signalled(lambda *_: seen.append(time.monotonic()))
    with torch.no_grad(), Way(2, False).taken():
        found, ended = layer(x)[0], time.monotonic()
    with torch.no_grad(), Way(1, False).taken():
        torch.testing.assert_close(found, layer(x)[0], rtol=0, atol=0)
    assert len(seen) == 1 and seen[0] < ended - 0.1  # it did not wait for the call's end


def test_a_call_in_another_thread_goes_on(slow, signalled):
    """Python runs handlers in its main thread alone: there the exception is raised, and nowhere else."""
    layer, x, found = make_layer("gru", "c", torch.float32, 16), torch.randn(600, 4, 3), []
    done = threading.Event()

    def work() -> None:
        with torch.no_grad():
            found.append(layer(x)[0])
        done.set()

    with Way(1, False).taken():
        thread = threading.Thread(target=copy_context().run, args=(work,))
        thread.start()
        signalled(ask)
        with pytest.raises(Asked):
            done.wait(60)
        thread.join()
        with torch.no_grad():
            assert torch.equal(found[0], layer(x)[0])
