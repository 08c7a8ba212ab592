"""The primitives on plain tensors or numbers: what running a cell as the function it is comes down to.

Torch is used where a tensor was given, and so loaded already; nothing here imports it.
"""

from __future__ import annotations

import builtins
import math
import sys


def on_numbers(name: str, args):
    """A primitive by its name in the table, on plain tensors or numbers."""
    direct = PLAIN.get(name)
    if direct is not None:
        return direct(*args)
    value = args[0]
    if hasattr(value, name):
        return getattr(value, name)()
    return SCALAR[name](value)


def _torch():
    return sys.modules["torch"]  # a tensor was given, so torch is loaded


def _like(values):
    return next((v for v in values if hasattr(v, "dtype")), None)


def _on_tensors(torch_name: str, plain):
    """torch's function where one of the arguments is a tensor, and the others as tensors like it."""

    def call(*values):
        like = _like(values)
        if like is None:
            return plain(*values)
        torch = _torch()
        tensors = (torch.as_tensor(v, dtype=like.dtype, device=like.device) for v in values)
        return getattr(torch, torch_name)(*tensors)

    return call


def _number(test):
    """A test as a number: 1 or 0, of the kind of its arguments."""

    def call(a, b):
        like, said = _like((a, b)), test(a, b)
        return float(said) if like is None else said.to(like.dtype)

    return call


def _of_layers(torch_name: str, plain):
    """A function of torch.nn.functional."""
    return lambda v: getattr(_torch().nn.functional, torch_name)(v) if hasattr(v, "dtype") else plain(v)


def _softplus(v):
    """log(1 + e^v); torch's threshold is where v itself is as exact."""
    if hasattr(v, "dtype"):
        return _torch().nn.functional.softplus(v, threshold=40.0)
    return max(v, 0.0) + math.log1p(math.exp(-abs(v)))


def _sigmoid(v):
    power = math.exp(-abs(v))  # never above 1
    return (power if v < 0 else 1.0) / (1.0 + power)


def _silu(v):
    return v * _sigmoid(v)


def _gelu(v):
    """v Phi(v), by what lies beyond -v: torch's own loses the tail, and in float32 makes NaN of infinity."""
    beyond = _torch().special.erfc if hasattr(v, "dtype") else math.erfc
    return 0.5 * v * beyond(v * -math.sqrt(0.5))


def _where(condition, a, b):
    if not hasattr(condition, "dtype"):
        return a if condition else b
    torch = _torch()
    like = _like((a, b))
    kind = torch.get_default_dtype() if like is None else like.dtype
    a, b = (torch.as_tensor(v, dtype=kind, device=condition.device) for v in (a, b))
    return torch.where(condition.bool(), a, b)


def _holds(v):
    """A condition as a truth value."""
    return v != 0 if hasattr(v, "dtype") else bool(v)


# fmt: off
PLAIN = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "neg": lambda a: -a, "product": lambda m, v: m @ v, "product_t": lambda m, v: m.T @ v,
    "transpose": lambda m: m.T,
    "outer": lambda g, v: _torch().outer(g, v), "alias": lambda a: a, "softplus": _softplus,
    "power": _on_tensors("pow", math.pow),
    "less": lambda a, b: a < b, "greater": lambda a, b: a > b, "at_most": lambda a, b: a <= b,
    "at_least": lambda a, b: a >= b,
    "equal": _number(lambda a, b: a == b), "unequal": _number(lambda a, b: a != b),
    "both": lambda a, b: _holds(a) & _holds(b), "either": lambda a, b: _holds(a) | _holds(b),
    "maximum": _on_tensors("maximum", max), "minimum": _on_tensors("minimum", min),
    "clip": _on_tensors("clamp", lambda v, low, high: min(max(v, low), high)),
    "where": _where, "concat": lambda *v: _torch().cat(v),
    "sum": lambda v: v.sum(), "largest": lambda v: v.amax(),
    "step": lambda v: (v > 0).to(v.dtype) if hasattr(v, "dtype") else float(v > 0),
    "size": lambda v: v.shape[-1], "held": lambda v: v.detach() if hasattr(v, "dtype") else v,
    "cumsum": lambda v: v.cumsum(-1), "cumsum_back": lambda v: v.flip(-1).cumsum(-1).flip(-1),
    "matrix_exp": lambda m: m.matrix_exp(), "softmax_columns": lambda m: m.softmax(-2),
    "block_diagonal": lambda blocks: _torch().block_diag(*blocks), "bilinear": lambda w, a, b: w @ b @ a,
    "copy": lambda a: a,
    "elu": _of_layers("elu", lambda v: v if v > 0 else math.expm1(v)), "silu": _of_layers("silu", _silu),
    "gelu": _gelu,
}
SCALAR = {"sigmoid": _sigmoid, "tanh": math.tanh, "relu": lambda v: max(v, 0.0),
          "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos, "sqrt": math.sqrt,
          "abs": abs, "floor": math.floor, "erf": math.erf,
          "sign": lambda v: float((v > 0) - (v < 0)), "round": builtins.round}
# fmt: on
