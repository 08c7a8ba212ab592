"""`python -m bench sampling`: characters a second that a model writes, against the same model stepped in eager
torch and in onnxruntime."""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from unrolled.errors import UnrolledError
from unrolled.models import sample
from unrolled.models.draw import DrawRule
from unrolled.models.language import LanguageModel

from .machine import Peak, machine
from .measure import Work, steady_pair
from .rows import Result, Row

CHARACTERS, HIDDEN, LAYERS = 65, 512, 2
TEMPERATURE = 0.8
ROWS = (1, 16)
# Characters of each text in one call: long beside the time that a peer's waiting threads still spin.
AT_ONCE = 512
EAGER, ONNX = 20.0, 2.0
SOON, STARTS = 0.3, 5  # seconds until the first character, in so many processes
FIRST = f"""
import time, torch
from unrolled.models.language import LanguageModel
from unrolled.models.sample import write
model = LanguageModel({CHARACTERS}, "lstm", {HIDDEN}, {LAYERS})
began = time.perf_counter()
next(write(model, torch.tensor([0]), 1000))
print(time.perf_counter() - began)
"""


class TorchModel(nn.Module):
    """The same model of torch's own layers; one step takes one-hot rows, as the exporter wants them."""

    def __init__(self, ours: LanguageModel):
        super().__init__()
        self.rnn = nn.LSTM(CHARACTERS, HIDDEN, LAYERS)
        self.rnn.load_state_dict(as_torch(ours))
        self.head = ours.head

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, c) = self.rnn(x, (h, c))
        return self.head(y[0]), h, c


def as_torch(ours: LanguageModel) -> dict[str, Tensor]:
    """The weights under torch's names: gates in the order i, f, g, o, and a second bias of zeros."""
    found = {}
    for k, layer in enumerate(ours.rnn.layers):
        named = dict(layer.named_parameters())
        for name, letter in (("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b")):
            found[f"{name}_l{k}"] = torch.cat([named[f"{letter}_{gate}"] for gate in "ifgo"]).detach()
        found[f"bias_hh_l{k}"] = torch.zeros_like(found[f"bias_ih_l{k}"])
    return found


def ours(model: LanguageModel, rows: int, half: bool) -> Work:
    draws = sample.drawing(
        sample.rounded(model) if half else model, torch.tensor([0]), DrawRule(TEMPERATURE), range(rows), half
    )
    return lambda: draws(AT_ONCE)


def in_torch(model: TorchModel, rows: int) -> Work:
    state, tokens = [torch.zeros(LAYERS, rows, HIDDEN)] * 2, torch.zeros(rows, dtype=torch.int64)

    @torch.no_grad()
    def work() -> None:
        nonlocal state, tokens
        logits, *state = model(nn.functional.one_hot(tokens, CHARACTERS).float()[None], *state)
        tokens = torch.multinomial(torch.softmax(logits / TEMPERATURE, -1), 1)[:, 0]
        tokens.tolist()

    return work


def on_the_reference(model: LanguageModel, rows: int) -> Work:
    state, tokens = None, torch.zeros(rows, dtype=torch.int64)

    @torch.no_grad()
    def work() -> None:
        nonlocal state, tokens
        logits, state = model.step(tokens, state)
        tokens = torch.multinomial(torch.softmax(logits / TEMPERATURE, -1), 1)[:, 0]
        tokens.tolist()

    return work


def exported(model: TorchModel, rows: int) -> bytes:
    """The model as ONNX, by torch's older exporter. Raises ImportError where onnx is not installed."""
    import onnx  # noqa: F401

    state, file = torch.zeros(LAYERS, rows, HIDDEN), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(1, rows, CHARACTERS), state, state),
            file,
            dynamo=False,
            input_names=["x", "h", "c"],
            output_names=["logits", "h_after", "c_after"],
        )
    return file.getvalue()


def in_onnxruntime(text: bytes, rows: int) -> Work:
    """The step with its draw, in a session with as many threads as torch has. Raises
    ImportError without onnxruntime.
    """
    import numpy
    import onnxruntime

    sessions: dict[int, onnxruntime.InferenceSession] = {}
    state = [numpy.zeros((LAYERS, rows, HIDDEN), numpy.float32)] * 2
    one_hot, drawn = numpy.eye(CHARACTERS, dtype=numpy.float32), numpy.zeros(rows, numpy.int64)
    random = numpy.random.default_rng(0)

    def session(threads: int) -> onnxruntime.InferenceSession:
        if threads not in sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.log_severity_level = threads, 3
            sessions[threads] = onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])
        return sessions[threads]

    def work() -> numpy.ndarray:
        nonlocal state, drawn
        logits, *state = session(torch.get_num_threads()).run(
            None, {"x": one_hot[drawn][None], "h": state[0], "c": state[1]}
        )
        weights = numpy.exp((logits - logits.max(-1, keepdims=True)) / TEMPERATURE).cumsum(-1)
        drawn = (weights < random.random((rows, 1)) * weights[:, -1:]).sum(-1)
        return logits

    return work


def run(seconds: float, say: Callable[[Row], None]) -> Result:
    """Each peer at one text and at several, and ours with weights of bfloat16 beside."""
    torch.manual_seed(0)
    facts, peak, rows, skipped = machine(), Peak(), [], []
    rows.append(first_character())
    say(rows[-1])
    model = LanguageModel(CHARACTERS, "lstm", HIDDEN, LAYERS).eval()
    peer = TorchModel(model).eval()
    check_same(model, peer)
    for batch in ROWS:
        peers = [
            ("torch.nn.LSTM, step by step", in_torch(peer, batch), EAGER if batch == 1 else None),
            ("reference backend, step by step", on_the_reference(model, batch), EAGER if batch == 1 else None),
        ]
        try:
            peers.append(
                ("onnxruntime", in_onnxruntime(exported(peer, batch), batch), ONNX if batch == 1 else None)
            )
        except ImportError as error:
            skipped.append(f"onnxruntime at B {batch}: {error} (pip install -c constraints.txt -e '.[bench]')")
        cases = [(*found, False) for found in peers]
        for name, work, target, half in [*cases, (*peers[-1][:2], None, True)]:
            rows.append(row(model, batch, half, name, work, target, seconds, peak))
            say(rows[-1])
    return Result("sampling", facts, tuple(rows), tuple(skipped))


def first_character() -> Row:
    """How long a new process waits for it, once it has imported what it needs and has a
    model; the kernel is built.
    """
    took = [
        float(subprocess.run([sys.executable, "-c", FIRST], check=True, capture_output=True, text=True).stdout)
        for _ in range(1 + STARTS)
    ][1:]
    found = statistics.median(took)
    return Row(
        "first character",
        f"V {CHARACTERS}, B 1, H {HIDDEN}, {LAYERS} layers",
        "",
        "s",
        found,
        None,
        found,
        SOON,
        "at most",
        note=f"after imports, in {STARTS} processes: {min(took):.3f} to {max(took):.3f} s",
    )


def row(
    model: LanguageModel,
    batch: int,
    half: bool,
    name: str,
    work: Work,
    target: float | None,
    seconds: float,
    peak: Peak,
) -> Row:
    timing, around = steady_pair(ours(model, batch, half), work, seconds, torch.get_num_threads(), peak)
    mine, theirs = AT_ONCE * batch / timing.ours, batch / timing.peer
    numbers = sum(
        w.numel() for n, w in model.named_parameters() if w.dim() > 1 and not n.startswith("rnn.layers.0.W")
    )
    size = numbers * (2 if half else 4)
    speed, possible = size * mine / batch / 1e9, bandwidth(size)
    return Row(
        "sample" + (", bf16 weights" if half else ""),
        f"V {CHARACTERS}, B {batch}, H {HIDDEN}, {LAYERS} layers",
        name,
        "characters/s",
        mine,
        theirs,
        mine / theirs,
        target,
        share=2 * numbers * mine / 1e9 / peak.best,
        peak=around,
        note=(
            f"weights at {speed:.0f} GB/s, {speed / possible:.0%} of a sum's over as many bytes; {timing.note}"
        ),
    )


def bandwidth(size: int) -> float:
    """GB/s at which torch adds up so many bytes, on all threads, at its best: the
    weights lie in the same cache.
    """
    numbers, fastest = torch.ones(size // 4), float("inf")
    for _ in range(30):
        began = time.perf_counter()
        numbers.sum()
        fastest = min(fastest, time.perf_counter() - began)
    return size / fastest / 1e9


@torch.no_grad()
def check_same(model: LanguageModel, peer: TorchModel) -> None:
    """UnrolledError where the peer is another model."""
    x, zero = torch.tensor([3]), torch.zeros(LAYERS, 1, HIDDEN)
    found = peer(nn.functional.one_hot(x, CHARACTERS).float()[None], zero, zero)[0]
    if (model.step(x)[0] - found).abs().max() > 1e-4:
        raise UnrolledError("the benchmark's torch.nn.LSTM is not the model that it is compared with.")
