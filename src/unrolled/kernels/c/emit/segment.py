"""C text of one segment: a loop over rows, and inside it loops over units that the
compiler turns into vectors.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass

from ....graph.node import Dim, Node
from ....ops import ALONG_UNITS, OF_WHOLES, OVER_UNITS
from ....plan.plan import Plan
from ....plan.program import Place, Program, Segment
from .spell import SPELL, number


def extent(widths: tuple[Dim, ...] | Dim) -> str:
    """A sum of widths as a C expression: extent(("H", "H", "O")) == "2 * H + O"."""
    widths = (widths,) if isinstance(widths, str) else widths
    return _sum([str(int(width)) if width.isdigit() else atom(width) for width in widths])


def _sum(names: list[str]) -> str:
    terms = [name if n == 1 else f"{n} * {name}" for name, n in Counter(names).items()]
    return " + ".join(terms) or "0"


def atom(width: Dim) -> str:
    """One width as a C identifier: H, n3, H_over_4, H_plus_I. Letters of the alphabet are called what they are;
    a word of the author's is spelled by the codes of its letters, so that it can mean nothing in C:
    w_6465707468 for depth."""
    parts = [_part(part) for part in re.split(r"([+*/])", width)]
    name = "".join(parts)
    return f"n{name}" if name[0].isdigit() else name


def _part(part: str) -> str:
    if part in _JOINED:
        return _JOINED[part]
    if re.fullmatch("[A-Z]|[0-9]+", part):
        return part
    return f"w_{part.encode('utf-8', 'surrogatepass').hex()}"


_JOINED = {"+": "_plus_", "/": "_over_", "*": "_times_"}


def low(width: Dim) -> str:
    """The first unit that this thread works on."""
    return "0" if width == "1" else f"{atom(width)}_lo"


def share(width: Dim) -> str:
    """How many units this thread works on."""
    return "1" if width == "1" else f"{atom(width)}_n"


def safe(text: str) -> str:
    """An author's words inside a C comment: letters that cannot end it, or mean anything to
    a compiler or an editor.
    """
    return "".join(c if c in ALLOWED else "_" for c in text[:80])


ALLOWED = frozenset(string.ascii_letters + string.digits + " _.,:=+-()[]")


@dataclass(frozen=True)
class RowPointers:
    """How one direction spells the address of a row in each buffer: pointer expressions without the column."""

    pointers: dict[str, str]  # buffer name with number -> C expression of the row's start
    names: dict[int, str]  # node -> author's name


class SegmentText:
    """Writes one segment. Values of vectors are made inside the loop over units,
    numbers once per row before it.
    """

    def __init__(self, plan: Plan, program: Program, segment: Segment, rows: RowPointers):
        self.nodes, self.segment, self.rows = plan.body.nodes, segment, rows
        self.places, self.inside = dict(program.places), set(segment.nodes)
        self.output_is_state = plan.body.output_is_state
        self.pointers: dict[str, str] = {}  # C declaration of each row pointer in use
        self.early = [(i, p) for i, p in segment.stores if self.nodes[i].op in OF_WHOLES and i in self.inside]
        self.stores = [pair for pair in segment.stores if pair not in self.early]

    def text(self) -> list[str]:
        loops = [line for width in self._widths() for line in self._loop(width)]
        numbers = self._numbers()
        tail = self._tail()
        early = [line for index, place in self.early for line in self._of_wholes(self.nodes[index], place)]
        inner = [*(f"{declared};" for declared in self.pointers.values()), *early, *numbers, *loops, *tail]
        return [
            f"for (long i = 0; i < count; i++) {{       /* stage {self.segment.stage} */",
            "    const long r = first + i * stride;",
            *("    " + line for line in inner),
            "}",
        ]

    def _of_wholes(self, node: Node, place: Place) -> list[str]:
        """What is made of whole vectors, which stand in memory, before anything else of this stage."""
        to, given = self._pointer(place), [self._pointer(self.places[a]) for a in node.args]
        if node.op == "concat":
            widths = [self._width(a) for a in node.args]
            return [
                f"memcpy({to} + {extent(tuple(widths[:k]))}, {source}, ({extent(w)}) * sizeof(real));"
                for k, (source, w) in enumerate(zip(given, widths))
            ]
        if node.op == "part":
            start = tuple(d for d in node.value[0].split("+") if d != "0")
            return [f"memcpy({to}, {given[0]} + {extent(start)}, ({extent(place.width)}) * sizeof(real));"]
        rows, columns = {
            "kron": node.args,
            "kron_left": (node.index, node.args[1]),
            "kron_right": (node.args[1], node.index),
        }[node.op]
        return [
            f"{node.op}_({to}, {given[0]}, {given[1]}, {extent(self._width(rows))},"
            f" {extent(self._width(columns))});"
        ]

    def _width(self, index: int) -> Dim:
        shape = self.nodes[index].shape
        return shape[0] if shape else "1"

    def _widths(self) -> list[Dim]:
        used = [self._width(i) for i in self.segment.nodes if self.nodes[i].op not in OF_WHOLES]
        used += [
            self._width(self.nodes[i].args[0]) for i in self.segment.nodes if self.nodes[i].op in OVER_UNITS
        ]
        used += [place.width for _, place in (*self.stores, *self.segment.vectors)]
        return [w for w in dict.fromkeys(used) if w != "1"]

    def _loop(self, width: Dim) -> list[str]:
        mine = [
            self.nodes[i]
            for i in self.segment.nodes
            if self._width(i) == width and self.nodes[i].op not in OF_WHOLES
        ]
        sums = [
            self.nodes[i]
            for i in self.segment.nodes
            if self.nodes[i].op in OVER_UNITS and self._width(self.nodes[i].args[0]) == width
        ]
        stores = [(i, p) for i, p in self.stores if p.width == width]
        adds = [(i, p) for i, p in self.segment.vectors if p.width == width]
        body: list[str] = []
        loaded: set[int] = set()
        reads = [a for n in (*mine, *sums) for a in n.args] + [i for i, _ in (*stores, *adds)]
        for index in dict.fromkeys(reads):
            if index not in self.inside and self._width(index) != "1" and index not in loaded:
                loaded.add(index)
                body.append(f"const real v{index} = {self._load(index)};{self._name(index)}")
        body += [self._compute(n) for n in mine]
        body += [_ADD_UNIT[n.op].format(n.index, n.args[0]) for n in sums]
        body += [f"{self._address(p)} = {self._read(i)};" for i, p in stores]
        body += [f"{self._address(p, 'd')} += {self._read(i)};" for i, p in adds]
        letter = atom(width)
        return [
            *(_BEFORE_UNITS[n.op].format(n.index) for n in sums),
            _pragma(sums),
            f"for (long j = {letter}_lo; j < {letter}_hi; j++) {{",
            *("    " + line for line in body),
            "}",
            *(f"s{n.index} += n{n.index};" for n in sums if n.op == "largest"),
            *(line for i, p in stores for line in self._along(i, p, letter)),
        ]

    def _along(self, index: int, place: Place, letter: str) -> list[str]:
        """Running sums are added up where their arguments have been stored."""
        op = self.nodes[index].op
        if op not in ALONG_UNITS or index not in self.inside:
            return []
        return [f"{op}_({self._pointer(place)} + {letter}_lo, {letter}_hi - {letter}_lo);"]

    def _numbers(self) -> list[str]:
        """Values that are one number per row, before the loops."""
        lines: list[str] = []
        mine = [
            self.nodes[i]
            for i in self.segment.nodes
            if self._width(i) == "1" and self.nodes[i].op not in (*OVER_UNITS, *OF_WHOLES)
        ]
        everything = [
            a for i in self.segment.nodes if self.nodes[i].op not in OF_WHOLES for a in self.nodes[i].args
        ]
        everything += [i for i, _ in (*self.stores, *self.segment.vectors, *self.segment.numbers)]
        for index in dict.fromkeys(everything):
            if index not in self.inside and self._width(index) == "1":
                lines.append(f"const real v{index} = {self._load(index)};{self._name(index)}")
        single = [
            n
            for n in map(self.nodes.__getitem__, self.segment.nodes)
            if n.op in OVER_UNITS and self._width(n.args[0]) == "1"
        ]
        return (
            lines
            + [self._compute(n) for n in mine]
            + [f"const real s{n.index} = v{n.args[0]};" for n in single]
        )

    def _tail(self) -> list[str]:
        """What happens once per row after the loops: numbers stored and added up."""
        lines = [f"{self._address(p)} = {self._read(i)};" for i, p in self.stores if p.width == "1"]
        lines += [
            f"{self._address(p, 'd')} += {self._read(i)};" for i, p in self.segment.vectors if p.width == "1"
        ]
        return lines + [f"number_sums[{p.number}] += {self._read(i)};" for i, p in self.segment.numbers]

    def _read(self, index: int) -> str:
        return f"s{index}" if self.nodes[index].op in OVER_UNITS and index in self.inside else f"v{index}"

    def _compute(self, node: Node) -> str:
        expression = SPELL[node.op].format(*(self._read(a) for a in node.args))
        return f"const real v{node.index} = {expression};{self._name(node.index)}"

    def _name(self, index: int) -> str:
        name = self.rows.names.get(index)
        return f"    /* {safe(name)} */" if name else ""

    def _load(self, index: int) -> str:
        place = self.places[index]
        if place.buffer == "constant":
            return number(self.nodes[index].value)
        if place.buffer == "hyper":
            return f"(real)hyper[{place.number}]"
        if place.buffer == "width":
            return f"(real)({extent(place.start)})"
        if place.buffer == "numbers":
            return f"numbers[{place.number}]"
        text = self._address(place)
        if place.buffer == "carry" and place.number == 0 and self.output_is_state:
            text += f" + {self._address(Place('above', 0, (), place.width))}"
        return text

    def _address(self, place: Place, prefix: str = "") -> str:
        """The element for unit j of this row."""
        return f"{self._pointer(place, prefix)}[{'0' if place.width == '1' else 'j'}]"

    def _pointer(self, place: Place, prefix: str = "") -> str:
        """Where a row's units begin: declares the row's pointer on first use."""
        key = (
            f"{prefix}{place.buffer}"
            if place.buffer in ("vectors", "scratch", "kept", "gradient", "output", "above", "z")
            or place.buffer[0] in "xk"
            else f"{prefix}{place.buffer}{place.number}"
        )
        column = extent(place.start)
        name = f"{key}_{column.replace(' * ', '').replace(' + ', '_')}" if column != "0" else f"{key}_"
        start = self.rows.pointers[key]
        if place.buffer == "z" or place.buffer == "scratch":
            column = extent_local(place.start)
            start += "" if place.width == "1" else f" - {low(place.width)}"
        text = f"real *{name} = {start}{f' + {column}' if column != '0' else ''}"
        self.pointers.setdefault(name, text)
        return name


# Primitives over the units, {0}, of a vector, {1}. A reduction by max may lose NaN between
# lanes: it is summed apart.
_BEFORE_UNITS = {"sum": "real s{0} = 0;", "largest": "real s{0} = -(real)INFINITY, n{0} = 0;"}
_ADD_UNIT = {
    "sum": "s{0} += v{1};",
    "largest": "s{0} = v{1} > s{0} ? v{1} : s{0}; n{0} += v{1} != v{1} ? v{1} : 0;",
}


def _pragma(sums: list[Node]) -> str:
    """What lets the compiler turn a loop over units into vectors."""
    added = ", ".join(f"{'n' if n.op == 'largest' else 's'}{n.index}" for n in sums)
    greatest = ", ".join(f"s{n.index}" for n in sums if n.op == "largest")
    if greatest:
        return f"PRAGMA(omp simd reduction(+ : {added}) reduction(max : {greatest}))"
    return f"SUMMING({added})" if sums else "UNITS"


def extent_local(widths: tuple[Dim, ...]) -> str:
    """Like `extent`, of the part of each width that this thread works on."""
    return _sum([share(width) for width in widths])
