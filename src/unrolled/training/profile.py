"""Where the time of training steps goes, part by part: seconds, and pages of memory that the system had to hand
out; and what torch copies in a step.

A part is what lies between two calls of `done`. Those around a model's modules, forward and back, come from
torch's hooks, which are only there while somebody looks: a run without a profile pays nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

try:
    import resource
except ImportError:  # Windows counts no pages
    resource = None

WARM = 3  # steps that build kernels and warm caches, and do not count
BESIDE = "evaluations, checkpoints"  # and reports: spread over the steps, no part of one


COPIES = {
    "clone": "copied, or made dense",
    "copy_": "copied into another",
    "_to_copy": "cast",
    "cat": "put together",
}


class Copies(TorchDispatchMode):
    """While it is on: how many tensors torch copied in each way of COPIES, and their bytes.

    >>> with Copies() as copies:
    ...     _ = torch.ones(2, 3).t().contiguous()
    >>> copies.found
    {'copied, or made dense': [1, 24]}
    """

    counts_only = True  # kernels run beside it as they do without: kernels/gate.py

    def __init__(self):
        super().__init__()
        self.found: dict[str, list[int]] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        kind = COPIES.get(function.overloadpacket.__name__)
        if kind:
            counted = self.found.setdefault(kind, [0, 0])
            counted[0] += 1
            counted[1] += result.numel() * result.element_size()
        return result


def nothing(part: str) -> None:
    """`Profile.done` where nobody looks."""


def fresh_pages() -> int:
    """Pages that this process has been given so far without reading a disk; each new one
    costs a fault and is zeroed.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt if resource else 0


class Profile:
    """Seconds and fresh pages of each part of the steps that were taken while it looked.

    >>> profile = Profile(warm=0)
    >>> profile.begin(); profile.done("batch"); profile.done("forward"); profile.begin()
    >>> profile.steps, list(profile.seconds)
    (1, ['batch', 'forward'])
    """

    def __init__(self, warm: int = WARM):
        self.seconds: dict[str, float] = {}
        self.pages: dict[str, int] = {}
        self.steps = -warm  # whole ones; below 0 nothing counts yet
        self._started = False
        self._order: list[str] = []  # modules in the order in which this step called them
        self._at, self._had = 0.0, 0
        self._counting: Copies | None = None
        self.copies: dict[str, list[int]] = {}

    def begin(self) -> None:
        """A step begins. What came after the last `done` of the step before belongs to no part."""
        self.steps += self._started
        self._started = True
        self._counted()
        if self.steps == -1:  # counting takes time, so it is done in a step that does not count
            self._counting = Copies()
            self._counting.__enter__()
        self._order.clear()
        self._at, self._had = time.perf_counter(), fresh_pages()

    def end(self) -> None:
        """There is no step to come."""
        self.steps += self._started
        self._started = False
        self._counted()

    def _counted(self) -> None:
        if self._counting:
            self._counting.__exit__(None, None, None)
            self.copies, self._counting = self._counting.found, None

    def done(self, part: str) -> None:
        """What ran since the last call was this part."""
        now, pages = time.perf_counter(), fresh_pages()
        if self.steps >= 0:
            self.seconds[part] = self.seconds.get(part, 0.0) + now - self._at
            self.pages[part] = self.pages.get(part, 0) + pages - self._had
        self._at, self._had = time.perf_counter(), pages

    def watch(self, model: nn.Module) -> Callable[[], None]:
        """Tell apart the modules that stand directly in a model, forward and back; returns what ends it.

        They must run one after the other, each on what the one before returned: a gradient that arrives at a
        module's result then says that the modules after it have done their backward pass.
        """
        handles = []
        for name, module in model.named_children():
            handles.append(module.register_forward_pre_hook(self._called))
            handles.append(
                module.register_forward_hook(lambda _, given, result, name=name: self._ran(name, given, result))
            )
        return lambda: [handle.remove() for handle in handles]

    def _called(self, *_) -> None:
        if torch.is_grad_enabled():  # evaluations and samples run the modules, too
            self.done("between the modules")

    def _ran(self, name: str, given: tuple, result: object) -> None:
        if not torch.is_grad_enabled():
            return
        self.done(f"{name}, forward")
        result = result[0] if isinstance(result, tuple) else result
        if any(result is one for one in given):
            return  # dropout of nothing: it has no backward pass either
        if isinstance(result, Tensor) and result.requires_grad:  # otherwise it has no backward pass, either
            self._order.append(name)
            place = len(self._order)
            result.register_hook(lambda _: self._arrived(place))

    def _arrived(self, place: int) -> None:
        """The gradient of the result of module number `place` is there: the module after it is through."""
        after = self._order[place : place + 1]
        self.done(f"{after[0]}, backward" if after else "loss, backward")

    def last_back(self) -> str:
        """The part that a backward pass ends with."""
        return f"{self._order[0]}, backward" if self._order else "backward"

    def to_json(self) -> dict:
        """Milliseconds and fresh pages of each part of a step, on average, in the order of a
        step; what one step copied.
        """
        count = max(1, self.steps)
        parts = [
            {"part": name, "milliseconds": 1e3 * taken / count, "pages": self.pages[name] / count}
            for name, taken in self.seconds.items()
        ]
        return {
            "steps": max(0, self.steps),
            "threads": torch.get_num_threads(),
            "parts": parts,
            "copies": {kind: {"tensors": count, "bytes": size} for kind, (count, size) in self.copies.items()},
        }


def table(profile: dict) -> Table:
    """What `Profile.to_json` made, to be read."""
    parts = [part for part in profile["parts"] if part["part"] != BESIDE]
    whole, pages = (sum(part[key] for part in parts) for key in ("milliseconds", "pages"))
    steps, threads = profile["steps"], profile["threads"]
    shown = Table(title=f"a step: {whole:.2f} ms, mean of {steps:,}, {threads} thread{'s' * (threads > 1)}")
    for head in ("part", "ms", "share", "fresh pages"):
        shown.add_column(head, justify="left" if head == "part" else "right")
    for part in parts:
        shown.add_row(
            part["part"],
            f"{part['milliseconds']:.3f}",
            f"{part['milliseconds'] / max(whole, 1e-9):.1%}",
            f"{part['pages']:.1f}",
        )
    shown.add_section()
    shown.add_row("a step", f"{whole:.3f}", "100.0%", f"{pages:.1f}")
    for part in profile["parts"]:
        if part["part"] == BESIDE:
            shown.add_row(f"beside: {BESIDE}", f"{part['milliseconds']:.3f}", "", f"{part['pages']:.1f}")
    if profile["copies"]:
        shown.caption = "tensors in a step: " + "; ".join(
            f"{of['tensors']} {kind} ({of['bytes'] / 1e6:.2f} MB)" for kind, of in profile["copies"].items()
        )
    return shown
