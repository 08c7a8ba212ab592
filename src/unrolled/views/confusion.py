"""Which class was taken for which, as text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from .figure import figure, literal

MOST = 30  # classes whose numbers have room in a picture
WIDEST = 112  # columns of a table of text; of a wider one the most frequent confusions are listed
LONGEST = 12  # letters of a label above a column
LISTED = 10
MOST_DRAWN = 200


def class_table(rows: Sequence[tuple[str, float, float, float, int]]) -> str:
    """Precision, recall and F1 of each class, the most frequent first.

    >>> print(class_table([("Greek", 0.5, 1.0, 2 / 3, 8)]))
    class  precision  recall     F1  examples
    Greek      0.500   1.000  0.667         8
    """
    heads = ("class", "precision", "recall", "F1", "examples")
    found = [
        (label, f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}", f"{count:,}")
        for label, precision, recall, f1, count in sorted(rows, key=lambda row: (-row[4], row[0]))
    ]
    return _table([heads, *found])


def confusion_text(labels: Sequence[str], table: Sequence[Sequence[int]]) -> str:
    """The confusion as a table, a row for what was right; where it would be too wide, the
    most frequent confusions.

    >>> print(confusion_text(["cat", "dog"], [[5, 1], [0, 7]]))
    right \\ said  cat  dog
    cat             5    1
    dog             .    7
    """
    heads = ("right \\ said", *(_short(label) for label in labels))
    rows = [
        (label, *(str(count) if count else "." for count in counts)) for label, counts in zip(labels, table)
    ]
    made = _table([heads, *rows])
    wide = max(map(len, made.splitlines())) > WIDEST
    return confusions_text(labels, table) if wide else made


def confusions_text(labels: Sequence[str], table: Sequence[Sequence[int]]) -> str:
    """The most frequent confusions, a line each."""
    found = sorted(
        (
            (-count, labels[right], labels[said])
            for right, counts in enumerate(table)
            for said, count in enumerate(counts)
            if count and right != said
        )
    )
    if not found:
        return "no class was taken for another"
    rows = [(right, said, f"{-count:,}") for count, right, said in found[:LISTED]]
    return _table([("right", "said", "examples"), *rows])


def confusion_figure(
    labels: Sequence[str], table: Sequence[Sequence[int]], file: str | Path, *, theme: str = "auto"
) -> None:
    """Draws the confusion: the darker a field, the greater the share of its row; numbers
    where there is room for them.

    file  .svg, .png or .pdf

    Raises UsageError for another suffix or theme, a folder that does not exist, more than 200 labels, and where
    matplotlib is not installed.
    """
    if len(labels) > MOST_DRAWN:
        raise UsageError(
            f"--picture {file}: {len(labels):,} classes are too many for a picture, {MOST_DRAWN} are the most:"
            " leave it out; the text lists the most frequent confusions."
        )
    labels = [literal(_short(label)) for label in labels]
    side = max(3.0, 0.38 * len(labels) + 1.6)
    shares = [[count / max(1, sum(counts)) for count in counts] for counts in table]

    def fill(made, ink: dict[str, str]) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        axes = made.subplots()
        shades = LinearSegmentedColormap.from_list("shares", [ink["page"], ink["blue_line"]])
        axes.imshow(shares, vmin=0, vmax=1, cmap=shades)
        axes.set_xticks(range(len(labels)), labels, rotation=90)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_xlabel("said")
        axes.set_ylabel("right")
        axes.tick_params(length=0)
        axes.spines[:].set_color(ink["frame"])
        for y, counts in enumerate(table) if len(labels) <= MOST else ():
            for x, count in enumerate(counts):
                if count:
                    colour = ink["page"] if shares[y][x] > 0.6 else ink["text"]
                    axes.text(x, y, str(count), ha="center", va="center", fontsize=7, color=colour)

    figure(file, (side, side), fill, theme=theme, title="Confusion of classes", look={"font.size": 8})


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns, all but the first to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"
