"""`train --from` with symbols that the run has not seen, for every task: what it said of the others it
says still, and it learns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_engine import stopped
from test_resume import assert_same_end

from unrolled import CharLM, Classify, Generate, Net, Recipe, Tag, Translate, WordLM, open_run, resume, train
from unrolled.data.known import no_room
from unrolled.data.words import Words
from unrolled.errors import UsageError
from unrolled.models.classifier import PaddedRows
from unrolled.models.saying import Saying
from unrolled.runs.folder import RunFolder
from unrolled.training.fine_tune import new_symbols

pytestmark = pytest.mark.usefixtures("one_thread")

PAIRS = ["a dog\tein Hund", "a cat\teine Katze", "the dog\tder Hund", "the cat\tdie Katze"]
MORE_PAIRS = ["the cow\tdie Kuh", "a cow\teine Kuh", "a dog\tein Hund"]
SENTENCES = [
    "Anna\tB-PER\nsees\tO\nRome\tB-LOC\n",
    "Otto\tB-PER\nsees\tO\nher\tO\n",
    "we\tO\nleave\tO\nRome\tB-LOC\n",
]
MORE_SENTENCES = ["Zoë\tB-PET\nsees\tO\nRome\tB-LOC\n", "we\tO\nsee\tO\nZoë\tB-PET\n"]
NAMES = ["anna,f,north", "otto,m,south", "hanna,f,south", "nott,m,north", "tanna,f,north", "honat,m,south"]
MORE_NAMES = ["x,xixy,west", "x,yxix,west", "x,ixyx,west", "x,xyxi,west", "x,iyxy,west", "f,hatta,north"]


@dataclass(frozen=True)
class Case:
    """A task, its data, data with new symbols, and how they are written.

    scores  of a model, of a batch: (..., symbols) of each symbol that it may say
    places  in a grown encoding, of what the known one may say
    learned whether a run says what is new
    """

    task: Any
    option: str
    old: str
    new: str
    scores: Callable[[Any, Any], torch.Tensor]
    learned: Callable[[Any], bool]
    new_said: str
    places: Callable[[Any, Any], list[int]] | None = None
    suffix: str = "txt"


def _said(model: Any, batch: Any) -> torch.Tensor:
    return model(batch.inputs)[0]


def _translated(model: Any, batch: Any) -> torch.Tensor:
    memory, state = model.read(batch.inputs.symbols, batch.inputs.lengths)
    return model.logits(model.say(batch.targets.symbols[:-1], memory, state)[0])


def _text(run: Any, *inputs: str, **options: Any) -> str:
    answers = list(run.predict(inputs, run.task.Ask(**options)))
    return "".join("".join(answer.pieces()) for answer in answers)


RECIPE = Recipe(rate=2e-2, batch=8, clip=1.0, decay=0.0, precision="float32")
NET = Net("gru", hidden=16, layers=1, dropout=0.0)
GROWN = "I grew up in Japan. I speak fluent Japanese.\n"
WORDS = WordLM(net=replace(NET, hidden=24), recipe=replace(RECIPE, batch=4), span=12)
LM_TEXT = "".join(
    f"I grew up in {land}. I speak fluent {tongue}.\n"
    for land, tongue in (("France", "French"), ("Spain", "Spanish"), ("Holland", "Dutch"), ("Italy", "Italian"))
)
CASES = {
    "char-lm": Case(
        CharLM(net=NET, recipe=RECIPE, span=8),
        "text",
        "abab cabac abba\n" * 40,
        "xyxy xyxy ab\n" * 40,
        _said,
        lambda run: "xy" in _text(run, "xyx", length=8, temperature=0),
        "characters +2",
    ),
    "word-lm": Case(
        WORDS,
        "text",
        LM_TEXT * 12,
        GROWN * 40,
        _said,
        lambda run: "Japanese" in _text(run, "I grew up in Japan.", length=6, temperature=0),
        "words +2",
    ),
    "word-lm, adaptive": Case(
        replace(WORDS, softmax="adaptive", width=16),
        "text",
        LM_TEXT * 12,
        GROWN * 40,
        _said,
        lambda run: "Japanese" in _text(run, "I grew up in Japan.", length=6, temperature=0),
        "words +2",
    ),
    "translate": Case(
        Translate(units="words", embedding=12, net=NET, recipe=RECIPE, smoothing=0.0),
        "pairs",
        "".join(f"{each}\n" for each in PAIRS * 12),
        "".join(f"{each}\n" for each in MORE_PAIRS * 12),
        _translated,
        lambda run: _text(run, "the cow") == "die Kuh",
        "source symbols words +1, target symbols words +1",
        suffix="tsv",
    ),
    "generate": Case(
        Generate(net=NET, recipe=RECIPE),
        "train",
        "text,sex,place\n" + "".join(f"{each}\n" for each in NAMES),
        "sex,text,place\n" + "".join(f"{each}\n" for each in MORE_NAMES),
        _said,
        lambda run: "x" in _text(run, "sex=x, place=west", count=3, repeats=True),
        "characters +3, columns sex values +1, columns place values +1",
        places=lambda known, grown: [*range(len(known) - 1), len(grown) - 1],
        suffix="csv",
    ),
    "classify": Case(
        Classify(members=2, net=NET, recipe=RECIPE, pool="mean and max"),
        "train",
        "label,text\n" + "".join(f"{'ab'[k % 2]},{'no' if k % 2 else 'yes'}{k}\n" for k in range(60)),
        "label,text\n" + "".join(f"{'ac'[k % 2]},{'what?' if k % 2 else 'yes'}{k}\n" for k in range(60)),
        lambda model, batch: model(PaddedRows(*batch.inputs)),
        lambda run: next(run.predict(["what?7"])).to_json()["label"] == "c",
        "labels +1, symbols +5",
        suffix="csv",
    ),
    "tag": Case(
        Tag(width=12, net=NET, recipe=replace(RECIPE, average=None)),
        "train",
        "\n".join(SENTENCES * 12),
        "\n".join(MORE_SENTENCES * 12),
        lambda model, batch: model(batch.inputs),
        lambda run: "B-PET" in _text(run, "we see Zoë"),
        "words +2, letters +2, shapes +1, tags +2",
    ),
}


@pytest.fixture(scope="module", params=CASES)
def grown(request, tmp_path_factory):
    """A case, its first run, and one that goes on from it with new symbols."""
    case, folder = CASES[request.param], tmp_path_factory.mktemp("grown")
    for name in ("old", "new"):
        (folder / f"{name}.{case.suffix}").write_text(getattr(case, name), encoding="utf-8")
    old, new = (folder / f"{name}.{case.suffix}" for name in ("old", "new"))
    run = train(
        replace(case.task, **{case.option: old, "valid": old}), epochs=8, out=folder / "old", quiet=True
    )
    task = replace(case.task, **{case.option: new, "valid": new})
    return case, run, train(task, epochs=30, start=run, out=folder / "new", quiet=True)


def _begun(run: Any) -> torch.nn.Module:
    """The model as it was before its first step."""
    model = run.task.model(run.encoding).eval()
    model.load_state_dict(RunFolder(run.folder).start().tensors)
    return model


def test_what_is_known_is_said_as_it_was_and_what_is_new_is_never_likelier(grown):
    case, run, new = grown
    source = getattr(run.task, case.option)
    compared = 0
    with torch.no_grad():
        for old_batch, new_batch in zip(*(run.task.read(each.encoding, source) for each in (run, new))):
            before, now = case.scores(run.model, old_batch), case.scores(_begun(new), new_batch)
            symbols = before.shape[-1]
            places = case.places(run.encoding, new.encoding) if case.places else list(range(symbols))
            assert now.shape[-1] > symbols
            kept = now[..., places]
            # Of an adaptive softmax they are logarithms of chances, of which the last group gives some away.
            allowed = (
                0.2 if "adaptive" in repr(run.task.softmax if hasattr(run.task, "softmax") else "") else 1e-5
            )
            assert (kept - before).abs().max() < allowed
            others = [k for k in range(now.shape[-1]) if k not in places]
            assert (now[..., others].amax(-1) <= kept.amax(-1)).all()
            compared += before.numel()
    assert compared


def test_what_is_new_is_learned_and_said(grown):
    case, run, new = grown
    assert new_symbols(run.encoding, new.encoding) == case.new_said
    assert RunFolder(new.folder).settings().chosen["new to these weights:"] == case.new_said
    assert case.learned(open_run(new.folder))


def test_a_grown_run_is_evaluated_on_old_and_new_data(grown):
    case, run, new = grown
    for source in (getattr(each.task, case.option) for each in (run, new)):
        found = open_run(new.folder).evaluate(source)
        assert found.count and all(isinstance(value, float) for value in found.figures.values())


def test_a_grown_run_is_resumed_bit_for_bit(grown, tmp_path, monkeypatch):
    case, run, new = grown
    train(new.task, epochs=2, start=run, out=tmp_path / "whole", quiet=True)
    stopped(monkeypatch, new.task, tmp_path / "run", 1, epochs=2, start=run)
    resume(tmp_path / "run", quiet=True)
    for folder in (tmp_path / "whole", tmp_path / "run"):
        (folder / "samples.txt").touch()
    assert_same_end(tmp_path / "whole", tmp_path / "run")


def test_a_run_goes_on_from_a_grown_one(grown, tmp_path):
    case, run, new = grown
    again = train(
        replace(new.task, **{case.option: getattr(run.task, case.option)}),
        epochs=1,
        start=new,
        out=tmp_path / "again",
        quiet=True,
    )
    assert not new_symbols(new.encoding, again.encoding)
    assert again.encoding.to_json().keys() == new.encoding.to_json().keys()


# --- what cannot grow


def test_a_vocabulary_grows_up_to_its_limit_and_says_so(tmp_path):
    (tmp_path / "old.txt").write_text(LM_TEXT * 12)
    (tmp_path / "new.txt").write_text("I grew up in Japan. Japan is far, far from here, and so is Peru.\n" * 40)
    run = train(
        replace(WORDS, text=tmp_path / "old.txt", vocabulary=18), epochs=0.1, out=tmp_path / "run", quiet=True
    )
    task = replace(run.task, text=tmp_path / "new.txt")
    data = task.data(run.encoding)
    assert len(run.encoding.words) == 16 and data.encoding.words[16:] == ("Japan", "far")
    assert data.notes == no_room(7, 18)
    assert replace(task, vocabulary=25).data(run.encoding).notes == ()
    assert task.data(data.encoding).encoding == data.encoding  # as a resumed run reads them


def test_words_that_came_later_are_behind_the_groups_of_an_adaptive_softmax():
    words, _ = Words.of([" ".join(f"w{k:05}" for k in range(10_000))]).grown(
        [" ".join(f"n{k}" for k in range(40))], most=20_000
    )
    task = replace(WORDS, softmax="adaptive")
    head, old = (task.model(each).head for each in (words, Words(words.words[:10_000])))
    assert head.cutoffs == old.cutoffs and head.groups[-1].out_features == old.groups[-1].out_features + 40
    assert Words.of_json(words.to_json()) == words
    many, _ = Words.of([" ".join(f"w{k}" for k in range(49_990))]).grown(
        ["a b c d e f g h i j k l m n"], most=10**6
    )
    assert len(many) > 50_000 and type(WORDS.model(many).head).__name__ == "Tied"  # as the run had it


@pytest.mark.parametrize("ranked", [0, 4, -1, 1.5, None, True])
def test_a_stored_number_of_words_in_order_is_checked(ranked):
    with pytest.raises(ValueError, match="in order"):
        Words.of_json({"words": ["a", "b", "c"], "marks": [], "split": "words", "ranked": ranked})


@pytest.mark.parametrize(
    ("name", "new", "options", "said"),
    [
        (
            "generate",
            "text,sex,place,age\nanna,f,north,7\n",
            {},
            "new.csv has the column 'age', and the weights to go on from were learned with sex, place: a new condition cannot be told "
            "to them. Leave it out with --by sex,place, or train afresh, without --from.",
        ),
        (
            "generate",
            "text,sex\nanna,f\n",
            {},
            "new.csv has no column 'place', and the weights to go on from were learned with sex, place: give each row its value, or "
            "train afresh, without --from.",
        ),
        (
            "word-lm",
            LM_TEXT * 12,
            {"tokens": "spaces"},
            "--tokens spaces, and the weights to go on from were learned with words: leave it so, or train afresh, without --from.",
        ),
        (
            "translate",
            "a dog\tein Hund\n" * 20 + "a cat\teine Katze\n" * 20,
            {"units": "characters"},
            "--units characters, and the weights to go on from were learned with words: leave it so, or train afresh, without --from.",
        ),
        (
            "classify",
            "label,text\n" + "a,yes\nb,no\n" * 20,
            {"reads": "words"},
            "--reads words, and the weights to go on from were learned with characters: leave it so, or train afresh, without --from.",
        ),
        (
            "classify",
            "label,x,y\n" + "a,1,2\nb,3,4\n" * 20,
            {},
            "new.csv holds numbers, and the weights to go on from read characters: give texts, or train afresh, without --from.",
        ),
        (
            "tag",
            "we\tPRON\nsee\tVERB\n\n" * 20,
            {},
            "the tags of new.txt are not spans, such as B-PER, and spans in BIO are to be learned: give a file with some, or leave "
            "--learned out.",
        ),
    ],
)
def test_what_cannot_grow_is_one_sentence(tmp_path, monkeypatch, name, new, options, said):
    monkeypatch.chdir(tmp_path)
    case = CASES[name]
    Path(f"old.{case.suffix}").write_text(case.old, encoding="utf-8")
    run = train(
        replace(case.task, **{case.option: Path(f"old.{case.suffix}")}), epochs=0.1, out=Path("run"), quiet=True
    )
    Path(f"new.{case.suffix}").write_text(new, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        train(
            replace(case.task, **{case.option: Path(f"new.{case.suffix}")}, **options),
            epochs=0.1,
            start=run,
            out=Path("never"),
            quiet=True,
        )
    assert str(caught.value) == said and not Path("never").exists()


def test_spans_of_another_scheme_are_learned_and_scored_in_the_runs_own(tmp_path):
    (tmp_path / "bio.txt").write_text("\n".join(SENTENCES * 12))
    (tmp_path / "bioes.txt").write_text("\n".join(each.replace("B-", "S-") for each in SENTENCES * 12))
    (tmp_path / "none.txt").write_text("we\tO\nleave\tO\n\n" * 20)
    task = replace(CASES["tag"].task, train=tmp_path / "bio.txt")
    run = train(task, epochs=15, out=tmp_path / "run", quiet=True)
    again = train(
        replace(task, train=tmp_path / "bioes.txt"), epochs=1, start=run, out=tmp_path / "again", quiet=True
    )
    assert again.encoding.tags == run.encoding.tags
    found = [run.evaluate(tmp_path / file).figures for file in ("bio.txt", "bioes.txt")]
    assert found[0] == found[1] and found[0]["f1"] > 0.5
    assert run.evaluate(tmp_path / "none.txt").count == 20


def test_parts_of_words_stay_as_they_are(tmp_path):
    pytest.importorskip("tokenizers")
    (tmp_path / "old.txt").write_text(LM_TEXT * 12)
    (tmp_path / "new.txt").write_text("日本 Nippon ga suki desu.\n" * 60, encoding="utf-8")
    task = replace(WORDS, tokens="bpe", vocabulary=280)
    run = train(replace(task, text=tmp_path / "old.txt"), epochs=0.1, out=tmp_path / "run", quiet=True)
    new = train(replace(task, text=tmp_path / "new.txt"), epochs=6, start=run, out=tmp_path / "new", quiet=True)
    assert new.encoding == run.encoding
    (answer,) = new.predict(["日本 Nip"], Saying(length=4, temperature=0))
    assert "pon" in answer.text
