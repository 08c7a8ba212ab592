"""The worked examples of the decks, by name."""

from __future__ import annotations

from ...errors import UsageError
from .activations import ACTIVATIONS_EXAMPLE
from .deck003 import DECK003, DECK003_GRAPH
from .example import Shown as Shown
from .example import WorkedExample as WorkedExample
from .hello import BPTT, HELLO
from .layers import LAYERS
from .lstm import LSTM
from .next_character import NEXT_CHARACTER

EXAMPLES: dict[str, WorkedExample] = {
    e.name: e for e in (DECK003, DECK003_GRAPH, NEXT_CHARACTER, HELLO, BPTT, LAYERS, LSTM, ACTIVATIONS_EXAMPLE)
}


def find_example(name: str) -> WorkedExample:
    """Raises UsageError with the names there are."""
    if name not in EXAMPLES:
        raise UsageError(f"there is no worked example {name!r}: choose one of {', '.join(EXAMPLES)}.")
    return EXAMPLES[name]
