"""The numbers that a net is worked with, checked: every one is there, and they fit each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..cell import Cell
from ..errors import CellError, ShapeError, UsageError
from ..graph.node import Dim, Graph, letters_of, quote_clash, size
from ..graph.trace import signature_of
from ..views.columns import shape_text
from .label import First, Label, units
from .numbers import Array, array, said_shape

MOST_ROWS = 64


@dataclass(frozen=True)
class GivenNumbers:
    """What a net is worked with. Inputs and targets: one array a row, which is a time step where the net has a
    state, and an example where it has none. `sizes` says what the width letters stand for."""

    inputs: Mapping[str, tuple[Array, ...]]
    states: Mapping[str, Array]
    parameters: Mapping[str, Array]
    targets: tuple[Array | None, ...]
    sizes: Mapping[Dim, int]
    rows: int


def with_widths(
    cell: Cell, inputs, parameters: Mapping[str, object], state: Mapping[str, object] | None
) -> Cell:
    """The cell with the widths that its numbers have, so that nobody has to declare what is in front of him."""
    _check_kinds(cell, inputs, parameters, state)
    if cell.function is None or cell.shapes:
        return cell
    signature = signature_of(cell.function, dict(cell.values))
    given = {
        **_by_name(cell.name, signature.inputs, inputs),
        **{n: v for n, v in (state or {}).items() if n in signature.states},
        **{n: v for n, v in parameters.items() if n in signature.parameters},
    }
    shapes = {}
    for name, value in given.items():
        shape = _shape_of(value)
        most = 1 if name in signature.inputs else len(shape)
        shapes[name] = tuple(map(str, shape[len(shape) - min(len(shape), most) :]))
    made = replace(cell, shapes=shapes)
    try:
        made.graph  # noqa: B018  (traced here)
    except CellError:
        _say_what_does_not_fit(cell.graph, given)
        raise
    return made


def _check_kinds(cell: Cell, inputs, parameters, state) -> None:
    """Tables are tables, and numbers are there. Raises UsageError."""
    for kind, table in (("parameters", parameters), ("state", {} if state is None else state)):
        if not isinstance(table, Mapping):
            raise UsageError(
                f"{kind}={table!r:.60} is not a table. Give numbers by name, {{'W': [[0.5]], ...}}."
            )
    for name, value in {**parameters, **(state or {})}.items():
        array(value, name)
    for name, value in (inputs if isinstance(inputs, Mapping) else {"the input": inputs}).items():
        value = _listed(value)
        if isinstance(value, str) or not isinstance(value, (list, tuple, int, float)):
            raise UsageError(f"{name} is {value!r:.60}: give a row of numbers for each step, [[1, 0], [0, 1]].")
        if isinstance(value, (list, tuple)) and not value:
            raise UsageError(f"{name} is empty: give a row of numbers for each step, [[1, 0], [0, 1]].")


def _say_what_does_not_fit(graph: Graph, given: Mapping[str, object]) -> None:
    """ShapeError for the first that has another number of sides than the equations want."""
    for kind, names in (("parameter", graph.parameters), ("input", graph.inputs), ("state", graph.states)):
        for name in names:
            wanted, value = graph.shape(kind, name), given.get(name)
            depth = min(_depth(value), len(wanted)) if kind == "input" else _depth(value)
            if value is not None and depth != len(wanted):
                cells = array(value, name).cells if kind != "input" or depth == 0 else ()
                alone = len(cells) == 1
                example = (
                    f"{'[' * len(wanted)}{cells[0]:g}{']' * len(wanted)}" if alone else _pattern(len(wanted))
                )
                raise ShapeError(
                    f"{name} has {said_shape(_shape_of(value))} and {graph.name} uses it as {_kind(wanted)} "
                    f"{shape_text(wanted)}. Write it as {example}."
                )


def _shape_of(value) -> tuple[int, ...]:
    """Of nested lists, by their first elements."""
    value = _listed(value)
    return (len(value), *_shape_of(value[0])) if isinstance(value, (list, tuple)) and len(value) else ()


def check_given(
    cell: Cell,
    inputs,
    parameters: Mapping[str, object],
    state: Mapping[str, object] | None,
    target,
    steps: int | None,
    first: First,
) -> GivenNumbers:
    """Everything as arrays. Raises UsageError or ShapeError, naming the number or the
    two sizes that are wrong.
    """
    graph, sizes = cell.graph, dict(cell.widths)
    by_input = _by_name(cell.name, cell.graph.inputs, inputs)
    rows = _rows(cell, by_input, steps)
    made = {n: _rows_of(graph, n, by_input[n], rows, steps is not None, first) for n in graph.inputs}
    weights = {
        n: _fitting(graph, "parameter", n, _wanted(cell, n, parameters), sizes, first) for n in graph.parameters
    }
    unknown = [n for n in parameters if n not in graph.parameters]
    if unknown:
        raise UsageError(
            f"{cell.name} has no parameter {unknown[0]}. It has {', '.join(graph.parameters) or 'none'}."
        )
    for name in graph.inputs:
        for k, row in enumerate(made[name], 1):
            _bind(graph, "input", name, row, sizes, f"{name}{_in_row(k, rows)}")
    _bind_clashes(graph, sizes)
    states = {n: _state(cell, n, (state or {}).get(n), sizes, first) for n in graph.states}
    _unknown_states(cell, state)
    _widths_known(cell, sizes)
    targets = _targets(graph, target, rows, sizes, first, steps is not None)
    for clash in graph.clashes:
        left, right = size(clash.left, sizes), size(clash.right, sizes)
        if left != right:
            raise ShapeError(quote_clash(graph, clash, left, right))
    for kind, found in (
        ("input", {n: r[0] for n, r in made.items()}),
        ("state", states),
        ("parameter", weights),
    ):
        _derived(graph, kind, found, sizes)
    return GivenNumbers(made, states, weights, targets, sizes, rows)


def _by_name(cell_name: str, names: tuple[str, ...], inputs) -> Mapping[str, object]:
    if isinstance(inputs, Mapping):
        missing = [n for n in names if n not in inputs]
        unknown = [n for n in inputs if n not in names]
        if missing or unknown:
            wrong = f"the input {missing[0]} is missing" if missing else f"there is no input {unknown[0]}"
            raise UsageError(
                f"{cell_name} takes the input{'s' * (len(names) > 1)} {', '.join(names)}, and {wrong}."
            )
        return inputs
    if len(names) > 1:
        raise UsageError(
            f"{cell_name} takes the inputs {', '.join(names)}: give them by name, "
            f"{{{names[0]!r}: ..., {names[1]!r}: ...}}."
        )
    return {names[0]: inputs}


def _depth(value) -> int:
    value = value.tolist() if hasattr(value, "tolist") else value
    return 1 + max((_depth(v) for v in value), default=0) if isinstance(value, (list, tuple)) else 0


def _rows(cell: Cell, inputs: Mapping[str, object], steps: int | None) -> int:
    """How many rows there are: as many as the longest input says, or `steps`."""
    counts = {n: len(_listed(v)) for n, v in inputs.items() if _depth(v) > len(cell.graph.shape("input", n))}
    if len(set(counts.values())) > 1:
        (a, k), (b, m) = sorted(counts.items(), key=lambda item: item[1])[:: len(counts) - 1]
        raise UsageError(
            f"{a} has {k} rows and {b} has {m}. Give every input as many rows, or one for all of them."
        )
    rows = next(iter(counts.values()), 1)
    if steps is not None:
        if not isinstance(steps, int) or steps < 1 or (counts and steps > rows):
            raise UsageError(
                f"steps={steps!r}: there are {rows} rows of numbers. Give a whole number from 1 to "
                f"{rows if counts else MOST_ROWS}."
            )
        rows = steps
    if not 1 <= rows <= MOST_ROWS:
        raise UsageError(f"{rows} rows are too many to be worked by hand: from 1 to {MOST_ROWS}, e.g. steps=4.")
    return rows


def _listed(value) -> Sequence:
    return value.tolist() if hasattr(value, "tolist") else value


def _rows_of(graph: Graph, name: str, value, rows: int, cut: bool, first: First) -> tuple[Array, ...]:
    rank = len(graph.shape("input", name))
    if _depth(value) <= rank:
        return (array(value, name, first=first.get(name, 1)),) * rows
    listed = _listed(value)
    return tuple(
        array(row, name, _in_row(k, rows), first.get(name, 1))
        for k, row in enumerate(listed[:rows] if cut else listed, 1)
    )


def _in_row(k: int, rows: int) -> str:
    return f" in row {k}" if rows > 1 else ""


def _wanted(cell: Cell, name: str, parameters: Mapping[str, object]):
    if name not in parameters:
        missing = [n for n in cell.graph.parameters if n not in parameters]
        raise UsageError(
            f"{cell.name} is worked with numbers for {', '.join(cell.graph.parameters)}, and"
            f" {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. Give {missing[0]},"
            f" {shape_text(cell.graph.shape('parameter', missing[0]))}."
        )
    return parameters[name]


def _fitting(graph: Graph, kind: str, name: str, value, sizes: dict[Dim, int], first: First) -> Array:
    found = array(value, name, first=first.get(name, 1))
    _bind(graph, kind, name, found, sizes, name)
    return found


def _bind(graph: Graph, kind: str, name: str, found: Array, sizes: dict[Dim, int], place: str) -> None:
    """What an array says about width letters, held against what others said before."""
    wanted = graph.shape(kind, name)
    if len(wanted) != len(found.shape):
        raise ShapeError(
            f"{place} has {said_shape(found.shape)} and {graph.name} uses it as {_kind(wanted)}"
            f" {shape_text(wanted)}. Write it as {_pattern(len(wanted))}."
        )
    for dim, width in zip(wanted, found.shape):
        # Numbers clash where an equation says so.
        known = sizes.setdefault(dim, width) if dim.isidentifier() else width
        if known != width:
            raise ShapeError(
                f"{place} has {said_shape(found.shape)} and is {shape_text(wanted)}, where {dim} is {known} "
                f"by what was given before. Make {dim} the same in both."
            )


def _kind(shape: Sequence[Dim]) -> str:
    return ("a number", "a vector", "a matrix", "a stack of matrices")[min(len(shape), 3)]


def _pattern(rank: int) -> str:
    return ("0.5", "[0.5, 1]", "[[0.5, 1], [2, 3]]", "[[[0.5, 1], [2, 3]]]")[min(rank, 3)]


def _derived(graph: Graph, kind: str, found: Mapping[str, Array], sizes: dict[Dim, int]) -> None:
    """Widths that are made of letters: H+I, H/4."""
    for name, one in found.items():
        for dim, width in zip(graph.shape(kind, name), one.shape):
            if size(dim, sizes) != width:
                letters = ", ".join(f"{letter} = {sizes[letter]}" for letter in letters_of(dim))
                wanted = (
                    f"{dim} = {size(dim, sizes)} are wanted, {letters}"
                    if letters
                    else f"{dim} {'is' if dim == '1' else 'are'} wanted"
                )
                raise ShapeError(f"{name} has {said_shape(one.shape)} where {wanted}. Give it as many.")


def _bind_clashes(graph: Graph, sizes: dict[Dim, int]) -> None:
    """A letter that an equation makes equal to a number is that number."""
    for clash in graph.clashes:
        for one, other in ((clash.left, clash.right), (clash.right, clash.left)):
            if one.isidentifier() and other.isdigit():
                sizes.setdefault(one, int(other))


def _state(cell: Cell, name: str, value, sizes: dict[Dim, int], first: First) -> Array:
    """The state that the first step finds: as given, else the cell's own beginning."""
    shape = cell.graph.shape("state", name)
    if value is not None:
        return _fitting(cell.graph, "state", name, value, sizes, first)
    _widths_known(cell, sizes, shape)
    widths = tuple(size(dim, sizes) for dim in shape)
    begun = Array(widths, ())
    return Array(widths, tuple(float(cell.start.get(name, 0.0)) for _ in begun.places()))


def _unknown_states(cell: Cell, state: Mapping[str, object] | None) -> None:
    unknown = [n for n in state or () if n not in cell.states]
    if unknown:
        raise UsageError(f"{cell.name} has no state {unknown[0]}. It has {', '.join(cell.states) or 'none'}.")


def _widths_known(cell: Cell, sizes: Mapping[Dim, int], shape: Sequence[Dim] | None = None) -> None:
    dims = [letter for dim in (cell.graph.dims if shape is None else shape) for letter in letters_of(dim)]
    missing = [d for d in dims if d not in sizes and d in cell.graph.dims]
    if missing:
        raise UsageError(
            f"nothing that was given says how wide {missing[0]} is in {cell.name}. Give a first state, "
            f"or {cell.name}.using({missing[0]}=2)."
        )


def _targets(
    graph: Graph, target, rows: int, sizes: dict[Dim, int], first: First, cut: bool
) -> tuple[Array | None, ...]:
    if target is None:
        return (None,) * rows
    shape = graph.nodes[graph.output].shape
    listed = _listed(target)
    listed = [listed] if _depth(listed) <= len(shape) and rows == 1 else listed
    if cut and isinstance(listed, (list, tuple)):  # fewer rows are worked than were given
        listed = listed[:rows]
    if not isinstance(listed, (list, tuple)) or len(listed) != rows:
        count = len(listed) if isinstance(listed, (list, tuple)) and _depth(listed) > len(shape) else 1
        raise UsageError(
            f"target has {count} row{'s' * (count != 1)} and the inputs have {rows}. Give one for each, None"
            " where a row has no target."
        )
    made = tuple(
        None if row is None else array(row, "target", _in_row(k, rows), first.get("target", 1))
        for k, row in enumerate(listed, 1)
    )
    wanted = tuple(size(dim, sizes) for dim in shape)
    for k, row in enumerate(made, 1):
        if row is not None and row.shape != wanted:
            raise ShapeError(
                f"target{_in_row(k, rows)} has {said_shape(row.shape)} and the output of {graph.name} has "
                f"{said_shape(wanted)}. Give one for each."
            )
    return made


def leaf_values(
    given: GivenNumbers, first: First, recurrent: bool, target: str
) -> list[tuple[str, Label, int, float]]:
    """(kind, label, row, value) of every given number."""
    found = []
    for name, rows in given.inputs.items():
        for k, row in enumerate(rows, 1):
            found += _labelled("input", name, k if recurrent else None, k, row, first)
    for name, one in given.states.items():
        found += _labelled("state", name, 0, 0, one, first)
    for name, one in given.parameters.items():
        found += _labelled("parameter", name, None, 0, one, first)
    for k, row in enumerate(given.targets, 1):
        if row is not None:
            found += _labelled("target", target, k if recurrent else None, k, row, first)
    return found


def _labelled(kind: str, name: str, step: int | None, row: int, one: Array, first: First):
    return [
        (kind, Label(name, step, units(name, place, first)), row, value)
        for place, value in zip(one.places(), one.cells)
    ]
