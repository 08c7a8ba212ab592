"""The equations of the backward step, computed as they stand, against autograd: no plan,
no backend between them.
"""

from __future__ import annotations

import pytest
import torch
from generated import programs
from hypothesis import given, settings
from instances import CELLS, compare

from unrolled import cell, concat, floor, maximum, sigmoid, step, tanh, total
from unrolled.cell import Cell
from unrolled.cells import REGISTRY
from unrolled.graph.builder import Builder
from unrolled.graph.gradient import differentiate
from unrolled.graph.node import needed, size
from unrolled.graph.simplify import simple, split_concatenations
from unrolled.kernels.reference.spell import evaluate
from unrolled.ops import OPS

SIZES = {"I": 3, "H": 4, "O": 2, "P": 3}


def computed(nodes, leaves, roots):
    """Values of nodes for one example, by the meaning of each primitive. `leaves`: node -> value."""
    values = dict(leaves)
    for index in needed(nodes, roots):
        node, args = nodes[index], [values.get(a) for a in nodes[index].args]
        if index in values:
            continue
        if node.op == "constant":
            values[index] = torch.tensor(node.value, dtype=torch.float64)
        elif node.op == "width":
            values[index] = torch.tensor(size(node.value, SIZES), dtype=torch.float64)
        elif node.op == "product":
            values[index] = args[0] @ args[1]
        elif node.op == "products_t":
            shape = [size(d, SIZES) for d in node.shape]
            values[index] = sum(m.T @ g.expand(m.shape[0]) for m, g in zip(args[0::2], args[1::2])).expand(
                shape
            )
        elif node.op == "kron_left":
            values[index] = args[0].view(-1, len(args[1])) @ args[1]
        elif node.op == "kron_right":
            values[index] = args[1] @ args[0].view(len(args[1]), -1)
        elif node.op == "spread":
            values[index] = args[0].expand([size(d, SIZES) for d in node.shape])
        elif node.op == "sum":
            values[index] = args[0].sum()
        else:
            values[index] = evaluate(node, args, SIZES)
    return values


def backward_of(made: Cell):
    """A one-step graph in a builder with the gradients of everything differentiable, and the seeds' nodes."""
    graph = made.graph
    nodes, moved = split_concatenations(graph)
    builder = Builder()
    builder.nodes = list(nodes)
    results = [moved[i] for i in dict.fromkeys([graph.output, *graph.new_states])]
    seeds = [(r, builder.leaf("above", f"seed {k}", nodes[r].shape).index) for k, r in enumerate(results)]
    count = len(nodes)
    leaves = [n.index for n in nodes if n.op in ("input", "state") or n.op == "parameter" and len(n.shape) < 2]
    return builder, seeds, leaves, differentiate(builder, seeds, leaves), count


def check_step(made: Cell) -> None:
    builder, seeds, leaves, backward, _ = backward_of(made)
    nodes, source = builder.nodes, torch.Generator().manual_seed(3)
    values = {}
    for node in nodes:
        if node.op in ("input", "state", "parameter", "above"):
            shape = [size(d, SIZES) for d in node.shape]
            value = torch.randn(shape, generator=source, dtype=torch.float64) * 0.6
            values[node.index] = (value.abs() + 1 if node.value == "tau" else value).requires_grad_(
                node.op != "above"
            )
        elif node.op == "hyper":
            values[node.index] = torch.tensor(dict(made.graph.hyper)[node.value], dtype=torch.float64)
    roots = [r for r, _ in seeds] + list(backward.of.values()) + [o.gradient for o in backward.outers]
    found = computed(nodes, values, [*roots, *(o.operand for o in backward.outers)])
    if not all(torch.isfinite(found[r]).all() for r in roots):
        return
    loss = sum((found[r].expand(values[s].shape) * values[s]).sum() for r, s in seeds)
    if not loss.requires_grad:
        return
    asked = [values[i] for i in leaves]
    expected = torch.autograd.grad(loss, asked, allow_unused=True, materialize_grads=True, retain_graph=True)
    mine = [
        found[backward.of[i]].expand(values[i].shape) if i in backward.of else torch.zeros_like(values[i])
        for i in leaves
    ]
    compare(mine, expected, [str(nodes[i].value) for i in leaves], 1e-10)
    _check_matrices(nodes, values, found, backward, loss)


def _check_matrices(nodes, values, found, backward, loss) -> None:
    """The outer products of a matrix's gradients with its operands add up to its gradient."""
    matrices = [n.index for n in nodes if n.op == "parameter" and len(n.shape) == 2]
    used = {n.args[0] for n in nodes if n.op == "product"}
    # Not inside an expression.
    plain = [m for m in matrices if {u for u in used if m in needed(nodes, [u])} == {m}]
    expected = (
        torch.autograd.grad(loss, [values[m] for m in plain], allow_unused=True, materialize_grads=True)
        if plain
        else []
    )
    for matrix, wanted in zip(plain, expected):
        total_outer = torch.zeros_like(wanted)
        for outer in backward.outers:
            if outer.matrix == matrix:
                total_outer += torch.outer(found[outer.gradient].expand(wanted.shape[0]), found[outer.operand])
        compare([total_outer], [wanted], [str(nodes[matrix].value)], 1e-10)


@pytest.mark.parametrize("name", CELLS)
def test_the_backward_step_of_every_cell(name):
    check_step(REGISTRY[name])


@settings(max_examples=60)
@given(programs())
def test_the_backward_step_of_random_cells(program):
    check_step(program.cell())


@pytest.mark.parametrize("name", CELLS)
def test_every_leaf_has_a_gradient_and_every_vector_one_joined_product(name):
    builder, seeds, leaves, backward, count = backward_of(REGISTRY[name])
    unreached = {builder.nodes[i].value for i in leaves if i not in backward.of}
    assert not unreached - set(REGISTRY[name].fixed)
    joined = [n for n in builder.nodes if n.op == "products_t"]
    operands = {n.args[1] for n in builder.nodes[:count] if n.op == "product"}
    assert len(joined) <= len(operands)
    assert not [n for n in builder.nodes if n.op in ("outer", "product_t")]


def test_nothing_is_multiplied_by_one_or_added_to_zero():
    for name in CELLS:
        nodes, first = (lambda b: (b[0].nodes, b[4]))(backward_of(REGISTRY[name]))
        for node in nodes[first:]:
            constants = [nodes[a].value for a in node.args if nodes[a].op == "constant"]
            assert not (node.op == "mul" and set(constants) & {0.0, 1.0}), (name, node)
            assert not (
                node.op in ("add", "sub") and 0.0 in constants[-1:] and nodes[node.args[-1]].op == "constant"
            ), (name, node)


SIMPLER = {
    "1 * v": ("mul", 1.0, "v", "v"),
    "v * 1": ("mul", "v", 1.0, "v"),
    "0 * v": ("mul", 0.0, "v", 0.0),
    "v * 0": ("mul", "v", 0.0, 0.0),
    "v + 0": ("add", "v", 0.0, "v"),
    "0 + v": ("add", 0.0, "v", "v"),
    "v - 0": ("sub", "v", 0.0, "v"),
}


@pytest.mark.parametrize("case", SIMPLER)
def test_simplification(case):
    op, a, b, expected = SIMPLER[case]
    builder = Builder()
    v = builder.leaf("state", "v", ("H",))
    known = {"v": v}
    found = simple(builder, op, (known.get(a, a), known.get(b, b)))
    assert found.index == (v.index if expected == "v" else builder.symbol(expected).index)


def test_what_is_not_simpler_stays():
    builder = Builder()
    v = builder.leaf("state", "v", ("H",))
    for op, a, b in (("sub", 0.0, v), ("div", v, 1.0), ("mul", v, 2.0), ("add", v, 1.0), ("div", 0.0, v)):
        assert builder.nodes[simple(builder, op, (a, b)).index].op == op
    twice = simple(builder, "neg", (simple(builder, "neg", (v,)),))
    assert twice.index == v.index


def test_a_number_spread_over_a_vector_gets_the_sum():
    @cell(shapes={"a": (), "n": ()})
    def mine(x, h, n, *, W, a):
        h = tanh(W @ x + a * h + n)
        return h, n * a + total(h)

    check_step(mine)


def test_what_has_no_slope_sends_nothing_back():
    @cell
    def mine(x, h, *, W, U):
        gate = step(W @ x)
        return floor(U @ h) + gate * h

    builder, _, leaves, backward, _ = backward_of(mine)
    assert {builder.nodes[i].value for i in backward.of} == {"h"}
    check_step(mine)


def test_ties_send_half_to_each_side():
    @cell
    def mine(x, h, *, b):
        return maximum(h + b, b + h) + x * 0 + maximum(tanh(h), tanh(h))

    nodes = mine.graph.nodes
    assert [n.op for n in nodes].count("tanh") == 1
    check_step(cell(lambda x, h, *, b: maximum(sigmoid(h + b), sigmoid(h + b)) * h))


def test_a_product_of_joined_vectors_is_taken_apart():
    @cell
    def mine(x, h, *, W, b):
        both = concat(x, h, x)
        return tanh(W @ both + b)

    nodes, _ = split_concatenations(mine.graph)
    columns = [n.value for n in nodes if n.op == "columns"]
    assert columns == [("0", "I"), ("I", "H"), ("I+H", "I")]
    assert [n.op for n in nodes].count("product") == 3 and all(
        nodes[n.args[1]].op != "concat" for n in nodes if n.op == "product"
    )


def test_every_primitive_with_a_gradient_is_in_some_cell_of_these_tests():
    """So that a new row cannot go untested: those of the generator's language and of the zoo together."""
    from generated import BINARY, MATRICES, OF_A_VECTOR, UNARY

    text = " ".join((*UNARY, *BINARY, *OF_A_VECTOR, *MATRICES))
    spelled = {
        "add": "+",
        "sub": "-",
        "mul": "*",
        "div": "/",
        "neg": "-{}",
        "less": "<",
        "greater": ">",
        "at_most": "<=",
        "at_least": ">=",
        "unequal": "!=",
        "both": "&",
        "either": "|",
        "power": "**",
        "abs": "absolute",
        "product": "",
        "alias": "",
        "sum": "",
        "concat": "",
        "spread": "",
        "equal": "norm(",
        "size": "mean(",
        "cumsum_back": "cumsum(",
        "kron": "bilinear(",
        "copy": "bilinear(",
        "held": "stop_gradient(",
    }
    for name, op in OPS.items():
        if op.gradient and name not in ("product_t",):
            assert spelled.get(name, name + "(") in text, f"{name} is in no cell of tests/generated.py"
