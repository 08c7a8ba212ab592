"""What leaves the loop, how many products each step waits for, what is kept, what the cost model says."""

from __future__ import annotations

import pytest
from generated import programs
from hypothesis import given, settings
from instances import CELLS

from unrolled import cell, concat, sigmoid, tanh, total
from unrolled.cells import REGISTRY
from unrolled.errors import NotYet
from unrolled.plan import plan as planning
from unrolled.plan.body import body_of
from unrolled.plan.cost import (
    Way,
    block_of,
    elementwise_flops,
    hoisted_flops,
    large,
    loop_flops,
    sharing,
    weight_bytes,
)
from unrolled.plan.draft import PlanDraft
from unrolled.plan.plan import PASSES, plan_of
from unrolled.plan.program import Product, Program

# Cell: (matrices in each hoisted product, matrices in each product of the loop, values kept
# apart from hoisted columns)
SHAPES = {
    "elman": ([1], [1], 0),
    "lstm": ([4], [4], 0),
    "peephole_lstm": ([4], [4], 0),
    "gru": ([3], [3], 1),
    "gru_reset_before": ([3], [2, 1], 1),
    "mgu": ([2], [1, 1], 1),
    "lem": ([4], [3, 1], 0),
    "indrnn": ([1], [], 0),
    "mingru": ([2], [], 0),
    "intersection_rnn": ([4], [4], 0),
    "rhn": ([2], [2, 2, 2], 6),
    "jordan": ([1], [1, 1], 0),
    "phased_lstm": ([4], [4], 0),
}


def plan(made):
    return plan_of(made.graph)


@pytest.mark.parametrize("name", SHAPES)
def test_products_leave_the_loop_and_join(name):
    """All gates' input weights are one product before the loop; a second product in it only
    where one waits for a gate.
    """
    made = plan(REGISTRY[name])
    hoisted, groups, kept = SHAPES[name]
    assert [len(h.matrices) for h in made.body.hoisted] == hoisted
    assert [len(g.matrices) for g in made.groups] == groups
    assert len(made.forward.products) == len(made.backward.products) == len(groups)
    assert len(made.kept_widths) == kept


@pytest.mark.parametrize("name", CELLS)
def test_backward_mirrors_forward(name):
    made = plan(REGISTRY[name])
    kinds = [[isinstance(s, Product) for s in program.steps] for program in (made.forward, made.backward)]
    assert kinds[1].count(True) == kinds[0].count(True)
    # The state's product last.
    assert kinds[1][0] is False and (name not in SHAPES or not made.groups or kinds[1][-1] is True)


@pytest.mark.parametrize("name", SHAPES)
def test_weight_gradients_are_few_products_after_the_loop(name):
    """The gradients of all matrices with one operand stand side by side, so that one product makes them."""
    made = plan(REGISTRY[name])
    assert all(len(runs) == 1 for runs in made.hoisted_runs)
    most = 2 if name == "gru" else 1  # r * (U_n @ h + c_n): its gradient is another than W_n @ x's
    assert all(len(group.runs) <= most for group in made.groups)


def test_kept_values_take_the_place_of_what_has_been_read():
    """An LSTM keeps four gates in the columns of its hoisted products, and computes tanh(c) again."""
    made = plan(REGISTRY["lstm"])
    places = dict(made.forward.places)
    assert [places[k].buffer for k in made.kept] == ["k0"] * 4 and not made.kept_widths
    names = {m: made.graph.name_of(i) for i, m in made.body.made}
    assert {names[k] for k in made.kept} == {"i", "f", "g", "o"}


def test_a_joined_vector_is_taken_apart_so_that_the_input_leaves():
    @cell
    def joined(x, h, *, W, b):
        return tanh(W @ concat(h, x) + b)

    @cell
    def apart(x, h, *, U, W, b):
        return tanh(U @ h + W @ x + b)

    for made in (plan(joined), plan(apart)):
        assert [len(h.matrices) for h in made.body.hoisted] == [1] and [
            len(g.matrices) for g in made.groups
        ] == [1]
    assert joined.graph.shape("parameter", "W") == ("H", "H+I")


def test_an_expression_of_parameters_leaves_the_loop():
    @cell
    def skew(x, h, *, W, V, gamma):
        return tanh((W - W.T) @ h - gamma * h + V @ x)

    made = plan(skew)
    assert not {"transpose", "index"} & {n.op for n in made.body.nodes}
    assert len(made.groups) == 1


def test_what_depends_on_the_input_alone_is_hoisted_through_elementwise_work():
    @cell
    def deep(x, h, *, W, V, U):
        return tanh(V @ sigmoid(W @ x) + U @ h)

    assert [h.depth for h in plan(deep).body.hoisted] and len(plan(deep).groups) == 1


def test_tied_weights_are_a_group_for_each_operand():
    @cell
    def tied(x, h, *, W, U):
        for _ in range(3):
            h = tanh(W @ x + U @ h)
        return h

    made = plan(tied)
    assert [len(g.matrices) for g in made.groups] == [1, 1, 1] and len({g.matrices for g in made.groups}) == 1
    assert len({g.operand for g in made.groups}) == 3
    assert sorted(p.group for p in made.backward.products) == [0, 1, 2]


def test_sums_and_numbers_keep_a_row_on_one_core():
    """Two cores that share a row would each have half a sum, or both write the one number."""

    @cell(shapes={"n": ()})
    def counting(x, h, n, *, W, U):
        return tanh(W @ x + U @ h), n + 1

    @cell(shapes={"beta": ()})
    def scaled(x, h, *, W, U, beta):
        return beta * tanh(W @ x + U @ h)

    @cell
    def summed(x, h, *, W, U):
        return tanh(W @ x + U @ h) * total(h)

    assert not any(plan(made).splits_units for made in (counting, scaled, summed, REGISTRY["phased_lstm"]))
    assert plan(REGISTRY["lstm"]).splits_units


def test_a_stack_of_weights_is_used_layer_by_layer():
    @cell(shapes={"S": ("2", "H", "H")})
    def mine(x, h, *, S):
        return tanh(S[0] @ h + S[1] @ x)

    assert plan(mine).body.outer
    whole = cell(shapes={"S": ("2", "H", "H"), "n": ()})(lambda x, h, n, *, S: ((n * S)[0] @ h, n))
    with pytest.raises(NotYet, match="a stack of weights can only be used one layer at a time"):
        plan(whole)


def test_the_same_graph_has_one_plan():
    assert plan(REGISTRY["lem"]) is plan(REGISTRY["lem"].using(dt=1.0))


@settings(max_examples=60)
@given(programs())
def test_a_plan_reads_only_what_has_been_written(program):
    """Every value that a segment needs is made in it, or stands in a buffer that was filled
    before and not overwritten.
    """
    made = plan_of(program.cell().graph)
    for direction in (made.forward, made.backward):
        check_reads(made, direction)


@pytest.mark.parametrize("name", CELLS)
def test_the_plans_of_the_zoo_read_only_what_has_been_written(name):
    made = plan(REGISTRY[name])
    for direction in (made.forward, made.backward):
        check_reads(made, direction)


WRITTEN = ("new", "output", "z", "scratch", "carry", "kept", "gradient", "dinput")


def check_reads(made, program) -> None:
    nodes, places, forward = made.body.nodes, dict(program.places), program is made.forward
    memory = {
        address(place): index
        for index, place in places.items()
        if (place.buffer not in WRITTEN and not is_kept(place))
        or (not forward and (is_kept(place) or place.buffer == "new"))
    }
    memory |= {address(place): index for index, place in places.items() if place.buffer == "carry"}
    for step in program.steps:
        if isinstance(step, Product):
            run_product(made, step, forward, memory)
            continue
        inside = set(step.nodes)
        wanted = [a for i in step.nodes for a in nodes[i].args] + [
            i for i, _ in (*step.stores, *step.vectors, *step.numbers)
        ]
        for index in wanted:
            if index in inside or nodes[index].op == "constant":
                continue
            assert index in places, f"node {index} ({nodes[index].op}) is neither made nor anywhere"
            held = memory.get(address(places[index]))
            assert held == index, f"stage {step.stage} reads node {index} where node {held} stands"
        memory |= {address(place): index for index, place in step.stores}


def is_kept(place) -> bool:
    return place.buffer == "kept" or place.buffer[0] == "k" and place.buffer[1:].isdigit()


def address(place):
    """A kept column lies over the hoisted column of the same number."""
    buffer = place.buffer.replace("k", "x") if place.buffer[1:].isdigit() else place.buffer
    return buffer, place.number, place.start


def run_product(made, step, forward, memory) -> None:
    group = made.groups[step.group]
    if forward:
        assert memory.get(address(step.source)) == group.operand, "a product reads something else"
        start = step.to.start
        for output, width in zip(group.outputs, group.widths):
            memory[("z", step.to.number, start)] = output
            start = (*start, width)
        return
    args = {o.matrix: o.gradient for o in made.body.backward.outers if o.operand == group.operand}
    for run in group.runs:
        start = run.start
        for matrix, width in zip(group.matrices[run.first :], run.widths):
            assert memory.get(("gradient", 0, start)) == args[matrix], (
                "a product's gradient has not been stored"
            )
            start = (*start, width)
    if step.to.buffer == "z":
        made_here = [i for i, place in made.backward.places if place == step.to]
        memory[address(step.to)] = made_here[0]


WIDTH = {"I": 32, "H": 64, "O": 8, "1": 1}.get


def test_costs_are_those_of_the_equations():
    lstm = plan(REGISTRY["lstm"])
    assert loop_flops(lstm, WIDTH) == 2 * 4 * 64 * 64 and hoisted_flops(lstm, WIDTH) == 2 * 4 * 64 * 32
    assert weight_bytes(lstm, WIDTH, 4) == 4 * 4 * 64 * 64
    assert elementwise_flops(lstm, WIDTH) > 64 * (3 * 12 + 2 * 14)
    assert loop_flops(plan(REGISTRY["indrnn"]), WIDTH) == 0


def test_cores_share_rows_units_or_nothing():
    lstm = plan(REGISTRY["lstm"])

    def wide(h):
        return {"I": h, "H": h}.get

    assert sharing(lstm, wide(128), 32, 4, 1) == (1, False)
    assert sharing(lstm, wide(4), 1, 4, 2) == (1, False)  # less work than a barrier costs
    assert sharing(lstm, wide(64), 32, 4, 2) == (2, False)  # rows: no barrier
    assert sharing(lstm, wide(512), 1, 4, 2) == (2, True)  # one row: its units
    assert sharing(lstm, wide(64), 3, 4, 8)[0] <= 3  # no thread without a row
    assert sharing(plan(REGISTRY["phased_lstm"]), {"I": 512, "H": 512, "1": 1}.get, 1, 4, 2) == (1, False)


def test_blocks_and_large_products():
    assert (
        block_of(1, Way(1, False, 64)) > block_of(32, Way(1, False, 64)) >= 1
        and block_of(10_000, Way(2, True, 64)) == 1
    )
    assert large(3200, 2048, 512) and not large(3200, 128, 128)


SPOILED = {
    "leaves": {"base": {}},
    "products": {"groups": ()},
    "forward": {"kept_places": {}},
    "gradients": {"hoisted_runs": ((),)},
    "backward": {"backward": Program((), (), (), ())},
    "sharing": {"splits_units": True, "numbers": (1,)},
}


@pytest.mark.parametrize("name", SPOILED)
def test_each_pass_is_checked(name):
    draft = PlanDraft(body_of(REGISTRY["gru"].graph))
    for step in PASSES:
        step.fill(draft)
        assert step.holds(draft)
        if step.name == name:
            vars(draft).update(SPOILED[name])
            assert not step.holds(draft)
            return
    pytest.fail(f"there is no pass {name}")


def test_every_pass_has_a_check_that_can_fail():
    assert [step.name for step in PASSES] == list(SPOILED)


def test_a_plan_with_a_fault_is_an_error_whatever_python_leaves_out(monkeypatch):
    monkeypatch.setattr(planning, "PASSES", (PASSES[0]._replace(holds=lambda draft: False),))
    with pytest.raises(RuntimeError, match="gru: the plan is wrong after leaves"):
        plan_of.__wrapped__(REGISTRY["gru"].graph)
