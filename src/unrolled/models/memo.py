"""What a frozen module made of words, kept for when they come again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

MOST = 100_000  # words that are kept


class Memo:
    """Rows that were made of words by a module, always the same one, until a weight of it changes.

    >>> memo, layer = Memo(), nn.Linear(1, 2)
    >>> make = lambda places: layer(torch.tensor(places)[:, None].float()).detach()
    >>> made = memo.rows(layer, ["a", "b", "a"], make)
    >>> made.shape, len(memo)
    (torch.Size([3, 2]), 2)
    """

    def __init__(self):
        self._watched: list[Tensor] | None = None
        self._forget(())

    def __len__(self) -> int:
        return len(self._places)

    def _forget(self, versions: tuple) -> None:
        self._versions, self._places, self._table = versions, {}, None

    def rows(self, module: nn.Module, words: Sequence[str], make: Callable[[list[int]], Tensor]) -> Tensor:
        """A row for each word (N, width); `make` gives those at some places of
        `words`, each of another word.
        """
        if self._watched is None:  # to go through a module takes as long as a layer
            self._watched = [*module.parameters(), *module.buffers()]
        versions = tuple((part.data_ptr(), part._version) for part in self._watched)
        if versions != self._versions or len(self._places) > MOST:
            self._forget(versions)
        known = self._places
        new = {word: place for place, word in enumerate(words) if word not in known}
        if new:
            made = make(list(new.values()))
            for word in new:
                known[word] = len(known)
            self._table = made if self._table is None else torch.cat([self._table, made])
        return embedding(torch.tensor([known[word] for word in words], device=self._table.device), self._table)
