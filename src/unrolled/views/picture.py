"""A cell's computational graph as a picture: Graphviz lays out what `diagram` says is there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..graph.node import Graph
from .diagram import Diagram, Part, diagram
from .drawing import draw, ink


@dataclass(frozen=True)
class Look:
    """Shape and colour of a kind of node, and its sign and words in the legend."""

    shape: str
    colour: str = ""
    sign: str = ""
    words: str = ""


ROUNDED = 'shape=box, style="rounded,filled"'
LOOKS = {
    "input": Look("shape=ellipse", "grey"),
    "state": Look("shape=ellipse, penwidth=2", "grey"),
    "parameter": Look('shape=box, width=0.2, height=0.2, margin="0.05,0.01"'),
    "constant": Look('shape=box, width=0.2, height=0.2, margin="0.05,0.01"'),
    "product": Look("shape=box", "blue", "<I>W x</I>", "matrix products"),
    "add": Look("shape=circle", "green", "+", "addition"),
    "mul": Look("shape=diamond", "yellow", "⊙", "elementwise product"),
    "sigmoid": Look(ROUNDED, "red", "σ", "sigmoid"),
    "tanh": Look("shape=hexagon", "violet", "tanh", "hyperbolic tangent"),
    "function": Look("shape=octagon", "teal", "<I>f</I>", "another function"),
    "number": Look("shape=octagon", "grey", "1 −", "with a number"),
    "choice": Look("shape=note", "teal", "if", "choice by value"),
    "over": Look("shape=box, peripheries=2", "teal", "Σ", "over all units"),
}
# Shape -> width, height, height with a name below the sign; Graphviz would make them larger than their labels.
SIZES = {
    "shape=circle": (0.36, 0.36, 0.36),
    "shape=diamond": (0.48, 0.48, 0.48),
    "shape=hexagon": (0.8, 0.4, 0.55),
    "shape=octagon": (0.62, 0.34, 0.5),
    ROUNDED: (0.42, 0.38, 0.55),
}
MOST_STEPS = 64
# Inches left and right of a label; Graphviz takes small letters to be narrower than they are, so that each needs more room.
MARGIN, ROOM, INDICES = 0.09, 0.0035, re.compile(r'POINT-SIZE="10">(.*?)</FONT>')
FAMILY = (
    "Times New Roman,Liberation Serif,Nimbus Roman,Times,serif"  # alike in width, so that labels fit elsewhere
)


def picture(
    graph: Graph, file: str | Path | None = None, *, steps: int = 1, parts: bool = False, theme: str = "auto"
) -> str:
    """Draws the graph of a cell and returns it as SVG text.

    file    where to write it, too: .svg, .png or .pdf
    steps   1: one step, from x[t] and h[t-1] to h[t]; more: unrolled, the weights that all steps share in their colour
    parts   every primitive apart, instead of a sum of matrix products in one box
    theme   "auto" (an SVG follows the reader's setting, light in print), "light" or "dark"

    Raises UsageError for other values, and where Graphviz is not installed.
    """
    if not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
        raise UsageError(f"steps={steps!r}: a picture shows from 1 to {MOST_STEPS} steps, a whole number.")
    title = f"Computational graph of {graph.name}" + (f", {steps} steps" if steps > 1 else "")
    return draw(dot(graph, steps=steps, parts=parts), file, theme=theme, title=title)


def dot(graph: Graph, *, steps: int = 1, parts: bool = False) -> str:
    """The same as text in Graphviz's language, colours from `drawing.INK`."""
    made = diagram(graph, steps=steps, parts=parts)
    lines = [_head(), *_nodes(made, steps), *_ends(made, steps), *_wires(made), _legend(made, steps)]
    return "digraph cell {\n" + "\n".join(lines) + "\n}\n"


def _head() -> str:
    text, soft, line = ink("text"), ink("soft"), ink("line")
    return (
        f'graph [rankdir=LR, newrank=true, bgcolor="transparent", nodesep=0.22, ranksep=0.34, pad=0.1, labelloc=b, '
        f'fontname="{FAMILY}", fontcolor="{text}", fontsize=13];\n'
        f'node [fontname="{FAMILY}", fontsize=15, fontcolor="{text}", style=filled, margin="{MARGIN},0.05", '
        f"height=0.4, width=0.4, penwidth=1.2];\n"
        f'edge [color="{line}", fontname="{FAMILY}", fontsize=12, fontcolor="{soft}", arrowsize=0.65, penwidth=1.1];'
    )


def _nodes(made: Diagram, steps: int) -> Iterable[str]:
    """The nodes, those of one step of several in a frame."""
    for step in range(steps + 1):
        inside = [_node(part) for part in made.parts.values() if _frame(part, steps) == step]
        if step and inside:
            yield (
                f'subgraph cluster_{step} {{ label="step {step}"; labelloc=t; fontcolor="{ink("soft")}"; '
                f'color="{ink("frame")}"; bgcolor="{ink("panel")}"; style=rounded; margin=10;'
            )
        yield from inside
        if step and inside:
            yield "}"


def _frame(part: Part, steps: int) -> int:
    """The step in whose frame a part stands; 0 for those outside, as everything is that a step does not make itself."""
    return part.step if steps > 1 and part.kind != "input" else 0


def _node(part: Part) -> str:
    """One node with its author's name: below its sign where there is room, before a formula, else beside it."""
    look = LOOKS[part.kind]
    named = f'<FONT POINT-SIZE="12" COLOR="{ink("soft")}">{part.name}</FONT>' if part.name else ""
    beside, before = look.shape in ("shape=circle", "shape=diamond"), part.kind == "product"
    label = (
        part.label
        if beside or not named
        else f"{named} = {part.label}"
        if before
        else f"{part.label}<BR/>{named}"
    )
    said = [f"label=<{label}>", look.shape]
    said += [f"xlabel=<{named}>"] if named and beside else []
    if before:
        said.append(f'margin="{MARGIN + ROOM * sum(map(_letters, INDICES.findall(label))):.3f},0.05"')
    said.append(
        f'fillcolor="{ink(look.colour)}", color="{ink(look.colour + "_line")}"'
        if look.colour
        else f'style="", penwidth=0, color="{ink("weight")}"'
    )
    width, height, taller = SIZES.get(look.shape, (0, 0, 0))
    if width and _letters(part.label) < 5 and (beside or _letters(part.name) < 6):
        said.append(f"fixedsize=true, width={width}, height={taller if named and not beside else height}")
    return f'"{part.key}" [{", ".join(said)}];'.replace("@weight@", ink("weight"))


def _letters(markup: str) -> int:
    return len(re.sub(r"<[^>]*>|&\w+;", "", markup))


def _ends(made: Diagram, steps: int) -> Iterable[str]:
    """What a single step finds stands at the left, what it leaves behind at the right; of several each follows the last."""
    every, read = list(made.parts.values()), {w.source for w in made.wires}
    for step in range(2, steps + 1):
        last = [p.key for p in every if p.step == step - 1 and p.made]
        fed = [w.target for w in made.wires if made.parts[w.source].kind == "input"]
        fed = [key for key in dict.fromkeys(fed) if made.parts[key].step == step]
        yield from (f'"{a}" -> "{b}" [style=invis, weight=0];' for a in last for b in fed)
    if steps == 1:
        for rank, keys in (
            ("min", [p.key for p in every if p.kind in ("input", "state") and not p.made]),
            ("max", [p.key for p in every if p.made and p.key not in read]),
        ):
            yield f"{{rank={rank}; " + " ".join(f'"{key}";' for key in keys) + "}"


def _wires(made: Diagram) -> Iterable[str]:
    for wire in made.wires:
        source, target = made.parts[wire.source], made.parts[wire.target]
        look = []
        if wire.note:
            look.append(f"headlabel=<{wire.note}>, labeldistance=1.6")
        if source.kind == "parameter":
            look.append(f'color="{ink("weight")}", style=dashed')
        if source.kind == "state" and source.step < target.step:  # from step to step as straight as may be
            look.append("weight=8")
        out, into = (":e" if part.kind == "product" else "" for part in (source, target))
        yield f'"{wire.source}"{out} -> "{wire.target}"{into.replace("e", "w")} [{", ".join(look)}];'


def _legend(made: Diagram, steps: int) -> str:
    kinds = {part.kind for part in made.parts.values()}
    cells = [
        f'<TD><TABLE BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3" STYLE="ROUNDED" '
        f'COLOR="{ink(look.colour + "_line")}" BGCOLOR="{ink(look.colour)}"><TR><TD>{look.sign}</TD></TR></TABLE></TD>'
        f'<TD ALIGN="LEFT">{look.words}  </TD>'
        for kind, look in LOOKS.items()
        if kind in kinds and look.sign
    ]
    if any(part.weights for part in made.parts.values()):
        words = "weights, the same in every step" if steps > 1 else "weights"
        cells.append(f'<TD><FONT COLOR="{ink("weight")}"><I>W</I></FONT></TD><TD>{words}</TD>')
    return f'label=<<TABLE BORDER="0" CELLSPACING="2" CELLPADDING="1"><TR>{"".join(cells)}</TR></TABLE>>;'
