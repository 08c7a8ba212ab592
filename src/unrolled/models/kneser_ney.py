"""What counting reaches: an n-gram model with interpolated modified Kneser-Ney smoothing, to
compare a word model with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

Array = numpy.ndarray
USUAL = (0.5, 1.0, 1.5)  # discounts where a text is too short to estimate them


@dataclass(frozen=True)
class Order:
    """What is known of k words in a row, k - 1 of them being the context of the last.

    keys    of each k-gram, rising: number of its context * V + last word
    chance  of each k-gram, what is left of its count by the discount, by its context's count
    left    of each context, what the discounts have left over: the share of the lower order
    """

    keys: Array
    chance: Array
    left: Array

    def find(self, keys: Array) -> Array:
        """The numbers of k-grams by their keys; -1 where there is none."""
        place = numpy.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return numpy.where((self.keys[place] == keys) & (keys >= 0), place, -1)


@dataclass(frozen=True)
class KneserNey:
    """p(w | the n - 1 words before), exact: the chances of all V words add up to one after any context.

    Chen and Goodman, An empirical study of smoothing techniques for language modeling (1998), section 3: three
    discounts for each order, estimated from counts of counts; lower orders count in how many contexts a word
    stands, not how often; the first order is interpolated with 1/V.

    words   V
    first   (V,) chances of words whatever stands before
    orders  of 2, 3, ... words
    """

    words: int
    first: Array
    orders: tuple[Order, ...]

    @classmethod
    def of(cls, text: Tensor, words: int, order: int = 5) -> KneserNey:
        """Counts a text (n,) of indices below `words`, n >= 1."""
        text = text.numpy().astype(numpy.int64)
        grams = [text]  # the number of the k-gram that begins at each place
        keys, places = [numpy.arange(words)], [numpy.zeros(0, dtype=numpy.int64)]
        for k in range(2, min(order, len(text)) + 1):
            here = grams[-1][:-1] * words + text[k - 1 :]
            unique, place, inverse = numpy.unique(here, return_index=True, return_inverse=True)
            grams.append(inverse)
            keys.append(unique)
            places.append(place)
        counts = [
            # How many different words stand before; at the text's start is one that nobody knows.
            numpy.bincount(grams[k][places[k + 1] + 1], minlength=len(keys[k]))
            for k in range(len(keys) - 1)
        ] + [numpy.bincount(grams[-1], minlength=len(keys[-1]))]
        for k, count in enumerate(counts):
            count[grams[k][0]] = max(1, count[grams[k][0]])
        lowest = _order(keys[0], counts[0], numpy.zeros(words, dtype=numpy.int64), 1)
        contexts = [(each // words, len(keys[k])) for k, each in enumerate(keys[1:])]
        orders = [_order(each, count, *of) for each, count, of in zip(keys[1:], counts[1:], contexts)]
        return cls(words, lowest.chance + lowest.left[0] / words, tuple(orders))

    def nats(self, text: Tensor) -> Tensor:
        """-log p of each word of a text (m,) after its first, given all that stands before
        in it: (m - 1,) float64.
        """
        text = text.numpy().astype(numpy.int64)
        chance, context = self.first[text[1:]], text[:-1]
        # context: the number of the k words before, from place k - 1 on.
        for k, order in enumerate(self.orders, 1):
            if len(context) == 0:
                break
            last = text[k:]
            gram = order.find(numpy.where(context >= 0, context * self.words + last, -1))
            more = numpy.where(gram >= 0, order.chance[gram], 0.0)
            seen = context >= 0
            higher = more + order.left[context] * chance[k - 1 :]
            chance[k - 1 :] = numpy.where(seen, higher, chance[k - 1 :])
            context = gram[:-1]
        return -torch.from_numpy(numpy.log(chance))


def _order(keys: Array, counts: Array, context: Array, contexts: int) -> Order:
    """The discounted chances of k-grams with these counts, and what is left over for the lower order."""
    taken = numpy.minimum(counts, _discounts(counts)[counts.clip(max=3)])
    whole = numpy.bincount(context, weights=counts, minlength=contexts)
    rest = numpy.bincount(context, weights=taken, minlength=contexts)
    return Order(
        keys,
        (counts - taken) / whole[context].clip(min=1),
        numpy.where(whole > 0, rest / whole.clip(min=1), 1.0),
    )


def _discounts(counts: Array) -> Array:
    """What is taken of a count of 0, 1, 2, and 3 or more (Chen and Goodman's equation 17)."""
    n = numpy.bincount(counts.clip(max=5), minlength=6)[1:5].astype(float)
    if not n.all():
        return numpy.array([0.0, *USUAL])
    y = n[0] / (n[0] + 2 * n[1])
    found = [k - (k + 1) * y * n[k] / n[k - 1] for k in (1, 2, 3)]
    return numpy.array([0.0, *(d if 0 < d <= k else usual for k, d, usual in zip((1, 2, 3), found, USUAL))])
