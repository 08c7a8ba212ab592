"""A generated grammar in which a word's form hangs on one that stood long before: number, gender,
and where somebody grew up.

    the clouds that near the wind BE in the sky            are: many, though the last noun is one
    the queen who behind the king often OWN keys           her: the subject's gender, not the other's
    I grew up in France with the king LANGUAGE well        French: the country's language

Words in between speak of others, of any number, gender and country.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from .conll import Sentence

THINGS = (
    ("cloud", "clouds"),
    ("wind", "winds"),
    ("key", "keys"),
    ("river", "rivers"),
    ("hill", "hills"),
    ("tree", "trees"),
)
PEOPLE = {"his": ("king", "father", "brother", "actor"), "her": ("queen", "mother", "sister", "actress")}
LANGUAGES = {"France": "French", "Spain": "Spanish", "Germany": "German", "Italy": "Italian"}
PLACES = ("near", "behind", "above", "with", "without", "beside")
FILL = ("really", "often", "slowly")
ELSEWHERE = "_"  # the tag of words whose form is given
FURTHEST = 40


def sentences(count: int, seed: int = 0, distances: Sequence[int] = ()) -> list[Sentence]:
    """Sentences of the three kinds, each with one of the distances between what decides and
    what is decided, in words.

    Without distances they are from 1 to 40, each order of magnitude as often: what is near is learned first,
    and then what is further off.

    The words BE, OWN and LANGUAGE stand for the form that is to be said, their tag; the
    other words' tag is "_".

    >>> (one,) = sentences(1, seed=1, distances=[5])
    >>> " ".join(one.words), one.tags[decided(one)]
    ('I grew up in France with the tree slowly really LANGUAGE well', 'French')
    """
    draw = random.Random(seed)
    return [
        _sentence(draw, draw.choice(distances) if distances else round(FURTHEST ** draw.random()))
        for _ in range(count)
    ]


def decided(sentence: Sentence) -> int:
    """The place of the word whose form is to be said."""
    return next(place for place, tag in enumerate(sentence.tags) if tag != ELSEWHERE)


def _sentence(draw: random.Random, distance: int) -> Sentence:
    kind = draw.choice(("number", "gender", "language"))
    if kind == "number":
        many = draw.random() < 0.5
        before, tag = ["the", draw.choice(THINGS)[many], "that"], "are" if many else "is"
        gap, after = "BE", ["in", "the", "sky"]
    elif kind == "gender":
        tag = draw.choice(sorted(PEOPLE))
        before = ["the", draw.choice(PEOPLE[tag]), "who"]
        gap, after = "OWN", ["keys"]
    else:
        country = draw.choice(sorted(LANGUAGES))
        before, tag = ["I", "grew", "up", "in", country], LANGUAGES[country]
        gap, after = "LANGUAGE", ["well"]
    used = 0 if kind == "language" else 1
    between = _between(draw, max(0, distance - used))
    words = [*before, *between][: len(before) - used + distance] + [gap, *after]
    tags = [tag if word == gap else ELSEWHERE for word in words]
    return Sentence(tuple(words), tuple(tags))


def _between(draw: random.Random, length: int) -> list[str]:
    """So many words about others."""
    found: list[str] = []
    while length - len(found) >= 3:
        if draw.random() < 0.15:
            found += ["once", "in", draw.choice(sorted(LANGUAGES))]
        else:
            person = draw.choice(PEOPLE[draw.choice(sorted(PEOPLE))])
            found += [draw.choice(PLACES), "the", draw.choice((person, *draw.choice(THINGS)))]
    return [*found, *draw.choices(FILL, k=length - len(found))]
