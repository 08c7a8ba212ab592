"""Runs cells on teams of threads of the kernels' own, for a race detector to watch:
`python racing.py CELL ...`.

ThreadSanitizer sees what instrumented code does and pthreads; an OpenMP runtime is a closed box to it. So
kernels run without one, in every way of sharing work, with blocks of few rows.
"""

from __future__ import annotations

import itertools
import sys

import together
import torch
from layer_cases import make_input, make_layer, make_state

from unrolled.cells import REGISTRY
from unrolled.kernels.c.call import decode, generate, library, prepared, read
from unrolled.kernels.c.call.ways import fixed
from unrolled.models.decoding import finder
from unrolled.models.language import LanguageModel
from unrolled.models.sample import write_many
from unrolled.models.search import Beam
from unrolled.models.translation import Translator
from unrolled.plan.cost import AHEAD, Way

LENGTHS = (None, (40, 40, 1, 17, 39, 22, 40, 8, 30, 12, 3, 25, 39))


def run(name: str, split: bool) -> None:
    layer = make_layer(name, "c", torch.float32, 12, bidirectional=True)
    for lengths, ahead in itertools.product(LENGTHS, (1, 16)):
        x, state = make_input(layer, 40, 13), make_state(layer, 13)
        with fixed(Way(3, split, ahead)):
            with torch.no_grad():
                layer(x, state, lengths=lengths)
            y, last = layer(x, state, lengths=lengths)
            torch.autograd.backward([y.sum(), *(s.sum() for s in last)])


def generated(name: str, split: bool) -> None:
    model = LanguageModel(7, name, 12, 2)
    with fixed(Way(3, split, AHEAD)):
        write_many(model, torch.tensor([1, 3]), 30, count=5)


def translated(name: str, split: bool) -> None:
    """Beam search, and one sentence, which is read by a team and screened."""
    model = Translator(9, 300, name, 12, 2, embedding=10)
    for beam in (Beam(1), Beam(3, distinct=2)):
        with fixed(Way(3, split, AHEAD)):
            find = finder(model, beam)
            find([[4, 5, 6]]), find([[4, 5], [6], [7, 8, 4]])


if __name__ == "__main__":
    torch.set_num_threads(1)
    library.load = together.load
    prepared.runtime = generate.runtime = decode.runtime = read.runtime = lambda: (0, 0, 0)
    for name, split in itertools.product(sys.argv[1:], (False, True)):
        run(name, split)
        if name in together.STARTERS and len(REGISTRY[name].inputs) == 1:
            generated(name, split)
            translated(name, split)
    print("done")
