"""The cheapest things that tell classes apart: the most frequent one, letters and words by
themselves, the nearest neighbour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

PLACES = 64  # values of a channel, at most, by which neighbours are compared
AT_ONCE = 1024  # rows that are compared with all others together
MOST = 20_000  # rows that are learned from: a baseline is to be cheap


def majority(targets: Sequence[int], others: int) -> Tensor:
    """The most frequent class, (others,) times."""
    return torch.full((others,), Counter(targets).most_common(1)[0][0])


def naive_bayes(
    texts: Sequence[Tensor], targets: Sequence[int], others: Sequence[Tensor], longest: int
) -> Tensor:
    """The class of each of some texts by its runs of 1 to `longest` symbols, as if each stood there by itself
    (multinomial naive Bayes, Manning, Raghavan and Schuetze 2008, chapter 13; a count of 1 for each run that a
    class lacks): (others,) int64."""
    classes = max(targets) + 1
    places: dict[tuple[int, ...], int] = {}
    found = [
        (places.setdefault(gram, len(places)), target)
        for text, target in zip(texts, targets)
        for gram in _runs(text, longest)
    ]
    seen = torch.zeros(classes, len(places))
    where, of = torch.tensor(found).t()
    seen.index_put_((of, where), torch.ones(len(found)), accumulate=True)
    logs = ((seen + 1) / (seen.sum(1, keepdim=True) + len(places))).log()
    prior = torch.tensor(targets).bincount().clamp_min(1e-9).log()
    answers = []
    for text in others:
        known = [places[gram] for gram in _runs(text, longest) if gram in places]
        answers.append((prior + logs[:, known].sum(1)).argmax())
    return torch.stack(answers)


def _runs(text: Tensor, longest: int) -> list[tuple[int, ...]]:
    symbols = [-1, *text.tolist(), -1] if longest > 2 else text.tolist()
    return [tuple(symbols[k : k + n]) for n in range(1, longest + 1) for k in range(len(symbols) - n + 1)]


def nearest(rows: Sequence[Tensor], targets: Sequence[int], others: Sequence[Tensor]) -> Tensor:
    """The class of the nearest row (Euclidean distance, series stretched to one length, each channel by its
    deviation): (others,) int64.

    rows, others  (T, channels) each, NaN where a value is missing
    """
    rows, targets = rows[:MOST], torch.tensor(targets[:MOST])
    places = min(PLACES, max(len(row) for row in rows))
    known, asked = _flat(rows, places), _flat(others, places)
    scale = known.std(0) if len(known) > 1 else torch.ones(known.shape[1])
    scale = scale.view(places, -1).norm(dim=0).clamp_min(1e-6).repeat(places)
    return torch.cat(
        [targets[torch.cdist(part / scale, known / scale).argmin(1)] for part in asked.split(AT_ONCE)]
    )


def _flat(rows: Sequence[Tensor], places: int) -> Tensor:
    stretched = [
        interpolate(row.nan_to_num().t()[None], size=places, mode="linear", align_corners=True)
        if len(row) > 1
        else row.nan_to_num().t()[None].expand(1, -1, places)
        for row in rows
    ]
    return torch.cat(stretched).transpose(1, 2).flatten(1)
