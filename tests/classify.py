"""What the tests of the task classify share: small files, small models, short runs."""

from __future__ import annotations

import random
from pathlib import Path

import torch

from unrolled import Net, Recipe, train
from unrolled.runs.run import Run
from unrolled.tasks.classify import Classify

SMALL = Recipe(rate=5e-3, batch=16, clip=1.0, decay=0.01, precision="float32")


def texts(folder: Path, count: int = 60, name: str = "texts.csv", seed: int = 0) -> Path:
    """Words of two invented languages: one of a and b, one of c and d; a third of them is seldom, and of e."""
    drawn = random.Random(seed)
    lines = ["label,text"]
    for k in range(count):
        label, letters = ("rare", "e") if k % 10 == 0 else ("first", "ab") if k % 2 else ("second", "cd")
        lines.append(f"{label},{''.join(drawn.choices(letters, k=drawn.randrange(3, 9)))}x{k}")
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def waves(folder: Path, count: int = 30, channels: int = 1, name: str = "waves.ts", seed: int = 0) -> Path:
    """Series of unequal lengths that rise, or that swing."""
    torch.manual_seed(seed)
    lines = ["@problemName waves", "@classLabel true up swing", "@data"]
    for k in range(count):
        t = torch.linspace(0, 1, int(torch.randint(20, 30, ())))
        values = t if k % 2 else (12 * t).sin()
        parts = [(values + 0.05 * torch.randn(len(t))).tolist() for _ in range(channels)]
        shown = ":".join(",".join(f"{v:.4f}" for v in part) for part in parts)
        lines.append(f"{shown}:{'up' if k % 2 else 'swing'}")
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def points(folder: Path, count: int = 80, name: str = "points.csv") -> Path:
    """Points inside and outside of a circle: no line parts them."""
    drawn = random.Random(0)
    lines = ["x,y,class"]
    for _ in range(count):
        x, y = drawn.uniform(-2, 2), drawn.uniform(-2, 2)
        lines.append(f"{x:.3f},{y:.3f},{'inside' if x * x + y * y < 1.8 else 'outside'}")
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def small(file: Path | None, **options) -> Classify:
    """A task with a small model."""
    usual = {"net": Net("gru", hidden=12), "recipe": SMALL, "pool": "last", "augment": "none", "members": 2}
    return Classify(file, **usual | options)


def trained(file: Path, folder: Path, epochs: float = 12, seed: int = 0, **options) -> Run:
    return train(small(file, **options), epochs=epochs, out=folder, quiet=True, seed=seed)
