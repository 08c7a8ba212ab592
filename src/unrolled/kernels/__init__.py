"""Floor 4: kernels run a plan. `run` prepares a call, chooses a backend, and hands it over.

A backend is one folder with a spelling of each primitive, `obstacle(call)` (why it cannot run,
or None) and `run(call)`.
"""

from .call import Call, Parameters, StepRows, prepare
from .choose import BACKENDS, chain_of, decoder, fastest, generator, multiplies_pairs, sentence_reader
from .eager import run

__all__ = [
    "BACKENDS",
    "Call",
    "Parameters",
    "StepRows",
    "chain_of",
    "decoder",
    "generator",
    "fastest",
    "multiplies_pairs",
    "prepare",
    "run",
    "sentence_reader",
]
