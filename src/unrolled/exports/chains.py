"""What each kind of model is in a file, or in several: the table that a new model adds a row to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ..models.classifier import Classifier, Embedded, PaddedRows
from ..models.language import LanguageModel
from ..models.series import Scaled
from ..models.tagger import Tagger
from ..models.translation import Translator
from ..models.word_heads import Adaptive
from ..models.words import WordModel
from .tagger import write_tagger
from .translator import write_decoder, write_encoder
from .writing import ModuleWriting, Wire


@dataclass(frozen=True)
class ModuleChain:
    """A model, or the part of one that a file holds: what it reads, the modules that this goes through one
    after the other, and what it calls the result.

    indices  whether it reads int64 (T, B), which stand for one-hot rows or for rows of an embedding
    steps    whether the result has steps, (T, B, width), or is one for all of them, (B, width)
    reads    the input's name
    keeps    whether states are inputs and outputs of the file; otherwise each call begins afresh
    time     T, where it is always the same
    part     of a model that is not written whole, or not in one file, which part this is,
             and what is not in the file
    name     of a model that is written in several files, what this one is called
    ragged   whether what it reads may have rows of unequal length
    writes   how it is written, where the modules do not simply go one after the other
    runs     the result of inputs, likewise: what int8 weights are compared on
    """

    modules: tuple[nn.Module, ...]
    gives: str
    indices: bool
    reads: str = "x"
    steps: bool = True
    keeps: bool = True
    time: int | None = None
    part: str = ""
    name: str = ""
    ragged: bool = True
    writes: Callable[[ModuleWriting, Wire], Wire] | None = None
    runs: Callable[..., Tensor] | None = None


def _language_model(model: LanguageModel) -> ModuleChain:
    modules = (*filter(None, [model.conditions]), model.rnn, model.head)

    def logits(*inputs: Tensor) -> Tensor:
        return model(inputs if model.conditions else inputs[0])[0]

    return ModuleChain(modules, "logits", indices=True, runs=logits)


def _word_model(model: WordModel) -> ModuleChain:
    gives = "log_probabilities" if isinstance(model.head, Adaptive) else "logits"
    return ModuleChain((model.embedding, model.rnn, model.narrow, model.head), gives, indices=True)


def _tagger(model: Tagger) -> ModuleChain:
    """Layers that go both ways need a whole sentence each call; forward ones may go on from a state."""
    return ModuleChain(
        (model.reader.words, model.rnn),
        "scores",
        indices=True,
        reads="places",
        keeps=not model.rnn.bidirectional,
        writes=partial(write_tagger, model=model),
        runs=partial(_scores, model),
    )


def _scores(model: Tagger, words: Tensor) -> Tensor:
    """Of sentences of words (T, B) whose letters, shapes and further columns are not known."""
    distinct, places = words.unique(return_inverse=True)
    numbers = torch.stack([distinct, *[torch.zeros_like(distinct)] * 3], 1)
    letters = torch.zeros(4, len(distinct), dtype=torch.int64)
    read = model.reader(numbers, letters, torch.full((len(distinct),), 4))[places]
    columns = [table(torch.zeros_like(words)) for table in model.columns]
    return model.head(model.rnn(torch.cat([read, *columns], -1))[0]) + model.bias


def _translator(model: Translator) -> tuple[ModuleChain, ...]:
    encoder = ModuleChain(
        (model.source, model.encoder),
        "memory",
        indices=True,
        reads="source",
        keeps=False,
        part="the encoder, once a sentence: the decoder's memory, keys, and first states",
        name="encoder",
        writes=partial(write_encoder, model=model),
    )
    decoder = ModuleChain(
        (model.target, model.lower),
        "logits",
        indices=True,
        reads="symbols",
        time=1 if model.input_feeding else None,
        part="a step of the decoder: logits of the next symbol; the search is the caller's",
        name="decoder",
        ragged=False,
        writes=partial(write_decoder, model=model),
        runs=partial(_written_after_noise, model),
    )
    return encoder, decoder


def _written_after_noise(model: Translator, symbols: Tensor) -> Tensor:
    """What a translator says after a sentence that the encoder read as random values between -1 and 1."""
    drawn, (steps, rows) = torch.Generator().manual_seed(1), symbols.shape
    width = 2 * model.encoder.output_size
    read = 2 * torch.rand(rows, max(steps, 8), width, generator=drawn, dtype=model.bias.dtype) - 1
    said, _ = model.say(symbols, *model.begun(read.transpose(0, 1), torch.full((rows,), read.shape[1])))
    return model.logits(said)


def _of_classifier(model: Classifier) -> ModuleChain:
    reader = model.members[0].reader
    timeless = isinstance(reader, Scaled) and not reader.steps
    return ModuleChain(
        (model,),
        "probabilities",
        indices=isinstance(reader, Embedded),
        steps=False,
        keeps=False,
        time=1 if timeless else None,
        runs=partial(_chances, model),
    )


def _chances(model: Classifier, x: Tensor) -> Tensor:
    """Of full rows; numbers, drawn from N(0, 1), are brought to where the data's are."""
    reader = model.members[0].reader
    x = x * reader.deviation + reader.mean if isinstance(reader, Scaled) else x
    return model.log_chances(PaddedRows(x, torch.full((x.shape[1],), len(x)))).exp()


CHAINS: dict[type, Callable[[nn.Module], ModuleChain | tuple[ModuleChain, ...]]] = {
    LanguageModel: _language_model,
    WordModel: _word_model,
    Tagger: _tagger,
    Translator: _translator,
    Classifier: _of_classifier,
}


def chains_of(model: nn.Module, indices: bool) -> tuple[ModuleChain, ...]:
    """How the model is written, a chain for each file: by its row in CHAINS, or as one module that gives y."""
    for kind, row in CHAINS.items():
        if isinstance(model, kind):
            found = row(model)
            return found if isinstance(found, tuple) else (found,)
    return (ModuleChain((model,), "y", indices),)
