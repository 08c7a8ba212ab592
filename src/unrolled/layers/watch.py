"""`watch`: look at the values inside a cell while it runs, under the names that its author gave them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from ..errors import UsageError
from ..graph.node import Graph
from ..plan.plan import plan_of


class Seen:
    """Named values of one layer in one call, each (T, B, width), laid out as the layer's output is.

    A name that an equation binds more than once in a step gives its last value; `seen["s", 2]` is
    the second. A loss may be made of the values, for they are part of autograd's graph: `detach()`
    them to keep them for long.
    """

    def __init__(self, name: str):
        self._name = name
        self._values: dict[tuple[str, int], Tensor] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names that can be looked at, in the order of the author's lines."""
        return tuple(dict.fromkeys(name for name, _ in self._values))

    def __getitem__(self, key: str | tuple[str, int]) -> Tensor:
        name, count = key if isinstance(key, tuple) else (key, 0)
        counts = [c for n, c in self._values if n == name]
        if not counts or count and count not in counts:
            raise UsageError(
                f"{self._name} has no value {key!r} in its loop over time. It has {', '.join(self.names)}."
            )
        return self._values[name, count or max(counts)]

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __repr__(self) -> str:
        return f"<seen {self._name}: {', '.join(self.names)}>"


class Watching(dict):
    """What was seen, by layer: `seen["rnn.0"]`; each layer's last call.
    `seen.calls("rnn.0")` lists all calls.
    """

    def __init__(self):
        super().__init__()
        self._calls: dict[str, list[Seen]] = {}

    def note(self, name: str, seen: Seen) -> None:
        self[name] = seen
        self._calls.setdefault(name, []).append(seen)

    def calls(self, name: str) -> list[Seen]:
        return self._calls.get(name, [])

    def __missing__(self, name: str) -> Seen:
        raise UsageError(f"nothing was seen of {name!r}. Seen were {', '.join(self) or 'no layers'}.")


class Watcher:
    """Notes what one layer computes, in the thread that watches."""

    def __init__(self, name: str, watching: Watching):
        self.name, self.watching, self.thread = name, watching, threading.get_ident()

    def call(self, graph: Graph, shape: Callable[[Tensor], Tensor]):
        """For a kernel's run of each layer and direction: which nodes it should report, and where to."""
        nodes = watched_nodes(graph)
        asked = tuple(dict.fromkeys(nodes.values()))

        def layer(number: int, is_reversed: bool):
            path = [self.name] if self.name else []
            seen = Seen(".".join([*path, *(["reversed"] if is_reversed else []), str(number)]))

            def note(values: dict[int, Tensor]) -> None:
                seen._values.update({key: shape(values[node]) for key, node in nodes.items()})
                self.watching.note(seen._name, seen)

            return asked, note

        return layer


def watcher_of(watchers: tuple[Watcher, ...]) -> Watcher | None:
    """The innermost watcher of the running thread."""
    if not watchers:
        return None
    mine = [w for w in watchers if w.thread == threading.get_ident()]
    return mine[-1] if mine else None


def watched_nodes(graph: Graph) -> dict[tuple[str, int], int]:
    """Body nodes of the author's statements, by name and count; without what leaves the loop: matrices made of
    parameters, and what a layer makes of the input alone before it is multiplied."""
    body = plan_of(graph).body
    made = dict(body.made)
    found = {(s.name, s.count): made[s.index] for s in graph.statements if s.index in made}
    return {key: node for key, node in found.items() if len(body.nodes[node].shape) < 2}


@contextmanager
def watch(module: nn.Module) -> Iterator[Watching]:
    """Records what the recurrent layers inside `module` compute, by the names in their cells' equations.

    Layers are called by their path in the module and their number, "rnn.0", "rnn.1", and
    "rnn.reversed.0" for the reversed direction; where the module is itself the layer, "0". Only calls
    made in this thread are seen, and they run on the reference backend. Raises UsageError where the
    module holds no recurrent layer of this package.

        with watch(model) as seen:
            model(x)
        (seen["rnn.0"].f > 0.9).float().mean()      # how often the forget gate keeps
    """
    layers = [(name, layer) for name, layer in module.named_modules() if hasattr(layer, "watchers")]
    if not layers:
        raise UsageError(
            f"watch({type(module).__name__}): there is no recurrent layer in it. Give a module with a "
            "Recurrent, LSTM, GRU or RNN of unrolled."
        )
    watching = Watching()
    added = [(layer, Watcher(name, watching)) for name, layer in layers]
    for layer, watcher in added:
        layer.watchers = (*layer.watchers, watcher)
    try:
        yield watching
    finally:
        for layer, watcher in added:
            layer.watchers = tuple(w for w in layer.watchers if w is not watcher)
