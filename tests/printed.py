"""Runs what the views print: the equations as a reader would type them in, on plain tensors."""

from __future__ import annotations

import inspect
import re
from unittest import mock

import torch

from unrolled import ops
from unrolled.ops import functions

NAME = re.compile(r"\b([A-Za-z_]\w*?)(?:\((\d+)\))?('*)\[(t|t-1)\]")
FIXED = re.compile(r"\b([A-Za-z_]\w*)\((\d+)\)(?![\w\[])")
FUNCTIONS = {
    name: value
    for name, value in vars(functions).items()
    if inspect.isfunction(value) and value.__module__ == functions.__name__
}
FUNCTIONS |= {
    "kron": torch.kron,
    "kron_left": lambda pairs, b: pairs.view(-1, len(b)) @ b,
    "kron_right": lambda pairs, a: a @ pairs.view(len(a), -1),
}
FUNCTIONS |= {
    "flat": lambda m: m.flatten(1),
    "max": ops.maximum,
    "min": ops.minimum,
    "sum": lambda v: v.sum(),
    "outer": lambda a, b: torch.outer(a, b),
    "magnitude": ops.absolute,
    "cumsum_back": lambda v: ops.on_numbers("cumsum_back", (v,)),
}


def python(text: str) -> str:
    """A printed line as Python: h[t-1] becomes h_before, s(2)[t] becomes s__2_now, |a| a call, comments go."""
    text = text.split("#")[0].strip().replace("sum over t of ", "")
    text = re.sub(r"\|([^|]+)\|", r"magnitude(\1)", text)
    text = FIXED.sub(r"\1__\2", NAME.sub(_identifier, text))
    return re.sub(r"^(\w+) \+= (.*)", r"\1 = \1 + (\2)", text)  # not in place: a number may become a vector


def _identifier(match: re.Match) -> str:
    name, count, primes, moment = match.groups()
    return f"{name}{f'__{count}' if count else ''}{'_p' * len(primes)}_{'now' if moment == 't' else 'before'}"


def gradient_lines(text: str) -> list[str]:
    """The equations of a backward print; last, as it says, what goes on by autograd from each d(W - W.T)."""
    lines = [line.strip() for line in text.splitlines()[1:] if re.search(r" \+?= ", line)]
    return sorted(lines, key=lambda line: line.startswith("d("))


def _through(line: str, found: dict[str, object]) -> None:
    """A line such as `d(W - W.T) += ...`: autograd brings what stands there to the
    parameters and inputs within.
    """
    expression, gradient = re.fullmatch(r"d\((.*)\) \+?= (.*)", line).groups()
    value, above = (eval(python(text), dict(FUNCTIONS), found) for text in (expression, gradient))
    leaves = {
        name: v for name, v in found.items() if isinstance(v, torch.Tensor) and v.requires_grad and v.is_leaf
    }
    gradients = torch.autograd.grad(value, list(leaves.values()), above.expand(value.shape), allow_unused=True)
    for name, part in zip(leaves, gradients):
        if part is not None:
            found[f"d{name}"] = found[f"d{name}"] + part


def _number(test):
    return lambda a, b: test(torch.as_tensor(a), torch.as_tensor(b)).double()


# A comparison is printed as a number, 1 or 0.
COMPARED = {
    f"__{name}__": _number(getattr(torch, test))
    for name, test in (
        *((n, n) for n in ("lt", "gt", "le", "ge", "eq", "ne")),
        ("and", "logical_and"),
        ("or", "logical_or"),
    )
}


def evaluate(lines: list[str], values: dict[str, torch.Tensor | float]) -> dict[str, torch.Tensor]:
    """Every name that the printed lines bind, and those of `values`, which holds printed names too (h[t-1])."""
    found: dict[str, object] = {python(name): value for name, value in values.items()}
    with mock.patch.multiple(torch.Tensor, **COMPARED):
        for line in lines:
            if line.startswith("d("):
                _through(line, found)
            else:
                exec(python(line), dict(FUNCTIONS), found)
    return found
