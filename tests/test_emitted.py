"""The C that is emitted holds no byte from outside: identifiers and numbers are ours,
comments a few harmless letters.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from unrolled import cell, concat, mean, sigmoid, tanh, total
from unrolled.cells import REGISTRY
from unrolled.graph.node import Clash, Graph, Node, Statement
from unrolled.kernels.c.call.generate import emit_generator
from unrolled.kernels.c.emit.emit import emit
from unrolled.kernels.c.emit.segment import ALLOWED, atom, extent, safe
from unrolled.kernels.c.emit.step import Layer
from unrolled.plan.plan import plan_of

EVIL = '*/ system("id"); /* *\\/ ??/\n#include <evil>\r\x1b[2J`$(id)` \u2028 \ud800'
LETTER = re.compile(r"[^\W\d]\w*")


@cell(shapes={"y": ("depth",), "W_y": ("depth", "H+depth"), "u": (), "s": ("2*depth",), "M": ("3", "H", "H")})
def rich(x, u, /, h, y, s, *, W, U, b, W_y, M, a=0.5):
    f = sigmoid(W @ x + U @ h + b * u)  # gate
    g = tanh(M[1] @ (f * h)) * mean(y) + 0.25 * a  # made of much
    y = tanh(W_y @ concat(g, y)) + total(s)
    s = 0.5 * s
    return g, g, y, s


def hostile(graph: Graph) -> Graph:
    """The same equations, with names, comments and widths that no reader lets in."""
    words = {name: f"{name} {EVIL}" for name in (*graph.inputs, *graph.states, *graph.parameters)}
    words |= {name: f"{name} {EVIL}" for name, _ in graph.hyper}

    def width(dim: str) -> str:
        return LETTER.sub(
            lambda m: m[0] if m[0] in ("H", "I") else f"{m[0]};{EVIL}".replace("/", "").replace("*", ""), dim
        )

    def node(n: Node) -> Node:
        value = words.get(n.value, n.value) if n.op in ("input", "state", "parameter", "hyper") else n.value
        value = width(value) if n.op == "width" else value
        return replace(n, value=value, shape=tuple(map(width, n.shape)))

    return replace(
        graph,
        name=f"{graph.name} {EVIL}",
        nodes=tuple(map(node, graph.nodes)),
        inputs=tuple(words[n] for n in graph.inputs),
        states=tuple(words[n] for n in graph.states),
        parameters=tuple(words[n] for n in graph.parameters),
        hyper=tuple((words[n], v) for n, v in graph.hyper),
        statements=tuple(
            Statement(f"{s.name} {EVIL}", s.index, s.line, EVIL, s.count) for s in graph.statements
        ),
        clashes=tuple(Clash(width(c.left), width(c.right), c.index, EVIL, 1, EVIL, 0) for c in graph.clashes),
    )


def texts(graph: Graph) -> list[str]:
    plan = plan_of(graph)
    made = [emit(plan, "float32", with_header=False)]
    return [*made, emit_generator((Layer(plan),), False, False)] if len(graph.inputs) == 1 else made


def renamed(text: str) -> str:
    """C without its comments, and with the names of widths in the order in which they come."""
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = dict.fromkeys(re.findall(r"w_[0-9a-f]+", bare))
    for k, name in enumerate(found):
        bare = re.sub(rf"{name}(?![0-9a-f])", f"WIDTH{k}", bare)
    return bare


@pytest.mark.parametrize(
    "made",
    [rich, *map(REGISTRY.get, ("lstm", "hyper_lstm", "on_lstm"))],
    ids=lambda made: made.name,
)
def test_no_byte_of_the_code_comes_from_outside(made):
    for plain, evil in zip(texts(made.graph), texts(hostile(made.graph))):
        assert renamed(plain) == renamed(evil)


def test_comments_are_made_of_a_few_letters():
    ours = set(re.findall(r"/\*(.*?)\*/", texts(hostile(REGISTRY["jordan"].graph))[0], re.S))
    assert ours and all(set(text) <= ALLOWED | {"'"} for text in ours), "' stands in a comment of ours"
    assert safe(EVIL).isascii() and set(safe(EVIL)) <= ALLOWED and "\\" not in ALLOWED and "*" not in ALLOWED


def test_names_of_widths_are_different_and_ours():
    odd = ["H", "O", "depth", "int", "batch", "H_lo", "größe", "n3", "w_48", "system(1);", "a b", "\ud800"]
    odd += ["3", "H/4", "2*O", "H+I", "H*I"]
    names = [atom(width) for width in odd]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) for name in names)
    assert extent(("07", "H")) == "7 + H", "a number in C that begins with 0 is octal"
