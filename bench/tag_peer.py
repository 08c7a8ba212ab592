"""The tagger that a reader of torch's tutorials writes: packed sequences, each word's letters read where it
stands, and a conditional random field whose sums run over time under autograd. It takes its weights from ours,
so that both are one model."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from unrolled.layers.recurrent import Recurrent
from unrolled.models.tagger import Tagger

GATES = "ifgo"  # in torch's order


class TorchTagger(nn.Module):
    """distinct: whether a word that stands in a batch several times is read once, as ours does."""

    def __init__(self, ours: Tagger, distinct: bool):
        super().__init__()
        reader = ours.reader
        self.distinct = distinct
        self.words, self.shapes, self.outlines = (
            _copied(e) for e in (reader.words, reader.shapes, reader.outlines)
        )
        self.letters, self.spell = _spelling(reader.letters.rnn)
        self.rnn, self.head = _lstm(ours.rnn), nn.Linear(ours.head.in_features, ours.head.out_features)
        self.head.load_state_dict(ours.head.state_dict())
        self.steps, self.first, self.last = (nn.Parameter(part.detach().clone()) for part in ours.chain.chain())
        self.dropout = nn.Dropout(ours.dropout.probability)

    def scores(self, reading) -> Tensor:
        """(T, B, K)."""
        words, letters, counts = reading.words, reading.letters, reading.letter_counts
        if self.distinct:
            read = self._word(words, letters, counts)[reading.places]
        else:
            row = [reading.places[:length, k] for k, length in enumerate(reading.lengths.tolist())]
            each = torch.cat(row)
            read = pad_sequence(
                self._word(words[each], letters[:, each], counts[each]).split(reading.lengths.tolist())
            )
        packed = pack_padded_sequence(self.dropout(read), reading.lengths, enforce_sorted=False)
        y, _ = pad_packed_sequence(self.rnn(packed)[0])
        return self.head(self.dropout(y))

    def _word(self, words: Tensor, letters: Tensor, counts: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.letters(letters), counts, enforce_sorted=False)
        _, (h, _) = self.spell(packed)
        return torch.cat(
            [self.words(words[:, 0]), self.shapes(words[:, 2]), self.outlines(words[:, 3]), h[0], h[1]], -1
        )

    def nats(self, reading, tags: Tensor) -> Tensor:
        scores, lengths = self.scores(reading), reading.lengths
        there = torch.arange(len(scores))[:, None] < lengths
        total = scores[0] + self.first
        for at, mask in zip(scores[1:].unbind(0), there[1:].unbind(0)):
            going = torch.logsumexp(total[:, :, None] + self.steps, 1) + at
            total = torch.where(mask[:, None], going, total)
        partition = torch.logsumexp(total + self.last, 1)
        tags, rows = tags.clamp_min(0), torch.arange(tags.shape[1])
        score = self.first[tags[0]] + scores[0, rows, tags[0]] + self.last[tags[lengths - 1, rows]]
        for k in range(1, len(scores)):
            score = score + (self.steps[tags[k - 1], tags[k]] + scores[k, rows, tags[k]]) * there[k]
        return (partition - score).sum()

    @torch.no_grad()
    def decode(self, reading) -> list[list[int]]:
        scores, lengths = self.scores(reading), reading.lengths
        best, back = scores[0] + self.first, []
        for k in range(1, len(scores)):
            found, from_ = (best[:, :, None] + self.steps).max(1)
            back.append(from_)
            best = torch.where((k < lengths)[:, None], found + scores[k], best)
        ends = (best + self.last).argmax(1)
        paths = []
        for row, length in enumerate(lengths.tolist()):
            path = [ends[row].item()]
            for from_ in reversed(back[: length - 1]):
                path.append(from_[row, path[-1]].item())
            paths.append(path[::-1])
        return paths


@torch.no_grad()
def _spelling(ours: Recurrent) -> tuple[nn.Embedding, nn.LSTM]:
    """Ours reads letters as one-hot vectors, of which a product with the input weights is a row. A reader of
    tutorials has an embedding and its product with them: ours gets that product for its weights."""
    width = ours.hidden_size
    letters, made = nn.Embedding(ours.input_size, width), nn.LSTM(width, width, bidirectional=True)
    for weights, suffix in ((ours.layers[0], ""), (ours.reversed[0], "_reverse")):
        product = getattr(made, f"weight_ih_l0{suffix}") @ letters.weight.t()
        for gate, part in zip(GATES, product.chunk(len(GATES))):
            getattr(weights, f"W_{gate}").copy_(part)
    _fill(made, ours, ("weight_hh", "U"), ("bias_ih", "b"))
    return letters, made


def _copied(embedding: nn.Embedding) -> nn.Embedding:
    return nn.Embedding.from_pretrained(embedding.weight.detach().clone(), freeze=False)


@torch.no_grad()
def _lstm(ours: Recurrent) -> nn.LSTM:
    """torch.nn's, in both directions, with our weights."""
    made = nn.LSTM(ours.input_size, ours.hidden_size, bidirectional=True)
    _fill(made, ours, ("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b"))
    return made


def _fill(made: nn.LSTM, ours: Recurrent, *names: tuple[str, str]) -> None:
    """Their second bias is zero."""
    for weights, suffix in ((ours.layers[0], ""), (ours.reversed[0], "_reverse")):
        for theirs, name in names:
            value = torch.cat([getattr(weights, f"{name}_{gate}") for gate in GATES])
            getattr(made, f"{theirs}_l0{suffix}").copy_(value)
        getattr(made, f"bias_hh_l0{suffix}").zero_()
