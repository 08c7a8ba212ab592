"""The reference of every public name, made from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from textwrap import dedent
from types import ModuleType

import unrolled
from unrolled import errors, transform
from unrolled.byhand.worked import Worked
from unrolled.layers.gradient_flow import GradientFlow
from unrolled.models.writing import Writing
from unrolled.runs.run import Run
from unrolled.views.picture import Picture

from .cell_page import _flowing

INTRODUCTION = """# Every name

What `import unrolled` brings, from the docstrings of the code; `help(unrolled.Recurrent)` prints the same. Cells
by their names are in [the zoo](zoo.md), the command line says itself what it takes: `unrolled COMMAND --help`.
"""
# Groups by the folder that a name comes from, in this order; what is in none stands in the first.
GROUPS = {
    "Cells and LaTeX": (),
    "Functions of the cell language": ("ops",),
    "Cell to cell": ("transform",),
    "Layers, and what happens inside": ("layers",),
    "Models, training, runs": ("models", "tasks", "task", "training", "runs", "exports"),
    "By hand, and pictures": ("byhand", "views"),
    "Errors": ("errors",),
}
WIDE = 76  # columns that a signature takes on one line
COLUMNS = re.compile(r" {0,3}(\w\S*(?:, \S+)*) {2,}(\S.*)")
RETURNED = (Run, Writing, GradientFlow, Worked, Picture)  # what public functions return, or take as `ask`


def public_names() -> dict[str, object]:
    """Every function and class that a user may call, by the name that it is called with."""
    found = {
        name: getattr(unrolled, name) for name in sorted({*unrolled.__all__, *unrolled._LATER}, key=str.lower)
    }
    found |= {f"transform.{name}": getattr(transform, name) for name in transform.__all__ if name not in found}
    found |= {kind.__name__: kind for kind in RETURNED}
    found |= {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind)}
    return {
        name: value for name, value in found.items() if callable(value) and not isinstance(value, ModuleType)
    }


def api_page() -> str:
    """Markdown of the page."""
    groups: dict[str, list[str]] = {title: [] for title in GROUPS}
    for name, value in public_names().items():
        groups[_group(value)] += _entry(name, value)
    return INTRODUCTION + "".join(
        f"\n## {title}\n\n" + "\n".join(lines) + "\n" for title, lines in groups.items() if lines
    )


def _group(value: object) -> str:
    folder = (value.__module__.split(".") + [""])[1]
    return next((title for title, folders in GROUPS.items() if folder in folders), next(iter(GROUPS)))


def _entry(name: str, value: object) -> Iterator[str]:
    yield f"### {name}\n"
    yield from _described(name, value)
    for inner, member in vars(value).items() if inspect.isclass(value) else ():
        said = inspect.getdoc(member) if not inner.startswith("_") else None
        if said and (inspect.isroutine(member) or isinstance(member, (property, classmethod, staticmethod))):
            call = getattr(value, inner)
            yield f"**{name}.{inner}**\n".replace("_", "\\_")
            yield from _described(f"{name}.{inner}", call, said)


def _described(name: str, value: object, said: str | None = None) -> Iterator[str]:
    if not isinstance(value, property):
        yield f"```python\n{_signature(name, value)}\n```\n"
    for part in re.split(r"\n\s*\n", said or inspect.getdoc(value) or ""):
        yield _part(part) + "\n"


def _signature(name: str, value: object) -> str:
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    plain = [p for p in plain if p.name != "self"]
    one = f"{name}{found.replace(parameters=plain, return_annotation=inspect.Signature.empty)}"
    if len(one) > WIDE:
        one = f"{name}(\n    " + ",\n    ".join(map(str, plain)) + ",\n)"
    return re.sub(r"<factory>|<[\w.]+ object at 0x\w+>|mappingproxy\(\{\}\)", "...", one)


def _part(part: str) -> str:
    """A paragraph: an example, a list of names with what they are, lines that keep their places, or prose."""
    if part.lstrip().startswith(">>>"):
        return f"```pycon\n{inspect.cleandoc(part)}\n```"
    if COLUMNS.match(dedent(part)):
        return _list(dedent(part))
    if part.startswith("    ") or re.search(r"\S {3,}\S", part):
        return f"```text\n{inspect.cleandoc(part)}\n```"
    return _prose(part)


def _prose(text: str) -> str:
    """Words whose signs are not Markdown, but for `code`."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else _flowing_part(part) for part in parts)


def _flowing_part(text: str) -> str:
    """With the spaces at its ends."""
    return (
        f"{text[: len(text) - len(text.lstrip())]}{_flowing(text)}{text[len(text.rstrip()) :]}"
        if text.strip()
        else text
    )


def _list(part: str) -> str:
    """Rows of a name and words in columns as a list; a line that begins far in goes on with the row above."""
    rows: list[list[str]] = []
    for line in part.splitlines():
        named = None if line.startswith("    ") and rows else COLUMNS.match(line)
        if named:
            rows.append([named[1], named[2]])
        elif rows:
            rows[-1][1] += f" {line.strip()}"
    return "\n".join(f"- `{name}`: {_prose(words)}" for name, words in rows)
