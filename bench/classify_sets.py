"""The data of `python -m bench classify`: files to learn from and to be judged by, as the task reads them."""

from __future__ import annotations

import csv
import gzip
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy

from unrolled.data.split import grouped
from unrolled.errors import UsageError
from unrolled.tasks.classify import Classify


@dataclass(frozen=True)
class Set:
    """One set: its files, what to reach, and what others reach.

    files    given a folder to write into: to learn from, (held out,) for the report
    targets  figures that are to be reached, at least
    beside   what others reach, in words
    epochs   how often the data are gone through
    options  of the task, beside the usual ones; all chosen on a part of what is learned from
    """

    files: Callable[[Path], dict[str, Path]]
    targets: dict[str, float]
    beside: str
    epochs: float
    options: dict[str, Any] = field(default_factory=dict)


def data() -> Path:
    """The folder of public data. Raises UsageError where the environment does not name it."""
    folder = os.environ.get("UNROLLED_DATA")
    if not folder:
        raise UsageError("the environment does not say where the data are: set UNROLLED_DATA to their folder.")
    return Path(folder)


def names(folder: Path) -> dict[str, Path]:
    """Distinct rows of name and language; a tenth for the report, so that no name stands on both sides."""
    rows = [
        (file.stem, line.strip())
        for file in sorted((data() / "names_by_nationality/data/names").glob("*.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    rows = list(dict.fromkeys(rows))
    split = grouped([name for _, name in rows], 0.1, labels=[label for label, _ in rows])
    return {
        "train": table(folder / "train.csv", (rows[k] for k in split.training)),
        "test": table(folder / "test.csv", (rows[k] for k in split.held_out)),
    }


def sst(folder: Path) -> dict[str, Path]:
    """Whole sentences with five classes of sentiment, at the treebank's own split."""
    files = {"train": "train_8544", "valid": "dev", "test": "test"}
    return {part: table(folder / f"{part}.csv", roots(name)) for part, name in files.items()}


def roots(name: str) -> list[tuple[str, str]]:
    trees = (data() / f"sst_trees/trees/{name}.txt").read_text(encoding="utf-8").splitlines()
    return [(tree[1], " ".join(re.findall(r" ([^()\s]+)\)", tree))) for tree in trees]


def series(name: str) -> Callable[[Path], dict[str, Path]]:
    """A set of the archive, at its own split."""
    return lambda _: {part: data() / f"ucr_uea/{name}_{part.upper()}.ts" for part in ("train", "test")}


def pendigits(folder: Path) -> dict[str, Path]:
    """The first 7,494 rows are of thirty writers, the others of fourteen others."""
    lines = (data() / "pendigits/pendigits.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    found = {}
    for part, some in (("train", lines[1:7495]), ("test", lines[7495:])):
        found[part] = folder / f"{part}.csv"
        found[part].write_text("".join([lines[0], *some]), encoding="utf-8")
    return found


def mnist(folder: Path) -> dict[str, Path]:
    """10,000 images, one row of pixels after the other: 8,000 to learn from and 2,000
    at random for the report.
    """
    where = data() / "mnist_t10k"
    pixels = numpy.frombuffer(
        gzip.decompress((where / "t10k-images-idx3-ubyte.gz").read_bytes()), numpy.uint8, offset=16
    )
    digits = numpy.frombuffer((where / "t10k-labels-idx1-ubyte").read_bytes(), numpy.uint8, offset=8)
    order = numpy.random.default_rng(0).permutation(len(digits))
    found = {}
    for part, places in (("train", order[:8000]), ("test", order[8000:])):
        lines = ["@univariate false", "@dimensions 28", "@classLabel true 0 1 2 3 4 5 6 7 8 9", "@data"]
        for image, digit in zip(pixels.reshape(-1, 28, 28)[places], digits[places]):
            lines.append(":".join(",".join(map(str, column)) for column in image.T.tolist()) + f":{digit}")
        found[part] = folder / f"{part}.ts"
        found[part].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return found


def table(file: Path, rows: Iterable[tuple[str, str]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([("label", "text"), *rows])
    return file


# What others reach: research on the same files; ROCKET, InceptionTime, FCN and 1NN-DTW as published,
# BasicMotions and JapaneseVowels by our own count. Targets of series are one point below the best of
# ROCKET, InceptionTime and FCN.
SETS = {
    "names": Set(
        names,
        {"accuracy": 0.85, "macro_f1": 0.52},
        "logistic regression of 1-4 letters .828 / .483",
        20,
        {"pool": "all", "ngrams": 5, "members": 10},
    ),
    "GunPoint": Set(series("GunPoint"), {"accuracy": 0.990}, "1NN-DTW .940, ROCKET 1.0", 100),
    "ItalyPowerDemand": Set(series("ItalyPowerDemand"), {"accuracy": 0.960}, "1NN-DTW .952, ROCKET .970", 80),
    "ArrowHead": Set(series("ArrowHead"), {"accuracy": 0.836}, "1NN-DTW .720, InceptionTime .846", 130),
    "OSULeaf": Set(series("OSULeaf"), {"accuracy": 0.967}, "1NN-DTW .591, FCN .977", 30),
    "BasicMotions": Set(series("BasicMotions"), {"accuracy": 0.990}, "1NN-DTW .975, ROCKET 1.0", 100),
    "JapaneseVowels": Set(series("JapaneseVowels"), {"accuracy": 0.983}, "1NN-DTW .957, FCN .993", 40),
    "pendigits": Set(pendigits, {"accuracy": 0.985}, "", 12, {"channels": 2}),
    "mnist": Set(mnist, {"accuracy": 0.98}, "", 10, {"members": 2}),
    "sst": Set(
        sst,
        {"accuracy": 0.414},
        "logistic regression of tf-idf .414",
        8,
        {"pool": "mean and max", "members": 5, "recipe": replace(Classify.recipe, rate=2e-3)},
    ),
}
