"""What to write in a cell for what somebody is used to from tensors. Every piece of advice is run by a test."""

from __future__ import annotations

FUNCTIONS = (
    "sigmoid tanh relu elu silu gelu erf exp log softplus sin cos sqrt absolute sign floor round step maximum"
    " minimum clip where concat total mean largest stop_gradient held cumsum cumax softmax norm layer_norm"
    " bilinear matrix_exp softmax_columns block_diagonal activation"
).split()
# What tensors (and numpy) call it -> what it is here, of a vector v, vectors u and v, a matrix W.
INSTEAD = {
    "abs": "abs(v)",
    "sum": "total(v)",
    "mean": "mean(v)",
    "max": "largest(v), or maximum(u, v) of two vectors",
    "amax": "largest(v)",
    "min": "-largest(-v), or minimum(u, v) of two vectors",
    "amin": "-largest(-v)",
    "std": "sqrt(mean((v - mean(v)) ** 2))",
    "var": "mean((v - mean(v)) ** 2)",
    "square": "v ** 2",
    "pow": "v ** 2",
    "rsqrt": "1 / sqrt(v)",
    "reciprocal": "1 / v",
    "neg": "-v",
    "clamp": "clip(v, -1, 1)",
    "clip": "clip(v, -1, 1)",
    "dot": "total(u * v)",
    "inner": "total(u * v)",
    "matmul": "W @ v",
    "mm": "W @ v",
    "mv": "W @ v",
    "t": "W.T @ v",
    "mT": "W.T @ v",
    "transpose": "W.T @ v",
    "detach": "stop_gradient(v)",
    "ceil": "-floor(-v)",
    "sigmoid_": "sigmoid(v)",
    "logsigmoid": "-softplus(-v)",
    "log1p": "log(1 + v)",
    "expm1": "exp(v) - 1",
    "cat": "concat(u, v)",
    "concatenate": "concat(u, v)",
    "swish": "silu(v)",
    "sinh": "(exp(v) - exp(-v)) / 2",
    "cosh": "(exp(v) + exp(-v)) / 2",
    "tan": "sin(v) / cos(v)",
    "maximum": "maximum(u, v)",
    "minimum": "minimum(u, v)",
    "where": "where(u < v, u, v)",
    "concat": "concat(u, v)",
}
# What tensors have and the language has not: why, and the way round.
NOTHING = {
    "outer": "no matrices change; bilinear(W, u, v), with W a stack of matrices, makes a vector of two vectors",
    "inverse": "matrices have no inverse; give it a parameter of its own",
    "inv": "matrices have no inverse; give it a parameter of its own",
    "shape": "widths are not known yet; mean(v) is total(v) by the width of v",
    "size": "widths are not known yet; mean(v) is total(v) by the width of v",
}


def instead_of(name: str) -> str:
    """What to write for the tensor's method or torch's function `name`."""
    if name in NOTHING:
        return NOTHING[name]
    if name in INSTEAD:
        return f"write {INSTEAD[name]}"
    return f"use the functions of unrolled, e.g. {name if name in FUNCTIONS else 'sigmoid'}(v)"


def instead_of_name(name: str) -> str:
    """What to do about a name that means nothing in a cell."""
    if name in FUNCTIONS:
        return f"Import it: from unrolled import {name}."
    if name in NOTHING or name in INSTEAD:
        return f"In a cell {instead_of(name)}."
    return "Parameters stand after `*` in the signature; functions are imported from unrolled."
