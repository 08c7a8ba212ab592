"""Spans of words as tags: which tag may follow which, reading, checking and conversion.

plain  a tag a word, no spans: NOUN VERB
iob1   a word in a span is I-TYPE, and B-TYPE only where a span follows one of its type
       (Ramshaw and Marcus 1995)
bio    the first word of a span is B-TYPE, the others I-TYPE (IOB2: Tjong Kim Sang and Veenstra 1999)
bioes  the last word is E-TYPE, and the word of a span of one S-TYPE
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Scheme = Literal["plain", "iob1", "bio", "bioes"]
PREFIXES = {"iob1": "IB", "bio": "BI", "bioes": "BIES"}
OUTSIDE = "O"


class Span(NamedTuple):
    """Words `start` up to, not including, `end`."""

    start: int
    end: int
    type: str


def parts(tag: str) -> tuple[str, str]:
    """A tag's prefix and type.

    >>> parts("B-creative-work"), parts("O")
    (('B', 'creative-work'), ('O', ''))
    """
    prefix, _, kind = tag.partition("-")
    return prefix, kind


def of_spans(tag: str, scheme: Scheme = "bioes") -> bool:
    """Whether a tag is one of a scheme with spans: O, or a prefix and a type.

    >>> [of_spans(tag) for tag in ("O", "B-PER", "B-", "NOUN")]
    [True, True, False, False]
    """
    prefix, kind = parts(tag)
    return tag == OUTSIDE or (kind != "" and len(prefix) == 1 and prefix in PREFIXES[scheme])


def follows(before: str | None, after: str | None, scheme: Scheme) -> bool:
    """Whether a tag may stand behind another. None stands for the sentence's start, or for its end.

    >>> follows("B-PER", "I-PER", "bio"), follows("O", "I-PER", "bio"), follows("B-PER", None, "bioes")
    (True, False, False)
    """
    if scheme == "plain":
        return True
    last, of = parts(before or OUTSIDE)
    first, kind = parts(after or OUTSIDE)
    if scheme == "iob1":
        return first != "B" or (last != OUTSIDE and of == kind)
    if scheme == "bio":
        return first != "I" or (last != OUTSIDE and of == kind)
    if last in ("B", "I"):  # a span that goes on
        return first in ("I", "E") and of == kind
    return first not in ("I", "E")


def wrong_at(tags: Sequence[str], scheme: Scheme) -> int | None:
    """The place of the first tag that may not stand where it does (len(tags): the end); None where all is well.

    >>> wrong_at(["O", "I-PER"], "bio"), wrong_at(["B-PER"], "bioes"), wrong_at(["I-PER"], "iob1")
    (1, 1, None)
    """
    for place, (before, after) in enumerate(zip([None, *tags], [*tags, None])):
        if (after is not None and scheme != "plain" and not of_spans(after, scheme)) or not follows(
            before, after, scheme
        ):
            return place
    return None


def scheme_of(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that tags are written in. Where nothing is wrong as BIO, they are BIO, though
    they may be IOB1 as well.

    Raises ValueError where most look like spans and some do not.

    >>> [scheme_of([tags.split()]) for tags in ("O B-PER I-PER", "O I-PER", "S-PER", "DET NOUN")]
    ['bio', 'iob1', 'bioes', 'plain']
    """
    sentences = list(sentences)
    there = {tag for tags in sentences for tag in tags}
    spanning = {tag for tag in there if tag != OUTSIDE and of_spans(tag)}
    if not spanning or OUTSIDE not in there and spanning < there:
        return "plain"
    if strange := sorted(tag for tag in there if not of_spans(tag)):
        raise ValueError(f"{min(spanning)} is a tag of spans, and {strange[0][:60]!r} is not one")
    if any(parts(tag)[0] in ("E", "S") for tag in there):
        return "bioes"
    return next(
        (scheme for scheme in ("bio", "iob1") if all(wrong_at(tags, scheme) is None for tags in sentences)),
        "bio",
    )


def spans(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """The spans of a sentence, also where a model has made tags that may not follow each other.

    BIO and IOB1 as conlleval counts them: I-TYPE begins a span where none of its type is before it. BIOES as
    strict seqeval does: a span counts if it is S, or B, any number of I, and E, all of one type.

    >>> spans(["B-PER", "I-PER", "O", "I-LOC"], "bio")
    [Span(start=0, end=2, type='PER'), Span(start=3, end=4, type='LOC')]
    >>> spans(["B-PER", "E-PER", "I-LOC", "S-LOC"], "bioes")
    [Span(start=0, end=2, type='PER'), Span(start=3, end=4, type='LOC')]
    """
    if scheme == "plain":
        return []
    return _strict(tags) if scheme == "bioes" else _lenient(tags)


def _lenient(tags: Sequence[str]) -> list[Span]:
    found, start, of = [], 0, ""
    last = OUTSIDE
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = parts(tag)
        begins = prefix != OUTSIDE and (prefix == "B" or last == OUTSIDE or kind != of)
        if last != OUTSIDE and (begins or prefix == OUTSIDE):
            found.append(Span(start, place, of))
        if begins:
            start = place
        last, of = prefix, kind
    return found


def _strict(tags: Sequence[str]) -> list[Span]:
    found, start, of = [], None, ""
    for place, tag in enumerate(tags):
        prefix, kind = parts(tag)
        if prefix in ("B", "S"):
            start, of = place, kind
        elif prefix == OUTSIDE or kind != of:
            start = None
        if prefix in ("E", "S") and start is not None:
            found.append(Span(start, place + 1, kind))
            start = None
    return found


def tags_of(found: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """The tags of a sentence of `length` words: the inverse of `spans` for spans that do not overlap.

    >>> tags_of([Span(0, 2, "PER"), Span(2, 3, "PER")], 4, "bioes")
    ['B-PER', 'E-PER', 'S-PER', 'O']
    >>> tags_of([Span(0, 2, "PER"), Span(2, 3, "PER")], 4, "iob1")
    ['I-PER', 'I-PER', 'B-PER', 'O']
    """
    tags = [OUTSIDE] * length
    before = Span(0, 0, "")
    for span in sorted(found):
        touching = before.end == span.start and before.type == span.type
        first = "I" if scheme == "iob1" and not touching else "B"
        prefixes = [first, *"I" * (span.end - span.start - 1)]
        if scheme == "bioes":
            prefixes[-1] = "E" if len(prefixes) > 1 else "S"
        tags[span.start : span.end] = [f"{prefix}-{span.type}" for prefix in prefixes]
        before = span
    return tags


def converted(tags: Sequence[str], given: Scheme, wanted: Scheme) -> list[str]:
    """The same spans in another scheme.

    >>> converted(["I-PER", "I-PER", "B-PER", "O"], "iob1", "bioes")
    ['B-PER', 'E-PER', 'S-PER', 'O']
    """
    return list(tags) if given == wanted else tags_of(spans(tags, given), len(tags), wanted)


def whole(tags: Iterable[str], scheme: Scheme) -> tuple[str, ...]:
    """All tags that spans of these tags' types can take, O first: a type of which only single words
    were seen has an I, too.

    >>> whole(["O", "B-PER", "B-LOC"], "bio")
    ('O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER')
    """
    if scheme == "plain":
        return tuple(sorted(set(tags)))
    kinds = sorted({parts(tag)[1] for tag in tags} - {""})
    return (OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in PREFIXES[scheme]))


def between(tags: Sequence[str], scheme: Scheme) -> tuple[list[list[bool]], list[bool], list[bool]]:
    """Which tag may follow which (K, K), which may begin a sentence (K,), and which end it (K,).

    >>> between(["O", "I-PER"], "bio")
    ([[True, False], [True, True]], [True, False], [True, True])
    """
    return (
        [[follows(before, after, scheme) for after in tags] for before in tags],
        [follows(None, tag, scheme) for tag in tags],
        [follows(tag, None, scheme) for tag in tags],
    )
