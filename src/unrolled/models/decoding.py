"""Where sequences are found: in C, where the C backend runs the model, else step by
step with torch (search.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..errors import UsageError
from ..kernels import decoder, sentence_reader
from ..kernels.call import Call
from ..layers.reading import reader
from ..layers.recurrent import Recurrent
from ..layers.stepping import fed_calls, reading_calls, step_calls
from .draw import NoNumbers
from .search import END, Beam, Hypothesis, longest, search
from .translation import Translator

TOGETHER = 32  # sentences a call of the C decoder, at most
ROOM = 2**22  # numbers of attention that such a call may keep, twice
# Of those of one sentence, a gigabyte. A longer one is decoded step by step: that keeps only what is looked at.
LARGEST = 2**27
TABLE = 2**27  # bytes of what the first layer makes of all symbols
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
            if spare.make is None:
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
    """What reads sentences; and what decodes, and reads a single one, that nobody uses at the moment: as many
    of these are made as there are threads that want them."""

    def __init__(self, model: Translator, beam: Beam):
        self.make, self._make_reader = _maker(model, beam), _reader_maker(model)
        self.encode = reader(model.encoder) if self.make is not None else None
        self._free: list = []

    @contextmanager
    def taken(self):
        """A decoder, and a reader or None."""
        try:
            pair = self._free.pop()
        except IndexError:
            pair = self.make(), self._make_reader and self._make_reader()
        yield pair
        self._free.append(pair)


def _padded(model: Translator, sentences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    device = model.bias.device
    source = pad_sequence([torch.tensor(each, dtype=torch.int64, device=device) for each in sentences])
    return source, torch.tensor([len(each) for each in sentences], device=device)


def _maker(model: Translator, beam: Beam):
    """Makes the C backend's decoders, where it runs all layers; never where somebody watches, or asked for the
    reference."""
    layers = _layers(model)
    if any(rnn.backend == "reference" or rnn.watchers or rnn.head is not None for rnn in layers):
        return None
    if model.bias.device.type != "cpu":
        return None
    attention, rows = model.attention, beam.width * TOGETHER
    ask = None if attention.score == "luong" else (attention.W_q.weight, attention.W_q.bias, attention.v_a)
    calls, looked_up = _calls(model, rows)
    network = {
        "calls": calls,
        "vectors": model.target.weight.detach(),
        "bias": model.bias.detach(),
        "out": model.W_o.weight.detach(),
        "out_bias": model.W_o.bias.detach(),
        "ask": ask and tuple(each.detach() for each in ask),
        "value": attention.W_a.in_features,
        "fed": model.input_feeding,
        "looked_up": looked_up,
    }
    return decoder(network, beam.width, TOGETHER, beam.distinct)


def _reader_maker(model: Translator):
    """Makes what reads one sentence in a call of C, where it runs the encoder."""
    encoder, ask = model.encoder, model.attention.W_a.weight
    if encoder.backend == "reference" or encoder.watchers or encoder.head is not None or not ask.is_cpu:
        return None
    return sentence_reader(
        {
            "calls": reading_calls(encoder),
            "directions": 2 if encoder.bidirectional else 1,
            "vectors": model.source.weight.detach(),
            "ask": ask.detach(),
            "begin": (model.begin.weight.detach(), model.begin.bias.detach()),
        }
    )


def _layers(model: Translator) -> list[Recurrent]:
    """The decoder's, from below."""
    return [rnn for rnn in (model.lower, model.upper) if rnn is not None]


def _calls(model: Translator, rows: int) -> tuple[tuple[Call, ...], bool]:
    """A step of each layer; whether the first one looks up what it makes of each symbol. It does where no
    symbol comes with what was said before, and where there is room: then an eighth of the weights need not be
    read for each step."""
    calls = [call for rnn in _layers(model) for call in fed_calls(rnn, rnn.first_state(rows))]
    if model.input_feeding:
        return tuple(calls), False
    vectors = model.target.weight.detach()
    first = step_calls(model.lower, model.lower.first_state(rows), vectors)[0]
    width = sum(len(weights) for weights in first.operands.hoisted)
    looked_up = width * vectors.shape[0] * vectors.element_size() <= TABLE
    return (first if looked_up else calls[0], *calls[1:]), looked_up


@torch.no_grad()
def _in_c(
    model: Translator, spare: _Spare, sentences: Sequence[Sequence[int]], beam: Beam
) -> list[list[Hypothesis]]:
    """Groups of sentences, one after the other."""
    found: list[list[Hypothesis]] = []
    for group in _groups(sentences, beam):
        if _room(group, beam) > LARGEST:
            found += search(model, *_padded(model, group), beam)
            continue
        with spare.taken() as (decoder, alone):
            given = (
                _given_alone(model, alone, group[0])
                if alone and len(group) == 1
                else _given(model, spare, group)
            )
            ended = decoder.find(*given)
        if ended is None:
            raise NoNumbers
        found += [_ranked(each, beam) for each in ended]
    return found


def _given(model: Translator, spare: _Spare, group: Sequence[Sequence[int]]) -> tuple[list, list[list[Tensor]]]:
    """What a group's sentences gave when they were read: values, keys and limit of
    each, and the first states.
    """
    source, lengths = _padded(model, group)
    sizes = [len(each) for each in group]
    memory, state = model.begun(spare.encode(model.source(source), sizes), lengths)
    parts = zip(memory.values, memory.keys, sizes)
    return [(v[:size], k[:size], longest(size)) for v, k, size in parts], _by_layer(model, state)


def _given_alone(model: Translator, alone, sentence: Sequence[int]) -> tuple[list, list[list[Tensor]]]:
    """The same of one sentence: most of the time would else go to getting from one operation to the next."""
    values, keys, first = alone.read(sentence)
    return [(values, keys, longest(len(sentence)))], _by_layer(model, model.first_state(first[None]))


def _groups(sentences: Sequence[Sequence[int]], beam: Beam) -> Iterator[list[Sequence[int]]]:
    """Sentences that are decoded together: as many as there is room for."""
    group: list[Sequence[int]] = []
    for each in sentences:
        if group and (len(group) == TOGETHER or _room([*group, each], beam) > ROOM):
            yield group
            group = []
        group = [*group, each]
    yield group


def _room(group: Sequence[Sequence[int]], beam: Beam) -> int:
    """Numbers of attention that the C decoder keeps of sentences side by side."""
    size = max(1, *map(len, group))
    return len(group) * beam.width * size * longest(size)


def _by_layer(model: Translator, state: Sequence[Tensor]) -> list[list[Tensor]]:
    """The first state of each layer, as wide as the layer has it."""
    parts, own = [], len(model.lower.cell.graph.states)
    for rnn, held in zip(_layers(model), (state[:own], state[own:-1])):
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
