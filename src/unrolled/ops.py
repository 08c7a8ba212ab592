"""The primitives of the cell language, one row each.

A row says what is true of a primitive everywhere: how many arguments, which shape comes out, how it is written
in LaTeX and in plain text, and its gradient, itself written in the cell language. How a backend spells it
belongs to that backend's folder.

The functions an author calls (`sigmoid`, `tanh`, `where`, ...) make a node when given a `Symbol` and otherwise
compute on plain tensors, so that a cell is an ordinary function. Nothing here imports torch.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

from .errors import Never

Gradient = Callable[..., tuple]


@dataclass(frozen=True)
class Op:
    """One primitive. `gradient(g, y, *args)` returns the gradient of each argument (None: not differentiable)."""

    name: str
    arity: int
    gradient: Gradient | None
    text: str  # plain spelling; {0}, {1} are the arguments, already bracketed where needed
    latex: str
    precedence: int = 9  # of the outermost operation in `text`: 1 comparison, 2 sum, 3 product, 4 sign, 9 atom
    shape: str = "same"  # rule, see graph/widths.py
    flops: int = 1  # per element of the result (products count 2 x depth instead)
    costly: bool = False  # worth keeping for the backward pass rather than computing twice
    once: bool = (
        False  # of parameters alone: worked out once per call, outside the loop, by torch and its autograd
    )


class Symbol:
    """A value that is not known yet: stands for node `index` of `builder` while a cell is traced."""

    __slots__ = ("builder", "index")
    __array_priority__ = 1000

    def __init__(self, builder, index: int):
        self.builder, self.index = builder, index

    def __add__(self, other):
        return apply_op("add", self, other)

    def __radd__(self, other):
        return apply_op("add", other, self)

    def __sub__(self, other):
        return apply_op("sub", self, other)

    def __rsub__(self, other):
        return apply_op("sub", other, self)

    def __mul__(self, other):
        return apply_op("mul", self, other)

    def __rmul__(self, other):
        return apply_op("mul", other, self)

    def __truediv__(self, other):
        return apply_op("div", self, other)

    def __rtruediv__(self, other):
        return apply_op("div", other, self)

    def __neg__(self):
        return apply_op("neg", self)

    def __matmul__(self, other):
        return apply_op("product", self, other)

    def __lt__(self, other):
        return apply_op("less", self, other)

    def __gt__(self, other):
        return apply_op("less", other, self)

    def __pow__(self, power):
        if not isinstance(power, int) or power < 1:
            raise Never("a power in a cell is a positive whole number; write exp(p * log(v)) for others")
        result = self
        for _ in range(power - 1):
            result = result * self
        return result

    @property
    def T(self):
        return apply_op("transpose", self)

    def __getitem__(self, key):
        if not isinstance(key, int):
            raise Never(
                "[...] picks one layer of a stack of weights by a whole number, W[0]; a cell knows no slices and no "
                "single units"
            )
        return self.builder.add("index", (self.index,), value=key)

    def __bool__(self):
        raise Never(
            "an `if` or `and` on a value: a cell is the same graph for every value. "
            "Use where(condition, a, b), and maximum and minimum for Python's max and min; an `if` on a "
            "whole-number or text hyper-parameter is fine"
        )

    def __iter__(self):
        raise Never(
            "a value cannot be unpacked or looped over; loop over range(n) with a whole-number hyper-parameter"
        )

    def __float__(self):
        raise Never(
            "a plain number is asked for, as by float() or math.tanh, and the value is not known while the cell is "
            "traced. Use the functions of unrolled: tanh, exp, ..."
        )

    def __index__(self):
        raise Never(
            "a whole number is asked for, as by range() or [...], and this value is none. A hyper-parameter is a whole "
            "number if its default is: depth=3, not depth=3.0"
        )

    __int__ = __len__ = __index__

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise Never(
            f".{name} is not part of the cell language; use the functions of unrolled, e.g. {_suggest(name)}"
        )

    def __repr__(self):
        return f"Symbol({self.index})"


def _suggest(name: str) -> str:
    return f"{name}(v)" if name in OPS else "sigmoid(v)"


def apply_op(name: str, *args):
    """A node of the first symbol's builder; numbers among the arguments become constants."""
    for argument in args:
        if isinstance(argument, Symbol):
            return argument.builder.apply(name, args)
    return on_numbers(name, args)


def on_numbers(name: str, args):
    """The same primitive on plain tensors (or numbers), for running a cell as the function it is."""
    direct = _PLAIN.get(name)
    if direct is not None:
        return direct(*args)
    value = args[0]
    if hasattr(value, name):
        return getattr(value, name)()
    return _SCALAR[name](value)


def _torch():
    return sys.modules["torch"]  # a tensor was given, so torch is loaded


def _binary(torch_name: str, plain):
    def call(a, b):
        if hasattr(a, "dtype") or hasattr(b, "dtype"):
            torch = _torch()
            like = a if hasattr(a, "dtype") else b
            return getattr(torch, torch_name)(
                *(torch.as_tensor(v, dtype=like.dtype, device=like.device) for v in (a, b))
            )
        return plain(a, b)

    return call


def _softplus(v):
    return _torch().nn.functional.softplus(v, threshold=1e9) if hasattr(v, "dtype") else math.log1p(math.exp(v))


# fmt: off
_PLAIN = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "neg": lambda a: -a, "product": lambda m, v: m @ v, "product_t": lambda m, v: m.T @ v, "transpose": lambda m: m.T,
    "outer": lambda g, v: _torch().outer(g, v), "alias": lambda a: a, "softplus": _softplus,
    "less": lambda a, b: a < b, "maximum": _binary("maximum", max), "minimum": _binary("minimum", min),
    "where": lambda c, a, b: _where(c, a, b), "concat": lambda *v: _torch().cat(v),
    "step": lambda v: (v > 0).to(v.dtype) if hasattr(v, "dtype") else float(v > 0), "sum": lambda v: v.sum(),
    "equal": lambda a, b: (a == b).to(a.dtype) if hasattr(a, "dtype") else float(a == b), "largest": lambda v: v.amax(),
    "size": lambda v: v.shape[-1], "held": lambda v: v.detach() if hasattr(v, "dtype") else v,
    "cumsum": lambda v: v.cumsum(-1), "cumsum_back": lambda v: v.flip(-1).cumsum(-1).flip(-1),
    "matrix_exp": lambda m: m.matrix_exp(), "softmax_columns": lambda m: m.softmax(-2),
    "block_diagonal": lambda blocks: _torch().block_diag(*blocks), "bilinear": lambda w, a, b: w @ b @ a,
    "copy": lambda a: a,
}
_SCALAR = {"sigmoid": lambda v: 1 / (1 + math.exp(-v)), "tanh": math.tanh, "relu": lambda v: max(v, 0.0),
           "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos, "sqrt": math.sqrt, "abs": abs,
           "floor": math.floor}


def _where(condition, a, b):
    if not hasattr(condition, "dtype"):
        return a if condition else b
    torch = _torch()
    like = next((v for v in (a, b) if hasattr(v, "dtype")), None)
    kind = torch.get_default_dtype() if like is None else like.dtype
    a, b = (torch.as_tensor(v, dtype=kind, device=condition.device) for v in (a, b))
    return torch.where(condition.bool(), a, b)


# fmt: off
def sigmoid(v): return apply_op("sigmoid", v)
def tanh(v): return apply_op("tanh", v)
def relu(v): return apply_op("relu", v)
def exp(v): return apply_op("exp", v)
def log(v): return apply_op("log", v)
def softplus(v): return apply_op("softplus", v)
def sin(v): return apply_op("sin", v)
def cos(v): return apply_op("cos", v)
def sqrt(v): return apply_op("sqrt", v)
def absolute(v): return apply_op("abs", v)
def floor(v): return apply_op("floor", v)
def step(v): return apply_op("step", v)
def maximum(a, b): return apply_op("maximum", a, b)
def minimum(a, b): return apply_op("minimum", a, b)
def where(condition, a, b): return apply_op("where", condition, a, b)
def concat(*parts): return apply_op("concat", *parts)
def total(v): return apply_op("sum", v)
def largest(v): return apply_op("largest", v)
def held(v): return apply_op("held", v)
def cumsum(v): return apply_op("cumsum", v)
def bilinear(w, a, b): return apply_op("bilinear", w, a, b)
def matrix_exp(m): return apply_op("matrix_exp", m)
def softmax_columns(m): return apply_op("softmax_columns", m)
def block_diagonal(blocks): return apply_op("block_diagonal", blocks)
def mean(v): return total(v) / apply_op("size", v)
# fmt: on


def softmax(v):
    """e^v over its sum: positive, and one in all. What is taken off first cancels, and keeps e^v finite."""
    powers = exp(v - held(largest(v)))
    return powers / total(powers)


def cumax(v):
    return cumsum(softmax(v))


def norm(v):
    """The Euclidean length. That of a vector of zeros is 0 and so is its slope, where sqrt alone would have none."""
    squares = total(v * v)
    nothing = apply_op("equal", squares, 0)
    return sqrt(squares + nothing) - nothing


def layer_norm(v):
    """v with mean 0 and variance 1 over its units; like torch's, but without a gain and a bias of its own."""
    centred = v - mean(v)
    return centred / sqrt(mean(centred * centred) + 1e-5)


def activation(name: str, v):
    """The nonlinearity called `name` (a text hyper-parameter such as "tanh" or "relu"), applied to v."""
    if name == "identity":
        return v
    if name not in ACTIVATIONS:
        raise Never(f"{name!r} is no activation; choose one of {', '.join(ACTIVATIONS)}, identity")
    return apply_op(name, v)


ACTIVATIONS = ("tanh", "relu", "sigmoid", "softplus", "sin", "exp")


def _unary(name, gradient, latex=None, **more):
    return Op(name, 1, gradient, f"{name}({{0}})", latex or rf"\{name}\left({{0}}\right)", **more)


# fmt: off
_ROWS = (
    Op("add", 2, lambda g, y, a, b: (g, g), "{0} + {1}", "{0} + {1}", 2),
    Op("sub", 2, lambda g, y, a, b: (g, -g), "{0} - {1}", "{0} - {1}", 2),
    Op("mul", 2, lambda g, y, a, b: (g * b, g * a), "{0} * {1}", r"{0} \odot {1}", 3),
    Op("div", 2, lambda g, y, a, b: (g / b, -(g * y / b)), "{0} / {1}", r"\frac{{{0}}}{{{1}}}", 3, flops=4),
    Op("neg", 1, lambda g, y, a: (-g,), "-{0}", "-{0}", 4),
    Op("alias", 1, lambda g, y, a: (g,), "{0}", "{0}", 9, flops=0),
    _unary("sigmoid", lambda g, y, a: (g * (y * (1 - y)),), r"\sigma\left({0}\right)", flops=12, costly=True),
    _unary("tanh", lambda g, y, a: (g * (1 - y * y),), flops=14, costly=True),
    _unary("relu", lambda g, y, a: (where(0 < y, g, 0),), r"\mathrm{{relu}}\left({0}\right)"),
    _unary("exp", lambda g, y, a: (g * y,), flops=10, costly=True),
    _unary("log", lambda g, y, a: (g / a,), flops=12, costly=True),
    _unary("softplus", lambda g, y, a: (g * sigmoid(a),), r"\mathrm{{softplus}}\left({0}\right)", flops=20, costly=True),
    _unary("sin", lambda g, y, a: (g * cos(a),), flops=14, costly=True),
    _unary("cos", lambda g, y, a: (-(g * sin(a)),), flops=14, costly=True),
    _unary("sqrt", lambda g, y, a: (g / (2 * y),), r"\sqrt{{{0}}}", flops=4, costly=True),
    Op("abs", 1, lambda g, y, a: (g * (step(a) - step(-a)),), "|{0}|", r"\left|{0}\right|"),
    _unary("floor", lambda g, y, a: (None,), r"\lfloor {0} \rfloor"),
    _unary("step", lambda g, y, a: (None,), r"\mathbb{{1}}\left[{0} > 0\right]"),
    Op("less", 2, lambda g, y, a, b: (None, None), "{0} < {1}", r"\mathbb{{1}}\left[{0} < {1}\right]", 1),
    Op("equal", 2, lambda g, y, a, b: (None, None), "{0} == {1}", r"\mathbb{{1}}\left[{0} = {1}\right]", 1),
    _unary("held", lambda g, y, a: (None,), r"\mathrm{{sg}}\left({0}\right)", flops=0),
    # At a tie torch gives half of the gradient to each side; so do we, to agree in every point.
    Op("maximum", 2, lambda g, y, a, b: (g * _share(b, a), g * _share(a, b)), "max({0}, {1})", r"\max\left({0}, {1}\right)"),
    Op("minimum", 2, lambda g, y, a, b: (g * _share(a, b), g * _share(b, a)), "min({0}, {1})", r"\min\left({0}, {1}\right)"),
    Op("where", 3, lambda g, y, c, a, b: (None, where(c, g, 0), where(c, 0, g)), "where({0}, {1}, {2})",
       r"\begin{{cases}}{1} & {0}\\{2}\end{{cases}}"),
    Op("product", 2, lambda g, y, m, v: (apply_op("outer", g, v), apply_op("product_t", m, g)),
       "{0} @ {1}", "{0} {1}", 3, "product", 0),
    Op("product_t", 2, lambda g, y, m, v: (apply_op("outer", v, g), apply_op("product", m, g)),
       "{0}.T @ {1}", r"{0}^\top {1}", 3, "product_t", 0),
    # Sum of transposed products, matrix and vector in turn: what waits for one vector's gradient, as one product.
    Op("products_t", -1, None, "products_t({all})", r"\textstyle\sum {all}", 9, "products_t", 0),
    Op("outer", 2, None, "outer({0}, {1})", r"{0} {1}^\top", 3, "outer"),
    Op("spread", 1, lambda g, y, a: (g,), "{0}", "{0}", 9, "spread", 0),      # a number seen as a vector
    Op("sum", 1, lambda g, y, a: (g,), "sum({0})", r"\textstyle\sum {0}", 9, "scalar"),
    # As torch's amax: equal maxima share the gradient.
    Op("largest", 1, lambda g, y, a: (_among(g, apply_op("equal", a, y)),), "largest({0})", r"\max\left({0}\right)", 9, "scalar"),
    Op("cumsum", 1, lambda g, y, a: (apply_op("cumsum_back", g),), "cumsum({0})", r"\mathrm{{cumsum}}\left({0}\right)", 9, "along"),
    Op("cumsum_back", 1, lambda g, y, a: (cumsum(g),), "cumsum_back({0})",         # from the last unit to the first
       r"\mathrm{{cumsum}}^\top\left({0}\right)", 9, "along"),
    Op("size", 1, lambda g, y, a: (None,), "size({0})", r"\dim\left({0}\right)", 9, "scalar", 0),
    Op("concat", -1, lambda g, y, *parts: _parts(g, parts), "concat({all})", r"\left[{all}\right]", 9, "concat", 0),
    Op("part", 1, None, "{0}[{value}]", "{0}_{{[{value}]}}", 9, "part", 0),
    Op("columns", 1, None, "{0}[:, {value}]", "{0}_{{[{value}]}}", 9, "columns", 0),
    Op("transpose", 1, None, "{0}.T", r"{0}^\top", 9, "transpose", 0),
    Op("index", 1, None, "{0}[{value}]", "{0}^{{({value})}}", 9, "index", 0),
    # sum_ij w[k, i, j] a_i b_j. A plan knows it as a product, of the flattened stack and all products a_i b_j.
    Op("bilinear", 3, None, "bilinear({0}, {1}, {2})", r"{1}^\top {0}\, {2}", 3, "bilinear", 0),
    Op("kron", 2, lambda g, y, a, b: _kron_gradients(g, a, b), "kron({0}, {1})", r"{0} \otimes {1}", 3, "kron"),
    Op("kron_left", 2, None, "kron_left({0}, {1})", r"{0} {1}", 9, "kron_left"),
    Op("kron_right", 2, None, "kron_right({0}, {1})", r"{0}^\top {1}", 9, "kron_right"),
    Op("copy", 1, lambda g, y, a: (g,), "{0}", "{0}", 9, flops=0),                # put where it can be read as a whole
    Op("flat", 1, None, "flat({0})", r"{0}", 9, "flat", 0, once=True),
    Op("matrix_exp", 1, None, "matrix_exp({0})", "e^{{{0}}}", 9, "square", 0, once=True),
    Op("softmax_columns", 1, None, "softmax_columns({0})", r"\mathrm{{softmax}}\left({0}\right)", 9, "matrix", 0, once=True),
    Op("block_diagonal", 1, None, "block_diagonal({0})", r"\mathrm{{diag}}\left({0}\right)", 9, "blocks", 0, once=True),
)
# fmt: on


def _share(low, high):
    """1 where low < high, 1/2 where they are equal, 0 elsewhere."""
    return 0.5 + 0.5 * ((low < high) - (high < low))


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
OVER_UNITS = ("sum", "largest")  # one number of a whole vector: who reads it waits for all units
ALONG_UNITS = ("cumsum", "cumsum_back")  # a vector whose units rest on those before them: the same
OF_WHOLES = (
    "kron",
    "kron_left",
    "kron_right",
    "concat",
    "part",
)  # the same, and reads whole vectors where they stand
