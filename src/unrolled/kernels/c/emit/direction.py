"""One direction of a kernel in C: arguments, each thread's share, memory, packing, the loop over time.

Each thread runs all time steps for its share: some of the rows (which never meet, so no barrier), or some of
the units of all rows (so that the weights stay in each core's cache; one barrier before each product).
"""

from __future__ import annotations

from itertools import takewhile

from ....graph.node import Dim
from ....plan.plan import Plan
from ....plan.program import Group, Place, Product, Program, Segment
from .segment import RowPointers, SegmentText, extent, extent_local, low, share
from .struct import Fields, letters


def shares(plan: Plan, split: str, me: str, team: str) -> list[str]:
    """The units of each width that a thread works on; all where `split` is false."""
    return [
        f"const long {d}_lo = {split} ? unit_of({d}, {me}, {team}) : 0, "
        f"{d}_hi = {split} ? unit_of({d}, {me} + 1, {team}) : {d}, {d}_n = {d}_hi - {d}_lo;"
        for d in letters(plan)
    ]


class Direction:
    """Writes the pieces of one direction's function, as lists of lines."""

    def __init__(self, plan: Plan, program: Program, forward: bool, struct: Fields):
        self.plan, self.body, self.program, self.forward, self.struct = (
            plan,
            plan.body,
            program,
            forward,
            struct,
        )
        self.used_groups = list(dict.fromkeys(p.group for p in program.products))

    def arguments(self) -> list[str]:
        """Every field under its name."""
        name = self.struct.name
        return ["job *q = argument;", f"const {name} *a = (const {name} *)q->all;", *self.struct.unpacked()]

    def share(self) -> list[str]:
        """Which rows and which units are this thread's."""
        lines = [
            "const long first = split ? 0 : me, stride = split ? 1 : team;",
            (
                "const walk way = walk_of(steps, batch, first, stride, block, offset, rows, (int)keep,"
                " (int)uniform);"
            ),
        ]
        return lines + shares(self.plan, "split", "me", "team")

    def packed_parts(self, g: int) -> list[tuple[str, str]]:
        """(whole, this thread's part) sizes of the packed blocks of a group of the loop's weights."""
        group = self.plan.groups[g]
        if self.forward:
            return [
                (
                    f"packed_size({extent(group.widths)}, {extent(group.depth)})",
                    f"packed_size({extent_local(group.widths)}, {extent(group.depth)})",
                )
            ]
        return [
            (
                f"packed_size({extent(group.depth)}, {extent(run.widths)})",
                f"packed_size({extent_local((group.depth,))}, {extent(run.widths)})",
            )
            for run in group.runs
        ]

    def hoisted_parts(self) -> list[tuple[str, str]]:
        """The same for the weights that multiply the input (forward only)."""
        if not self.forward:
            return []
        return [
            (
                f"packed_size({extent(h.widths)}, {extent(h.depth)})",
                " + ".join(f"packed_size({extent_local((w,))}, {extent(h.depth)})" for w in h.widths),
            )
            for h in self.body.hoisted
        ]

    def parts(self) -> list[tuple[str, str]]:
        return [part for g in self.used_groups for part in self.packed_parts(g)] + self.hoisted_parts()

    def memory(self, room: str = "0") -> list[str]:
        """This thread's working memory: packed weights if units are split, results of
        products, scratch, `room`.
        """
        z, scratch = extent_local(self.program.z), extent_local(self.program.scratch)
        local = " + ".join(part for _, part in self.parts()) or "0"
        return [
            (
                f"const long z_width = {z}, scratch_width = {scratch}, most = (batch - first + stride - 1) /"
                " stride;"
            ),
            (
                f"const workplace own = workplace_of(q, me, team, {local}, most * z_width, most *"
                f" scratch_width, {room});"
            ),
            "if (!own.packed) return;",
            "real *z = own.z, *scratch = own.scratch, *packed = own.packed;",
        ]

    def packing(self) -> list[str]:
        """Weights into panels, once per call: by all threads together, or each its own units."""
        lines: list[str] = []
        for g in self.used_groups:
            for k, part in enumerate(self.packed_parts(g)):
                lines += [f"real *block{g}_{k} = packed;", *self._pack_group(g, k), self._advance(part)]
        for g, part in enumerate(self.hoisted_parts()):
            lines += [f"real *wide{g} = packed;", *self._pack_hoisted(g), self._advance(part)]
        return [*lines, "barrier_wait(&q->barrier, me, team);"] if lines else []

    def _advance(self, part: tuple[str, str]) -> str:
        return f"packed += split ? {part[1]} : {part[0]};"

    def _pack_group(self, g: int, k: int) -> list[str]:
        group, name = self.plan.groups[g], f"block{g}_{k}"
        depth = extent(group.depth)
        if self.forward:
            whole = f"pack_share({name}, weights{g}, {depth}, 1, {extent(group.widths)}, {depth}, me, team);"
            width, count = group.widths[0], len(group.widths)
            mine = (
                f"pack({name}, weights{g} + {low(width)} * {depth}, {depth}, 1, {count} * {share(width)},"
                f" {depth}, {share(width)}, {extent(width)});"
            )
            return [f"if (split) {mine}", f"else {whole}"] if self._even(group) else [whole]
        run = group.runs[k]
        start = f"weights{g} + ({extent(group.widths[: run.first])}) * {depth}"
        whole = f"pack_share({name}, {start}, 1, {depth}, {depth}, {extent(run.widths)}, me, team);"
        first, count = low(group.depth), share(group.depth)
        mine = f"pack({name}, {start} + {first}, 1, {depth}, {count}, {extent(run.widths)}, {count}, 0);"
        return [f"if (split) {mine}", f"else {whole}"] if self._even(group) else [whole]

    def _even(self, group: Group) -> bool:
        """Whether units can be shared out: all gates equally wide."""
        return self.plan.splits_units and len(set(group.widths)) == 1

    def _pack_hoisted(self, g: int) -> list[str]:
        group = self.body.hoisted[g]
        depth = f"({extent(group.depth)})"
        whole = f"pack_share(wide{g}, w{g}, {depth}, 1, {extent(group.widths)}, {depth}, me, team);"
        mine, at = [], "0"
        for k, width in enumerate(group.widths):
            before = extent(group.widths[:k])
            mine.append(
                f"pack(wide{g} + {at}, w{g} + ({before} + {low(width)}) * {depth}, {depth}, 1, {share(width)},"
                f" {depth}, {share(width)}, 0);"
            )
            at += f" + packed_size({share(width)}, {depth})"
        return [
            f"if (operand{g} && !split) {whole}",
            f"if (operand{g} && split) {{",
            *("    " + m for m in mine),
            "}",
        ]

    def steps(self) -> list[str]:
        """The loop over time."""
        head = (
            "for (long s = 0; s < steps; s++) {" if self.forward else "for (long s = steps - 1; s >= 0; s--) {"
        )
        stop = "if (--until <= 0 && stops(&q->look, &until, me)) break;"
        inner = [
            stop,
            *self._ahead(),
            "const long off = offset[s], count = walk_count(&way, s);",
            *self._bases(),
        ]
        rows = self.row_pointers()
        for step in self.program.steps:
            inner += (
                self._product(step)
                if isinstance(step, Product)
                else SegmentText(self.plan, self.program, step, rows).text()
            )
        if self.forward:
            inner += self._copies("rows[s]", "(s + 1 < steps ? rows[s + 1] : 0)", "now")
        before = self._copies("batch", "(steps ? rows[0] : 0)", "state") if self.forward else []
        return ["long until = every;", *before, head, *("    " + line for line in inner), "}"]

    def _ahead(self) -> list[str]:
        """Products with the input, a block of steps at a time. `low`: packed row at which
        the buffers x and k begin.
        """
        if not self.forward or not self.body.hoisted:
            return self._wait()
        lines = ["const long inside = s % block, low = walk_low(&way, s, inside);", *self._wait()]
        hoists = [f"    {line}" for g in range(len(self.body.hoisted)) for line in self._hoists(g)]
        return [*lines, "if (inside == 0) {", *hoists, "}"]

    def _hoists(self, g: int) -> list[str]:
        group = self.body.hoisted[g]
        depth, row = extent(group.depth), extent(group.widths)
        lines = [f"if (operand{g} && !split) hoist(&way, s, operand{g}, {depth}, wide{g}, {row}, x{g}, {row});"]
        at = "0"
        for k, width in enumerate(group.widths):
            lines.append(
                f"if (operand{g} && split) hoist(&way, s, operand{g}, {depth}, wide{g} + {at}, {share(width)}, "
                f"x{g} + {extent(group.widths[:k])} + {low(width)}, {row});"
            )
            at += f" + packed_size({share(width)}, {depth})"
        return lines

    def _wait(self) -> list[str]:
        """A barrier where units are split, nothing is kept, and what a thread writes before its first barrier
        of this step may be an operand that others have yet to multiply at the step before: rows of a block made
        ahead, or the state of two steps ago, whose place the new one takes."""
        sources = [step.source for step in self.program.products if self.forward]
        early = takewhile(lambda step: isinstance(step, Segment), self.program.steps)
        written = {p.number for step in early for _, p in step.stores if p.buffer == "new"}
        if any(s.buffer == "state" and s.number in written and not self._whole(s.number) for s in sources):
            return ["if (split && !keep) barrier_wait(&q->barrier, me, team);"]
        if any(s.buffer[0] in "xk" and s.buffer != "kept" for s in sources):
            return ["if (split && !keep && inside == 0) barrier_wait(&q->barrier, me, team);"]
        return []

    def _whole(self, k: int) -> bool:
        """Whether a state's sequence is the output, of which all steps have places."""
        return k == 0 and self.body.output_is_state

    def state_width(self, k: int) -> Dim:
        shape = self.body.nodes[self.body.states[k]].shape
        return shape[0] if shape else "1"

    def _bases(self) -> list[str]:
        """Where each state's rows of this step and of the one before begin."""
        lines = [
            "const long base = keep ? off : (s & 1) * batch;",
            "const long before = s == 0 ? 0 : keep ? offset[s - 1] : ((s - 1) & 1) * batch;",
        ]
        for k in range(len(self.body.states)):
            width = extent(self.state_width(k))
            base, before = ("off", "(s ? offset[s - 1] : 0)") if self._whole(k) else ("base", "before")
            lines.append(
                f"real *now{k} = new{k} + {base} * ({width}), *old{k} = s ? new{k} + {before} * ({width}) :"
                f" state{k};"
            )
        return lines

    def row_pointers(self) -> RowPointers:
        """Pointer expressions of row r (of the batch) or off + r (of packed sequences) in each buffer."""
        body, plan = self.body, self.plan
        low = " - low" if self.forward else ""
        at = {
            "vectors": "vectors",
            "dvectors": "vector_sums",
            "z": "z + i * z_width",
            "scratch": "scratch + i * scratch_width",
            "kept": f"kept + (base + r) * ({extent(plan.kept_widths)})",
            "above": "above + (off + r) * above_stride",
            "gradient": f"gradient + (off + r) * ({extent(plan.gradient)})",
        }
        shape = body.nodes[body.output].shape
        at["output"] = f"output + (off + r) * ({extent(shape) if shape else '1'})"
        for g, group in enumerate(body.hoisted):
            row = extent(group.widths)
            at[f"x{g}"] = f"x{g} + (index{g} ? index{g}[off + r] : off + r{low}) * ({row})"
            at[f"k{g}"] = f"k{g} + (off + r{low}) * ({row})"
        for k in range(len(body.states)):
            for place, name in (("state", "old"), ("new", "now"), ("carry", "carry")):
                at[f"{place}{k}"] = f"{name}{k} + r * ({extent(self.state_width(k))})"
        for k, (_, leaf) in enumerate(body.streams):
            shape = body.nodes[leaf].shape
            for name in ("input", "dinput"):
                at[f"{name}{k}"] = f"{name}{k} + (off + r) * ({extent(shape) if shape else '1'})"
        names: dict[int, str] = {}
        for index, made in body.made:
            name = body.graph.name_of(index)
            if name:
                names.setdefault(made, name)
        return RowPointers(at, names)

    def _product(self, product: Product) -> list[str]:
        group, g = self.plan.groups[product.group], product.group
        to, stride_to = self._target(product.to)
        lines = ["if (split) barrier_wait(&q->barrier, me, team);"]
        if self.forward:
            source, row = self.operand_rows(product.source)
            return [
                *lines,
                f"product(count, {extent_local(group.widths)}, {extent(group.depth)}, {source}, "
                f"stride * ({row}), block{g}_0, {to}, {stride_to}, {int(product.accumulate)});",
            ]
        row = extent(self.plan.gradient)
        for k, run in enumerate(group.runs):
            lines.append(
                f"product(count, {extent_local((group.depth,))}, {extent(run.widths)}, gradient + (off + first)"
                f" * ({row}) + {extent(run.start)}, stride * ({row}), block{g}_{k}, {to}, {stride_to},"
                f" {int(product.accumulate or k > 0)});"
            )
        return lines

    def operand_rows(self, place: Place) -> tuple[str, str]:
        """First row of an operand, and its row length."""
        if place.buffer in ("state", "new"):
            name = "old" if place.buffer == "state" else "now"
            return f"{name}{place.number} + first * ({extent(place.width)})", extent(place.width)
        base, row = (
            ("base", extent(self.plan.kept_widths))
            if place.buffer == "kept"
            else ("off - low", extent(self.body.hoisted[place.number].widths))
        )
        return f"{place.buffer} + ({base} + first) * ({row}) + {extent(place.start)}", row

    def _target(self, place: Place) -> tuple[str, str]:
        if place.buffer == "z":
            return f"z + {extent_local(place.start)}", "z_width"
        width = extent(place.width)
        return f"carry{place.number} + first * ({width}) + {low(place.width)}", f"stride * ({width})"

    def _copies(self, end: str, start: str, source: str) -> list[str]:
        """Rows that run no further leave their states."""
        lines = []
        for k in range(len(self.body.states)):
            w = self.state_width(k)
            lines.append(
                f"leave(final{k}, {source}{k}, {extent(w)}, {low(w)}, {share(w)}, first, stride, {start},"
                f" {end});"
            )
        return lines
