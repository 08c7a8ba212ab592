"""The best tags of a linear chain in an ONNX file, by the algorithm of Viterbi
(1967), as models/crf.py has it.
"""

from __future__ import annotations

import torch

from ..models.chain_sums import Chain
from .net import OnnxGraph
from .writing import ModuleWriting, Wire


def write_best_tags(writing: ModuleWriting, scores: Wire, chain: Chain) -> str:
    """Tags (T, B) int64 of scores (T, B, K); 0 past a row's end. Sums are float64, as they are in the model."""
    net, steps = writing.net, writing.steps
    given = net.op("Cast", scores.name, attributes={"to": torch.float64})
    chain = Chain(*(part.detach().double() for part in chain))
    goes_on = _goes_on(writing)
    first = net.op("Add", net.at(given, 0), net.constant(chain.first, "chain.first"))
    best, back = _forward(net, first, given, goes_on, chain, scores.width)
    last = net.op("Add", best, net.constant(chain.last, "chain.last"))
    tag = net.op("ArgMax", last, attributes={"axis": 1, "keepdims": 1})
    tags = _backward(net, tag, back, goes_on, scores.width)
    if steps.active is not None:
        tags = net.op("Where", steps.active, tags, net.whole(0))
    return net.op("Squeeze", tags, net.whole(2))


def _goes_on(writing: ModuleWriting) -> str:
    """Whether a row has that step and one before it: (T, B or 1, 1)."""
    net, steps = writing.net, writing.steps
    zero, one = (net.constant(torch.tensor(n), "place") for n in (0, 1))
    places = net.op("Range", zero, net.op("Squeeze", steps.time), one)
    behind = net.op("Unsqueeze", net.op("Less", zero, places), net.whole(1, 2))
    return behind if steps.active is None else net.op("And", behind, steps.active)


def _forward(
    net: OnnxGraph, first: str, scores: str, goes_on: str, chain: Chain, kinds: int
) -> tuple[str, str]:
    """The scores of the best ways to each tag of a row's last word (B, K), and from which tag each way
    to a word came (T, B, K).
    """
    inner, kind = net.inside("chain."), torch.float64
    reached = inner.input("reached", kind, ("batch", kinds))
    each = inner.input("scores_each", kind, ("batch", kinds))
    active = inner.input("active", torch.bool, ("rows", 1))
    stepped = inner.constant(chain.steps, "chain.steps")
    ways = inner.op("Add", inner.op("Unsqueeze", reached, inner.whole(-1)), stepped)  # (B, K, K)
    best = inner.op("Add", inner.op("ReduceMax", ways, attributes={"axes": [1], "keepdims": 0}), each)
    origin = inner.op("ArgMax", ways, attributes={"axis": 1, "keepdims": 0})
    inner.output("reached_after", inner.op("Where", active, best, reached), kind, ("batch", kinds))
    inner.output("origin", origin, torch.int64, ("batch", kinds))
    found = net.ops("Scan", [first, scores, goes_on], 2, {"body": inner, "num_scan_inputs": 2}, "chain.forward")
    return found[0], found[1]


def _backward(net: OnnxGraph, tag: str, back: str, goes_on: str, kinds: int) -> str:
    """The tags on the best way (T, B, 1), from a row's last word, whose tag (B, 1) is known, to its first."""
    inner, whole = net.inside("way."), torch.int64
    here = inner.input("tag", whole, ("batch", 1))
    origin = inner.input("origin_each", whole, ("batch", kinds))
    active = inner.input("active", torch.bool, ("rows", 1))
    before = inner.op("GatherElements", origin, here, attributes={"axis": 1})
    inner.output("tag_before", inner.op("Where", active, before, here), whole, ("batch", 1))
    inner.output("tag_here", here, whole, ("batch", 1))
    return net.ops(
        "Scan",
        [tag, back, goes_on],
        2,
        {"body": inner, "num_scan_inputs": 2, "scan_input_directions": [1, 1], "scan_output_directions": [1]},
        "chain.backward",
    )[1]
