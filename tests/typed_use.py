"""A user's program: it uses each public name as the docs do. A type checker reads it
(test_typed.py); it also runs.
"""

from pathlib import Path

import torch

import unrolled
from unrolled import CharLM, Net, Recipe, Recurrent, Stacked, cell, gradient_flow, sigmoid, tanh, watch, worked


@cell(cite="zhou2016mgu", init={"b_f": 1.0})
def mine(x, h, *, W_f, U_f, b_f, W_n, U_n, b_n):
    """Minimal gated unit."""
    f = sigmoid(W_f @ x + U_f @ h + b_f)
    n = tanh(W_n @ x + U_n @ (f * h) + b_n)
    h = (1 - f) * h + f * n
    return h


def layers() -> torch.Tensor:
    rnn = Recurrent(mine, 3, 5, num_layers=2, bidirectional=True, dropout=0.1)
    x = torch.randn(7, 2, 3)
    y, state = rnn(x, lengths=[7, 4])
    y, state = rnn(x, state)
    one = Recurrent("lstm", 3, 5)
    y_0, after = one.step(x[0])
    with watch(one) as seen:
        one(x)
    deep = Stacked([one, Recurrent("gru", 5, 4)])
    out, states = deep(x)
    standard: torch.Tensor = unrolled.LSTM(3, 5)(x)[0]
    return out.sum() + standard.sum() + y_0.sum() + len(seen)


def looked_into() -> str:
    found = unrolled.find("lstm")
    flow = gradient_flow(Recurrent(found, 3, 5), torch.randn(6, 1, 3))
    pasted = unrolled.cell_from_latex(r"s_t = \tanh(U x_t + W s_{t-1})")
    net = worked(pasted, [[1, 0], [0, 1]], {"U": [[0.5, -0.5]], "W": [[0.9]]}, target=[None, [1]], rate=0.1)
    return f"{found.latex()} {flow} {net}"


def trained(text: Path, out: Path) -> str:
    task = CharLM(text=text, span=8, net=Net("gru", hidden=4, layers=1), recipe=Recipe(batch=2))
    run = unrolled.train(task, epochs=0.1, out=out, quiet=True)
    again = unrolled.open_run(run.folder)
    scored = again.evaluate(text)
    return "".join(
        piece for written in again.predict("t", CharLM.Ask(length=9)) for piece in written.pieces()
    ) + str(scored.count)
