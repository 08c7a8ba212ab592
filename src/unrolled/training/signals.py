"""Ctrl-C and SIGTERM as a request to stop at the next step, rather than anywhere."""

from __future__ import annotations

import signal
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While its `with` block runs, `name` becomes the name of the first signal that asks to stop.

    A second signal acts as it would have without the block, so that a run that hangs can still be stopped.
    Outside the main thread, where Python allows no handlers, the block does nothing.
    """

    def __init__(self):
        self.name: str | None = None
        self._before: dict = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._asked) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, _frame) -> None:
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        signal.signal(number, self._before[number])
