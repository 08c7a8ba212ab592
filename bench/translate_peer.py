"""A translation model of torch's own layers with the same weights, stepped in eager torch:
the peer of our decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.models.search import END, NEVER, START, longest
from unrolled.models.translation import Translator

Rows = tuple[Tensor, Tensor]


class TorchTranslator(nn.Module):
    """One layer of LSTM on either side, Luong's attention, no input feeding; `greedy` and `beam` are as few
    operations a step as we could write."""

    def __init__(self, ours: Translator):
        super().__init__()
        embedding, hidden = ours.source.embedding_dim, ours.lower.hidden_size
        self.ours = ours
        self.encoder = nn.LSTM(embedding, ours.encoder.hidden_size, bidirectional=True)
        self.encoder.load_state_dict(
            {
                **_named(ours.encoder.layers[0], "_l0"),
                **_named(ours.encoder.reversed[0], "_l0_reverse"),
            }
        )
        self.cell = nn.LSTMCell(embedding, hidden)
        self.cell.load_state_dict(_named(ours.lower.layers[0], ""))
        self.eval()

    def read(self, source: Tensor) -> tuple[Tensor, Tensor, Rows]:
        """Of one sentence (S,): keys turned (1, A, S), values (1, S, M), the first state."""
        y, _ = self.encoder(self.ours.source(source)[:, None])
        values = y.transpose(0, 1)
        h = torch.tanh(self.ours.begin(values.mean(1)))
        return self.ours.attention.W_a(values).transpose(1, 2), values, (h, torch.zeros_like(h))

    def step(self, symbols: Tensor, keys: Tensor, values: Tensor, state: Rows) -> tuple[Tensor, Tensor, Rows]:
        """Log probabilities (K, V), attention (K, S), state."""
        ours = self.ours
        state = self.cell(ours.target(symbols), state)
        weights = (state[0] @ keys[0]).softmax(-1)
        said = torch.tanh(ours.W_o(torch.cat([state[0], weights @ values[0]], -1)))
        return ours.logits(said).log_softmax(-1), weights, state

    @torch.inference_mode()
    def greedy(self, sentence: list[int]) -> list[int]:
        keys, values, state = self.read(torch.tensor(sentence))
        symbol, written = torch.tensor([START]), []
        for _ in range(longest(len(sentence))):
            chances, _, state = self.step(symbol, keys, values, state)
            chances[:, NEVER] = -torch.inf
            symbol = chances.argmax(-1)
            written.append(symbol.item())
            if written[-1] == END:
                break
        return [one for one in written if one != END]

    @torch.inference_mode()
    def beam(self, sentence: list[int], width: int, penalty: float = 1.0) -> list[int]:
        """The same search as ours: a hypothesis that ends narrows the beam."""
        keys, values, state = self.read(torch.tensor(sentence))
        totals, symbols, chains = torch.zeros(1), torch.tensor([START]), [[]]
        limit, found = longest(len(sentence)), []
        for step in range(1, 1 + limit):
            chances, _, state = self.step(symbols, keys, values, state)
            chances[:, NEVER] = -torch.inf
            best = (totals[:, None] + chances).flatten().topk(width - len(found))
            rows, words = best.indices // chances.shape[1], best.indices % chances.shape[1]
            going, grown = [], []
            chosen = zip(best.values.tolist(), rows.tolist(), words.tolist())
            for place, (total, row, word) in enumerate(chosen):
                if word == END or step == limit:
                    written = chains[row] + ([] if word == END else [word])
                    found.append((total / ((5 + step) / 6) ** penalty, written))
                else:
                    going.append(place)
                    grown.append([*chains[row], word])
            if not going:
                break
            chains, kept = grown, torch.tensor(going)
            totals, symbols, rows = best.values[kept], words[kept], rows[kept]
            state = tuple(part[rows] for part in state)
        return max(found, key=lambda one: one[0])[1]


def _named(layer: nn.Module, end: str) -> dict[str, Tensor]:
    """A layer's weights under torch's names: gates in the order i, f, g, o, and a second bias of zeros."""
    named, found = dict(layer.named_parameters()), {}
    for name, letter in (("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b")):
        found[name + end] = torch.cat([named[f"{letter}_{gate}"] for gate in "ifgo"]).detach()
    return found | {f"bias_hh{end}": torch.zeros_like(found[f"bias_ih{end}"])}
