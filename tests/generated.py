"""Random cells: programs in the cell language, drawn by hypothesis and written out as Python source.

What a cell may hold: one to three states of different widths (numbers too), one or two inputs, several products
that wait for each other, weights used twice, parameters that are vectors, numbers, stacks or expressions,
hyper-parameters, comparisons, sums over units and along them, softmax, bilinear forms, states behind a star,
concatenations inside `@` and by themselves, dead lines, outputs that are not states, states handed on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

import unrolled
from unrolled.cell import Cell, cell

LANGUAGE = {
    name: getattr(unrolled, name)
    for name in (
        "sigmoid",
        "tanh",
        "relu",
        "exp",
        "log",
        "softplus",
        "sin",
        "cos",
        "sqrt",
        "elu",
        "silu",
        "gelu",
        "erf",
        "absolute",
        "sign",
        "round",
        "clip",
        "floor",
        "step",
        "maximum",
        "minimum",
        "where",
        "concat",
        "total",
        "largest",
        "mean",
        "stop_gradient",
        "softmax",
        "norm",
        "layer_norm",
        "cumsum",
        "cumax",
        "matrix_exp",
        "softmax_columns",
        "block_diagonal",
        "bilinear",
    )
}
UNARY = (
    "tanh({})",
    "sigmoid({})",
    "relu({})",
    "softplus({})",
    "sin({})",
    "cos({})",
    "absolute({})",
    "abs({})",
    "elu({})",
    "silu({})",
    "gelu({})",
    "erf({})",
    "sign({})",
    "round(3 * {})",
    "clip({}, -0.5, 0.75)",
    "(1.5 + absolute({})) ** 1.5",
    "(1.5 + absolute({})) ** -0.7",
    "{} ** 0",
    "2 ** {}",
    "step({})",
    "floor({})",
    "-{}",
    "exp(-absolute({}))",
    "sqrt(1 + {0} * {0})",
    "log(1 + {0} * {0})",
    "1 - {}",
    "0.5 * {}",
    "{} ** 3",
    "{} / 2",
    "stop_gradient({})",
)
OF_A_VECTOR = (
    "total({}) * 0.3",
    "total({}) * 0.3",
    "largest({})",
    "mean({})",
    "norm({})",
    "softmax({})",
    "layer_norm({})",
    "stop_gradient({})",
    "cumsum({}) * 0.3",
    "cumax({})",
)
BINARY = (
    "{} + {}",
    "{} - {}",
    "{} * {}",
    "maximum({}, {})",
    "minimum({}, {})",
    "{} / (1.5 + absolute({}))",
    "where({0} < {1}, {0}, 0)",
    "where({0} < {1}, {0}, {1} * {0})",
    "where({1}, {0}, 0.25)",
    "where(0.1 < {1}, 2, {0} * {1})",
    "where(({0} >= {1}) & ({1} != 0.5), {0}, 0.5)",
    "where(({0} <= {1}) | ({1} == {0}), {1}, 2 * {0})",
    "({0} > {1}) * {0}",
    "clip({0}, {1}, 1)",
    "(1.5 + absolute({0})) ** {1}",
)
MATRICES = ("softmax_columns({})", "matrix_exp(0.3 * {})", "block_diagonal({})", "bilinear({}, {}, {})")
# A hyper-parameter is a plain number when the function runs on tensors, so it stands
# beside something that is not.
HYPER = (
    "a * {0}",
    "{0} / (a + 1)",
    "where(a < {0}, {0}, a)",
    "maximum(a, {0})",
    "(1 - a) * {0} + a * {1}",
    "tanh({1} * a) * {0}",
    "relu(a) * {0} - a",
)


@dataclass
class Program:
    """A cell under construction: its lines, and the values that are known so far as (name, shape)."""

    values: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    parameters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    states: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    hyper: list[str] = field(default_factory=list)
    shapes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    returned: list[str] = field(default_factory=list)
    declared: bool = True  # whether every parameter's shape is said

    def shape_of(self, value: str) -> tuple[str, ...]:
        return dict(self.values)[value]

    @property
    def source(self) -> str:
        keywords = [*self.parameters, *(f"{name}=0.75" for name in self.hyper)]
        star = ["*past"] if "past" in self.shapes else ["*"] if keywords else []
        named = [name for name, _ in self.states if not name.startswith("past[")]
        head = ", ".join([*self.inputs, "/", *named, *star, *keywords])
        body = "\n".join(f"    {line}" for line in [*self.lines, f"return {', '.join(self.returned)}"])
        return f"def made({head}):\n{body}\n"

    def cell(self) -> Cell:
        space = dict(LANGUAGE)
        exec(self.source, space)
        shapes = {**self.parameters, **self.shapes} if self.declared else self.shapes
        return cell(shapes=shapes)(space["made"])

    def _repr_pretty_(self, printer, cycle) -> None:  # how hypothesis shows a failing cell: as its source
        printer.text(
            f"\n{self.source}shapes={self.parameters | self.shapes if self.declared else self.shapes}\n"
        )


@st.composite
def programs(draw) -> Program:
    made = Program()
    widths = draw(
        st.sampled_from((("H",), ("H",), ("H", "O"), ("H", draw(st.sampled_from(("H+I", "3", "1", "2*O"))))))
    )
    _signature(draw, made, widths)
    for k in range(draw(st.integers(1, 7))):
        _line(draw, made, widths, f"v{k}")
    _results(draw, made, widths)
    return made


def _signature(draw, made: Program, widths) -> None:
    made.inputs = ["x", "u"][: draw(st.sampled_from((1, 1, 1, 2)))]
    made.values.append(("x", ("I",)))
    if len(made.inputs) == 2:
        made.shapes["u"] = draw(st.sampled_from(((), ("H",), ("P",))))
        made.values.append(("u", made.shapes["u"]))
    for k in range(draw(st.sampled_from((1, 1, 2, 3)))):
        shape = draw(st.sampled_from((*((w,) for w in widths), *((w,) for w in widths), ())))
        made.states.append((f"s{k}", shape))
        made.shapes[f"s{k}"] = shape
        made.values.append((f"s{k}", shape))
    if draw(st.integers(0, 4)) == 4:
        _past(draw, made, widths)
    if draw(st.sampled_from((0, 0, 1))):
        made.hyper.append("a")


def _past(draw, made: Program, widths) -> None:
    """One or two states more behind a star, as a delay buffer is."""
    count, shape = draw(st.sampled_from((1, 2))), draw(st.sampled_from((*((w,) for w in widths), ())))
    made.shapes["past"] = (str(count), *shape)
    for k in range(count):
        made.states.append((f"past[{k}]", shape))
        made.values.append((f"past[{k}]", shape))


def _parameter(draw, made: Program, shape: tuple[str, ...]) -> str:
    """A new parameter of that shape, one that is there already, or an expression of one."""
    there = [name for name, s in made.parameters.items() if s == shape]
    if there and draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(there))
    name = f"p{len(made.parameters)}"
    kind = draw(st.sampled_from(("plain",) * 6 + ("transposed", "skew", "stacked", "scaled", "function")))
    if kind == "transposed" and len(shape) == 2:
        made.parameters[name] = shape[::-1]
        return f"{name}.T"
    if kind == "skew" and len(shape) == 2 and shape[0] == shape[1]:
        made.parameters[name] = shape
        return f"({name} - {name}.T)"
    if kind == "function" and len(shape) == 2:
        text = draw(st.sampled_from(MATRICES[: 3 if shape[0] == shape[1] else 1]))
        made.parameters[name] = ("1", *shape) if "block" in text else shape
        return text.format(name)
    if kind == "stacked" and shape:
        made.parameters[name] = ("2", *shape)
        return f"{name}[{draw(st.sampled_from((0, 1)))}]"
    made.parameters[name] = shape
    return f"tanh({name})" if kind == "scaled" else name


def _any(draw, made: Program, fits=lambda shape: True) -> tuple[str, tuple[str, ...]]:
    """A value that fits, late ones rather than early ones."""
    found = [v for v in made.values if fits(v[1])][::-1]
    return draw(st.sampled_from(found))


def _vector(draw, made: Program, width: str) -> str:
    """Something as wide as that: a value, a number, a parameter, or a product."""
    fitting = [v for v in made.values if v[1] in ((width,), ())]
    kind = draw(st.sampled_from(("value", "value", "value", "product", "parameter")))
    if kind == "value" and fitting:
        return draw(st.sampled_from(fitting[::-1]))[0]
    return _product(draw, made, width) if kind == "product" else _parameter(draw, made, (width,))


def _product(draw, made: Program, width: str) -> str:
    vectors = [v for v in made.values if v[1]]
    name, shape = draw(st.sampled_from(vectors[::-1]))
    if draw(st.integers(0, 4)) == 0:
        other, second = draw(st.sampled_from(vectors))
        return f"{_parameter(draw, made, (width, f'{shape[0]}+{second[0]}'))} @ concat({name}, {other})"
    if draw(st.integers(0, 6)) == 0:
        other, second = draw(st.sampled_from(vectors))
        return MATRICES[3].format(_parameter(draw, made, (width, shape[0], second[0])), name, other)
    operand = draw(st.sampled_from((name, name, f"(0.5 * {name})", f"tanh({name})")))
    return f"{_parameter(draw, made, (width, shape[0]))} @ {operand}"


def _line(draw, made: Program, widths, name: str) -> None:
    kinds = (
        "gate",
        "gate",
        "unary",
        "binary",
        "binary",
        "alias",
        "total",
        "number",
        "concat",
        "joined",
        *("hyper",) * 2 * len(made.hyper),
    )
    kind = draw(st.sampled_from(kinds))
    width = draw(st.sampled_from(widths))
    if kind == "gate":
        terms = [_product(draw, made, width) for _ in range(draw(st.integers(1, 2)))] + [
            _vector(draw, made, width)
        ]
        text, shape = (
            f"{draw(st.sampled_from(('tanh', 'sigmoid', 'softplus', 'relu')))}({' + '.join(terms)})",
            (width,),
        )
    elif kind == "unary":
        value, shape = _any(draw, made)
        text = draw(st.sampled_from(UNARY)).format(value)
    elif kind == "binary":
        value, shape = _any(draw, made)
        other = (
            _vector(draw, made, shape[0])
            if shape
            else draw(st.sampled_from([n for n, s in made.values if not s]))
        )
        pair = draw(st.permutations((value, f"({other})")))
        text = draw(st.sampled_from(BINARY)).format(*pair)
    elif kind == "hyper":
        value, shape = _any(draw, made)
        pattern = draw(st.sampled_from(HYPER))
        text = pattern.format(value, _parameter(draw, made, ()) if "{1}" in pattern else "")
    elif kind == "alias":
        text, shape = _any(draw, made)
    elif kind == "total":
        value, _ = _any(draw, made, bool)
        text = draw(st.sampled_from(OF_A_VECTOR)).format(value)
        shape = (
            made.shape_of(value) if text.startswith(("softmax", "layer_norm", "stop_gradient", "cum")) else ()
        )
    elif kind == "joined":
        (value, first), (other, second) = _any(draw, made, bool), _any(draw, made, bool)
        text, shape = f"concat({value}, {other})", (f"{first[0]}+{second[0]}",)
    elif kind == "number":
        value, shape = _any(draw, made)
        text = f"{_parameter(draw, made, ())} * {value}"
    else:
        text, shape = f"tanh({_product(draw, made, width)})", (width,)
    made.lines.append(f"{name} = {text}")
    made.values.append((name, shape))


def _results(draw, made: Program, widths) -> None:
    """One value a state, of its shape; often tamed, so that repeated steps stay finite."""
    for name, shape in made.states:
        fitting = [n for n, s in made.values if s == shape][::-1]
        value = draw(st.sampled_from(fitting))
        made.returned.append(
            draw(st.sampled_from((value, value, f"tanh({value})", f"0.5 * {value} + 0.5 * {name}")))
        )
    if draw(st.integers(0, 2)) == 0:
        made.returned.insert(0, draw(st.sampled_from([n for n, _ in made.values][::-1])))
