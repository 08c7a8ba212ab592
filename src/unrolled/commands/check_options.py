"""`unrolled check CELL|RUN`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..terminal import say, say_json
from .options import Json, Positional, parse


@dataclass(frozen=True)
class CheckOptions:
    """Gradients against finite differences in float64, and an untrained model's loss against log V."""

    what: Positional[str]
    """a cell's name, FILE.py:FUNCTION, or a run's folder"""
    as_json: Json = False
    """print one JSON object"""


def command(name: str, arguments: list[str]) -> int:
    options = parse(CheckOptions, f"unrolled {name}", arguments)
    from ..cell_file import find_cell
    from ..check import GRADIENT_LIMIT, check_cell

    if Path(options.what).is_dir():
        from ..runs.folder import RunFolder
        from ..runs.run import read_parts

        folder = RunFolder.open(options.what)
        net = read_parts(folder, folder.settings())[0].net
        checked = check_cell(net.cell, hidden=net.hidden, layers=net.layers)
    else:
        checked = check_cell(find_cell(options.what))
    if options.as_json:
        say_json(checked.to_json())
        return 0 if checked.passed else 1
    for name, error in checked.gradients.items():
        say(
            f"{'right' if error <= GRADIENT_LIMIT else 'WRONG'}  {name:24} {error:.1e} off the finite"
            " differences"
        )
    if checked.nats is not None:
        say(f"untrained: {checked.nats:.4f} nats per character, log V is {checked.log_v:.4f}")
    say(f"{checked.cell}: {'all is right' if checked.passed else 'something is WRONG'}")
    return 0 if checked.passed else 1
