"""Runs what the views print: the equations as a reader would type them in, on plain tensors."""

from __future__ import annotations

import re

import torch

from unrolled import ops

NAME = re.compile(r"\b([A-Za-z_]\w*?)(?:\((\d+)\))?('*)\[(t|t-1)\]")
FIXED = re.compile(r"\b([A-Za-z_]\w*)\((\d+)\)(?![\w\[])")
FUNCTIONS = {name: getattr(ops, name) for name in
             ("sigmoid", "tanh", "relu", "exp", "log", "softplus", "sin", "cos", "sqrt", "floor", "step", "where")}
FUNCTIONS |= {"max": ops.maximum, "min": ops.minimum, "sum": lambda v: v.sum(), "concat": ops.concat,
              "outer": lambda a, b: torch.outer(a, b), "magnitude": ops.absolute}


def python(text: str) -> str:
    """A printed line as Python: h[t-1] becomes h_before, s(2)[t] becomes s__2_now, |a| a call, comments go."""
    text = text.split("#")[0].strip().replace("sum over t of ", "")
    text = re.sub(r"\|([^|]+)\|", r"magnitude(\1)", text)
    text = FIXED.sub(r"\1__\2", NAME.sub(_identifier, text))
    return re.sub(r"^(\w+) \+= (.*)", r"\1 = \1 + (\2)", text)         # not in place: a number may become a vector


def _identifier(match: re.Match) -> str:
    name, count, primes, moment = match.groups()
    return f"{name}{f'__{count}' if count else ''}{'_p' * len(primes)}_{'now' if moment == 't' else 'before'}"


def gradient_lines(text: str) -> list[str]:
    """The equations of a backward print. Those for the gradient of an expression of parameters, d(W - W.T), are left
    out: they are not the gradient of one parameter."""
    return [line for line in text.splitlines()[1:] if re.search(r" \+?= ", line) and not line.strip().startswith("d(")]


def evaluate(lines: list[str], values: dict[str, torch.Tensor | float]) -> dict[str, torch.Tensor]:
    """Every name that the printed lines bind, and those of `values`, which holds printed names too (h[t-1])."""
    found: dict[str, object] = {python(name): value for name, value in values.items()}
    for line in lines:
        exec(python(line), dict(FUNCTIONS), found)
    return found
