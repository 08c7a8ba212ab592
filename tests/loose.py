"""Random cells that say less and mix more than those of generated.py: shapes are left out or wrong,
numbers stand where vectors are due, vectors of different widths meet. Many are refused; whatever is
accepted must agree everywhere."""

from __future__ import annotations

import contextlib

from generated import Program, programs
from hypothesis import strategies as st
from instances import Instance, instance
from together import text_of

from unrolled.errors import UnrolledError
from unrolled.kernels import StepRows
from unrolled.kernels.c.build.build import build
from unrolled.kernels.c.call import library
from unrolled.kernels.c.emit.spell import unspelled
from unrolled.kernels.call import check_sizes
from unrolled.plan.plan import plan_of

SHAPES = ((), ("H",), ("H",), ("I",), ("O",), ("1",), ("Z",), ("H", "H"), ("H", "I"), ("2", "H", "H"))
WILD = (
    "{0} + {1}",
    "{0} * {1}",
    "{0} * (total({1}) + total({2}))",
    "total({0}) + total({1}) + total({2})",
    "(total({0}) - total({1})) * {2}",
    "tanh(total({0}) + total({1})) * {0} + {2}",
    "{0} + total({1}) + total({2})",
    "{0} + mean({1}) * largest({2})",
    "sigmoid(total({1})) * {0} + total({1}) * {2}",
    "tanh({p} @ concat({1}, {2}))",
    "total({p} * concat({1}, {2})) * {0}",
    "{p} @ concat({1}, {p2})",
    "concat({1}, {p}) * {p2}",
    "{p} @ {0} + {1}",
    "{p} * {0} + {p2}",
    "maximum({0}, {1}) - norm({2})",
    "where({0} > {1}, {2}, 0.5)",
    "where(({0} > 0) & ({1} <= 0.5), {2}, 1)",
    "softmax({0}) * {1}",
    "cumsum({0} + {1})",
    "clip({0}, -0.5, {1})",
    "({0} == {1}) * {2} + ({0} != {2})",
    "{p}[0] @ {0}",
    "{p}[1] * {0}",
    "({p} @ {0}) * ({p} @ {1})",
    "{p}.T @ {0}",
    "mean({0}) + 0.25",
    "0.5",
    "bilinear({p}, {0}, {1})",
)


@st.composite
def loose_programs(draw) -> Program:
    made = draw(programs())
    for k in range(draw(st.integers(0, 3))):
        names = [name for name, _ in made.values]
        values = [draw(st.sampled_from((*names[:-4:-1], *names))) for _ in range(3)]
        new = {key: _parameter(draw, made, key) for key in ("p", "p2")}
        text = draw(st.sampled_from(WILD))
        made.lines.append(f"w{k} = {text.format(*values, **new)}")
        made.parameters.update({name: () for key, name in new.items() if f"{{{key}}}" in text})
        made.values.append((f"w{k}", ()))
    made.shapes.update({name: shape for name, shape in made.parameters.items() if not name.startswith("q")})
    for name in list(made.shapes):
        what = draw(st.sampled_from(("kept",) * 4 + ("left out",) * 4 + ("other",)))
        if what != "kept" and name != "past":
            del made.shapes[name]
        if what == "other" and name != "past":
            made.shapes[name] = draw(st.sampled_from(SHAPES))
    for k, text in enumerate(made.returned):
        value = draw(st.sampled_from([n for n, _ in made.values][:-5:-1]))
        made.returned[k] = draw(
            st.sampled_from((text, text, value, f"{text} + {value}", f"tanh({value}) + {text}", "0.5"))
        )
    made.declared = False
    return made


def _parameter(draw, made: Program, key: str) -> str:
    """A name that nothing declares, or one that is there."""
    there = [n for n in made.parameters]
    return draw(st.sampled_from((*there[-2:], *(f"q{len(there) + (key == 'p2')}",) * 2)))


def accepted(program: Program, sizes: dict[str, int], step_rows: StepRows) -> Instance | None:
    """The cell with random numbers; None where it is refused in our own words."""
    try:
        made = program.cell()
        given = instance(made, sizes, step_rows)
        check_sizes(made.graph, given.sizes)
        plan_of(made.graph)
    except UnrolledError:
        return None
    return given


@contextlib.contextmanager
def built_together(instances: list[Instance]):
    """Their kernels out of one file, for `library.load` to find."""
    graphs = list(dict.fromkeys(g.cell.graph for g in instances if unspelled(plan_of(g.cell.graph)) is None))
    code = build(text_of(graphs, "float64"), name="random cells", optimise="-O0")
    found = {plan_of(g): (code[f"forward_{k}"], code[f"backward_{k}"]) for k, g in enumerate(graphs)}
    before = library.load
    library.load = lambda plan, precision: found[plan] if plan in found else before(plan, precision)
    try:
        yield
    finally:
        library.load = before
