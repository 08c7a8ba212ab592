"""A layer that reads again and again, its weights put below each other once, says what it says."""

from __future__ import annotations

import pytest
import torch

from unrolled import Recurrent
from unrolled.layers.reading import reader


@pytest.mark.parametrize("name", ["lstm", "gru", "mgu", "lstm_projected", "indrnn"])
@pytest.mark.parametrize("lengths", [[6, 6, 6], [6, 2, 1]])
def test_a_reader_says_what_the_layer_says(name, lengths):
    torch.manual_seed(0)
    rnn, x = Recurrent(name, 3, 8, 2, True).eval(), torch.randn(6, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(reader(rnn)(x, lengths), rnn(x, None, lengths)[0], rtol=0, atol=0)


def test_weights_are_put_together_once(monkeypatch):
    rnn, x = Recurrent("lstm", 3, 8, bidirectional=True).eval(), torch.randn(4, 1, 3)
    read = reader(rnn)
    copied, together = [], torch.cat
    monkeypatch.setattr(torch, "cat", lambda parts, *more: copied.append(len(parts)) or together(parts, *more))
    read(x, [4])
    assert copied == [2], "only both directions' outputs are put beside each other"
