"""Stored cells with something changed, each refused in one sentence or right: run as a
program, in a child of its own.

    python tests/fuzzed.py SEED COUNT

Prints one line of JSON: how many were refused, ran, and could not be run for a reason that was said.
Where the kernels are built with AddressSanitizer (test_stored.py sees to that), a kernel that leaves
its memory ends the child.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import time

import torch
from instances import HAS_COMPILER, instance
from together import text_of

from unrolled import Cell
from unrolled.cells import REGISTRY
from unrolled.errors import UnrolledError
from unrolled.kernels import StepRows
from unrolled.kernels.c.build.build import build
from unrolled.kernels.c.call import library
from unrolled.plan.plan import plan_of

BASES = (
    "elman",
    "mgu",
    "lstm",
    "jordan",
    "lem",
    "gru",
    "mingru",
    "on_lstm",
    "narx_rnn",
    "phased_lstm",
    "rhn",
    "cfc",
)
OPS = (
    "add",
    "mul",
    "sub",
    "div",
    "product",
    "product_t",
    "outer",
    "concat",
    "sum",
    "largest",
    "cumsum",
    "transpose",
)
OPS += (
    "index",
    "alias",
    "tanh",
    "where",
    "bilinear",
    "kron",
    "part",
    "columns",
    "flat",
    "held",
    "size",
    "spread",
    "exec",
)
DIMS = (
    "H",
    "I",
    "1",
    "4",
    "0",
    "-3",
    "H+H",
    "H+I",
    "2*H",
    "H/2",
    "H/0",
    "O",
    "x y",
    "*/",
    "9" * 30,
    "",
    "H+" * 40 + "H",
)
NAMES = (
    "x",
    "h",
    "",
    "é",
    "a" * 300,
    "*/ evil /*",
    "W\n",
    "lambda",
    "__class__",
    "forward",
    "\ud800",
    "h.data",
    "0",
)
NUMBERS = (0, -1, 1, 2, 7, 10**6, 10**30, True, None, 0.5, float("nan"), float("inf"), "3", [], {}, [[]])
SIZES, STEP_ROWS = {"I": 3, "H": 4, "O": 2}, (StepRows(3, 2), StepRows(4, 3, (3, 2, 2, 1)))
SECONDS = 10.0  # that one graph may take


def mutated(data: dict, chance: random.Random) -> dict:
    """One to three changes, anywhere in a cell's data."""
    data = copy.deepcopy(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choice((_node, _node, _node, _listing, _result, _twice, _anywhere, _shape, _shape, _removed))(
            data, chance
        )
    return data


def _node(data, chance) -> None:
    nodes = data["graph"]["nodes"]
    if not isinstance(nodes, list) or not nodes:
        return
    node = chance.choice(nodes)
    if not isinstance(node, list) or len(node) != 4 or not isinstance(node[1], list):
        return
    which = chance.randrange(4)
    if which == 0:
        node[0] = chance.choice(OPS)
    elif which == 1 and node[1]:
        node[1][chance.randrange(len(node[1]))] = chance.choice(
            (*range(len(nodes)), *range(len(nodes)), *NUMBERS)
        )
    elif which == 2:
        node[2] = chance.choice((*NUMBERS, *NAMES, *DIMS))
    else:
        node[1] = node[1] + [chance.randrange(len(nodes))] if chance.random() < 0.5 else node[1][:-1]


def _shape(data, chance) -> None:
    """One letter becomes another: of a leaf, or everywhere."""
    nodes = data["graph"]["nodes"]
    old, new = chance.choice(("H", "I", "1")), chance.choice(DIMS)
    for node in nodes if chance.random() < 0.5 else [chance.choice(nodes)]:
        if isinstance(node, list) and len(node) == 4 and isinstance(node[3], list):
            node[3] = [new if dim == old else dim for dim in node[3]] if chance.random() < 0.9 else [new]


def _listing(data, chance) -> None:
    listing = data["graph"].get(
        chance.choice(("inputs", "states", "parameters", "new_states", "hyper", "statements", "clashes"))
    )
    if not isinstance(listing, list) or not listing:
        return
    k = chance.randrange(len(listing))
    kind = chance.randrange(4)
    if kind == 0:
        listing.append(copy.deepcopy(listing[k]))
    elif kind == 1:
        del listing[k]
    elif kind == 2:
        listing[k] = chance.choice((*NAMES, *NUMBERS))
    else:
        chance.shuffle(listing)


def _result(data, chance) -> None:
    graph = data["graph"]
    index = chance.choice((*range(len(graph["nodes"])), -1, 10**6))
    if chance.random() < 0.5 or not graph.get("new_states"):
        graph["output"] = index
    else:
        graph["new_states"][0] = index


def _twice(data, chance) -> None:
    """A whole node once more at the end, as a new state of its own shape."""
    graph = data["graph"]
    graph["nodes"].append(copy.deepcopy(chance.choice(graph["nodes"])))
    if graph.get("new_states"):
        graph["new_states"][-1] = len(graph["nodes"]) - 1


def _anywhere(data, chance) -> None:
    """Any field becomes anything."""
    where = chance.choice((data, data["graph"]))
    where[chance.choice(list(where))] = chance.choice(
        (*NUMBERS, *NAMES, {"O": -1}, {"O": 10**12}, ["h"], [[1, 2, 3]])
    )
    data["graph"] = data["graph"] if isinstance(data["graph"], dict) else {"nodes": []}
    data["graph"].setdefault("nodes", [])
    if not isinstance(data["graph"]["nodes"], list) or not data["graph"]["nodes"]:
        data["graph"]["nodes"] = [["input", [], "x", ["I"]]]
    if not isinstance(data["graph"].get("new_states"), list):
        data["graph"]["new_states"] = []


def _removed(data, chance) -> None:
    where = chance.choice((data, data["graph"]))
    gone = chance.choice([name for name in where if name not in ("graph", "nodes")] or [None])
    where.pop(gone, None)


def read(data: object) -> Cell | str:
    """The cell, or the one sentence that refuses it."""
    began = time.perf_counter()
    try:
        found = Cell.from_json(data)
        plan_of(found.graph)
    except UnrolledError as error:
        found = str(error)
        assert "\n" not in found and len(found) < 1000, found
    assert time.perf_counter() - began < SECONDS, f"took long: {data!r:.2000}"
    return found


def compare(made: Cell) -> bool:
    """Whether the cell can run; then C and reference agree, and a layer of it can be made and runs."""
    try:
        cases = [instance(made, SIZES | dict(made.widths), rows) for rows in STEP_ROWS]
        right = [case.run("reference") for case in cases]
    except UnrolledError as error:
        assert str(error)
        return False
    if HAS_COMPILER:
        for case, expected in zip(cases, right):
            found = case.run("c")
            for a, b in zip(found, expected):
                assert a.shape == b.shape and torch.allclose(a, b, 1e-9, 1e-9, equal_nan=True), made.to_json()
            if any(t.requires_grad for t in found):
                sum(t.double().nan_to_num().sum() for t in found).backward()
    return True


def load_together(cells: list[Cell]) -> None:
    """All kernels in one file; one that C cannot be emitted for stays alone, for `compare` to say."""
    plans = dict.fromkeys(plan_of(made.graph) for made in cells)
    graphs = [plan.graph for plan in plans]
    made = build(text_of(graphs, "float64"), name="stored", optimise="-O0")
    functions = {graph: (made[f"forward_{k}"], made[f"backward_{k}"]) for k, graph in enumerate(graphs)}
    library.load = lambda plan, precision: functions[plan.graph]


def main(seed: int, count: int) -> None:
    torch.set_num_threads(1)
    chance = random.Random(seed)
    bases = [REGISTRY[name].to_json() for name in BASES]
    found = [read(mutated(chance.choice(bases), chance)) for _ in range(count)]
    cells = [c for c in found if isinstance(c, Cell)]
    news = {json.dumps(c.to_json()["graph"] | {"statements": [], "clashes": []}): c for c in cells}
    if HAS_COMPILER and news:
        load_together(list(news.values()))
    ran = sum(compare(made) for made in news.values())
    print(
        json.dumps({"refused": count - len(cells), "accepted": len(cells), "different": len(news), "ran": ran})
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
