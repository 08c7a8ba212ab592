"""A translation model in two ONNX files: the encoder, called once a sentence, and the
decoder, called once a step.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..models.attention import Attention
from ..models.classifier import FAR
from ..models.translation import Translator
from .linear import write_embedding, write_product
from .recurrent import layers_of, write_layers
from .writing import ModuleWriting, Steps, Wire, steps_of


def write_encoder(writing: ModuleWriting, source: Wire, model: Translator) -> Wire:
    """The memory (S, B, M) of sources (S, B); beside it what queries are compared with, keys (S, B, A), and the
    states in which the decoder begins."""
    net = writing.net
    x = write_embedding(writing, model.source, [source], "source.", "")
    memory = write_layers(writing, layers_of(model.encoder), [x], "encoder.", "")
    keys = write_product(writing, model.attention.W_a.weight, None, memory, "attention.W_a.")
    net.output("keys", keys.name, net.dtype, ("time", "batch", keys.width))
    _first_states(writing, model, memory)
    return memory


def _first_states(writing: ModuleWriting, model: Translator, memory: Wire) -> None:
    net, steps = writing.net, writing.steps
    count = net.op("Cast", net.op("Max", steps.ends(), net.whole(1)), attributes={"to": net.dtype})
    whole = net.op("ReduceSum", memory.name, net.whole(0), attributes={"keepdims": 0})
    mean = Wire(net.op("Div", whole, net.op("Unsqueeze", count, net.whole(-1))), memory.width)
    first = net.op("Tanh", write_product(writing, model.begin.weight, model.begin.bias, mean, "begin.").name)
    hidden = model.lower.hidden_size
    parts = [net.op("Unsqueeze", part, net.whole(0)) for part in _cut(net, first, model.begin, hidden)]
    for name, rnn in (("lower", model.lower), ("upper", model.upper)):
        if rnn is None:
            continue
        mine, parts = parts[: rnn.num_layers], parts[rnn.num_layers :]
        for place, (state, begun) in enumerate(zip(rnn.cell.states, rnn.first_state(1))):
            rows, _, width = begun.shape
            shape = net.joined([net.whole(rows), steps.batch, net.whole(width)], 0)
            said = not place and width == hidden
            value = net.joined(mine, 0) if said else net.op("Expand", net.constant(begun, "begun"), shape)
            net.output(f"{name}.{state}_out", value, net.dtype, (rows, "batch", width))
    if model.input_feeding:
        width = model.target.embedding_dim
        nothing = net.op(
            "Expand", net.number(0.0), net.joined([net.whole(1), steps.batch, net.whole(width)], 0)
        )
        net.output("said_out", nothing, net.dtype, (1, "batch", width))


def _cut(net, value: str, begin, hidden: int) -> list[str]:
    return net.split(value, [hidden] * (begin.out_features // hidden))


def write_decoder(writing: ModuleWriting, symbols: Wire, model: Translator) -> Wire:
    """Logits (T, B, V) of the symbols after `symbols` (T, B), and the weights (T, B, S) of the places that were
    looked at. With input feeding T is 1."""
    net = writing.net
    memory = _looked_at(writing, "memory", model.encoder.output_size * 2)
    keys = _looked_at(writing, "keys", model.attention.W_a.out_features)
    places = steps_of(net, memory.name, False, writing.lengths)
    x = write_embedding(writing, model.target, [symbols], "target.", "")
    if model.input_feeding:
        said = net.input("said_in", net.dtype, (1, "batch", x.width))
        x = Wire(net.joined([x.name, said], -1), 2 * x.width)
    y = write_layers(writing, layers_of(model.lower), [x], "lower.", "lower.")
    context, weights = _attended(writing, places, model.attention, y, memory, keys)
    net.output("weights", weights, net.dtype, (*_axes(model), "places"))
    if model.upper is not None:
        y = write_layers(writing, layers_of(model.upper), [_beside(net, y, context)], "upper.", "upper.")
    said = write_product(writing, model.W_o.weight, model.W_o.bias, _beside(net, y, context), "W_o.")
    said = Wire(net.op("Tanh", said.name), said.width)
    if model.input_feeding:
        net.output("said_out", said.name, net.dtype, (1, "batch", said.width))
    return write_product(writing, model.target.weight, model.bias, said, "target.")


def _axes(model: Translator) -> tuple[int | str, str]:
    return 1 if model.input_feeding else "time", "batch"


def _looked_at(writing: ModuleWriting, name: str, width: int) -> Wire:
    return Wire(writing.net.input(name, writing.net.dtype, ("places", "batch", width)), width)


def _beside(net, y: Wire, context: Wire) -> Wire:
    return Wire(net.joined([y.name, context.name], -1), y.width + context.width)


def _attended(
    writing: ModuleWriting, places: Steps, attention: Attention, query: Wire, memory: Wire, keys: Wire
) -> tuple[Wire, str]:
    """The context (T, B, M) of queries (T, B, Q), and the weights (T, B, S) of
    places; 0 at those of padding.
    """
    net = writing.net
    scores = _scores(writing, attention, query, keys)
    there = places.active and _turned(net, places.active, [1, 2, 0])  # (B or 1, 1, S)
    if there:
        scores = net.op("Where", there, scores, net.number(FAR))
    weights = net.op("Softmax", scores, attributes={"axis": -1})
    if there:  # of a row with no place at all, too
        weights = net.op("Where", there, weights, net.number(0.0))
    context = net.op("MatMul", weights, _turned(net, memory.name, [1, 0, 2]))
    return Wire(_turned(net, context, [1, 0, 2]), memory.width), _turned(net, weights, [1, 0, 2])


def _scores(writing: ModuleWriting, attention: Attention, query: Wire, keys: Wire) -> str:
    """(B, T, S)."""
    net = writing.net
    if attention.score == "luong":
        return net.op("MatMul", _turned(net, query.name, [1, 0, 2]), _turned(net, keys.name, [1, 2, 0]))
    asked = write_product(writing, attention.W_q.weight, attention.W_q.bias, query, "attention.W_q.")
    asked = net.op("Unsqueeze", _turned(net, asked.name, [1, 0, 2]), net.whole(2))
    read = net.op("Unsqueeze", _turned(net, keys.name, [1, 0, 2]), net.whole(1))
    both = net.op("Tanh", net.op("Add", asked, read))  # (B, T, S, A)
    return net.op("MatMul", both, net.constant(attention.v_a, "attention.v_a"))


def _turned(net, value: str, order: Sequence[int]) -> str:
    return net.op("Transpose", value, attributes={"perm": list(order)})
