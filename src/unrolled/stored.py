"""A stored cell's data, field by field: each has its type and its bounds, and is about
something that the graph has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from .errors import UsageError
from .graph.check import MOST_NAME, MOST_WIDTH, is_name, is_title
from .graph.json import graph_from_json, number, text, texts, whole
from .graph.node import Graph
from .noise import Noise

Made, Value = TypeVar("Made"), TypeVar("Value")
MOST_DOC = 100_000  # letters
LARGEST = 3e38


def stored_cell(make: Callable[..., Made], data: object) -> Made:
    """`make` called with the fields of a cell. Raises UsageError for data that
    `Cell.to_json` cannot have written.
    """
    if not isinstance(data, dict):
        raise UsageError(f"it is a {type(data).__name__}")
    missing = [name for name in FIELDS if name not in data]
    if missing:
        raise UsageError(f"it has no {missing[0]}")
    graph = graph_from_json(data["graph"])
    start = _about(data["start"], "start", graph.states, _first)
    fixed = texts(data["fixed"], "fixed")
    _known("fixed", fixed, graph.parameters)
    return make(
        name=_title(data["name"]),
        start=start,
        fixed=fixed,
        init=_about(data["init"], "init", graph.parameters, _initial),
        cite=texts(data["cite"], "cite"),
        doc=_doc(data["doc"]),
        family=text(data["family"], "family"),
        year=None if data["year"] is None else whole(data["year"], "year"),
        widths=_widths(data["widths"]),
        stored=graph,
        noise=_noise(data.get("noise", {}), graph),
        symbols=_about(data.get("symbols", {}), "symbols", named(graph), text),
    )


def storable(make: Callable[..., object], data: dict) -> dict:
    """The data itself. Raises UsageError where nobody could read it again."""
    try:
        stored_cell(make, data)
    except UsageError as error:
        raise UsageError(f"{data['name']} cannot be stored: {error}") from None
    return data


def named(graph: Graph) -> set[str]:
    """Every name of an author's in the equations."""
    lines = (s.name for s in graph.statements)
    return {*graph.inputs, *graph.states, *graph.parameters, *(name for name, _ in graph.hyper), *lines}


FIELDS = ("name", "graph", "start", "fixed", "init", "cite", "doc", "family", "year", "widths")


def _title(value: object) -> str:
    if not is_title(value):
        raise UsageError(f"{text(value, 'name')[:MOST_NAME]!r} is not a name of a cell")
    return value


def _doc(value: object) -> str:
    if not isinstance(value, str) or len(value) > MOST_DOC:
        raise UsageError(f"doc is not a text of at most {MOST_DOC:,} letters")
    return value


def _about(
    value: object, place: str, names: Iterable[str], read: Callable[[object, str], Value]
) -> dict[str, Value]:
    """A table of something for some of the names."""
    if not isinstance(value, Mapping):
        raise UsageError(f"{place} is a {type(value).__name__}, where a table belongs")
    _known(place, value, names)
    return {name: read(one, f"{place} of {name}") for name, one in value.items()}


def _known(place: str, given: Iterable[str], names: Iterable[str]) -> None:
    strange = [name for name in given if name not in names]
    if strange:
        raise UsageError(f"{place} is about {strange[0][:MOST_NAME]!r}, which the equations do not have")


def _first(value: object, place: str) -> float:
    """A state's first value, which float32 holds."""
    found = number(value, place)
    if LARGEST < abs(found) < float("inf"):
        raise UsageError(f"{place} is {found}, and the largest number there is room for is {LARGEST}")
    return found


def _initial(value: object, place: str) -> float | str:
    return text(value, place) if isinstance(value, str) else number(value, place)


def _widths(value: object) -> dict[str, int]:
    """Widths besides I and H, which every layer has of its own."""
    if not isinstance(value, Mapping) or not all(is_name(n) and n not in ("I", "H") for n in value):
        raise UsageError("widths is not a table of widths besides I and H")
    found = {name: whole(one, f"widths of {name}") for name, one in value.items()}
    for name, one in found.items():
        if not 1 <= one <= MOST_WIDTH:
            raise UsageError(f"the width {name} is {one}")
    return found


def _noise(value: object, graph: Graph) -> dict[str, Noise]:
    """Masks: the last inputs, and parameters that are drawn once a call."""
    found = _about(value, "noise", (*graph.inputs, *graph.parameters), _mask)
    first = next((k for k, name in enumerate(graph.inputs) if name in found), len(graph.inputs))
    if first == 0 or not all(name in found for name in graph.inputs[first:]):
        raise UsageError("masks are the last inputs, behind at least one that is not a mask")
    for name, mask in found.items():
        if (mask.over == "call") != (name in graph.parameters):
            raise UsageError(f"the mask {name} cannot be drawn over a {mask.over}")
    return found


def _mask(value: object, place: str) -> Noise:
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        raise UsageError(f"{place} is not a rate, a kind and a span")
    rate, kind, over = value
    return Noise(number(rate, place), text(kind, place), text(over, place))
