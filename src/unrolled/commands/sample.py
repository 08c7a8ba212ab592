"""`unrolled sample`: text on the terminal as it is drawn, or several texts below each other."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ..progress import printable
from ..trained import Run, open_run


@dataclass(frozen=True)
class Wish:
    """What the command was asked for; see its options."""

    prime: str | None
    length: int
    temperature: float
    top_k: int | None
    top_p: float | None
    seed: int
    count: int
    weights: str


def texts(folder: Path, wish: Wish) -> None:
    """Writes the texts to standard output; what rounded weights cost, to standard error."""
    run = open_run(folder)
    if wish.count == 1:
        _one(run, wish)
    else:
        _several(run, wish)
    if wish.weights == "bf16":
        print(_cost(run), file=sys.stderr)


def _one(run: Run, wish: Wish) -> None:
    drawn = run.task.sample(
        run.model,
        run.vocabulary,
        prime=wish.prime,
        length=wish.length,
        temperature=wish.temperature,
        top_k=wish.top_k,
        top_p=wish.top_p,
        seed=wish.seed,
        weights=wish.weights,
    )
    clean = printable if sys.stdout.isatty() else str
    sys.stdout.write(clean(wish.prime or ""))
    for character in drawn:
        sys.stdout.write(clean(character))
        sys.stdout.flush()
    sys.stdout.write("\n")


def _several(run: Run, wish: Wish) -> None:
    written = run.samples(
        wish.count,
        wish.prime,
        wish.length,
        temperature=wish.temperature,
        top_k=wish.top_k,
        top_p=wish.top_p,
        seed=wish.seed,
        weights=wish.weights,
    )
    clean = printable if sys.stdout.isatty() else str
    for number, text in enumerate(written):
        print(f"--- seed {wish.seed + number}\n{clean((wish.prime or '') + text)}")


def _cost(run: Run) -> str:
    cost = run.cost_of_rounding()
    if cost is None:
        return (
            f"weights in bfloat16; the text {run.task.text} is not there, so that what they cost is not known"
        )
    count, exact, coarse = cost
    return f"weights in bfloat16: {coarse:.4f} nats per character on {count:,} held-out characters, {exact:.4f} in float32"
