"""How good tags are, in figures and in words, and what the cheapest ways to tag reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from ..task import Figures
from .conll import Sentence
from .span_scores import counted
from .spans import OUTSIDE, Scheme

NAME = 64  # letters of a figure's name
Tags = Sequence[Sequence[str]]


def figures(sentences: Sequence[Sentence], said: Tags, scheme: Scheme, ambiguous: Collection[str]) -> Figures:
    """Of true sentences and what is said of their words: of plain tags the accuracy, and that on words that
    have several tags in the training part; of spans F1, precision, recall, F1 by type, and the accuracy of tags
    beside that of tagging nothing.

    >>> figures([Sentence(("can", "it"), ("AUX", "PRON"))], [["AUX", "AUX"]], "plain", {"can"})
    {'accuracy': 0.5, 'accuracy_of_ambiguous': 1.0}
    """
    true = [sentence.tags for sentence in sentences]
    if scheme == "plain":
        words = [(word, *pair) for s, row in zip(sentences, said) for word, *pair in zip(s.words, s.tags, row)]
        hard = [(a, b) for word, a, b in words if word in ambiguous]
        return {"accuracy": share((a, b) for _, a, b in words)} | (
            {"accuracy_of_ambiguous": share(hard)} if hard else {}
        )
    found, each = counted(true, said, scheme)
    return {
        "f1": found.f1,
        "precision": found.precision,
        "recall": found.recall,
        "accuracy": share(_pairs(true, said)),
        "accuracy_of_all_O": share(_pairs(true, [[OUTSIDE] * len(tags) for tags in true])),
        **{f"f1 {kind}"[:NAME]: count.f1 for kind, count in each.items()},
    }


def in_words(found: Mapping[str, float]) -> str:
    """Figures as a sentence.

    >>> in_words({"accuracy": 0.5, "accuracy_of_ambiguous": 1.0})
    'accuracy 0.5000, 1.0000 on words of several tags'
    """
    if "f1" not in found:
        hard = found.get("accuracy_of_ambiguous")
        return f"accuracy {found['accuracy']:.4f}" + (
            "" if hard is None else f", {hard:.4f} on words of several tags"
        )
    types = ", ".join(f"{name[3:]} {value:.3f}" for name, value in found.items() if name.startswith("f1 "))
    return (
        f"F1 {found['f1']:.4f} of spans, precision {found['precision']:.4f}, recall {found['recall']:.4f}"
        f" ({types}); accuracy {found['accuracy']:.4f} of tags, where O everywhere has"
        f" {found['accuracy_of_all_O']:.4f}"
    )


def baseline(
    training: Iterable[Sentence], others: Sequence[Sentence], scheme: Scheme, ambiguous: Collection[str]
) -> Figures:
    """Tagging each word with its most frequent tag, unknown words with the most frequent one of all."""
    counts: dict[str, Counter[str]] = {}
    total: Counter[str] = Counter()
    for sentence in training:
        total.update(sentence.tags)
        for word, tag in zip(sentence.words, sentence.tags):
            counts.setdefault(word, Counter())[tag] += 1
    usual = total.most_common(1)[0][0]
    best = {word: each.most_common(1)[0][0] for word, each in counts.items()}
    found = figures(
        others, [[best.get(word, usual) for word in each.words] for each in others], scheme, ambiguous
    )
    kept = ("f1", "accuracy_of_all_O") if scheme != "plain" else ("accuracy", "accuracy_of_ambiguous")
    names = {
        "accuracy_of_all_O": "accuracy of O everywhere",
        "accuracy_of_ambiguous": "on words of several tags",
    }
    usual_tag = "each word's most frequent tag"
    return {
        names.get(name, f"{usual_tag}, {name.replace('f1', 'F1')}"): found[name]
        for name in kept
        if name in found
    }


def share(pairs: Iterable[tuple[str, str]]) -> float:
    """How many pairs are alike; 0 of none."""
    alike = [a == b for a, b in pairs]
    return sum(alike) / len(alike) if alike else 0.0


def _pairs(true: Tags, said: Tags) -> Iterable[tuple[str, str]]:
    return (pair for of, by in zip(true, said, strict=True) for pair in zip(of, by, strict=True))
