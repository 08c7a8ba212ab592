"""What a run reports, for TensorBoard as well: the lines of metrics.jsonl as curves in the run's folder,
written by a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from ..errors import UsageError
from ..runs.folder import RunFolder

MISSING = "TensorBoard is not installed: pip install 'unrolled[tensorboard]' (or pip install tensorboard)"


def installed() -> bool:
    return find_spec("tensorboard") is not None


def check_installed(asked: bool) -> None:
    """Raise UsageError where curves are asked for that nothing can write."""
    if asked and not installed():
        raise UsageError(f"--tensorboard: {MISSING}, or leave the option out.")


class Board:
    """Curves of a run. A run that goes on at a step takes back what was written after it.

    say  is told in one sentence when the disk would take no more; the training goes on
    """

    def __init__(self, folder: RunFolder, step: int, say: Callable[[str], None]):
        from torch.utils.tensorboard import SummaryWriter

        place = folder.tensorboard()
        before = [] if any(place.iterdir()) else folder.metrics()
        self._say = say
        self._writer: Any = SummaryWriter(str(place), purge_step=step + 1 if step else None)
        for line in before:
            self.write(line)

    def write(self, line: dict[str, Any]) -> None:
        """A line of metrics.jsonl."""
        step, figures = line["step"], line.get("figures", {})
        curves = {"training loss": line.get("loss")} | {f"held out/{name}": figures[name] for name in figures}
        self._tried(
            lambda: [
                self._writer.add_scalar(name, value, step)
                for name, value in curves.items()
                if value is not None
            ]
        )

    def close(self) -> None:
        self._tried(lambda: self._writer.close())

    def _tried(self, act: Callable[[], object]) -> None:
        if self._writer is None:
            return
        try:
            act()
        except OSError as error:
            self._writer = None
            self._say(f"nothing more is written for TensorBoard ({error.strerror or error})")
