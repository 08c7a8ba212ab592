"""The task tag: a tag for each word of a sentence, as its part of speech, or the names in it (spans)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from ..data import tag_figures
from ..data.bad_rows import BadRows
from ..data.conll import Form, Layout, Sentence, of_lines, sentences_of
from ..data.examples import Examples, Noted, each_once
from ..data.known import check_same
from ..data.span_scores import ByType, counted
from ..data.tagged import Given, Learned, Source, parts
from ..data.tagging import Tagging
from ..data.vectors import read_vectors
from ..errors import UsageError
from ..models import bias
from ..models.marking import Marked, Marking, marked
from ..models.net import Net
from ..models.tagger import Tagger
from ..models.word_reader import Letters, Sizes
from ..options import Count
from ..scoring import evaluating
from ..task import Batch, Figures, Loss, Recipe, Unit

TOGETHER = 128  # sentences that are tagged side by side
DROPOUT = 0.5


@dataclass(frozen=True)
class Tag:
    """Train a tagger on sentences with a tag a word: CoNLL columns, CoNLL-U or JSONL.

    >>> Tag(net=Net("gru", hidden=64)).letters
    'recurrent'
    """

    name: ClassVar[str] = "tag"
    Ask: ClassVar[type] = Marking
    better: ClassVar[Literal["lower", "higher"]] = "higher"
    unit: ClassVar[Unit] = Unit("sentence", "sentence")
    next: ClassVar[tuple[str, ...]] = (
        'unrolled predict {run} "the clouds that near the wind BE in the sky"',
        "unrolled evaluate {run} --data FILE",
    )

    train: Path | None = None
    """the sentences to learn; without them, those of a grammar in which a form hangs on a word long before"""
    valid: Path | None = None
    """sentences to choose by; without them, a tenth of those to learn"""
    test: Path | None = None
    """sentences for the report alone"""
    form: Form = "auto"
    """of the files: columns (a word a line), conllu, jsonl; auto goes by the ending"""
    word: str = ""
    """the column of the words, by number from 1 (-1 is the last) or name; the first, FORM
    in CoNLL-U, words in JSONL"""
    tag: str = ""
    """the column of the tags; the last, UPOS in CoNLL-U, tags in JSONL"""
    columns: str = ""
    """further columns to read, such as 2,3 or XPOS"""
    separator: str = ""
    """what stands between columns: a character, tab, space or comma; without one tabs, where
    there are any, else blanks"""
    scheme: Given = "auto"
    """how spans are written in the files: bio, iob1, bioes; plain: tags are not spans"""
    learned: Learned = "same"
    """how spans are learned: as they are written, bio or bioes"""
    skip_bad: bool = False
    """leave out sentences that cannot be read, and count them"""
    width: Count = 64
    """of a word's own vector"""
    letters: Letters = "recurrent"
    """how a word's letters are read: by recurrent layers, by a convolution, or not at all"""
    vectors: Path | None = None
    """pretrained vectors of words: a text file with a word and its numbers a line"""
    rare: Count = 1
    """words that stand fewer times in the data are not known"""
    chain: Literal["auto", "yes", "no"] = "auto"
    """a conditional random field over tags; auto: where they are spans"""
    direction: Literal["both", "forward"] = "both"
    """forward: a tag hangs on no word that comes after it but by the chain"""
    net: Net = Net(hidden=64, layers=1)
    recipe: Recipe = Recipe(rate=1e-2, batch=32, clip=5.0, decay=0.01, average=0.995)

    @property
    def source(self) -> Source:
        columns = tuple(name.strip() for name in self.columns.split(",") if name.strip())
        layout = Layout(self.word, self.tag, columns, self.separator, self.form)
        return Source(layout, self.scheme, self.learned, self.skip_bad)

    def _source(self, known: Tagging) -> Source:
        """The same for a model that there is: its spans are of its scheme, whatever a file's are."""
        if self.learned != "same" or known.scheme == "plain":
            return self.source
        return replace(self.source, learned=known.scheme)

    def data(self, known: Tagging | None = None) -> Examples:
        source = self.source if known is None else self._source(known)
        found = parts(source, self.train, self.valid, self.test)
        encoding, notes = Tagging.of(found.training, found.scheme, self.rare), list(found.notes)
        if known is not None:
            check_same("learned", found.scheme, known.scheme)
            encoding = known.grown(encoding)
        if self.vectors is not None:
            wanted = {
                word for part in (found.training, found.validation) for each in part for word in each.words
            }
            encoding = encoding.with_vectors(
                read_vectors(self.vectors, wanted | {word.lower() for word in wanted})
            )
            notes += [
                f"{what}: {encoding.covered(part)}"
                for what, part in (("to learn", found.training), ("held out", found.validation))
            ]
        return Examples(
            encoding,
            found.training,
            found.validation,
            self.recipe.batch,
            encoding.gather,
            found.digest,
            found.source,
            length=_length,
            testing=found.test or None,
            notes=tuple(notes),
        )

    def encoding(self, stored: dict) -> Tagging:
        found, wanted = Tagging.of_json(stored), len(self.source.layout.features)
        if len(found.columns) != wanted:
            raise ValueError(f"it has {len(found.columns)} further columns, and --columns names {wanted}")
        return found

    def model(self, encoding: Tagging) -> Tagger:
        sizes = Sizes(
            len(encoding.words),
            len(encoding.letters),
            len(encoding.shapes),
            len(encoding.outlines),
            tuple(map(len, encoding.columns)),
            len(encoding.vectors),
            encoding.vector_width,
        )
        chain = self.chain == "yes" or (self.chain == "auto" and encoding.scheme != "plain")
        counts = torch.tensor(encoding.counts, dtype=torch.float32)
        model = Tagger(
            sizes,
            counts,
            len(encoding.tags),
            self.net,
            self.width,
            self.letters,
            encoding.allowed,
            chain,
            self.direction == "forward",
        )
        if encoding.table is not None and not model.bias.is_meta:
            model.reader.table[1:] = encoding.table
        return model

    def dropout(self, weights: int, data: Examples, epochs: float | None) -> float:
        """The more weights there are for each word of the data, the more is dropped; nothing where a grammar
        makes them, whose sentences are all right and are not to be learned by heart."""
        if self.net.dropout is not None:
            return self.net.dropout
        if self.train is None:
            return 0.0
        words = sum(len(sentence.words) for sentence in data.training)
        return round(DROPOUT * min(1.0, weights / words), 2)

    def loss(self, model: Tagger, batch: Batch, state: Any) -> Loss:
        return Loss(*model.nats(batch.inputs, batch.targets.indices))

    def read(self, encoding: Tagging, source: str | Path) -> Noted:
        """Sentences of another file, in the scheme that the model says."""
        of = self._source(encoding)
        tagged = of.read(Path(source), "--data")
        of = of.settled(tagged.sentences, str(source)) if of.scheme == "auto" else of
        checked = of.checked(tagged.sentences, str(source))
        return Noted(each_once(checked, encoding.gather, _length), tuple(tagged.notes()))

    def baseline(self, data: Examples) -> Figures:
        encoding = data.encoding
        return tag_figures.baseline(data.training, data.validation, encoding.scheme, encoding.ambiguous)

    def settle(self, model: Tagger, encoding: Tagging, batches: Iterable[Batch]) -> None:
        """Choose what is added to scores of O and of each type of span, so that F1 is
        highest on the held-out part.
        """
        if encoding.scheme == "plain":
            return
        batches = list(batches)
        read = [(model(batch.inputs).float(), batch.inputs.lengths) for batch in batches]
        true = [sentence.tags for batch in batches for sentence in batch.targets.sentences]
        kinds = dict.fromkeys(tag.partition("-")[2] for tag in encoding.tags)
        groups = [[k for k, tag in enumerate(encoding.tags) if tag.partition("-")[2] == kind] for kind in kinds]

        def f1(tried: torch.Tensor) -> float:
            said = [
                row
                for scores, lengths in read
                for row in encoding.names(model.decode(scores + tried, lengths), lengths)
            ]
            return counted(true, said, encoding.scheme)[0].f1

        model.bias.copy_(bias.chosen(groups, len(encoding.tags), f1))

    def figures(self, model: Tagger, encoding: Tagging, batches: Iterable[Batch], loss: float) -> Figures:
        sentences, said = _said(model, encoding, batches)
        return tag_figures.figures(sentences, said, encoding.scheme, set(encoding.ambiguous))

    def details(self, model: Tagger, encoding: Tagging, batches: Iterable[Batch]) -> ByType:
        """Precision, recall and F1 of each type of span, or of each tag."""
        with evaluating(model):
            sentences, said = _said(model, encoding, batches)
        return ByType(*counted([sentence.tags for sentence in sentences], said, encoding.scheme))

    def sentence(self, figures: Figures) -> str:
        return tag_figures.in_words(figures)

    def line(self, loss: float) -> str:
        return f"loss {loss:.4f} a word"

    def example(self, model: Tagger, encoding: Tagging, seed: int) -> str:
        return ""

    def predict(
        self, model: Tagger, encoding: Tagging, inputs: Iterable[str], ask: Marking
    ) -> Iterator[Marked]:
        """Each sentence with its tags."""
        if ask.form == "lines":
            if self.columns:
                raise UsageError(
                    f"the model reads --columns {self.columns} beside each word, and lines of words have none: "
                    "give words with these columns, and --form columns, conllu or jsonl."
                )
            sentences = of_lines(inputs)
        else:
            layout = replace(self.source.layout, tagged=False)
            sentences = sentences_of(inputs, layout, ask.form, BadRows("the input"))
        while group := list(islice(sentences, TOGETHER)):
            yield from marked(model, encoding, group, ask)

    def remark(self, model: Tagger, ask: Marking) -> str:
        return ""


def _said(model: Tagger, encoding: Tagging, batches: Iterable[Batch]) -> tuple[list[Sentence], list[list[str]]]:
    """Sentences with their true tags, and the tags that a model says."""
    sentences, said = [], []
    for batch in batches:
        lengths = batch.inputs.lengths
        said += encoding.names(model.decode(model.deciding(batch.inputs), lengths), lengths)
        sentences += batch.targets.sentences
    return sentences, said


def _length(sentence: Sentence) -> int:
    return len(sentence.words)


TASK = Tag
