"""A tagger in an ONNX file: distinct words and their letters, where they stand, and out of that
scores and the best tags.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ..models.tagger import Tagger
from ..models.word_reader import Convolution, LastOutputs, WordReader
from .linear import write_convolution, write_embedding, write_linear
from .pooling import write_ends
from .recurrent import layers_of, write_layers
from .viterbi import write_best_tags
from .writing import ModuleWriting, Steps, Wire

LOWEST = -1e30  # below all that a filter says


def write_tagger(writing: ModuleWriting, places: Wire, model: Tagger) -> Wire:
    """Scores (T, B, K) of sentences whose words are places (T, B) in a list of distinct ones, with what was
    chosen on the held-out part; beside them the best tags (T, B) int64, 0 past a sentence's end."""
    net = writing.net
    distinct = _distinct(writing, model.reader)
    parts = [Wire(net.op("Gather", distinct.name, places.name), distinct.width)]
    if len(model.columns):
        columns = net.input("columns", torch.int64, (len(model.columns), "time", "batch"))
        for number, table in enumerate(model.columns):
            column = Wire(net.at(columns, number), table.num_embeddings, indices=True)
            parts.append(write_embedding(writing, table, [column], f"columns.{number}.", ""))
    x = Wire(net.joined([part.name for part in parts], -1), sum(part.width for part in parts))
    y = write_layers(writing, layers_of(model.rnn), [x], "rnn.", "")
    scores = write_linear(writing, model.head, [y], "head.", "")
    scores = replace(scores, name=net.op("Add", scores.name, net.constant(model.bias, "bias")))
    net.output("tags", write_best_tags(writing, scores, model.of_chain()), torch.int64, ("time", "batch"))
    return scores


def _distinct(writing: ModuleWriting, reader: WordReader) -> Wire:
    """Words as vectors, (N, width); words (N, 4) are the word, its vector, its shape, its outline."""
    net = writing.net
    words = net.input("words", torch.int64, ("words", 4))
    own, pretrained, shape, outline = (
        net.op("Squeeze", part, net.whole(1)) for part in net.split(words, [1] * 4)
    )
    found = [
        write_embedding(
            writing, table, [Wire(rows, table.num_embeddings, indices=True)], f"reader.{name}.", ""
        ).name
        for name, table, rows in (
            ("words", reader.words, own),
            ("shapes", reader.shapes, shape),
            ("outlines", reader.outlines, outline),
        )
    ]
    if reader.letters is not None:
        found.append(_spelled(writing, reader.letters))
    if reader.table is not None:
        table = writing.matrices.stack([reader.table], ["table"], {"table": reader.table}, "reader.")
        found.append(table.picked(pretrained))
    return Wire(net.joined(found, -1), reader.width)


def _spelled(writing: ModuleWriting, reader: LastOutputs | Convolution) -> str:
    """Letters (L, N), of which each word has `letter_counts` (N,), as one vector a word."""
    net = writing.net
    letters = net.input("letters", torch.int64, ("letters", "words"))
    counts = net.input("letter_counts", torch.int64, ("words",))
    steps = Steps(net, net.axis(letters, 0), net.axis(letters, 1), counts)
    steps.active = steps.runs(0)
    inner = replace(writing, steps=steps, keeps=False)
    if isinstance(reader, Convolution):
        return _filtered(inner, reader, letters)
    layers = layers_of(reader.rnn)
    spelled = Wire(letters, layers.width("input", layers.cell.inputs[0]), indices=True)
    return write_ends(inner, write_layers(inner, layers, [spelled], "reader.letters.rnn.", ""), True)


def _filtered(writing: ModuleWriting, reader: Convolution, letters: str) -> str:
    """The largest value of each filter over all places of a word."""
    net, path, table = writing.net, "reader.letters.", reader.embedding
    read = write_embedding(
        writing, table, [Wire(letters, table.num_embeddings, indices=True)], f"{path}embedding.", ""
    )
    read = net.op("Transpose", writing.steps.masked(read.name), attributes={"perm": [1, 2, 0]})
    found = write_convolution(writing, reader.filters, read, f"{path}filters.")
    there = net.op("Transpose", writing.steps.active, attributes={"perm": [1, 2, 0]})
    found = net.op("Where", there, found, net.number(LOWEST))
    return net.op("Tanh", net.op("ReduceMax", found, attributes={"axes": [-1], "keepdims": 0}))
