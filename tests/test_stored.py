"""A cell from somebody else's file: refused in one sentence that names the place, or what
`@cell` could have made.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from generated import programs
from hypothesis import given, settings

import unrolled
from unrolled import Cell, Recurrent, cell, tanh
from unrolled.cells import REGISTRY
from unrolled.errors import CellError, UsageError
from unrolled.graph.check import LATER, MOST_DEPTH, MOST_NODES, is_width
from unrolled.ops import LEAVES, OPS

LSTM = REGISTRY["lstm"].to_json()
AT = {row[2]: k for k, row in enumerate(LSTM["graph"]["nodes"]) if row[0] in ("input", "state", "parameter")}
PRODUCT = next(k for k, row in enumerate(LSTM["graph"]["nodes"]) if row[0] == "product")
LAST = len(LSTM["graph"]["nodes"])
DEEP = [["tanh", [LAST + k - 1], None, ["H"]] for k in range(MOST_DEPTH + 1)]
DOUBLED = [["mul", [LAST + k - 1] * 2, None, ["H"]] for k in range(18)]
JOINED = [["concat", [LAST + k - 1] * 2, None, ["H"]] for k in range(18)]


def changed(path: str, value, data: dict = LSTM) -> dict:
    """The data with the field at a path such as graph.nodes.3.3 replaced."""
    data = copy.deepcopy(data)
    *steps, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    place = data
    for step in steps:
        place = place[step]
    place[last] = value
    return data


def more(*nodes, **graph) -> dict:
    """The LSTM with nodes behind its own, and other fields of its graph."""
    return changed("graph", {**LSTM["graph"], "nodes": LSTM["graph"]["nodes"] + list(nodes), **graph})


HOSTILE = {
    "a state said to be one number wide": (changed(f"graph.nodes.{AT['h']}.3", ["1"]), "has the shape|is said"),
    "a state said to be a number": (changed(f"graph.nodes.{AT['h']}.3", []), "not a vector|number"),
    "a state said to be four wide": (changed(f"graph.nodes.{AT['c']}.3", ["4"]), "is said to have the shape"),
    "a state said to be a matrix": (changed(f"graph.nodes.{AT['h']}.3", ["H", "H"]), "not a vector"),
    "an output said to be wider": (changed(f"graph.nodes.{LAST - 1}.3", ["H+H"]), "said to have the shape"),
    "a parameter said to be too small": (
        changed(f"graph.nodes.{AT['W_i']}.3", ["1", "I"]),
        "said to have the shape",
    ),
    "a product said to be wider": (changed(f"graph.nodes.{PRODUCT}.3", ["H+I"]), "said to have the shape"),
    "a parameter said to be a vector": (changed(f"graph.nodes.{AT['W_i']}.3", ["H"]), "stands left of @"),
    "a width of a thousand letters": (changed(f"graph.nodes.{AT['h']}.3", ["H" * 1000]), "widths are none"),
    "a width that ends a comment": (changed(f"graph.nodes.{AT['h']}.3", ["*/ evil();"]), "widths are none"),
    "a width divided by zero": (changed(f"graph.nodes.{AT['h']}.3", ["H/0"]), "widths are none"),
    "a width in other digits": (changed(f"graph.nodes.{AT['h']}.3", ["²"]), "widths are none"),
    "a width of octal digits": (changed(f"graph.nodes.{AT['h']}.3", ["010"]), "widths are none"),
    "a width of a billion": (changed(f"graph.nodes.{AT['h']}.3", ["99999999*99999999"]), "widths are none"),
    "an input listed twice": (changed("graph.inputs", ["x", "x"]), "the name of two things"),
    "an input that has no node": (changed("graph.inputs", ["x", "u"]), "its inputs are"),
    "no input": (changed("graph.inputs", []), "no input"),
    "a state twice": (changed("graph.states", ["h", "h"]), "the name of two things"),
    "a second node for an input": (more(["input", [], "x", ["I+H"]]), "once more"),
    "a node that rests on a later one": (
        changed(f"graph.nodes.{PRODUCT}.1", [AT["W_i"], LAST - 1]),
        "does not stand",
    ),
    "a node that rests on itself": (
        changed(f"graph.nodes.{PRODUCT}.1", [AT["W_i"], PRODUCT]),
        "does not stand",
    ),
    "an argument that is true": (changed(f"graph.nodes.{PRODUCT}.1", [True, 0]), "a whole number"),
    "an argument too few": (changed(f"graph.nodes.{PRODUCT}.1", [0]), "takes 2"),
    "a leaf with arguments": (changed(f"graph.nodes.{AT['c']}.1", [0]), "takes 0"),
    "an unknown primitive": (changed(f"graph.nodes.{PRODUCT}.0", "system"), "not a primitive"),
    "a primitive of backward passes": (changed(f"graph.nodes.{PRODUCT}.0", "outer"), "not a primitive"),
    "columns of a matrix": (more(["columns", [AT["W_i"]], ["0", "H"], ["H", "H"]]), "a text, a number or null"),
    "a vector without a weight where a matrix belongs": (
        more(["product", [AT["h"], AT["c"]], None, ["H"]]),
        "left of @",
    ),
    "a matrix made of a state": (more(["mul", [AT["W_i"], LAST - 1], None, ["H", "I"]]), "a vector|matrix"),
    "a layer of no stack": (more(["index", [AT["b_i"]], 0, []]), "picks one layer"),
    "text as a constant": (more(["constant", [], "1); evil(", []]), "a number belongs"),
    "a number of 31 digits": (more(["constant", [], 10**30, []]), "a number belongs"),
    "C in a width node": (more(["width", [], "H); system(1", []]), "which its kind does not have"),
    "a width that no vector has": (more(["width", [], "depth", []]), "no vector is wide"),
    "a value on an addition": (more(["add", [AT["h"], AT["c"]], 3, ["H"]]), "which its kind does not have"),
    "a new state that is a number": (
        more(["sum", [AT["h"]], None, []], new_states=[LSTM["graph"]["new_states"][0], LAST]),
        "becomes|returned|number",
    ),
    "a new state too few": (changed("graph.new_states", [LAST - 1]), "new ones"),
    "a leaf as the output": (changed("graph.output", 0), "worked out"),
    "a cell called as no text may be": (changed("graph.name", "a\x1b[2J*/"), "not a name of a cell"),
    "a name of 300 letters": (changed("graph.states", ["h" * 300, "c"]), "at most 64"),
    "a name that is a keyword": (changed("graph.states", ["lambda", "c"]), "identifiers"),
    "a line without end": (changed("graph.statements.0.2", 10**9), "whole number"),
    "a name counted wrongly": (changed("graph.statements.0.4", 7), "7th"),
    "a clash at a column beyond": (changed("graph.clashes", [["H", "I", 0, "", 1, "t", 10**7]]), "column"),
    "a clash of no widths": (changed("graph.clashes", [["H", "system()", 0, "", 1, "t", 0]]), "not widths"),
    "a hyper-parameter that nobody reads": (changed("graph.hyper", [["a", 1.0]]), "hyper"),
    "300,000 dead nodes": (more(*[["neg", [0], None, ["I"]]] * 300_000), "at most"),
    "too many nodes": (more(*(["constant", [], float(k), []] for k in range(MOST_NODES))), "is the most"),
    "a chain too deep": (more(*DEEP), "a chain of over"),
    "18 doublings": (more(*DOUBLED), "written out"),
    "18 doublings of a width": (more(*JOINED), "joins over|written out"),
    "lists in lists": (changed("graph.nodes.0.2", [[[]]]), "a text, a number or null"),
    "a graph that is a list": (changed("graph", []), "its graph is a list"),
    "a first value of nothing": (changed("start", {"z": 1.0}), "do not have"),
    "a first value that is text": (changed("start", {"h": "1"}), "a number belongs"),
    "an initial value that is a list": (changed("init", {"b_f": [1]}), "a number belongs"),
    "fixed as one text": (changed("fixed", "WU"), "a list"),
    "a width below zero": (changed("widths", {"O": -1}), "the width O"),
    "a width that is text": (changed("widths", {"O": "3"}), "a whole number"),
    "H as a width of its own": (changed("widths", {"H": 3}), "besides I and H"),
    "the input as a mask": (changed("noise", {"x": [0.5, "keep", "step"]}), "behind at least one"),
    "a parameter masked at each step": (changed("noise", {"W_i": [0.5, "keep", "step"]}), "cannot be drawn"),
    "a rate that is not a number": (changed("noise", {"W_i": [float("nan"), "keep", "call"]}), "rate"),
    "a year that is text": (changed("year", "1997"), "a whole number"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_no_author_can_have_written_is_refused_at_once(what):
    data, why = HOSTILE[what]
    began = time.perf_counter()
    with pytest.raises(UsageError, match="^this is not a stored cell: ") as caught:
        Cell.from_json(data)
    assert re.search(why, str(caught.value)) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 and time.perf_counter() - began < 2


@pytest.mark.parametrize("name", REGISTRY)
def test_every_cell_is_read_back_equal(name):
    made = REGISTRY[name]
    again = Cell.from_json(json.loads(json.dumps(made.to_json())))
    assert again.graph == made.graph and again.to_json() == made.to_json()


@settings(max_examples=150)
@given(programs())
def test_random_cells_are_read_back_equal(program):
    made = program.cell()
    assert Cell.from_json(json.loads(json.dumps(made.to_json()))).graph == made.graph


def test_every_primitive_comes_from_authors_or_from_later():
    """A new one is met by the generator's cells, or stands among those that only differentiation makes."""
    assert set(LATER) <= {*OPS, *LEAVES} and not {"add", "product", "concat", "index"} & set(LATER)
    written = {n.op for made in REGISTRY.values() for n in made.graph.nodes}
    assert not written & set(LATER)


def test_a_join_in_a_state_that_is_narrower_is_refused():
    joined = more(["concat", [AT["h"]] * 2, None, ["H"]], new_states=[LSTM["graph"]["new_states"][0], LAST])
    with pytest.raises(UsageError, match="is said to have the shape"):
        Cell.from_json(joined)


def test_a_layer_that_a_stack_has_not_is_refused_when_sizes_are_known():
    row = Cell.from_json(more(["index", [AT["W_i"]], 10**6, ["I"]]))
    with pytest.raises(CellError, match="of a stack of 4"):
        Recurrent(row, 2, 4)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("H", 1),
        ("3", 1),
        ("H+2*O", 1),
        ("H/4", 1),
        ("depth", 1),
        ("A*B+3", 1),
        ("", 0),
        ("0", 0),
        ("H+", 0),
        ("+H", 0),
    ]
    + [
        ("H I", 0),
        ("H/0", 0),
        ("-1", 0),
        ("³", 0),
        ("H-I", 0),
        ("H" * 65, 0),
        ("9" * 9, 0),
        ("if", 0),
        ("H\n", 0),
    ],
)
def test_what_a_width_is(text, right):
    assert is_width(text) == bool(right)


def test_authors_meet_the_same_limits():
    def deep(x, h, *, W):
        for _ in range(900):
            h = tanh(h)
        return h + W @ x

    with pytest.raises(CellError, match=f"a chain of over {MOST_DEPTH} values"):
        cell(deep).graph


def test_a_cell_that_could_not_be_read_again_is_not_stored():
    space = {"tanh": tanh}
    exec(f"def made(x, h, *, {'W' * 65}): return tanh({'W' * 65} @ x + h)", space)
    with pytest.raises(UsageError, match="^made cannot be stored: 'WWW.*at most 64 letters"):
        cell(space["made"]).to_json()


# --- mutations, in a child under AddressSanitizer -------------------------------------------------------------

SANITIZER = "-fsanitize=address"


def sanitized(folder: Path) -> dict[str, str]:
    """What the environment of a child needs for kernels built with AddressSanitizer;
    nothing where gcc has none.
    """
    compiler = shutil.which("gcc")
    library = (
        compiler
        and subprocess.run(
            [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True
        ).stdout.strip()
    )
    if not library or not os.path.isabs(library):
        return {}
    script = folder / "cc"
    script.write_text(f'#!/bin/sh\nexec {compiler} "$@" {SANITIZER} -fno-omit-frame-pointer -g1\n')
    script.chmod(0o755)
    return {
        "UNROLLED_CC": str(script),
        "LD_PRELOAD": os.path.realpath(library),
        "ASAN_OPTIONS": "detect_leaks=0:exitcode=97",
    }


def child(folder: Path, *command: str) -> subprocess.CompletedProcess:
    source, tests = Path(unrolled.__file__).parents[1], Path(__file__).parent
    return subprocess.run(
        [sys.executable, *command],
        env=os.environ
        | sanitized(folder)
        | {"PYTHONPATH": f"{source}:{tests}", "UNROLLED_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=570,
    )


def fuzzed(folder: Path, seed: int, count: int) -> dict:
    done = child(folder, str(Path(__file__).with_name("fuzzed.py")), str(seed), str(count))
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_two_hundred_changed_cells(tmp_path):
    found = fuzzed(tmp_path, 1, 200)
    assert found["refused"] > 100 and found["ran"] > 5


@pytest.mark.slow
def test_two_thousand_changed_cells(tmp_path):
    found = fuzzed(tmp_path, 2, 2000)
    assert found["refused"] > 1000 and found["ran"] > 50


def test_the_child_would_notice(tmp_path):
    """A kernel that writes behind its memory ends the child, where there is a sanitizer."""
    if not sanitized(tmp_path):
        pytest.skip("gcc has no AddressSanitizer here")
    program = (
        'import ctypes, torch\nfrom unrolled.kernels.c.build.build import build\nmade = build("void'
        ' spill(double *p) { p[5] = 1; }", name="spill", optimise="-O0")\nmade.spill.argtypes ='
        " [ctypes.c_void_p]\nmade.spill(torch.zeros(4, dtype=torch.float64).data_ptr() + 64)\n"
    )
    done = child(tmp_path, "-c", program)
    assert done.returncode == 97 and "heap-buffer-overflow" in done.stderr
