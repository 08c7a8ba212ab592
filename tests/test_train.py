"""Training, evaluation and samples: what a run learns, and that its figures are what they say."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from char_lm import char_lm, nats_per_character, sampled
from torch.nn import functional

import unrolled
from unrolled import find
from unrolled.check import check_cell
from unrolled.data.streams import UNSCORED, pieces
from unrolled.errors import CellError, UsageError
from unrolled.models.draw import DrawRule
from unrolled.models.language import LanguageModel
from unrolled.models.sample import write
from unrolled.options import check_options
from unrolled.runs.folder import RunFolder
from unrolled.runs.run import open_run
from unrolled.training.optimiser import groups
from unrolled.training.precision import with_precision
from unrolled.training.schedule import Schedule, first_factor, steps_in
from unrolled.training.start import train

pytestmark = pytest.mark.usefixtures("one_thread")

SHAKESPEARE = Path(os.environ.get("UNROLLED_DATA", "../shared/data")) / "tinyshakespeare" / "input.txt"
VERSE = "the quick brown fox jumps over the lazy dog.\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small model of a text that repeats one line."""
    folder = tmp_path_factory.mktemp("train")
    (folder / "verse.txt").write_text(VERSE * 60)
    task = char_lm(text=folder / "verse.txt", hidden=32, layers=1, dropout=0.0, batch=4, span=16, rate=1e-2)
    return train(task, epochs=8, out=folder / "run", quiet=True)


@pytest.fixture(scope="module")
def verse(run):
    """A file with the line that the run learned, three times."""
    file = run.folder.parent / "three.txt"
    file.write_text(VERSE * 3)
    return file


def with_recipe(task, precision):
    return replace(task, recipe=replace(task.recipe, precision=precision))


def random_text(length, characters=11):
    return torch.randint(characters, (length,), generator=torch.Generator().manual_seed(3))


# --- learning -------------------------------------------------------------------------------------------------


def test_a_line_that_repeats_is_learned_and_written(run):
    last = run.metrics()[-1]
    assert run.finished and last["validation"] < 0.1
    assert sampled(run, "the quick", 35, temperature=0) == VERSE[9:44]


def test_metrics_hold_five_evaluations_and_the_loss_falls(run):
    evaluated = [line["validation"] for line in run.metrics() if "validation" in line]
    assert len(evaluated) == 5 and evaluated[-1] < evaluated[0] / 5
    assert [line["step"] for line in run.metrics()] == sorted({line["step"] for line in run.metrics()})


def test_the_reported_validation_is_that_of_the_saved_weights(run):
    data = run.task.data()
    best = min(line["validation"] for line in run.metrics() if "validation" in line)
    assert nats_per_character(run.model, data.validation) == best
    assert nats_per_character(open_run(run.folder).model, data.validation) == best
    assert next(iter(RunFolder(run.folder).weights().state["figures"].values())) == best


def test_an_untrained_model_finds_all_characters_about_equally_likely():
    torch.manual_seed(0)
    for name in ("lstm", "gru", "elman"):
        model = LanguageModel(65, name, 64, 2)
        assert abs(nats_per_character(model, random_text(2000, 65)) - math.log(65)) < 0.2


def test_the_first_layer_reads_its_one_hot_input_at_full_strength_for_every_cell():
    torch.manual_seed(0)
    model = LanguageModel(32, "elman", 256, 2)  # the cell whose input weights are just called W
    first, second = (layer.W.std().item() for layer in model.rnn.layers)
    assert 0.45 < first < 0.55 and second < 0.05
    model = LanguageModel(32, "rhn", 128)
    assert 0.45 < model.rnn.layers[0].W_t.std().item() < 0.55


def test_forget_gates_of_a_task_begin_nearly_closed_unless_their_cell_was_given_another_first_value(run):
    def gates(cell):
        return [
            layer.b_f
            for layer in replace(run.task, net=replace(run.task.net, cell=find(cell)))
            .model(run.encoding)
            .rnn.layers
        ]

    assert all(b.unique().item() == -1.0 for b in gates("lstm"))
    assert not any(
        (b == -1.0).any() for cell in (unrolled.initialised("lstm", b_f=0.5), "mgu") for b in gates(cell)
    )
    assert LanguageModel(7, "lstm", 5).rnn.layers[0].b_f.unique().item() == 1.0  # a model alone has its cell's


def test_weight_decay_leaves_vectors_and_one_hot_columns_alone():
    model = LanguageModel(7, "lstm", 5, 2)
    decayed, kept = groups(model, 0.3)
    names = {id(weight): name for name, weight in model.named_parameters()}
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.3, 0.0)
    found = {names[id(weight)] for weight in decayed["params"]}
    assert found == {
        "head.weight",
        *(f"rnn.layers.{k}.U_{g}" for k in (0, 1) for g in "ifgo"),
        *(f"rnn.layers.1.W_{g}" for g in "ifgo"),
    }
    assert len(found) + len(kept["params"]) == len(names)


def test_a_cell_of_two_inputs_is_refused():
    with pytest.raises(UsageError) as caught:
        LanguageModel(65, "phased_lstm", 8)
    assert str(caught.value) == (
        "a character model gives one input, the character, and phased_lstm reads 2: x, t. Choose another cell."
    )


def test_the_same_seed_trains_the_same_weights_and_another_seed_others(tmp_path, run):
    ends = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(len(ends) + 1)  # what the caller drew before must not matter
        ends.append(train(run.task, epochs=0.3, seed=seed, out=tmp_path / name, quiet=True).model.head.weight)
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


def test_the_precision_is_settled_when_a_run_begins(tmp_path, run):
    """What "auto" meant is kept, so that a resumed run goes on with it; products of
    bfloat16 numbers learn as well.
    """
    assert run.task.recipe.precision in ("float32", "bf16")
    assert with_precision(char_lm(precision="float32"), None)[0].recipe.precision == "float32"
    losses = {}
    for precision in ("float32", "bf16"):
        made = train(with_recipe(run.task, precision), epochs=8, out=tmp_path / precision, quiet=True)
        assert open_run(tmp_path / precision).task.recipe.precision == precision
        losses[precision] = [line["validation"] for line in made.metrics() if "validation" in line]
    assert losses["float32"] != losses["bf16"] and abs(losses["float32"][-1] - losses["bf16"][-1]) < 0.01
    with pytest.raises(UsageError, match="--precision half is not there: choose one of auto, float32, bf16."):
        check_options(char_lm(precision="half"))


def test_training_leaves_the_callers_random_state_and_threads_alone(tmp_path, run):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(run.task, epochs=0.1, out=tmp_path / "run", quiet=True)
    assert torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == 1


@pytest.mark.parametrize("name", ["jordan", "indrnn", "mingru", "lem", "rhn", "mgu"])
def test_every_kind_of_recurrence_trains_and_comes_back_from_its_folder(tmp_path, run, verse, name):
    task = char_lm(text=run.task.text, cell=name, hidden=8, layers=2, batch=4, span=8)
    trained = train(task, epochs=0.1, out=tmp_path / name, quiet=True)
    again = open_run(trained.folder)
    assert again.evaluate(verse) == trained.evaluate(verse)


# --- evaluation -----------------------------------------------------------------------------------------------


def test_evaluation_of_a_short_text_equals_one_step_after_the_other():
    model = LanguageModel(11, "lstm", 8, 2, dropout=0.5, dtype=torch.float64)
    text, state, total = random_text(700), None, 0.0
    model.eval()
    with torch.no_grad():
        for x, y in zip(text[:-1], text[1:]):
            logits, state = model.step(x[None], state)
            total += functional.cross_entropy(logits, y[None]).item()
    model.train()
    assert nats_per_character(model, text) == pytest.approx(total / 699, abs=1e-12)
    assert model.training


@pytest.mark.parametrize("length", [2, 3, 1025, 2049, 5000, 40_001, 111_539])
def test_every_character_after_the_first_is_scored_exactly_once(length):
    batches = list(pieces(torch.arange(length)))
    inputs, targets = (torch.cat([batch[k] for batch in batches]) for k in (0, 1))
    assert sum(batch.count for batch in batches) == length - 1
    scored = targets[targets != UNSCORED]
    assert torch.equal(scored.sort().values, torch.arange(1, length))
    assert torch.equal(targets[targets != UNSCORED], inputs[targets != UNSCORED] + 1)


def test_evaluation_in_pieces_is_that_of_the_whole():
    torch.manual_seed(1)
    model = LanguageModel(11, "lstm", 16, dtype=torch.float64)
    text = random_text(9000)
    with torch.no_grad():
        logits, _ = model.eval()(text[:-1, None])
        whole = functional.cross_entropy(logits[:, 0], text[1:]).item()
    assert next(pieces(text)).inputs.shape[1] == 8
    assert nats_per_character(model, text) == pytest.approx(whole, abs=1e-6)


def test_the_three_figures_agree(run, verse, tmp_path):
    scored = run.evaluate(verse)
    nats, bits, perplexity = scored.figures.values()
    assert scored.count == 3 * len(VERSE) - 1
    assert bits == pytest.approx(nats / math.log(2))
    assert perplexity == pytest.approx(2**bits)
    (tmp_path / "t.txt").write_text("t")
    with pytest.raises(UsageError):
        run.evaluate(tmp_path / "t.txt")


def test_a_model_is_compared_with_what_frequencies_alone_reach(run):
    """The line's characters by their frequency: its entropy."""
    counts = torch.tensor([VERSE.count(c) for c in set(VERSE)], dtype=torch.float64) / len(VERSE)
    (baseline,) = RunFolder(run.folder).settings().baseline.values()
    assert baseline == pytest.approx(-(counts * counts.log()).sum().item(), abs=0.02)


# --- samples --------------------------------------------------------------------------------------------------


def test_the_same_seed_writes_the_same_text_and_another_seed_another(run):
    one, same, other = (sampled(run, "the ", 200, temperature=2.0, seed=seed) for seed in (1, 1, 2))
    assert one == same != other and len(one) == 200


def test_writing_leaves_the_global_random_state_and_the_mode_alone(run):
    before = torch.get_rng_state()
    run.model.train()
    sampled(run, "the ", 20)
    assert torch.equal(torch.get_rng_state(), before) and run.model.training
    run.model.eval()


def test_top_k_of_one_and_temperature_zero_take_the_likeliest(run):
    assert sampled(run, "the ", 50, top_k=1) == sampled(run, "the ", 50, temperature=0)
    assert sampled(run, "the ", 50, temperature=1e-300) == sampled(run, "the ", 50, temperature=0)


def test_samples_follow_the_models_probabilities():
    torch.manual_seed(2)
    model = LanguageModel(4, "elman", 8).eval()
    with torch.no_grad():
        logits = model(torch.tensor([[1]]))[0][0, 0]
    drawn = torch.tensor(
        [next(write(model, torch.tensor([1]), 1, DrawRule(0.7), seed=seed)) for seed in range(2000)]
    )
    counts = torch.bincount(drawn, minlength=4) / 2000
    assert torch.allclose(counts, torch.softmax(logits / 0.7, 0), atol=0.04)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": -1}, "--length -1 is below 0: give how many characters to write."),
        ({"temperature": -0.5}, "--temperature -0.5 is not a number from 0 up: 0.5 is tame, 1 as learned."),
        ({"temperature": math.nan}, "--temperature nan is not a finite number: give one."),
        ({"top_k": 0}, "--top-k 0 leaves no character to draw: give 1 or more."),
        ({"prime": ""}, "--prime is empty: give at least one character to go on from."),
    ],
    ids=str,
)
def test_wrong_wishes_for_a_sample_are_refused(run, options, message):
    with pytest.raises(UsageError) as caught:
        sampled(run, **options)
    assert str(caught.value) == message


# --- the plan of steps ----------------------------------------------------------------------------------------


def test_the_rate_warms_up_then_falls_to_its_floor():
    plan = Schedule(2000)
    factors = [plan.factor(step) for step in range(2000)]
    assert factors[:2] == [0.01, 0.02] and max(factors) == factors[100] == 1.0
    assert factors[100:] == sorted(factors[100:], reverse=True) and factors[-1] == pytest.approx(0.02, abs=1e-5)


def test_timed_steps_have_the_rate_they_had_before_the_plan_was_known():
    plan = Schedule(300, timed=40)
    assert [plan.factor(step) for step in range(40)] == [first_factor(step) for step in range(40)]


@pytest.mark.parametrize(("at", "more"), [(40, 7), (400, 1600), (400, 900), (1200, 3), (1999, 50), (30, 0)])
def test_a_plan_that_is_settled_again_goes_on_where_the_rate_was(at, more):
    old = Schedule(2000, timed=20)
    new = old.replanned(at, more)
    assert new.steps == at + more and new.share(at) == old.share(at) and new.factor(at) == old.factor(at)
    factors = [new.factor(step) for step in range(max(at, 100), new.steps)]
    assert factors == sorted(factors, reverse=True) and new.share(new.steps) == (1 if more else old.share(at))
    assert all(new.factor(step) == old.factor(step) for step in range(at, 100))
    again = new.replanned(new.steps - more // 2, 10 * more)
    evaluated = [
        s for s in range(at + 1, again.steps + 1) if (again if s > again.since else new).evaluated(s, 5)
    ]
    assert len(evaluated) == min(5 - int(5 * old.share(at)), again.steps - at)


@pytest.mark.parametrize("steps", [1, 3, 9, 10, 11, 999])
def test_a_run_is_evaluated_ten_times_and_always_at_its_end(steps):
    evaluated = [step for step in range(1, steps + 1) if Schedule(steps).evaluated(step, 10)]
    assert evaluated[-1] == steps and len(evaluated) == min(steps, 10)


def test_the_number_of_steps_follows_from_the_median_of_the_timed_ones():
    assert steps_in(10.0, [5, 5, 5, 0.1, 0.1, 7.0], evaluation=20) == 80
    assert steps_in(-1.0, [0.1] * 9, evaluation=0) == 0


def test_minutes_are_kept_about(tmp_path, run):
    trained = train(run.task, minutes=0.1, out=tmp_path / "run", quiet=True)
    plan = json.loads((trained.folder / "settings.json").read_text())["schedule"]
    assert trained.finished and trained.metrics()[-1]["step"] == plan["steps"]
    assert 2 < trained.metrics()[-1]["seconds"] < 30  # 6 asked for, on a machine that others may use


# --- the check ------------------------------------------------------------------------------------------------


def test_check_passes_a_right_cell_and_catches_a_wrong_gradient(monkeypatch):
    assert check_cell(find("lem")).passed
    true_gradients = torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *a, **k: [g * (1 + 1e-5) for g in true_gradients(*a, **k)]
    )
    assert not check_cell(find("lem")).passed


def test_no_module_hides_a_public_name():
    # Importing unrolled.x sets the attribute x of the package: a module must not be
    # called like a public function.
    for name in ("train", "find", "cell", "watch", "CharLM"):
        assert callable(getattr(unrolled, name)), name


# --- from Python ----------------------------------------------------------------------------------------------


def test_a_cell_given_as_a_function_trains_and_is_read_back_without_it(tmp_path, run, verse):
    @unrolled.cell
    def leaky(x, h, *, W, U, b):
        h = 0.5 * h + 0.5 * unrolled.tanh(W @ x + U @ h + b)
        return h

    task = char_lm(text=run.task.text, cell=leaky, hidden=8, batch=4, span=8)
    trained = unrolled.train(task, epochs=0.2, out=tmp_path / "leaky", quiet=True)
    again = open_run(trained.folder)
    assert again.task.net.cell.name == "leaky" and again.model.rnn.cell.function is None
    assert again.evaluate(verse) == trained.evaluate(verse)


def test_a_mistake_in_the_cell_leaves_no_folder(tmp_path, run):
    @unrolled.cell
    def wrong(x, h, *, W, b):
        h = unrolled.tanh(W @ x + V @ h + b)  # noqa: F821
        return h

    with pytest.raises(CellError):
        unrolled.train(char_lm(text=run.task.text, cell=wrong), epochs=1, out=tmp_path / "wrong", quiet=True)
    assert not (tmp_path / "wrong").exists()


@pytest.mark.slow
@pytest.mark.skipif(not SHAKESPEARE.exists(), reason=f"{SHAKESPEARE} is not there: set UNROLLED_DATA")
def test_four_times_through_shakespeare_end_at_most_at_1_445_nats(tmp_path):
    """About two minutes; how much is read in a given time is for `python -m bench quality` to say."""
    torch.set_num_threads(2)
    trained = train(char_lm(text=SHAKESPEARE), epochs=4, out=tmp_path / "run", quiet=True)
    assert min(line["validation"] for line in trained.metrics() if "validation" in line) <= 1.445
