"""How each kind of module is written: the one table that a new model or layer adds a row to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from ..errors import NotYet, UsageError
from ..layers.dropout import Dropout
from ..layers.recurrent import Recurrent
from ..layers.stacked import Stacked
from ..models.classifier import Classifier, Embedded
from ..models.conditions import Conditions
from ..models.language import LanguageModel
from ..models.tagger import Tagger
from ..models.translation import Translator
from ..models.word_heads import Tied
from ..models.words import WordModel
from .classifier import write_classifier
from .equations import one_hot
from .recurrent import layers_of, write_layers
from .writing import ModuleWriting, Wire

Writer = Callable[[ModuleWriting, nn.Module, Sequence[Wire], str, str], Wire]


@dataclass(frozen=True)
class ModuleChain:
    """A model: what it reads, the modules that this goes through one after the other, and
    what it calls the result.

    indices  whether it reads int64 (T, B), which stand for one-hot rows or for rows of an embedding
    steps    whether the result has steps, (T, B, width), or is one for all of them, (B, width)
    reads    the input's name
    keeps    whether states are inputs and outputs of the file; otherwise each call begins afresh
    part     of a model that is not written whole, which part this is, and what is left out
    """

    modules: tuple[nn.Module, ...]
    gives: str
    indices: bool
    reads: str = "x"
    steps: bool = True
    keeps: bool = True
    part: str = ""


CHAINS: dict[type, Callable[[nn.Module], ModuleChain]] = {
    LanguageModel: lambda model: ModuleChain(
        (*filter(None, [model.conditions]), model.rnn, model.head), "logits", indices=True
    ),
    WordModel: lambda model: ModuleChain(
        (model.embedding, model.rnn, model.narrow, model.head), "logits", indices=True
    ),
    Tagger: lambda model: ModuleChain(
        (model.rnn, model.head),
        "scores",
        indices=False,
        reads="vectors",
        part=(
            "the recurrent layers and the scores; what reads words, and the chain of tags, are not in the file"
        ),
    ),
    Translator: lambda model: ModuleChain(
        (model.source, model.encoder),
        "memory",
        indices=True,
        reads="source",
        keeps=False,
        part="the encoder; the attention and the decoder, which write the other sentence, are not in the file",
    ),
    Classifier: lambda model: ModuleChain(
        (model,),
        "probabilities",
        indices=isinstance(model.members[0].reader, Embedded),
        steps=False,
        keeps=False,
    ),
}


def write(writing: ModuleWriting, module: nn.Module, given: Sequence[Wire], path: str, prefix: str) -> Wire:
    """A module applied to what is given: its output.

    path    before the names of its weights, "" or with a dot at its end; prefix likewise,
            before the names of states

    Raises NotYet for a kind of module that no row of WRITERS is for.
    """
    return writer_of(module)(writing, module, given, path, prefix)


def chain_of(model: nn.Module, indices: bool) -> ModuleChain:
    """How the model is written: by its row in CHAINS, or as one module that gives y."""
    for kind, row in CHAINS.items():
        if isinstance(model, kind):
            return row(model)
    return ModuleChain((model,), "y", indices)


def writer_of(module: nn.Module) -> Writer:
    for kind, writer in WRITERS.items():
        if isinstance(module, kind):
            return writer
    known = ", ".join(sorted(kind.__name__ for kind in (*CHAINS, *WRITERS)))
    raise NotYet(
        f"export does not know how to write a {type(module).__name__}. It writes {known}; "
        "another model is a row in unrolled/exports/modules.py."
    )


def _recurrent(writing: ModuleWriting, module, given: Sequence[Wire], path: str, prefix: str) -> Wire:
    return write_layers(writing, layers_of(module), given, path, prefix)


def _stacked(writing: ModuleWriting, module: Stacked, given: Sequence[Wire], path: str, prefix: str) -> Wire:
    """Each layer's states under its number: 0.h_in, 1.h_in."""
    net, values = writing.net, dict(zip(module.inputs, given))
    current = x = values[module.inputs[0]]
    outputs = []
    for number, layer in enumerate(module.layers):
        if number and module.skip:
            wide = one_hot(net, x.name, x.width) if x.indices else x.name
            below = outputs[-1]
            current = Wire(net.joined([wide, below.name], -1), x.width + below.width)
        reads = [current, *(values[name] for name in layer.cell.inputs[1:])]
        current = write(writing, layer, reads, f"{path}layers.{number}.", f"{prefix}{number}.")
        outputs.append(current)
    if not module.skip:
        return current
    return Wire(net.joined([y.name for y in outputs], -1), sum(y.width for y in outputs))


def _linear(writing: ModuleWriting, module: nn.Linear, given: Sequence[Wire], path: str, prefix: str) -> Wire:
    net, (x,) = writing.net, given
    matrix = writing.matrices.stack([module.weight.detach().cpu()], ["weight"], {"weight": module.weight}, path)
    y = matrix.looked_up(x.name) if x.indices else net.op("MatMul", x.name, matrix.whole())
    if module.bias is not None:
        y = net.op("Add", y, net.constant(module.bias, f"{path}bias"))
    return Wire(y, module.out_features)


def _embedding(
    writing: ModuleWriting, module: nn.Embedding, given: Sequence[Wire], path: str, prefix: str
) -> Wire:
    """Rows of a table: the product of its transpose with one-hot vectors."""
    table = writing.matrices.stack([module.weight.detach().cpu()], ["weight"], {"weight": module.weight}, path)
    return Wire(table.picked(given[0].name), module.embedding_dim)


def _nothing(writing: ModuleWriting, module, given: Sequence[Wire], path: str, prefix: str) -> Wire:
    """Dropout and Identity: nothing, in evaluation."""
    return given[0]


def _classifier(
    writing: ModuleWriting, module: Classifier, given: Sequence[Wire], path: str, prefix: str
) -> Wire:
    return write_classifier(writing, module, given, path, write)


def _sequential(writing: ModuleWriting, module, given: Sequence[Wire], path: str, prefix: str) -> Wire:
    for name, part in module.named_children():
        given = [write(writing, part, given, f"{path}{name}.", prefix)]
    return given[0]


def _conditions(
    writing: ModuleWriting, module: Conditions, given: Sequence[Wire], path: str, prefix: str
) -> Wire:
    """Each step's one-hot row with what holds for the whole sequence."""
    net, (x, conditions) = writing.net, given
    shape = net.joined([writing.steps.time, writing.steps.batch, net.whole(module.conditions)], 0)
    every = net.op("Expand", net.op("Unsqueeze", conditions.name, net.whole(0)), shape)
    wide = net.joined([one_hot(net, x.name, module.characters), every], -1)
    return Wire(wide, module.characters + module.conditions)


WRITERS: dict[type, Writer] = {
    Conditions: _conditions,
    Recurrent: _recurrent,
    Stacked: _stacked,
    nn.RNNBase: _recurrent,
    nn.Linear: _linear,
    Tied: _linear,
    nn.Embedding: _embedding,
    nn.Identity: _nothing,
    nn.Dropout: _nothing,
    Dropout: _nothing,
    nn.Sequential: _sequential,
    Classifier: _classifier,
}


def per_sequence(module: nn.Module, name: str) -> bool:
    """Whether an input has one row for a sequence: no axis of time."""
    return name in getattr(module, "per_sequence", ())


def reads(module: nn.Module) -> list[tuple[str, int]]:
    """What a module reads, by name, and how wide it is."""
    if isinstance(module, Stacked):
        widths = dict(pair for layer in reversed(module.layers) for pair in reads(layer)[1:])
        return [(module.inputs[0], module.input_size), *((name, widths[name]) for name in module.inputs[1:])]
    if isinstance(module, (Recurrent, nn.RNNBase)):
        layers = layers_of(module)
        return [(name, layers.width("input", name)) for name in layers.cell.inputs]
    if isinstance(module, Conditions):
        return [("x", module.characters), ("given", module.conditions)]
    if isinstance(module, nn.Sequential):
        return reads(module[0])
    if isinstance(module, Classifier):
        reader = module.members[0].reader
        return reads(reader.table) if isinstance(reader, Embedded) else [("x", len(reader.mean))]
    width = getattr(module, "num_embeddings", None) or getattr(module, "in_features", None)
    if width is None:
        raise UsageError(
            f"export: a {type(module).__name__} does not say how wide its input is. Put a recurrent layer, "
            "an Embedding or a Linear first."
        )
    return [("x", width)]
