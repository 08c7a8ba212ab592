"""Where sequences are found: in C, where the C backend runs the model, else step by
step with torch (search.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..errors import UsageError
from ..kernels import decoder
from ..kernels.call import Call
from ..layers.reading import reader
from ..layers.stepping import fed_calls
from .draw import NoNumbers
from .search import END, Beam, Hypothesis, longest, search
from .translation import Translator

TOGETHER = 32  # sentences a call of the C decoder, at most
ROOM = 2**22  # numbers of attention that such a call may keep
# Of those of one sentence, a gigabyte; a longer one is decoded step by step, which
# keeps only what is looked at.
LARGEST = 2**28
MOST_UNITS = 4000  # of a sentence

Finder = Callable[[Sequence[Sequence[int]]], list[list[Hypothesis]]]


@torch.no_grad()
def finder(model: Translator, beam: Beam = Beam()) -> Finder:
    """What finds the sequences of any number of sentences, each a list of symbols:
    `beam.width` of each, best first.

    For weights that stay as they are: make another one when they have changed. Raises NoNumbers, when it is
    called, for a model whose logits are none, and UsageError for a sentence of more than 4,000 symbols.

    >>> find = finder(Translator(20, 30, "gru", hidden=8, embedding=6), Beam(2))
    >>> [len(found) for found in find([[4, 5, 6], [7]])]
    [2, 2]
    """
    spare = _Spare(model, beam)

    def find(sentences: Sequence[Sequence[int]]) -> list[list[Hypothesis]]:
        if not sentences:
            return []
        check_length(max(map(len, sentences)))
        was_training = model.training
        if was_training:
            model.eval()
        try:
            if spare.first is None:
                return search(model, *_padded(model, sentences), beam)
            return _in_c(model, spare, sentences, beam)
        finally:
            if was_training:
                model.train()

    return find


def check_length(units: int) -> None:
    """Raises UsageError for a sentence that would ask for more memory and time than anybody expects."""
    if units > MOST_UNITS:
        raise UsageError(
            f"a sentence has {units:,} units, and at most {MOST_UNITS:,} are read at once: give it in parts, a"
            " sentence each."
        )


class _Spare:
    """What reads sentences, and decoders that nobody uses at the moment; as many are made as there
    are threads that want one.
    """

    def __init__(self, model: Translator, beam: Beam):
        self._model, self._beam = model, beam
        self.first = _made(model, beam)
        self.encode = reader(model.encoder) if self.first is not None else None
        self._free = [self.first]

    @contextmanager
    def taken(self):
        try:
            decoder = self._free.pop()
        except IndexError:
            decoder = _made(self._model, self._beam)
        yield decoder
        self._free.append(decoder)


def _padded(model: Translator, sentences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    device = model.bias.device
    source = pad_sequence([torch.tensor(each, dtype=torch.int64, device=device) for each in sentences])
    return source, torch.tensor([len(each) for each in sentences], device=device)


def _made(model: Translator, beam: Beam):
    """The C backend's decoder, where it runs all layers; never where somebody watches, or
    asked for the reference.
    """
    layers = [rnn for rnn in (model.lower, model.upper) if rnn is not None]
    if any(rnn.backend == "reference" or rnn.watchers or rnn.head is not None for rnn in layers):
        return None
    if model.bias.device.type != "cpu":
        return None
    attention, rows = model.attention, beam.width * TOGETHER
    ask = None if attention.score == "luong" else (attention.W_q.weight, attention.W_q.bias, attention.v_a)
    calls: list[Call] = []
    for rnn in layers:
        calls += fed_calls(rnn, rnn.first_state(rows))
    network = {
        "calls": tuple(calls),
        "vectors": model.target.weight.detach(),
        "bias": model.bias.detach(),
        "out": model.W_o.weight.detach(),
        "out_bias": model.W_o.bias.detach(),
        "ask": ask and tuple(each.detach() for each in ask),
        "value": attention.W_a.in_features,
        "fed": model.input_feeding,
    }
    return decoder(network, beam.width, TOGETHER, beam.distinct)


@torch.no_grad()
def _in_c(
    model: Translator, spare: _Spare, sentences: Sequence[Sequence[int]], beam: Beam
) -> list[list[Hypothesis]]:
    """Groups of sentences one after the other, or on as many threads as torch has: a
    call of C lets others run.
    """
    threads = torch.get_num_threads()
    work = [
        (group, _given(model, spare, group) if _room(group, beam) <= LARGEST else None)
        for group in _groups(sentences, beam, threads)
    ]

    @torch.no_grad()
    def decoded(one: tuple[list[Sequence[int]], tuple | None]) -> list[list[Hypothesis]]:
        group, given = one
        if given is None:
            return search(model, *_padded(model, group), beam)
        with spare.taken() as decoder:
            ended = decoder.find(*given)
        if ended is None:
            raise NoNumbers
        return [_ranked(each, beam) for each in ended]

    if threads == 1 or len(work) == 1:
        found = map(decoded, work)
    else:
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(decoded, work)
    return [each for group in found for each in group]


def _given(model: Translator, spare: _Spare, group: Sequence[Sequence[int]]) -> tuple[list, list[list[Tensor]]]:
    """What a group's sentences gave when they were read: values, keys and limit of
    each, and the first states.
    """
    source, lengths = _padded(model, group)
    sizes = [len(each) for each in group]
    memory, state = model.begun(spare.encode(model.source(source), sizes), lengths)
    parts = zip(memory.values, memory.keys, sizes)
    return [(v[:size], k[:size], longest(size)) for v, k, size in parts], _by_layer(model, state)


def _groups(sentences: Sequence[Sequence[int]], beam: Beam, threads: int) -> Iterator[list[Sequence[int]]]:
    """Sentences that are decoded together: as many as there is room for, and a group
    at least for each thread.
    """
    group: list[Sequence[int]] = []
    together = min(TOGETHER, -(-len(sentences) // threads))
    for each in sentences:
        if group and (len(group) == together or _room([*group, each], beam) > ROOM):
            yield group
            group = []
        group = [*group, each]
    yield group


def _room(group: Sequence[Sequence[int]], beam: Beam) -> int:
    """Numbers of attention that the C decoder keeps of sentences side by side."""
    size = max(1, *map(len, group))
    return TOGETHER * beam.width * size * longest(size)


def _by_layer(model: Translator, state: Sequence[Tensor]) -> list[list[Tensor]]:
    """The first state of each layer, as wide as the layer has it."""
    parts, own = [], len(model.lower.cell.graph.states)
    for rnn, held in ((model.lower, state[:own]), (model.upper, state[own:-1])):
        if rnn is not None:
            parts += rnn._cut([tuple(part[k] for part in held) for k in range(rnn.num_layers)])
    return parts


def _ranked(ended, beam: Beam) -> list[Hypothesis]:
    made = []
    for one in ended:
        finished = one.symbols[-1] == END
        written = len(one.symbols) - finished
        value = beam.value(one.total, len(one.symbols))
        made.append(Hypothesis(tuple(one.symbols[:written]), one.total, value, finished, one.weights[:written]))
    return sorted(made, key=lambda one: -one.value)
