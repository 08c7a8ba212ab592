"""Spans as tags: conversion, checks, and counts against conlleval and seqeval."""

import random

import pytest

from unrolled.data.span_scores import Count, counted, table
from unrolled.data.spans import (
    PREFIXES,
    Span,
    between,
    converted,
    follows,
    of_spans,
    scheme_of,
    spans,
    tags_of,
    whole,
    wrong_at,
)

TYPES = ("PER", "LOC", "creative-work")


def random_spans(generator, length):
    """Spans that do not overlap; some touch."""
    found, place = [], 0
    while place < length:
        if generator.random() < 0.5:
            end = min(length, place + generator.randint(1, 3))
            found.append(Span(place, end, generator.choice(TYPES)))
            place = end
        else:
            place += 1
    return found


def random_tags(generator, length, scheme):
    """Any tags at all, mostly such as may not follow each other."""
    kinds = ["O", *(f"{prefix}-{kind}" for prefix in PREFIXES[scheme] for kind in TYPES)]
    return [generator.choice(kinds) for _ in range(length)]


@pytest.mark.parametrize("scheme", ["iob1", "bio", "bioes"])
def test_spans_come_back_from_their_tags_in_every_scheme(scheme):
    generator = random.Random(1)
    for _ in range(300):
        length = generator.randint(1, 9)
        found = random_spans(generator, length)
        tags = tags_of(found, length, scheme)
        assert spans(tags, scheme) == found and wrong_at(tags, scheme) is None
        for other in ("iob1", "bio", "bioes"):
            assert converted(converted(tags, scheme, other), other, scheme) == tags


@pytest.mark.parametrize("scheme", ["iob1", "bio", "bioes"])
def test_tags_that_may_follow_each_other_are_those_that_some_spans_give(scheme):
    generator = random.Random(2)
    for _ in range(2000):
        tags = random_tags(generator, generator.randint(1, 3), scheme)
        legal = tags_of(spans(tags, scheme), len(tags), scheme) == tags
        assert (wrong_at(tags, scheme) is None) == legal, tags


@pytest.mark.parametrize(
    "tags, scheme, place",
    [
        (["O", "I-PER"], "bio", 1),
        (["B-PER", "I-LOC"], "bio", 1),
        (["B-PER", "O"], "bioes", 1),
        (["B-PER", "I-PER"], "bioes", 2),
        (["E-PER"], "bioes", 0),
        (["S-PER", "I-PER"], "bioes", 1),
        (["B-PER"], "iob1", 0),
        (["O", "E-PER"], "bio", 1),
        (["O", "START"], "bio", 1),
        (["O", "I-PER", "B-PER"], "iob1", None),
    ],
)
def test_the_first_wrong_tag_is_found(tags, scheme, place):
    assert wrong_at(tags, scheme) == place


def test_the_scheme_of_a_file():
    assert scheme_of([["B-PER", "I-PER"], ["O"]]) == "bio"
    assert scheme_of([["I-PER", "B-PER"], ["O"]]) == "iob1"
    assert scheme_of([["B-PER", "E-PER"], ["O"]]) == "bioes"
    assert scheme_of([["B-PER", "I-PER"], ["O", "I-LOC"]]) == "bio"  # with a fault, which is then said
    assert scheme_of([["DET", "NOUN"]]) == scheme_of([["O"]]) == "plain"
    with pytest.raises(ValueError, match="I-PER is a tag of spans, and 'START' is not one"):
        scheme_of([["O", "I-PER", "START"]])
    assert scheme_of([["B-PER", "NOUN"]]) == "plain"  # no O
    assert not of_spans("START") and not of_spans("B-") and of_spans("I-creative-work")


def test_what_may_stand_where_is_said_for_all_tags():
    tags = whole(["O", "B-PER", "B-LOC"], "bioes")
    assert tags == ("O", *(f"{prefix}-{kind}" for kind in ("LOC", "PER") for prefix in "BIES"))
    steps, first, last = between(tags, "bioes")
    assert [tag for tag, may in zip(tags, first) if may] == ["O", "B-LOC", "S-LOC", "B-PER", "S-PER"]
    assert [tag for tag, may in zip(tags, last) if may] == ["O", "E-LOC", "S-LOC", "E-PER", "S-PER"]
    assert [tag for tag, may in zip(tags, steps[1]) if may] == ["I-LOC", "E-LOC"]
    assert all(map(all, between(whole(["DET", "NOUN"], "plain"), "plain")[0]))
    assert follows(None, "I-PER", "iob1") and not follows(None, "I-PER", "bio")


def sentences(scheme, legal, count=400):
    generator = random.Random(3)
    true, said = [], []
    for _ in range(count):
        length = generator.randint(1, 12)
        true.append(tags_of(random_spans(generator, length), length, scheme))
        said.append(
            tags_of(random_spans(generator, length), length, scheme)
            if legal
            else random_tags(generator, length, scheme)
        )
    return true, said


@pytest.mark.parametrize("legal", [True, False])
def test_counts_on_bio_are_those_of_conlleval(legal):
    conlleval = pytest.importorskip("conlleval")
    true, said = sentences("bio", legal)
    lines = [f"w {a} {b}" for of, by in zip(true, said) for a, b in [*zip(of, by), ("O", "O")]]
    due = conlleval.evaluate(lines)
    ours, each = counted(true, said, "bio")
    assert 0 < ours.right < ours.said
    assert_same(ours, due["overall"]["chunks"]["evals"])
    assert {name: count.there for name, count in each.items()} == {
        name: one["stats"]["gold"] for name, one in due["slots"]["chunks"].items()
    }
    for name, count in each.items():
        assert_same(count, due["slots"]["chunks"][name]["evals"])


def assert_same(ours, theirs):
    assert (ours.precision, ours.recall, ours.f1) == pytest.approx(
        (theirs["prec"], theirs["rec"], theirs["f1"]), abs=1e-9
    )


# Strict mode drops spans without B, which conlleval counts: BIO only where all is legal.
@pytest.mark.parametrize("scheme, legal", [("bioes", True), ("bioes", False), ("bio", True)])
def test_counts_are_those_of_strict_seqeval(scheme, legal):
    metrics, schemes = pytest.importorskip("seqeval.metrics"), pytest.importorskip("seqeval.scheme")
    true, said = sentences(scheme, legal)
    kind = {"bioes": schemes.IOBES, "bio": schemes.IOB2}[scheme]
    report = metrics.classification_report(
        true, said, mode="strict", scheme=kind, output_dict=True, zero_division=0
    )
    ours, each = counted(true, said, scheme)
    assert 0 < ours.right < ours.said
    for name, count in [*each.items(), ("micro avg", ours)]:
        due = report[name]
        assert (count.precision, count.recall, count.f1, count.there) == pytest.approx(
            (due["precision"], due["recall"], due["f1-score"], due["support"]), abs=1e-12
        )


def test_nothing_said_and_nothing_there_are_no_division_by_zero():
    none, each = counted([["O", "O"]], [["O", "O"]], "bio")
    assert (none, each, none.precision, none.recall, none.f1) == (Count(0, 0, 0), {}, 0.0, 0.0, 0.0)
    assert table(none, each).splitlines()[-1].split() == ["all", "0", "0", "0", "0.0000", "0.0000", "0.0000"]
