"""Results as tables: on the terminal while they come in, and as bench/RESULTS.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import zoo
from .machine import BUSY
from .rows import OUT, Result, Row

RESULTS = Path(__file__).parent / "RESULTS.md"
ORDER = (
    "layers",
    "layers-avx2",
    "zoo",
    "scan",
    "char-lm",
    "word-lm",
    "sampling",
    "translate",
    "translate-tatoeba",
    "translate-multi30k",
    "mixed",
    "zoo-mixed",
    "few",
    "shares",
    "shares-avx2",
    "tag",
    "tag-wnut17",
    "tag-atis",
    "tag-agreement",
    "memory",
    "long",
    "build",
)
TITLES = {
    "layers": "Layers, forward and backward",
    "layers-avx2": "Layers with AVX2 alone",
    "zoo": "Every cell against its eager loop",
    "scan": "Linear recurrences, short and long",
    "char-lm": "Character model, whole training steps",
    "word-lm": "Word model, whole training steps",
    "sampling": "Character model, writing",
    "translate": "Translation, writing",
    "translate-tatoeba": "Translation, what an hour teaches: Tatoeba, English to Spanish",
    "translate-multi30k": "Translation, what an hour teaches: Multi30k, German to English",
    "mixed": "Products of bfloat16 numbers",
    "zoo-mixed": "Every cell with bfloat16 products against its float32 eager loop",
    "few": "One row",
    "shares": "Share of the product peak, short sequences and long ones",
    "shares-avx2": "Share of the product peak with AVX2 alone",
    "tag": "Tagger, training and tagging",
    "tag-wnut17": "Tagger, names in WNUT17",
    "tag-atis": "Tagger, parts of speech in UD_English-Atis",
    "tag-agreement": "Tagger, agreement by distance",
    "memory": "Peak memory",
    "long": "Long sequences, one row",
    "build": "Building and importing",
}
HEADS = ("what", "sizes", "against", "ours", "peer", "ratio", "target", "share of peak", "reached", "note")


def cells(row: Row, steady: bool = True) -> tuple[str, ...]:
    """A row as texts, in the order of HEADS."""
    return (
        row.what,
        row.sizes,
        row.against,
        f"{number(row.ours)} {row.unit}",
        "" if row.peer is None else f"{number(row.peer)} {row.unit}",
        "" if row.peer is None else f"{row.value:.2f}x",
        ""
        if row.target is None
        else f"{row.goal} {row.target:g}{'x' if row.peer is not None else ' ' + row.unit}",
        "" if row.share is None else f"{row.share:.0%}",
        {None: "", True: "yes", False: "no"}[row.reached],
        "; ".join(filter(None, ("" if steady else "the machine's peak moved", row.note))),
    )


def number(value: float) -> str:
    """Three digits that count, thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def remarks(result: Result) -> list[str]:
    """What a reader must know beside the figures: a busy machine, rows that were disturbed or left out."""
    found = []
    if result.machine["busy"] > BUSY:
        found.append(
            f"The machine was busy when this began (others used {result.machine['busy']:.0%} of its cores): "
            "times are too long and ratios prove nothing."
        )
    disturbed = [row for row in result.rows if not result.steady(row)]
    if disturbed:
        found.append(
            f"Around {len(disturbed)} of {len(result.rows)} rows the machine's peak was more than a tenth "
            "below its best, each time they were measured: they are marked and prove little."
        )
    return found + [f"Left out: {reason}" for reason in result.skipped]


def summary(result: Result) -> str:
    if result.command in ("zoo", "zoo-mixed"):
        return zoo.summary(result)
    if result.command == "scan":
        return (
            f"ratios from {min(r.value for r in result.rows):.1f}x to {max(r.value for r in result.rows):.0f}x"
        )
    judged = [row for row in result.rows if row.reached is not None]
    return f"{sum(row.reached for row in judged)} of {len(judged)} targets reached"


def show(result: Result, console: Console) -> None:
    """The table on the terminal."""
    table = Table(title=f"{TITLES[result.command]}: {summary(result)}")
    for head in HEADS:
        table.add_column(
            head, justify="right" if head in ("ours", "peer", "ratio", "share of peak") else "left"
        )
    for row in result.rows:
        style = {None: None, True: "green", False: "red"}[row.reached]
        table.add_row(*cells(row, result.steady(row)), style=style)
    console.print(table)
    for remark in remarks(result):
        console.print(remark, style="yellow", markup=False)


def markdown(results: Iterable[Result], before: str = "") -> str:
    """The whole of RESULTS.md. Of what was not measured again, the table in `before` stays,
    with the machine it is of.
    """
    sections = {part.split("\n")[0].rstrip(): part for part in before.split("\n## ")[1:]}
    sections |= {TITLES[result.command]: section(result) for result in results}
    lines = [
        "# Benchmark results",
        "",
        (
            "Written by `python -m bench COMMAND --write`; do not edit. Unless a table says otherwise: medians"
            " of alternating runs in"
        ),
        (
            "one process; float32; I = H; inputs need gradients; the peer at the better of one and all threads."
            " Share of peak:"
        ),
        (
            "the products of both directions (each forward one of trained weights has two going back) in our"
            " time, over torch's"
        ),
        "float32 product of two 2048 x 2048 matrices on all threads, measured around each row.",
        "",
    ]
    kept = [sections[TITLES[command]].rstrip("\n") + "\n" for command in ORDER if TITLES[command] in sections]
    return "\n".join(lines) + "".join(f"\n## {part}" for part in kept)


def section(result: Result) -> str:
    """One command's title, and its table."""
    facts = result.machine
    lines = [
        TITLES[result.command],
        "",
        f"{summary(result)}.",
        "",
        f"{facts['processor']}, {facts['cores']} cores ({facts['threads']} threads); torch {facts['torch']};"
        f" {facts['compiler']}, kernels for {facts['instructions'] or 'no vector instructions'}; Python"
        f" {facts['python']}; {facts['system']}; {facts['date']}"
        + (f"; product peak {result.peak:,.0f} GFLOP/s." if result.peak else "."),
        "",
    ]
    lines += [line for remark in remarks(result) for line in (remark, "")]
    shown = [cells(row, result.steady(row)) for row in result.rows]
    used = [k for k in range(len(HEADS)) if any(row[k] for row in shown)]
    lines += ["| " + " | ".join(HEADS[k] for k in used) + " |", "|" + "---|" * len(used)]
    lines += ["| " + " | ".join(row[k].replace("|", "\\|") for k in used) + " |" for row in shown]
    return "\n".join(lines)


def write(path: Path = RESULTS, folder: Path = OUT) -> Path:
    """Renders the results of all commands that have been run here; other tables stay as they are."""
    found = [Result.load(folder / f"{name}.json") for name in ORDER if (folder / f"{name}.json").exists()]
    path.write_text(
        markdown(found, path.read_text(encoding="utf-8") if path.exists() else ""), encoding="utf-8"
    )
    return path
