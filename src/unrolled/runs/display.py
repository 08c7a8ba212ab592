"""What a notebook shows of a run: its task and options, its figures, how its loss fell."""

from __future__ import annotations

from html import escape
from typing import Any

from ..task import Task
from ..views.curve import curve_scene
from ..views.drawing import draw
from .folder import RunFolder


def html(folder: RunFolder, task: Task) -> str:
    """A table and a curve. All that stands in the run's files is escaped."""
    metrics, settings = folder.metrics(), folder.settings()
    last = metrics[-1] if metrics else {}
    state = "finished" if settings.finished else "not finished"
    rows = {
        "options": ", ".join(
            f"{name} {value}" for name, value in flat(settings.options).items() if value is not None
        ),
        "figures": ", ".join(
            f"{name.replace('_', ' ')} {value:.4g}" for name, value in _figures(folder).items()
        ),
        "training": f"{state}, {last.get('step', 0):,} steps in {last.get('seconds', 0):.0f} s",
    }
    table = "".join(f"<tr><th>{name}</th><td>{escape(said)}</td></tr>" for name, said in rows.items() if said)
    title = f"<p><b>{escape(task.name)}</b> {escape(str(task.net.cell.name))}: {escape(str(folder.path))}</p>"
    return f"{title}\n<table>{table}</table>\n{svg(metrics)}"


def svg(metrics: list[dict[str, Any]]) -> str:
    """The loss by step, in training and held out; nothing before the first report."""
    if not metrics:
        return ""
    training = [(line["step"], line["loss"]) for line in metrics if "loss" in line]
    held_out = [(line["step"], line["validation"]) for line in metrics if "validation" in line]
    return draw(curve_scene(training, held_out), title="Loss by step")


def _figures(folder: RunFolder) -> dict[str, float]:
    """Those of the best weights."""
    best = folder.weights()
    return dict(best.state.get("figures", {})) if best else {}


def flat(options: dict[str, Any]) -> dict[str, Any]:
    """The options without the groups that they stand in."""
    found: dict[str, Any] = {}
    for key, value in options.items():
        found |= flat(value) if isinstance(value, dict) else {key: value}
    return found
