"""Runs cells on teams of threads of the kernels' own, for a race detector to watch: `python racing.py CELL ...`.

ThreadSanitizer sees what instrumented code does and pthreads; an OpenMP runtime is a closed box to it. So kernels run without
one, in every way of sharing work, with blocks of few rows.
"""

from __future__ import annotations

import itertools
import sys

import together
import torch
from layer_cases import make_input, make_layer, make_state

from unrolled.cells import REGISTRY
from unrolled.kernels.c.call import generate, library, prepared
from unrolled.models.language import LanguageModel
from unrolled.models.sample import write_many
from unrolled.plan import cost

LENGTHS = (None, (40, 40, 1, 17, 39, 22, 40, 8, 30, 12, 3, 25, 39))


def own_team(split: bool) -> None:
    """Three threads that share out units, where the cell lets them, or rows."""

    def sharing(plan, width, batch, item, most):
        return 3, split and plan.splits_units and all(len(set(g.widths)) == 1 for g in plan.groups)

    prepared.sharing, generate.sharing_of_steps = sharing, lambda layers, *rest: (3, split and _all(layers))
    prepared.runtime = generate.runtime = lambda: (0, 0, 0)
    prepared._prepared.cache_clear()


def _all(layers) -> bool:
    return all(plan.splits_units and all(len(set(g.widths)) == 1 for g in plan.groups) for plan, _ in layers)


def run(name: str, split: bool) -> None:
    own_team(split)
    layer = make_layer(name, "c", torch.float32, 12, bidirectional=True)
    for lengths, ahead in itertools.product(LENGTHS, (1, 16)):
        cost.AHEAD = ahead
        prepared._prepared.cache_clear()
        x, state = make_input(layer, 40, 13), make_state(layer, 13)
        with torch.no_grad():
            layer(x, state, lengths=lengths)
        y, last = layer(x, state, lengths=lengths)
        torch.autograd.backward([y.sum(), *(s.sum() for s in last)])


def generated(name: str, split: bool) -> None:
    own_team(split)
    model = LanguageModel(7, name, 12, 2)
    write_many(model, torch.tensor([1, 3]), 30, 5)


if __name__ == "__main__":
    torch.set_num_threads(1)
    library.load = together.load
    for name, split in itertools.product(sys.argv[1:], (False, True)):
        run(name, split)
        if name in together.STARTERS and len(REGISTRY[name].inputs) == 1:
            generated(name, split)
    print("done")
