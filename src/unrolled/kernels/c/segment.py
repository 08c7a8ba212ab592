"""C text of one segment: a loop over rows, and inside it loops over units that the compiler turns into vectors."""

from __future__ import annotations

from dataclasses import dataclass

from ...graph.node import Dim, Node
from ...plan.plan import Plan
from ...plan.program import Place, Program, Segment
from .spell import SPELL, number


def extent(widths: tuple[Dim, ...] | Dim) -> str:
    """A sum of widths as a C expression: extent(("H", "H", "O")) == "2 * H + O"."""
    widths = (widths,) if isinstance(widths, str) else widths
    counts: dict[str, int] = {}
    for letter in "+".join(widths).split("+"):
        if letter:
            counts[letter] = counts.get(letter, 0) + 1
    terms = [letter if n == 1 else f"{n} * {letter}" for letter, n in counts.items()]
    return " + ".join(terms) or "0"


def safe(text: str) -> str:
    """An author's words inside a C comment: no end of comment, no end of line, printable ASCII."""
    clean = text.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("??", "? ?")
    return "".join(c if " " <= c <= "~" else "?" for c in clean)[:80]


@dataclass(frozen=True)
class Rows:
    """How one direction spells the address of a row in each buffer: pointer expressions without the column."""

    pointers: dict[str, str]             # buffer name with number -> C expression of the row's start
    names: dict[int, str]                # node -> author's name


class SegmentText:
    """Writes one segment. Values of vectors are made inside the loop over units, numbers once per row before it."""

    def __init__(self, plan: Plan, program: Program, segment: Segment, rows: Rows):
        self.nodes, self.segment, self.rows = plan.body.nodes, segment, rows
        self.places, self.inside = dict(program.places), set(segment.nodes)
        self.output_is_state = plan.body.output_is_state
        self.pointers: dict[str, str] = {}       # C declaration of each row pointer in use
        self.hyper = plan.graph.hyper

    def text(self) -> list[str]:
        loops = [line for width in self._widths() for line in self._loop(width)]
        numbers = self._numbers()
        tail = self._tail()
        inner = [*(f"{declared};" for declared in self.pointers.values()), *numbers, *loops, *tail]
        return [f"for (long i = 0; i < count; i++) {{       /* stage {self.segment.stage} */",
                "    const long r = first + i * stride;", *("    " + line for line in inner), "}"]

    def _width(self, index: int) -> Dim:
        shape = self.nodes[index].shape
        return shape[0] if shape else "1"

    def _widths(self) -> list[Dim]:
        used = [self._width(i) for i in self.segment.nodes]
        used += [self._width(self.nodes[i].args[0]) for i in self.segment.nodes if self.nodes[i].op == "sum"]
        used += [place.width for _, place in (*self.segment.stores, *self.segment.vectors)]
        return [w for w in dict.fromkeys(used) if w != "1"]

    def _loop(self, width: Dim) -> list[str]:
        mine = [self.nodes[i] for i in self.segment.nodes if self._width(i) == width]
        sums = [self.nodes[i] for i in self.segment.nodes
                if self.nodes[i].op == "sum" and self._width(self.nodes[i].args[0]) == width]
        stores = [(i, p) for i, p in self.segment.stores if p.width == width]
        adds = [(i, p) for i, p in self.segment.vectors if p.width == width]
        body: list[str] = []
        loaded: set[int] = set()
        reads = [a for n in (*mine, *sums) for a in n.args] + [i for i, _ in (*stores, *adds)]
        for index in dict.fromkeys(reads):
            if index not in self.inside and self.nodes[index].shape and index not in loaded:
                loaded.add(index)
                body.append(f"const real v{index} = {self._load(index)};{self._name(index)}")
        body += [self._compute(n) for n in mine]
        body += [f"s{n.index} += v{n.args[0]};" for n in sums]
        body += [f"{self._address(p)} = {self._read(i)};" for i, p in stores]
        body += [f"{self._address(p, 'd')} += {self._read(i)};" for i, p in adds]
        letter = _letter(width)
        pragma = f"SUMMING({', '.join(f's{n.index}' for n in sums)})" if sums else "UNITS"
        return [*(f"real s{n.index} = 0;" for n in sums), pragma,
                f"for (long j = {letter}_lo; j < {letter}_hi; j++) {{", *("    " + line for line in body), "}"]

    def _numbers(self) -> list[str]:
        """Values that are one number per row, before the loops."""
        lines: list[str] = []
        mine = [self.nodes[i] for i in self.segment.nodes if self._width(i) == "1" and self.nodes[i].op != "sum"]
        everything = [a for i in self.segment.nodes for a in self.nodes[i].args]
        everything += [i for i, _ in (*self.segment.stores, *self.segment.vectors, *self.segment.numbers)]
        for index in dict.fromkeys(everything):
            if index not in self.inside and not self.nodes[index].shape:
                lines.append(f"const real v{index} = {self._load(index)};{self._name(index)}")
        return lines + [self._compute(n) for n in mine]

    def _tail(self) -> list[str]:
        """What happens once per row after the loops: numbers stored and added up."""
        lines = [f"{self._address(p)} = {self._read(i)};" for i, p in self.segment.stores if p.width == "1"]
        return lines + [f"number_sums[{p.number}] += {self._read(i)};" for i, p in self.segment.numbers]

    def _read(self, index: int) -> str:
        return f"s{index}" if self.nodes[index].op == "sum" and index in self.inside else f"v{index}"

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
        if place.buffer == "numbers":
            return f"numbers[{place.number}]"
        text = self._address(place)
        if place.buffer == "carry" and place.number == 0 and self.output_is_state:
            text += f" + {self._address(Place('above', 0, (), place.width))}"
        return text

    def _address(self, place: Place, prefix: str = "") -> str:
        """The element for unit j of this row: declares the row's pointer on first use."""
        key = f"{prefix}{place.buffer}" if place.buffer in ("vectors", "scratch", "kept", "gradient", "output", "above", "z") \
            or place.buffer[0] in "xk" else f"{prefix}{place.buffer}{place.number}"
        column = extent(place.start)
        name = f"{key}_{column.replace(' * ', '').replace(' + ', '_')}" if column != "0" else f"{key}_"
        start = self.rows.pointers[key]
        if place.buffer == "z" or place.buffer == "scratch":
            column = extent_local(place.start)
            start += "" if place.width == "1" else f" - {_letter(place.width)}_lo"
        text = f"real *{name} = {start}{f' + {column}' if column != '0' else ''}"
        self.pointers.setdefault(name, text)
        return f"{name}[0]" if place.width == "1" else f"{name}[j]"


def extent_local(widths: tuple[Dim, ...]) -> str:
    """Like `extent`, of the part of each width that this thread works on."""
    return extent(tuple("1" if w == "1" else "+".join(f"{part}_n" for part in w.split("+")) for w in widths)) \
        if widths else "0"


def _letter(width: Dim) -> str:
    return width if "+" not in width else "W_" + width.replace("+", "_")
