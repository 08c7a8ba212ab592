"""Which backend runs a call: the one asked for, or the fastest that can."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from types import ModuleType

from torch import Tensor

from ..errors import NotYet
from .call import Call
from .reference import run as reference

BACKENDS = ("c", "reference")


def chosen(call: Call, backend: str) -> Callable:
    """The function that runs `call`. Raises NotYet, naming the obstacle, where the backend asked for cannot."""
    if backend == "reference":
        return run_reference
    c = _compiled()
    obstacle = c.obstacle(call)
    if obstacle is None:
        return c.run if backend == "c" or not c.unbuildable(call) else run_reference
    if backend == "c":
        raise NotYet(
            f"the c backend cannot run {call.plan.graph.name} here: {obstacle}. "
            'It runs with backend="reference". Nothing was switched for you.'
        )
    return run_reference


@lru_cache(maxsize=1)
def _compiled() -> ModuleType:
    """The C backend, loaded only when it is wanted; found at once after that, which an import is not."""
    from .c.call import run

    return run


def multiplies_pairs() -> bool:
    """Whether a backend has products of bfloat16 numbers here, so that mixed
    precision is worth its rounding.
    """
    from .c.call.prepared import multiplies_pairs

    return multiplies_pairs()


def fastest(ways: Mapping[str, Callable[[], object]], *key: object):
    """The fastest of some ways to do the same thing, timed once on this machine; kernels/c/build/timed.py."""
    from .c.build.timed import fastest

    return fastest(ways, *key)


def generator(calls: tuple[Call, ...], head: Tensor, bias: Tensor, half: bool) -> Callable | None:
    """Makes a generator of text, kernels/c/call/generate.py, from (tokens, seeds, rule); None
    where no backend has one.
    """
    from .c.call import generate as c
    from .c.call.run import unbuildable

    model = c.Model(calls, head, bias, half)
    return None if c.why_not(model) or any(map(unbuildable, calls)) else partial(c.Generator, model)


def decoder(network_of: Mapping[str, object], beam: int, together: int, distinct: int) -> Callable | None:
    """Makes what finds sequences by beam search, kernels/c/call/decode.py, of a `Network` of these fields; None
    where no backend does."""
    from .c.call import decode as c
    from .c.call.run import unbuildable

    network = c.Network(**network_of)
    impossible = c.why_not(network) or any(map(unbuildable, network.calls))
    return None if impossible else partial(c.Decoder, network, beam, together, distinct)


def sentence_reader(encoder_of: Mapping[str, object]) -> Callable | None:
    """Makes what reads one sentence at a time, kernels/c/call/read.py, of an `Encoder` of these fields; None
    where no backend does."""
    from .c.call import read as c
    from .c.call.run import unbuildable

    encoder = c.Encoder(**encoder_of)
    return None if c.why_not(encoder) or any(map(unbuildable, encoder.calls)) else partial(c.Reader, encoder)


def chain_of(given: Sequence[Tensor]) -> ModuleType | None:
    """What adds up the ways to tag rows and finds the best, kernels/c/call/chain.py; None where none does.

    given  scores (T, B, K), those of a tag behind another, of the first and of the last, and lengths
    """
    from .c.call import chain

    return chain if chain.possible(given) else None


def run_reference(call: Call):
    y, final, _ = reference.run(call)
    return y, final
