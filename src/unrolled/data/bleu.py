"""How near translations come to those that people made: BLEU and chrF, by sacreBLEU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import UsageError


class Overlap(NamedTuple):
    """Scores of a whole text, from 0 to 100.

    bleu       of words, up to four beside each other (Papineni, Roukos, Ward and Zhu 2002)
    chrf       of characters, up to six beside each other (Popović 2015)
    """

    bleu: float
    chrf: float


def overlap(hypotheses: Sequence[str], references: Sequence[str]) -> Overlap:
    """Of texts as people write them, not cut into words: the tool does that, always in
    the same way (Post 2018).

    Raises UsageError where sacrebleu is not installed.

    >>> overlap(["the cat sat on the mat."], ["the cat sat on the mat."])
    Overlap(bleu=100.0, chrf=100.0)
    """
    if not hypotheses:
        return Overlap(0.0, 0.0)
    tool, (given, right) = _tool(), (list(hypotheses), [list(references)])
    bleu = tool.BLEU(tokenize="13a").corpus_score(given, right).score
    return Overlap(round(bleu, 6), round(tool.CHRF().corpus_score(given, right).score, 6))


def signature() -> str:
    """How BLEU was counted, so that others can count it in the same way.

    >>> signature().split("|version")[0]
    'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp'
    """
    bleu = _tool().BLEU(tokenize="13a")
    bleu.corpus_score(["a"], [["a"]])  # counts the references
    return str(bleu.get_signature())


def _tool() -> Any:
    try:
        import sacrebleu.metrics
    except ImportError:
        raise UsageError(
            'translations are scored by the package sacrebleu: pip install "unrolled[translate]".'
        ) from None
    return sacrebleu.metrics
