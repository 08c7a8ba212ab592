"""The graph of a worked net's single numbers: on each edge the value above, the gradient below, as in deck 003."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..graph.node import Node, needed
from ..ops import OPS
from ..views.diagram import GLYPHS, KINDS
from ..views.drawing import draw
from ..views.shapes import LOOKS
from .numbers import shown
from .wires import Wires, wires_of

if TYPE_CHECKING:
    from .worked import Worked

DIGITS = 4
RAISED = '<FONT POINT-SIZE="11"><SUP>{}</SUP></FONT>'
SIGNS = {"exp": "<I>e</I>" + RAISED.format("<I>x</I>"), "neg": "× −1", "alias": "=", "log": "log", "mul": "×"}


def picture(
    worked: Worked,
    file: str | Path | None,
    *,
    of: str | None,
    row: int,
    leaves: tuple[str, ...],
    opened: tuple[str, ...],
    theme: str,
) -> str:
    """See `Worked.picture`."""
    wires = wires_of(worked, of=of, row=row, leaves=leaves, opened=opened)
    name = str(wires.labels[wires.root])
    return draw(dot(wires), file, theme=theme, title=f"The numbers of {name}, forward and backward")


def dot(wires: Wires) -> str:
    """The picture as text in Graphviz's language."""
    nodes = [wires.nodes[i] for i in needed(wires.nodes, [wires.root])]
    lines = [_head()]
    for node in nodes:
        if node.op != "constant":
            lines.append(_node(wires, node))
    for node in nodes:
        for a in dict.fromkeys(node.args):
            if wires.nodes[a].op != "constant":
                lines += _wire(
                    f"{a}_{node.index}",
                    f"n{a}",
                    f"n{node.index}",
                    wires.values[a],
                    wires.back.get((node.index, a), 0.0),
                )
    lines += [
        'end [shape=none, label="", width=0, height=0, fixedsize=true];',
        *_wire("end", f"n{wires.root}", "end", wires.values[wires.root], 1.0),
        _legend(),
    ]
    return "digraph numbers {\n" + "\n".join(lines) + "\n}\n"


def _head() -> str:
    return (
        'graph [rankdir=LR, bgcolor="transparent", nodesep=0.12, ranksep=0.16, pad=0.1, labelloc=b,'
        f' fontname="{FAMILY}", fontcolor="{ink("text")}", fontsize=13];\nnode [fontname="{FAMILY}", fontsize=15,'
        f' fontcolor="{ink("text")}", style=filled, margin="0.07,0.06", height=0.36, width=0.36, penwidth=1.2];\nedge'
        f' [color="{ink("line")}", arrowsize=0.6, penwidth=1.1];'
    )


def _node(wires: Wires, node: Node) -> str:
    label = wires.labels.get(node.index)
    name = label.markup if label else ""
    if node.is_leaf:
        colour = ink("weight") if wires.kinds.get(node.index) == "parameter" else ink("text")
        return f'n{node.index} [shape=plain, style="", label=<<FONT COLOR="{colour}">{name}</FONT>>];'
    look = LOOKS.get(_kind(node.op), LOOKS["function"])
    below = f'<BR/><FONT POINT-SIZE="12" COLOR="{ink("soft")}">{name}</FONT>' if name else ""
    return (
        f'n{node.index} [label=<{_sign(wires, node)}{below}>, {look.shape}, fillcolor="{ink(look.colour)}", '
        f'color="{ink(look.colour + "_line")}"];'
    )


def _kind(op: str) -> str:
    return "with a number" if op in ("neg", "alias") else "mul" if op == "mul" else KINDS.get(op, "function")


def _sign(wires: Wires, node: Node) -> str:
    """What the node does; a constant that it takes stands in it: 1 + x, 1/x."""
    numbers = [wires.nodes[a].value if wires.nodes[a].op == "constant" else None for a in node.args]
    row = OPS[node.op]
    if len(node.args) == 2 and node.args[0] == node.args[1] and node.op == "mul":
        return "<I>x</I>" + RAISED.format("2")
    if any(v is not None for v in numbers) and len(node.args) == 2 and row.text[:4] == "{0} ":
        parts = ["<I>x</I>" if v is None else shown(v, DIGITS) for v in numbers]
        sign = {"add": " + ", "sub": " − ", "mul": " × ", "div": "/"}.get(node.op, f" {row.text[4]} ")
        return sign.replace("<", "&lt;").join(parts)
    return SIGNS.get(node.op) or GLYPHS.get(node.op) or escape(node.op)


def _wire(key: str, source: str, target: str, value: float, gradient: float) -> list[str]:
    """An edge that runs between its two numbers: its value above the line, its gradient below."""
    table = (
        f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1" COLOR="{ink("line")}">'
        f'<TR><TD><FONT POINT-SIZE="13">{_shown(value)}</FONT></TD></TR><HR/>'
        f'<TR><TD><FONT POINT-SIZE="13" COLOR="{ink("red_line")}">{_shown(gradient)}</FONT></TD></TR></TABLE>'
    )
    return [
        f'w{key} [shape=plain, style="", width=0, height=0, margin=0, penwidth=0, label=<{table}>];',
        f"{source} -> w{key}:w [arrowhead=none];",
        f"w{key}:e -> {target};" if target != "end" else f"w{key}:e -> end;",
    ]


def _shown(value: float) -> str:
    text = shown(value, DIGITS)
    digits, exponent, power = text.partition("e")
    return f"{float(digits):.1f}e{int(power)}".replace("-", "−") if exponent else text.replace("-", "−")


def _legend() -> str:
    return f'label=<value above the line, <FONT COLOR="{ink("red_line")}">gradient below</FONT>>;'
