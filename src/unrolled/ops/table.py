"""The primitives of the cell language, one row each.

A row says what is true of a primitive everywhere: how many arguments, which shape comes out, how it is written
in LaTeX and in plain text, and its gradient, itself written in the cell language. How a backend spells it
belongs to that backend's folder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .functions import cos, cumsum, erf, exp, log, sigmoid, sign, sin, total, where
from .symbol import apply_op

Gradient = Callable[..., tuple]


@dataclass(frozen=True)
class Op:
    """One primitive. `gradient(g, y, *args)` returns the gradient of each argument
    (None: not differentiable).
    """

    name: str
    arity: int
    gradient: Gradient | None
    text: str  # plain spelling; {0}, {1} are the arguments, already bracketed where needed
    latex: str
    # Of the outermost operation in `text`: 1 comparison, 2 sum, 3 product, 4 sign, 5 power, 9 atom.
    precedence: float = 9
    shape: str = "same"  # rule, see graph/shape_rules.py
    flops: int = 1  # per element of the result (products count 2 x depth instead)
    costly: bool = False  # worth keeping for the backward pass rather than computing twice
    # Of parameters alone: worked out once per call, outside the loop, by torch and its autograd.
    once: bool = False


def _unary(name, gradient, latex=None, **more):
    return Op(name, 1, gradient, f"{name}({{0}})", latex or rf"\{name}\left({{0}}\right)", **more)


def _comparison(name, sign, latex):
    """1 where it holds, else 0."""
    return Op(
        name,
        2,
        lambda g, y, a, b: (None, None),
        f"{{0}} {sign} {{1}}",
        rf"\mathbb{{{{1}}}}\left[{{0}} {latex} {{1}}\right]",
        1,
    )


# fmt: off
_ROWS = (
    Op("add", 2, lambda g, y, a, b: (g, g), "{0} + {1}", "{0} + {1}", 2),
    Op("sub", 2, lambda g, y, a, b: (g, -g), "{0} - {1}", "{0} - {1}", 2),
    Op("mul", 2, lambda g, y, a, b: (g * b, g * a), "{0} * {1}", r"{0} \odot {1}", 3),
    Op("div", 2, lambda g, y, a, b: (g / b, -(g * (y / b))), "{0} / {1}", r"\frac{{{0}}}{{{1}}}", 3, flops=4),
    Op("neg", 1, lambda g, y, a: (-g,), "-{0}", "-{0}", 4),
    Op("alias", 1, lambda g, y, a: (g,), "{0}", "{0}", 9, flops=0),
    _unary("sigmoid", lambda g, y, a: (g * (y * (1 - y)),), r"\sigma\left({0}\right)", flops=12, costly=True),
    _unary("tanh", lambda g, y, a: (g * (1 - y * y),), flops=14, costly=True),
    _unary("relu", lambda g, y, a: (where(y <= 0, 0, g),), r"\mathrm{{relu}}\left({0}\right)"),
    _unary("elu", lambda g, y, a: (g * exp(where(a <= 0, a, 0)),), r"\mathrm{{elu}}\left({0}\right)",
           flops=12, costly=True),
    _unary("silu", lambda g, y, a: (g * _silu_slope(a),), r"\mathrm{{silu}}\left({0}\right)",
           flops=13, costly=True),
    _unary("gelu", lambda g, y, a: (g * _gelu_slope(a),), r"\mathrm{{gelu}}\left({0}\right)",
           flops=30, costly=True),
    _unary("erf", lambda g, y, a: (g * (2 / math.sqrt(math.pi) * exp(-(a * a))),),
           r"\mathrm{{erf}}\left({0}\right)",
           flops=25, costly=True),
    _unary("exp", lambda g, y, a: (g * y,), flops=10, costly=True),
    _unary("log", lambda g, y, a: (g / a,), flops=12, costly=True),
    _unary("softplus", lambda g, y, a: (g * sigmoid(a),), r"\mathrm{{softplus}}\left({0}\right)",
           flops=20, costly=True),
    _unary("sin", lambda g, y, a: (g * cos(a),), flops=14, costly=True),
    _unary("cos", lambda g, y, a: (-(g * sin(a)),), flops=14, costly=True),
    _unary("sqrt", lambda g, y, a: (g / (2 * y),), r"\sqrt{{{0}}}", flops=4, costly=True),
    Op("abs", 1, lambda g, y, a: (g * sign(a),), "abs({0})", r"\left|{0}\right|"),
    # v ** 3 is two products, v ** 0.5 a root: what is here has another exponent, or one
    # that is not a plain number.
    Op("power", 2, lambda g, y, a, p: _power_gradients(g, y, a, p), "{0}**{1}", "{0}^{{{1}}}",
       5, flops=40, costly=True),
    Op("clip", 3, lambda g, y, v, low, high: _clip_gradients(g, v, low, high), "clip({0}, {1}, {2})",
       r"\mathrm{{clip}}\left({0}, {1}, {2}\right)", flops=2),
    _unary("sign", lambda g, y, a: (None,), r"\mathrm{{sign}}\left({0}\right)", flops=2),
    _unary("round", lambda g, y, a: (None,), r"\mathrm{{round}}\left({0}\right)"),
    _unary("floor", lambda g, y, a: (None,), r"\lfloor {0} \rfloor"),
    _unary("step", lambda g, y, a: (None,), r"\mathbb{{1}}\left[{0} > 0\right]"),
    _comparison("less", "<", "<"),
    _comparison("greater", ">", ">"),
    _comparison("at_most", "<=", r"\leq"),
    _comparison("at_least", ">=", r"\geq"),
    _comparison("equal", "==", "="),
    _comparison("unequal", "!=", r"\neq"),
    # Python reads a < b & c as a < (b & c): a comparison stands in brackets beside them.
    Op("either", 2, lambda g, y, a, b: (None, None), "{0} | {1}", r"{0} \lor {1}", 1.25),
    Op("both", 2, lambda g, y, a, b: (None, None), "{0} & {1}", r"{0} \land {1}", 1.5),
    Op("held", 1, lambda g, y, a: (None,), "stop_gradient({0})", r"\mathrm{{sg}}\left({0}\right)", flops=0),
    # At a tie torch gives half of the gradient to each side; so do we, to agree in every point.
    Op("maximum", 2, lambda g, y, a, b: (_unless_less(g, a, b), _unless_less(g, b, a)), "max({0}, {1})",
       r"\max\left({0}, {1}\right)"),
    Op("minimum", 2, lambda g, y, a, b: (_unless_less(g, b, a), _unless_less(g, a, b)), "min({0}, {1})",
       r"\min\left({0}, {1}\right)"),
    Op("where", 3, lambda g, y, c, a, b: (None, where(c, g, 0), where(c, 0, g)), "where({0}, {1}, {2})",
       r"\begin{{cases}}{1} & {0}\\{2}\end{{cases}}"),
    Op("product", 2, lambda g, y, m, v: (apply_op("outer", g, v), apply_op("product_t", m, g)),
       "{0} @ {1}", "{0} {1}", 3, "product", 0),
    Op("product_t", 2, lambda g, y, m, v: (apply_op("outer", v, g), apply_op("product", m, g)),
       "{0}.T @ {1}", r"{0}^\top {1}", 3, "product_t", 0),
    # Sum of transposed products, matrix and vector in turn: what waits for one vector's
    # gradient, as one product.
    Op("products_t", -1, None, "products_t({all})", r"\textstyle\sum {all}", 9, "products_t", 0),
    Op("outer", 2, None, "outer({0}, {1})", r"{0} {1}^\top", 3, "outer"),
    Op("spread", 1, lambda g, y, a: (g,), "{0}", "{0}", 9, "spread", 0),      # a number seen as a vector
    Op("sum", 1, lambda g, y, a: (g,), "sum({0})", r"\textstyle\sum {0}", 9, "scalar"),
    # As torch's amax: equal maxima share the gradient.
    Op("largest", 1, lambda g, y, a: (_among(g, apply_op("equal", a, y)),), "largest({0})",
       r"\max\left({0}\right)", 9, "scalar"),
    Op("cumsum", 1, lambda g, y, a: (apply_op("cumsum_back", g),), "cumsum({0})",
       r"\mathrm{{cumsum}}\left({0}\right)", 9, "along"),
    # From the last unit to the first.
    Op("cumsum_back", 1, lambda g, y, a: (cumsum(g),), "cumsum_back({0})",
       r"\mathrm{{cumsum}}^\top\left({0}\right)", 9, "along"),
    Op("size", 1, lambda g, y, a: (None,), "size({0})", r"\dim\left({0}\right)", 9, "scalar", 0),
    Op("concat", -1, lambda g, y, *parts: _parts(g, parts), "concat({all})",
       r"\left[{all}\right]", 9, "concat", 0),
    Op("part", 1, None, "{0}[{value}]", "{0}_{{[{value}]}}", 9, "part", 0),
    Op("columns", 1, None, "{0}[:, {value}]", "{0}_{{[{value}]}}", 9, "columns", 0),
    Op("transpose", 1, None, "{0}.T", r"{0}^\top", 9, "transpose", 0),
    Op("index", 1, None, "{0}[{value}]", "{0}^{{({value})}}", 9, "index", 0),
    # sum_ij w[k, i, j] a_i b_j. A plan knows it as a product, of the flattened stack and all products a_i b_j.
    Op("bilinear", 3, None, "bilinear({0}, {1}, {2})", r"{1}^\top {0}\, {2}", 3, "bilinear", 0),
    Op("kron", 2, lambda g, y, a, b: _kron_gradients(g, a, b), "kron({0}, {1})", r"{0} \otimes {1}", 3, "kron"),
    Op("kron_left", 2, None, "kron_left({0}, {1})", r"{0} {1}", 9, "kron_left"),
    Op("kron_right", 2, None, "kron_right({0}, {1})", r"{0}^\top {1}", 9, "kron_right"),
    # Put where it can be read as a whole.
    Op("copy", 1, lambda g, y, a: (g,), "{0}", "{0}", 9, flops=0),
    Op("flat", 1, None, "flat({0})", r"{0}", 9, "flat", 0, once=True),
    Op("matrix_exp", 1, None, "matrix_exp({0})", "e^{{{0}}}", 9, "square", 0, once=True),
    Op("softmax_columns", 1, None, "softmax_columns({0})",
       r"\mathrm{{softmax}}\left({0}\right)", 9, "matrix", 0, once=True),
    Op("block_diagonal", 1, None, "block_diagonal({0})",
       r"\mathrm{{diag}}\left({0}\right)", 9, "blocks", 0, once=True),
)
# fmt: on


def _unless_less(g, a, b):
    """g, but nothing where a < b, and half of it where they are equal."""
    return where(a < b, 0, where(a == b, g / 2, g))


def _silu_slope(a):
    s = sigmoid(a)
    return s * (1 + a * (1 - s))


def _gelu_slope(a):
    """Phi(a) + a Phi'(a), Phi the normal distribution."""
    return (1 + erf(a * math.sqrt(0.5))) / 2 + a * (exp(-(a * a) / 2) * (1 / math.sqrt(2 * math.pi)))


def _power_gradients(g, y, a, p):
    """As torch's: none where the exponent is 0; none for the exponent of 0 to a power that is not negative."""
    return where(p == 0, 0, g * (p * a ** (p - 1))), where((a == 0) & (p >= 0), 0, g * (y * log(a)))


def _clip_gradients(g, v, low, high):
    """The bounds are inside; where they are the wrong way round, the upper one is the value."""
    return (
        where((low <= v) & (v <= high), g, 0),
        where((low < high) & (v < low), g, 0),
        where((high < v) | (high < low), g, 0),
    )


def _among(g, chosen):
    """g in equal shares to the units where `chosen` is 1."""
    return g / total(chosen) * chosen


def _parts(g, parts):
    """The gradient of a concatenation, cut as its arguments were."""
    whole = apply_op("copy", g)
    return tuple(g.builder.part(whole, parts, k) for k in range(len(parts)))


def _kron_gradients(g, a, b):
    """g as a matrix, times b; its transpose, times a."""
    whole, nodes = apply_op("copy", g), g.builder.nodes
    return (
        g.builder.add("kron_left", (whole.index, b.index), shape=nodes[a.index].shape),
        g.builder.add("kron_right", (whole.index, a.index), shape=nodes[b.index].shape),
    )


OPS: dict[str, Op] = {row.name: row for row in _ROWS}
LEAVES = ("input", "state", "parameter", "hyper", "constant", "width")
COMPARISONS = ("less", "greater", "at_most", "at_least", "equal", "unequal")
CONDITIONS = (*COMPARISONS, "both", "either")  # 1 or 0
OVER_UNITS = ("sum", "largest")  # one number of a whole vector: who reads it waits for all units
ALONG_UNITS = ("cumsum", "cumsum_back")  # a vector whose units rest on those before them: the same
# The same, and reads whole vectors where they stand.
OF_WHOLES = ("kron", "kron_left", "kron_right", "concat", "part")
