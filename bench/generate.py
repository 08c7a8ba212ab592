"""`python -m bench generate`: are names made to order those of their language? A classifier says so.

Who judges must know neither the names that were made nor those that the generator learned from: a generator
that copies would please it otherwise. The distinct names are therefore cut in two halves, each name on one
side; `generate` learns from one, `classify` from the other. What the judge says of the first half's own names,
which it has not seen either, is what can be reached: a generator that drew from the true distribution would get
the same, whatever the judge gets wrong.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from unrolled import tasks, train
from unrolled.data.split import grouped
from unrolled.data.string_rows import Rows, read_rows
from unrolled.errors import UsageError
from unrolled.models.ordered import Ordering
from unrolled.tasks.generate import Generate

from .machine import machine
from .rows import kept

HERE = Path(__file__).parent
NAMES = "names_by_nationality/data/names"
COUNT = 200  # names of each language
TARGET = 0.70
Judge = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Language:
    """Of one language: how many names the generator learned from, and what share of names the
    judge takes for its own.

    real   of names that the generator learned from
    made   of new names that it made
    novel  of the names drawn, how many it had not learned from
    """

    name: str
    learned: int
    real: float
    made: float
    novel: float
    distinct: float


@dataclass(frozen=True)
class Judged:
    """One run; `command` and `machine` say which."""

    command: str
    minutes: float
    temperature: float
    seed: int
    nats: float
    languages: list[Language]
    examples: dict[str, list[str]]
    machine: dict

    def mean(self, what: str, weighed: bool) -> float:
        """Over all languages; weighed as often as the language has names."""
        weights = [each.learned if weighed else 1 for each in self.languages]
        return sum(w * getattr(each, what) for w, each in zip(weights, self.languages)) / sum(weights)


def asked(options) -> Judged:
    """The run that a command line asks for; its table says the whole command."""
    minutes, temperature, seed = options.minutes, options.temperature, options.seed
    command = f"python -m bench generate --minutes {minutes:g} --temperature {temperature:g} --seed {seed}"
    return run(minutes, temperature, seed, command, classifier(minutes, seed))


def halves(rows: Rows) -> tuple[Rows, Rows]:
    """Of the generator and of the judge; no name is on both sides."""
    split = grouped(rows.texts, 0.5, labels=rows.conditions)
    return rows.some(split.training), rows.some(split.held_out)


def run(
    minutes: float, temperature: float, seed: int, command: str, judge_of: Callable[[Rows, Path], Judge]
) -> Judged:
    """Trains both, draws, and lets the judge say of which language each name is."""
    folder = os.environ.get("UNROLLED_DATA")
    if not folder:
        raise UsageError(
            "the environment does not say where the names are: set UNROLLED_DATA to the folder of data."
        )
    mine, others = halves(read_rows(Path(folder) / NAMES))
    with tempfile.TemporaryDirectory() as room:
        file = written(mine, Path(room) / "generator.csv")
        made_by = train(Generate(train=file), minutes=minutes, seed=seed, out=Path(room) / "generator")
        judge = judge_of(others, Path(room))
        languages, examples = [], {}
        real = judged_right(judge, mine.texts, [values[0] for values in mine.conditions])
        for name, learned in sorted(Counter(values[0] for values in mine.conditions).items()):
            (made,) = made_by.predict([name], Ordering(count=COUNT, temperature=temperature, seed=seed))
            texts, shares = [text for text, _ in made.strings], made.tally.shares()
            right = judged_right(judge, texts, [name] * len(texts))
            languages.append(
                Language(name, learned, real[name], right[name], shares["novel"], shares["distinct"])
            )
            examples[name] = texts[:5]
        nats = made_by.metrics()[-1]["figures"]["nats_per_character"]
    return Judged(command, minutes, temperature, seed, nats, languages, examples, machine())


def classifier(minutes: float, seed: int) -> Callable[[Rows, Path], Judge]:
    """The task classify, trained for some minutes on the judge's half."""

    def judge_of(rows: Rows, room: Path) -> Judge:
        task = tasks.find("classify")(train=written(rows, room / "judge.csv"), input="text")
        trained = train(task, minutes=minutes, seed=seed, out=room / "judge")
        return lambda texts: [answer.said()[0] for answer in trained.predict(texts)]

    return judge_of


def judged_right(judge: Judge, texts: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """By label, the share of its texts that the judge takes for that label's."""
    right, count = Counter(), Counter(labels)
    for said, label in zip(judge(texts), labels):
        right[label] += said == label
    return {label: right[label] / count[label] for label in count}


def written(rows: Rows, file: Path) -> Path:
    """The rows as a CSV file."""
    with file.open("w", encoding="utf-8", newline="") as to:
        writer = csv.writer(to)
        writer.writerow(["text", *rows.names])
        writer.writerows((text, *values) for text, values in zip(rows.texts, rows.conditions))
    return file


def keep(judged: Judged, folder: Path = HERE) -> Path:
    """Puts a run into generate.jsonl, in place of an older one of the same command, and renders generate.md."""
    rows = kept(folder / "generate.jsonl", asdict(judged))
    page = folder / "generate.md"
    found = [Judged(**row | {"languages": [Language(**each) for each in row["languages"]]}) for row in rows]
    page.write_text("\n".join([*HEAD, *(line for each in found for line in markdown(each))]), encoding="utf-8")
    return page


HEAD = [
    "# Names to order",
    "",
    (
        "Written by `python -m bench generate`; do not edit. The distinct names of 18 languages are cut in"
        " halves: `generate` learns"
    ),
    (
        "from one, `classify` from the other, and says of which language names are that it has never seen."
        " made: of new names, none"
    ),
    (
        "of which was learned from, the share that is taken for the language asked for; real: the same of the"
        " names that the"
    ),
    "generator learned from, which is what can be reached.",
    "",
]


def markdown(judged: Judged) -> list[str]:
    """A run as a table."""
    rows = [
        f"| {each.name} | {each.learned:,} | {each.real:.2f} | {each.made:.2f} | {each.novel:.2f} |"
        f" {each.distinct:.2f} | {', '.join(judged.examples[each.name])} |"
        for each in judged.languages
    ]
    means = [
        f"| **{name}** | | **{judged.mean('real', weighed):.3f}** | **{judged.mean('made', weighed):.3f}** "
        f"| {judged.mean('novel', weighed):.2f} | {judged.mean('distinct', weighed):.2f} | |"
        for name, weighed in (("as often as in the data", True), ("each language alike", False))
    ]
    reached = "reached" if judged.mean("made", True) >= TARGET else "not reached"
    return [
        f"## `{judged.command}`",
        "",
        (
            f"{judged.nats:.4f} nats per held-out character. Target: {TARGET:.2f} of the names, as often as in"
            f" the data; {reached}. {judged.machine['processor']}, {judged.machine['date']}."
        ),
        "",
        "| language | learned from | real | made | novel | distinct | for example |",
        "|---|---|---|---|---|---|---|",
        *rows,
        *means,
        "",
    ]
