"""Strings to order: rows and their conditions, the model that is told them, what is drawn,
and the task as a whole.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import islice, product
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from instances import fitting, needs_compiler

from unrolled import Net, Recipe, find, train
from unrolled.cli import main
from unrolled.data.string_parts import split
from unrolled.data.string_rows import Rows, identifiers, read_rows
from unrolled.data.strings import Strings
from unrolled.errors import UsageError
from unrolled.models import ending
from unrolled.models.draw import DrawRule
from unrolled.models.ending import log_chances, strings_with_end
from unrolled.models.kneser_ney import KneserNey
from unrolled.models.language import LanguageModel
from unrolled.models.ngrams import ngram_nats
from unrolled.models.ordered import Ordering, drawn
from unrolled.models.sample import drawing
from unrolled.models.strings import Wanted, marked, nats, strings
from unrolled.scoring import mean_loss
from unrolled.tasks.generate import Generate, gathered

CSV = "text,sex,place\nanna,f,north\notto,m,south\nanna,f,north\nhannah,f,south\nnoah,m,north\nhanno,m,south\n"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    room = tmp_path_factory.mktemp("rows")
    (room / "names.csv").write_text(CSV)
    (room / "names.tsv").write_text(CSV.replace(",", "\t"))
    keys, *rows = [line.split(",") for line in CSV.splitlines()]
    (room / "names.jsonl").write_text("".join(json.dumps(dict(zip(keys, row))) + "\n" for row in rows))
    (room / "many.txt").write_text("anna\n\n otto \nanna\n")
    (room / "labels").mkdir()
    (room / "labels" / "f.txt").write_text("anna\nhannah\n")
    (room / "labels" / "m.txt").write_text("otto\nhannah\n")
    return room


def model_of(characters: int, conditions: int = 0, cell="lstm", layers: int = 1, **options) -> LanguageModel:
    """A model with random biases, and bold ones in its head, so that some characters are
    much likelier than others.
    """
    torch.manual_seed(0)
    options = {"dtype": torch.float64} | options
    model = LanguageModel(characters, cell, 6, layers, conditions=conditions, **options)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(0.7 * torch.randn_like(tensor))
    return model.eval()


# --- rows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["names.csv", "names.tsv", "names.jsonl"])
def test_rows_of_tables_each_once(folder, name):
    rows = read_rows(folder / name)
    assert rows.texts == ["anna", "otto", "hannah", "noah", "hanno"] and rows.names == ("sex", "place")
    assert rows.conditions[2] == ("f", "south")
    assert rows.notes == ("1 row stands there more than once: it counts once",)
    assert read_rows(folder / name, by=["place"]).conditions[1] == ("south",)
    assert read_rows(folder / name, strings="place", by=["sex"]).texts == ["north", "south", "south", "north"]
    assert rows.digest != read_rows(folder / name, by=["place"]).digest


def test_rows_of_lines_and_of_a_folder(folder):
    lines = read_rows(folder / "many.txt")
    assert (lines.texts, lines.names, lines.conditions) == (["anna", "otto"], (), [(), ()])
    labels = read_rows(folder / "labels")
    assert labels.names == ("label",) and ("hannah", ("m",)) in zip(labels.texts, labels.conditions)


def test_what_no_row_can_be(folder, tmp_path):
    (tmp_path / "bad.csv").write_text("text,sex\nanna,f\n,m\n")
    (tmp_path / "wide.csv").write_text("text,number\n" + "".join(f"a{k},{k}\n" for k in range(1001)))
    (tmp_path / "long.txt").write_text("a" * 70_000 + "\n")
    (tmp_path / "empty").mkdir()
    for name, options, said in (
        ("bad.csv", {}, "bad.csv, line 3: text is empty: a text is expected"),
        ("wide.csv", {}, "the column 'number' has 1,001 different values, and a condition has at most 1,000"),
        ("long.txt", {}, "a string of 70,000 characters: 65,536 are allowed"),
        ("empty", {}, "has no .txt files: give one a label"),
        ("nothing.csv", {"option": "--train"}, "--train .*nothing.csv does not exist"),
        ("bad.csv", {"strings": "name"}, "no column 'name'"),
        ("bad.csv", {"strings": "text", "by": ["text"]}, "names a column twice, or the strings' own, 'text'"),
    ):
        with pytest.raises(UsageError, match=said):
            read_rows(tmp_path / name, **options)
    skipped = read_rows(tmp_path / "bad.csv", skip_bad=True)
    assert skipped.texts == ["anna"] and "1 row left out: line 3" in skipped.notes[0]


def test_names_of_pythons_own_library_have_their_kinds():
    rows = identifiers()
    of = dict(zip(rows.texts, rows.conditions))
    assert of["ArgumentParser"] == ("class",) and of["ArgumentError"] == ("exception",)
    assert len(rows.texts) > 1000 and all(text.isidentifier() for text in rows.texts)
    assert not any(text.startswith("__") for text in rows.texts)


def test_a_string_is_on_one_side_and_what_nothing_else_has_is_learned_from():
    texts = [f"{a}{b}" for a, b in product("abcdefgh", "abcdefgh")] * 2 + ["aé", "xa"]
    conditions = [("one",)] * 64 + [("two",)] * 64 + [("one",), ("three",)]
    training, held_out = split(Rows("here", texts, ("kind",), conditions), 0.2)
    assert not set(training.texts) & set(held_out.texts)
    assert len(training.texts) + len(held_out.texts) == len(texts) and 16 <= len(held_out.texts) <= 30
    assert "aé" in training.texts and "xa" in training.texts
    assert set("".join(held_out.texts)) <= set("".join(training.texts))
    with pytest.raises(
        UsageError, match="no row could be held out, for each has a character or a value that no other"
    ):
        split(Rows("here", ["ab", "cd"], (), [(), ()]), 0.5)


# --- the encoding ---------------------------------------------------------------------------------------------


@pytest.fixture
def encoding(folder) -> Strings:
    rows = read_rows(folder / "names.csv")
    return Strings.of(rows.texts, rows.conditions, rows.names)


def test_an_encoding_is_its_json(encoding):
    stored = json.loads(json.dumps(encoding.to_json()))
    assert Strings.of_json(stored) == encoding
    assert encoding.given(("m", "north")).tolist() == [0, 1, 1, 0] and encoding.width == 4
    assert len(encoding) == 6 and encoding.decode(encoding.encode("hanno")) == "hanno" and encoding.longest == 6


@pytest.mark.parametrize(
    "field, value",
    [
        ("characters", ["a", "a"]),
        ("columns", [{"name": "sex", "values": ["m", "f"]}]),
        ("columns", [{"name": 1, "values": ["f"]}]),
        ("columns", [{"name": "sex", "values": []}] * 2),
        ("columns", {}),
        ("combinations", []),
        ("combinations", [[0, 0, 1], [0, 0, 2]]),
        ("combinations", [[0, 2, 1]]),
        ("combinations", [[0, 0, 0]]),
        ("combinations", [[0, 0, True]]),
        ("combinations", [[0, 1]]),
        ("longest", 0),
        ("longest", 10**9),
        ("longest", True),
        ("known", "?"),
        ("known", "AAAA"),
        ("known", 3),
        ("more", 1),
    ],
)
def test_a_strangers_encoding_is_checked(encoding, field, value):
    with pytest.raises(ValueError):
        Strings.of_json(encoding.to_json() | {field: value})


def test_what_an_input_asks_for(encoding, folder):
    assert encoding.asked("sex=f, place=north") == {"sex": "f", "place": "north"}
    assert encoding.asked("") == {} and encoding.asked("place=south") == {"place": "south"}
    for text in ("f", "sex=f, sex=m", "sex", "name=f"):
        with pytest.raises(
            UsageError, match="does not say what is wanted: give conditions as 'sex=..., place=...'"
        ):
            encoding.asked(text)
    with pytest.raises(UsageError, match="'x' is not a sex that the model has learned: give one of f, m"):
        encoding.values_of({"sex": "x"})
    one = Strings.of(["a", "b"], [("x, y=1",), ("z",)], ("kind",))
    assert one.asked("x, y=1") == {"kind": "x, y=1"} == one.asked("kind=x, y=1") and one.asked("z") == {
        "kind": "z"
    }
    with pytest.raises(UsageError, match="conditions as 'nothing, for there are none'"):
        Strings.of(["a"], [()], ()).asked("x")


def test_what_is_left_open_is_as_in_the_rows(encoding):
    assert encoding.values_of({}) == [
        (("f", "north"), 1),
        (("f", "south"), 1),
        (("m", "north"), 1),
        (("m", "south"), 2),
    ]
    assert encoding.values_of({"sex": "m"}) == [(("m", "north"), 1), (("m", "south"), 2)]
    assert encoding.values_of({"sex": "m", "place": "north"}) == [(("m", "north"), 1)]
    apart = Strings.of(["a", "b"], [("1", "x", "p"), ("2", "y", "q")], ("k", "l", "m"))
    with pytest.raises(
        UsageError, match="no row to learn from had k=1 and l=y, so nothing says m: give it, too"
    ):
        apart.values_of({"k": "1", "l": "y"})
    # Never seen together, and asked for.
    assert apart.values_of({"k": "1", "l": "y", "m": "p"}) == [(("1", "y", "p"), 1)]


# --- the model ------------------------------------------------------------------------------------------------


def test_conditions_stand_beside_every_character():
    model = model_of(5, 3)
    x, given = torch.tensor([[0, 4], [2, 1], [3, 3]]), torch.rand(2, 3, dtype=torch.float64)
    wide = torch.cat([torch.eye(5, dtype=torch.float64)[x], given.expand(3, 2, 3)], -1)
    y, state = model.rnn(wide)
    logits, last = model((x, given))
    assert torch.equal(logits, model.head(y)) and all(map(torch.equal, state, last))
    assert not torch.equal(model((x, torch.zeros_like(given)))[0], logits)


@pytest.mark.parametrize(
    "cell", ["lstm", "gru", "mgu", "intersection_rnn", "t_gru", "second_order_rnn", "hyper_lstm"]
)
def test_chunks_and_steps_are_the_whole(cell):
    """Streaming is offline, for a causal model that is told what is wanted at every step."""
    model = made_for(cell)
    x, given = torch.randint(5, (7, 3), generator=torch.Generator().manual_seed(0)), torch.rand(3, 3).double()
    whole, last = model((x, given))
    first, state = model((x[:3], given))
    rest, state = model((x[3:], given), state)
    torch.testing.assert_close(torch.cat([first, rest]), whole, rtol=0, atol=1e-12)
    state = None
    for t in range(7):
        logits, state = model.step((x[t], given), state)
        torch.testing.assert_close(logits, whole[t], rtol=0, atol=1e-12)
    for a, b in zip(state, last):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def made_for(cell: str, layers: int = 1, backend: str = "auto") -> LanguageModel:
    """A model of 5 characters and 3 conditions, as wide as the cell's equations ask for."""
    sizes = fitting(find(cell), {"I": 8, "H": 6})
    torch.manual_seed(0)
    model = LanguageModel(
        sizes["I"] - 3, cell, sizes["H"], layers, conditions=3, dtype=torch.float64, backend=backend
    )
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(0.5 * torch.randn_like(tensor))
    return model.eval()


@needs_compiler
@pytest.mark.parametrize(
    "cell, layers",
    [("lstm", 2), ("gru", 1), ("t_gru", 1), ("intersection_rnn", 1), ("second_order_rnn", 1), ("qrnn", 1)],
)
def test_c_draws_under_conditions_what_torch_draws(cell, layers):
    prime, given = torch.tensor([4, 1, 2]), torch.tensor([0.0, 1.0, 0.5], dtype=torch.float64)
    found = []
    for backend in ("auto", "reference"):
        model = made_for(cell, layers, backend)
        draws = drawing(model, prime, DrawRule(), range(5), given=given)
        # C's, or the function that steps torch.
        assert (type(draws).__name__ == "method") == (backend == "auto")
        found.append(draws(30))
    assert torch.equal(*found)
    other = drawing(
        made_for(cell, layers), prime, DrawRule(), range(5), given=torch.zeros(3, dtype=torch.float64)
    )(30)
    assert not torch.equal(found[0], other)


# --- what is drawn --------------------------------------------------------------------------------------------


def chance_of(model: LanguageModel, text: tuple[int, ...], rule: DrawRule, given=None) -> float:
    """The probability that the model draws a string, character by character."""
    inputs, targets = marked([text], model.characters - 1)
    with torch.no_grad():
        logits, _ = model(inputs if given is None else (inputs, given[None]))
    logs = log_chances(logits[:, 0], rule)
    return math.exp(sum(logs[t, c].item() for t, c in enumerate(targets[:, 0].tolist())))


@pytest.mark.parametrize(
    "rule",
    [
        DrawRule(),
        DrawRule(0.6),
        DrawRule(1.3, top_k=2),
        DrawRule(top_p=0.7),
        DrawRule(0.8, 3, 0.6),
        DrawRule(top_k=1),
    ],
    ids=str,
)
def test_chances_are_those_that_are_drawn_by(rule):
    """Of one step of the model, 4,000 times."""
    model = model_of(4)
    draws = drawing(model, torch.tensor([3, 1]), rule, range(4000))(1)[0]
    with torch.no_grad():
        chances = log_chances(model(torch.tensor([[3], [1]]))[0][-1], rule).exp()[0]
    shares = draws.bincount(minlength=4) / 4000
    assert chances.sum().item() == pytest.approx(1) and (shares - chances).abs().max() < 0.03
    assert ((shares > 0) <= (chances > 0)).all()


def test_a_seed_makes_its_string_whatever_is_made_beside_it():
    model, given = model_of(5, 3), torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    wanted = Wanted(12, begin=(2, 1), given=given)
    whole = strings(model, wanted, range(40))
    assert [strings(model, wanted, [seed])[0] for seed in range(40)] == whole
    done = [text for text in whole if text is not None]
    assert len(done) > 20 and all(
        text[:2] == (2, 1) and 2 <= len(text) <= 12 and 4 not in text for text in done
    )
    short = strings(model, Wanted(3, begin=(2, 1), given=given), range(40))
    assert [text for text in whole if text and len(text) <= 3] == [text for text in short if text is not None]
    with_end = Wanted(12, begin=(2,), end=(0, 1), given=given)
    ended = strings_with_end(model, with_end, range(20))
    assert [strings_with_end(model, with_end, [seed])[0] for seed in range(20)] == ended
    assert all(text[0] == 2 and text[-2:] == (0, 1) and len(text) <= 12 for text in ended if text is not None)


@pytest.mark.parametrize(
    "begin, end, rule",
    [
        ((), (0,), DrawRule()),
        ((), (1, 0), DrawRule(0.7)),
        ((0,), (1, 0), DrawRule()),
        ((0, 1), (1, 0), DrawRule(1.2)),
        ((1,), (1,), DrawRule()),
    ],
    ids=str,
)
def test_strings_with_an_end_are_those_of_the_model_that_end_so(begin, end, rule, monkeypatch):
    """Against every string there is, up to 7 characters of two, by chi squared. Overlaps, "ana" of "an" and
    "na", are among them; of what the model draws by itself, as few as 4 in a million end so."""
    model, most = model_of(3), 7
    with torch.no_grad():
        model.head.weight.mul_(4)  # where it stops hangs much on what stands before
    chances = {
        text: chance_of(model, text, rule)
        for length in range(most + 1)
        for text in product((0, 1), repeat=length)
        if text[: len(begin)] == begin and len(text) >= len(end) and text[len(text) - len(end) :] == end
    }
    monkeypatch.setattr(ending, "TOGETHER", 500)
    total, count = sum(chances.values()), 1000
    found = Counter(strings_with_end(model, Wanted(most, rule, begin, end), range(count)))
    assert set(found) <= set(chances)
    due = {text: count * chance / total for text, chance in chances.items()}
    often = [text for text in due if due[text] >= 5]
    squares = sum((found[text] - due[text]) ** 2 / due[text] for text in often)
    freedom = len(often) - 1
    assert freedom >= 4 and squares < freedom + 5 * math.sqrt(2 * freedom)


def test_at_temperature_0_an_end_gives_the_likeliest_string_found():
    model, most, end = model_of(3), 7, (1, 0)
    every = [(*text, *end) for length in range(most - 1) for text in product((0, 1), repeat=length)]
    best = max(every, key=lambda text: chance_of(model, text, DrawRule()))
    assert strings_with_end(model, Wanted(most, DrawRule(0.0), (), end), [0, 1, 2]) == [best] * 3


def test_an_end_that_cannot_be_is_none():
    model = model_of(3)
    with torch.no_grad():
        model.head.bias[1] = -math.inf
    assert strings_with_end(model, Wanted(7, end=(1,)), range(3)) == [None] * 3
    assert strings_with_end(model, Wanted(2, end=(0, 0, 0)), range(3)) == [None] * 3
    assert strings_with_end(model, Wanted(3, end=(0, 0, 0)), range(3)) == [(0, 0, 0)] * 3


def test_nats_of_strings_are_those_of_their_characters():
    model, given = model_of(4, 2), torch.tensor([[1.0, 0], [0, 1.0], [0, 0]], dtype=torch.float64)
    texts = [(0, 1, 2), (), (2,)]
    alone = [-math.log(chance_of(model, text, DrawRule(), row)) for text, row in zip(texts, given)]
    assert nats(model, texts, given) == pytest.approx(alone)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_an_n_gram_model_reads_each_string_by_itself(order):
    """No string sees the one before it; the mark at its end counts, those that keep strings apart do not."""
    draw = torch.Generator().manual_seed(0)
    texts = [tuple(torch.randint(3, (k % 5,), generator=draw).tolist()) for k in range(60)]
    learned, held_out, apart = texts[:40], texts[40:], [3] * max(1, order - 1)
    text = torch.tensor([*apart, *(c for text in learned for c in (*text, *apart))])
    model, lost, count = KneserNey.of(text, 4, order), 0.0, 0
    for string in held_out:
        nats_of = model.nats(torch.tensor([*apart, *string, 3]))
        lost, count = lost + nats_of[len(apart) - 1 :].sum().item(), count + len(string) + 1
    assert ngram_nats(learned, held_out, order, 4) == pytest.approx(lost / count)
    if order == 1:  # by frequency, but for a discount
        frequency = text[1:].bincount(minlength=4) / (len(text) - 1)
        assert lost / count == pytest.approx(
            -sum(frequency[c].log().item() for text in held_out for c in (*text, 3)) / count, abs=0.02
        )


# --- the task -------------------------------------------------------------------------------------------------

SMALL = {"net": Net("gru", hidden=16, dropout=0.0), "recipe": Recipe(rate=2e-2, batch=16, precision="float32")}


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    """Words of two kinds: "low" of a to c, "high" of x to z, each with its mirror in the other column."""
    rows = [("".join(word), "low") for n in (2, 3, 4) for word in product("abc", repeat=n)]
    rows += [("".join(word), "high") for n in (2, 3, 4) for word in product("xyz", repeat=n)]
    file = tmp_path_factory.mktemp("words") / "words.csv"
    file.write_text("text,kind\n" + "".join(f"{word},{kind}\n" for word, kind in rows[::2] + rows[1::2]))
    return file


@pytest.fixture(scope="module")
def run(words, tmp_path_factory):
    return train(
        Generate(train=words, **SMALL), epochs=12, out=tmp_path_factory.mktemp("run") / "run", quiet=True
    )


def test_neither_batches_nor_their_order_nor_padding_change_the_loss(run, words):
    """Every held-out string counts once, with its mark."""
    task, data = run.task, run.task.data()
    rows = data.validation
    whole = mean_loss(task, run.model, data.held_out())
    alone = mean_loss(task, run.model, [gathered(data.encoding, [row]) for row in rows[::-1]])
    by_three = mean_loss(
        task, run.model, [gathered(data.encoding, rows[k : k + 3]) for k in range(0, len(rows), 3)]
    )
    given = torch.stack([data.encoding.given(row.values) for row in rows])
    lost = nats(run.model, [row.text for row in rows], given)
    by_hand = sum(lost) / sum(len(row.text) + 1 for row in rows)
    assert [alone, by_three, by_hand] == pytest.approx([whole] * 3, rel=1e-5)
    assert sum(batch.count for batch in data.held_out()) == len(rows) == data.held_out_size
    assert whole < min(task.baseline(data).values())  # it knows the kind, which the n-grams do not
    epoch = [data.batch(step) for step in range(data.steps_per_epoch)]
    assert sum(batch.count for batch in epoch) == data.training_size


def test_what_is_asked_for_is_given(run):
    ask = Ordering(count=30, temperature=1.0, repeats=True)
    for kind, letters in (("low", "abc"), ("high", "xyz")):
        (made,) = run.predict([kind], ask)
        assert len(made.strings) == 30 and made.asked == {"kind": kind}
        assert sum(set(text) <= set(letters) for text, _ in made.strings) >= 27
        assert all(values == (kind,) for _, values in made.strings)
    (made,) = run.predict(["kind=low"], Ordering(count=5, begin="b", end="ca", longest=7, temperature=1.5))
    assert made.strings and all(t[0] == "b" and t[-2:] == "ca" and len(t) <= 7 for t, _ in made.strings)
    (mixed,) = run.predict([], Ordering(count=40, temperature=1.5))
    assert {values for _, values in mixed.strings} == {("low",), ("high",)}
    low, high = run.predict(["low", "high"], Ordering(count=2))
    assert (low.asked["kind"], high.asked["kind"]) == ("low", "high")


def test_no_string_is_one_that_was_learned_from_unless_repeats_may_come(run):
    learned = set(map(run.encoding.decode, (row.text for row in run.task.data().training)))
    held_out = set(map(run.encoding.decode, (row.text for row in run.task.data().validation)))
    ask = Ordering(count=30, temperature=1.0)
    (made,) = run.predict(["low"], ask)
    texts = [text for text, _ in made.strings]
    assert len(texts) == len(set(texts)) and not set(texts) & learned and set(texts) & held_out
    (again,) = run.predict(["low"], Ordering(count=30, temperature=1.0, repeats=True))
    repeated = [text for text, _ in again.strings]
    assert len(repeated) == 30 and set(repeated) & learned and len(set(repeated)) < 30


def test_shares_are_counted_over_all_that_was_drawn(run):
    ask = Ordering(count=20, temperature=1.0, longest=4)
    (made,) = run.predict(["high"], ask)
    every = list(islice(drawn(run.model, run.encoding, {"kind": "high"}, ask), made.tally.drawn))
    valid = [each.text for each in every if each.text]
    novel = [text for text in valid if not run.encoding.is_known(text)]
    assert made.tally.shares() == {
        "valid": len(valid) / len(every),
        "novel": len(novel) / len(valid),
        "distinct": len(set(valid)) / len(valid),
    }
    assert [text for text, _ in made.strings] == list(dict.fromkeys(novel)) and 0 < len(valid) < len(every)
    said = "".join(made.pieces()).splitlines()
    assert said[:-1] == [text for text, _ in made.strings]
    assert said[-1].startswith(f"(kind=high: {len(made.strings)} of {len(every)} drawn, ")
    stored = made.to_json()
    assert list(stored) == ["asked", "strings", "drawn", "valid", "novel", "distinct"]
    assert stored["strings"][0]["conditions"] == {"kind": "high"} and stored["strings"][0]["nats"] > 0


def test_a_seed_makes_the_same_strings_however_many_are_made(run):
    (few,) = run.predict(["low"], Ordering(count=3, seed=7))
    (many,) = run.predict(["low"], Ordering(count=30, seed=7))
    assert many.strings[:3] == few.strings
    (next_one,) = run.predict(["low"], Ordering(count=3, seed=8))
    assert next_one.strings != few.strings


def test_where_nothing_new_is_left_fewer_are_given(run):
    (made,) = run.predict(["low"], Ordering(count=500, longest=2))
    # Of 56 with at most 2 letters, many were learned from.
    assert 5 < len(made.strings) < 50 and made.tally.drawn == 50_000
    (frozen,) = run.predict(["low"], Ordering(count=4, temperature=0, repeats=True))
    assert len({text for text, _ in frozen.strings}) == 1 and frozen.tally.drawn == 4


@pytest.mark.parametrize(
    "inputs, options, said",
    [
        (["middle"], {}, "'middle' is not a kind that the model has learned: give one of high, low"),
        ([], {"count": 0}, "--count 0 is below 1: give how many strings to make."),
        ([], {"temperature": -1.0}, "--temperature -1.0 is not a number from 0 up"),
        ([], {"seed": -1}, "--seed -1 is out of range"),
        ([], {"longest": 0}, "--longest 0 is out of range"),
        (
            [],
            {"longest": 2, "begin": "abc"},
            "--longest 2 is shorter than what the strings are to begin or end with, 3 char",
        ),
        ([], {"begin": "aq"}, "--begin has characters that the training text never had: 'q'"),
        ([], {"end": "é"}, "--end has characters that the training text never had: 'é'"),
    ],
)
def test_what_cannot_be_made_is_said(run, inputs, options, said):
    with pytest.raises(UsageError) as error:
        for made in run.predict(inputs, Ordering(**options)):
            list(made.pieces())
    assert said in str(error.value)


def test_figures_come_with_their_baseline(run, words):
    scored = run.evaluate(words)
    assert scored.count == 234 and list(scored.figures) == [
        "nats_per_character",
        "bits_per_character",
        "valid",
        "novel",
        "distinct",
    ]
    assert "strings drawn" in run.task.sentence(scored.figures)
    assert set(run.task.baseline(run.task.data())) == {"1-gram, nats", "5-gram, nats"}


def test_held_out_rows_of_ones_own(words, tmp_path):
    (tmp_path / "valid.csv").write_text("kind,text\nlow,abcabc\nlow,ab\nhigh,zzzzz\n")
    data = Generate(train=words, valid=tmp_path / "valid.csv", **SMALL).data()
    assert data.held_out_size == 3 and data.training_size == 234
    assert data.notes == ("1 of the 3 strings of --valid are learned from as well",)
    assert data.digest != Generate(train=words, **SMALL).data().digest
    tested = Generate(train=words, valid=tmp_path / "valid.csv", test=tmp_path / "valid.csv", **SMALL).data()
    assert sum(batch.count for batch in tested.test()) == 3 and tested.digest != data.digest
    assert tested.notes[1] == "1 of the 3 strings of --test are learned from as well"
    (tmp_path / "valid.csv").write_text("kind,text\nmiddle,ab\n")
    with pytest.raises(UsageError, match="'middle' is not a kind that the model has learned"):
        Generate(train=words, valid=tmp_path / "valid.csv").data()
    with pytest.raises(UsageError, match="--valid and --test go with --train"):
        Generate(valid=tmp_path / "valid.csv").data()


def test_the_command_line_from_rows_to_strings(words, tmp_path, capsys):
    folder = str(tmp_path / "run")
    options = ["--hidden=8", "--cell=elman", "--rate=0.02", "--precision=float32"]
    assert main(["train", "generate", f"--train={words}", f"--out={folder}", "--epochs=2", *options]) == 0
    out = capsys.readouterr().out
    assert (
        "5-gram, nats" in out
        and "211 strings to learn, 23 held out" in out
        and "distinct on the held-out part" in out
    )
    assert main(["predict", folder, "low", "--count", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["asked"] == {"kind": "low"}
    assert main(["predict", folder]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11 and all(line.split("\t")[1] in ("low", "high") for line in lines[:-1])
    assert main(["evaluate", folder, "--data", str(words), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["strings"] == 234
    assert main(["predict", folder, "middle"]) == 2
    assert "give one of high, low" in capsys.readouterr().err


def test_a_file_of_lines_has_no_conditions(tmp_path):
    (tmp_path / "words.txt").write_text("".join("".join(word) + "\n" for word in product("abc", repeat=3)))
    task = Generate(train=tmp_path / "words.txt", **SMALL)
    run = train(task, epochs=2, out=tmp_path / "run", quiet=True)
    (made,) = run.predict([], Ordering(count=3, repeats=True))
    assert len(made.strings) == 3 and made.strings[0].values == () and run.model.conditions is None
    assert made.to_json()["strings"][0]["conditions"] == {}
    assert "".join(made.pieces()).splitlines()[0] == made.strings[0].text


@pytest.mark.parametrize("weights", ["", "int8"])
def test_the_model_in_onnxruntime_makes_the_same_strings(run, tmp_path, weights):
    """Step by step, its state handed on: what the likeliest characters are."""
    onnx_cases = pytest.importorskip("onnx_cases")
    from unrolled.exports.write import export

    written = export(run.model, tmp_path / "m.onnx", weights=weights)
    assert written.inputs == ("x", "given", "h_in", "[lengths]")
    session, given = onnx_cases.session(written.path), run.encoding.given(("high",))[None]
    x = torch.randint(len(run.encoding), (6, 3), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = run.model((x, given.expand(3, -1)))
    found = onnx_cases.ran(session, (x, given.expand(3, -1)), run.model.rnn.first_state(3))
    if not weights:
        onnx_cases.compare(found, expected, "generate")
    assert (found[0] - expected[0]).abs().max() < 0.2 and (weights == "") == (written.difference is None)
    (made,) = run.predict(["high"], Ordering(count=1, temperature=0, repeats=True))
    state, character, text = run.model.rnn.first_state(1)[0], len(run.encoding) - 1, []
    while len(text) < 9:
        logits, state = onnx_cases.ran(session, (torch.tensor([[character]]), given), (state,))
        character = int(logits.argmax())
        if character == len(run.encoding) - 1:
            break
        text.append(character)
    assert run.encoding.decode(text) == made.strings[0].text


def test_dropout_rises_with_how_often_the_rows_are_read():
    task, rows = Generate(), SimpleNamespace(training_size=1000)
    found = [task.dropout(50_000, rows, epochs) for epochs in (None, 0.5, 8, 20, 1000)]
    assert found == [0.2, 0.11, 0.26, 0.5, 0.6]
    # Few weights learn little by heart.
    assert task.dropout(20_000, rows, 20) == 0.3 and task.dropout(0, rows, 20) == 0.1
    assert Generate(net=Net(dropout=0.0)).dropout(50_000, rows, 20) == 0.0
