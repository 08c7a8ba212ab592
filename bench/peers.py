"""The sides of each pair: one training step of a layer of ours and of its peer on the
same numbers, checked first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unrolled
from unrolled.errors import UnrolledError

from .eager import eager_of
from .measure import Work

TOLERANCE = 1e-3  # relative, float32, over 100 steps


def training(forward: Callable[[], Tensor], leaves: Sequence[Tensor], above: Tensor) -> Work:
    """Forward and backward pass as one piece of work; gradients of the leaves start from nothing."""
    leaves = list(leaves)

    def work() -> Tensor:
        for leaf in leaves:
            leaf.grad = None
        y = forward()
        y.backward(above.to(y.dtype))
        return y

    return work


def mixed(work: Work) -> Work:
    """The work under autocast to bfloat16."""

    def rounded() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return work()

    return rounded


def check_same(what: str, ours: Work, peer: Work, x: Tensor) -> None:
    """Both sides' outputs and input gradients must agree, else their times say
    nothing. Raises UnrolledError.
    """
    mine, theirs = ((work().detach(), x.grad.clone()) for work in (ours, peer))
    for name, a, b in zip(("outputs", "input gradients"), mine, theirs):
        error = ((a - b).norm() / b.norm()).item()
        if not error <= TOLERANCE:
            raise UnrolledError(
                f"{what}: {name} differ by {error:.1e} from the peer's, {TOLERANCE:.0e} allowed. "
                "Nothing was timed; run the tests of the layer first."
            )


def against_torch(
    kind: str, steps: int, batch: int, hidden: int, rounds: tuple[bool, bool] = (False, False)
) -> tuple[Work, Work]:
    """The drop-in LSTM, GRU or RNN and torch.nn's, with the same weights. `rounds`: which
    of them is under autocast.
    """
    peer = getattr(nn, kind)(hidden, hidden)
    mine = getattr(unrolled, kind)(hidden, hidden)
    mine.load_state_dict(peer.state_dict())
    x, above = torch.randn(steps, batch, hidden, requires_grad=True), torch.randn(steps, batch, hidden)
    sides = [
        training(lambda layer=layer: layer(x)[0], [x, *layer.parameters()], above) for layer in (mine, peer)
    ]
    check_same(kind, *sides, x)
    return tuple(mixed(side) if rounded else side for side, rounded in zip(sides, rounds))


def against_torchrecurrent(cell: str, kind: str, steps: int, batch: int, hidden: int) -> tuple[Work, Work]:
    """A cell of ours and torchrecurrent's layer. Weights are laid out differently, so values
    are its tests' business.

    Raises ImportError where torchrecurrent is not installed.
    """
    import torchrecurrent

    more = {"nonlinearity": torch.relu} if kind == "IndRNN" else {}  # as the paper and we have it
    peer, mine = getattr(torchrecurrent, kind)(hidden, hidden, **more), unrolled.Recurrent(cell, hidden, hidden)
    for weight in peer.parameters():  # its IndRNN's own would overflow in 100 steps
        nn.init.uniform_(weight, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))
    x, above = torch.randn(steps, batch, hidden, requires_grad=True), torch.randn(steps, batch, hidden)
    return tuple(
        training(lambda layer=layer: layer(x)[0], [x, *layer.parameters()], above) for layer in (mine, peer)
    )


def against_eager(cell: str, steps: int, batch: int, hidden: int, rounds: bool = False) -> tuple[Work, Work]:
    """A cell of ours and the same in eager torch, with the same weights. `rounds`: ours is under autocast."""
    mine = unrolled.Recurrent(cell, hidden, hidden)
    with torch.no_grad():
        for weight in mine.parameters():
            if weight.dim() > 2:  # sums over two widths: as they come, 512 units are chaotic, and rounding
                weight /= math.sqrt(hidden)  # errors of 3e-8 grow to 1e-1 in 100 steps
    names = {
        name.removeprefix("layers.0."): value
        for name, value in (*mine.named_parameters(), *mine.named_buffers())
    }
    peer = eager_of(mine.cell, sizes_of(mine.cell, hidden, hidden), names)
    given = inputs_of(mine.cell, steps, batch, hidden)
    x, *times = given if isinstance(given, tuple) else (given,)
    y, state = mine(given)
    first = [
        torch.full((batch, part.shape[-1]), mine.cell.start.get(name, 0.0))
        for name, part in zip(mine.cell.states, state)
    ]
    trained = [leaf for leaf in peer.leaves if leaf.requires_grad]
    above, rest = torch.randn_like(y), [t.unsqueeze(-1) for t in times]
    sides = (
        training(lambda: mine(given)[0], [x, *mine.parameters()], above),
        training(lambda: peer([x, *rest], first)[0], [x, *trained], above),
    )
    check_same(cell, *sides, x)
    return (mixed(sides[0]), sides[1]) if rounds else sides


def inputs_of(cell, steps: int, batch: int, width: int):
    """What a layer of the cell is given: x, which needs a gradient, or a tuple where
    the cell has more inputs.
    """
    x = torch.randn(steps, batch, width, requires_grad=True)
    times = [torch.rand(steps, batch) for _ in cell.inputs[1:]]
    # Spans, or instants.
    times = [t if name == "dt" else t.cumsum(0) for name, t in zip(cell.inputs[1:], times)]
    return (x, *times) if times else x


def sizes_of(cell, inputs: int, hidden: int) -> dict[str, int]:
    """What each width letter of a cell stands for; its own letters are as wide as
    the state, as in Recurrent.
    """
    return {"I": inputs, **{d: cell.widths.get(d, hidden) for d in cell.graph.dims if d != "I"}}


def ragged(packed: bool, batch: int, shortest: int, longest: int, hidden: int) -> tuple[Work, Work]:
    """Sequences of many lengths: ours by `lengths`, torch.nn.LSTM on all the
    padding, or packed and unpacked.
    """
    peer, mine = nn.LSTM(hidden, hidden), unrolled.Recurrent("lstm", hidden, hidden)
    copy_lstm(peer, mine)
    lengths = torch.linspace(shortest, longest, batch).round().long()[torch.randperm(batch)]
    inside = (torch.arange(longest)[:, None] < lengths).unsqueeze(-1)
    x = torch.randn(longest, batch, hidden, requires_grad=True)
    above = torch.randn(longest, batch, hidden) * inside

    def by_packing() -> Tensor:
        given = pack_padded_sequence(x, lengths, enforce_sorted=False)
        return pad_packed_sequence(peer(given)[0], total_length=longest)[0]

    sides = (
        training(lambda: mine(x, lengths=lengths)[0], [x, *mine.parameters()], above),
        training(by_packing if packed else lambda: peer(x)[0], [x, *peer.parameters()], above),
    )
    check_same("ragged lstm", *(lambda w=work: w() * inside for work in sides), x)
    return sides


@torch.no_grad()
def copy_lstm(peer: nn.LSTM, mine: unrolled.Recurrent) -> None:
    """Gives our LSTM the weights of torch.nn's."""
    theirs = (peer.weight_ih_l0, peer.weight_hh_l0, peer.bias_ih_l0 + peer.bias_hh_l0)
    for letter, stacked in zip("WUb", theirs):
        for gate, part in zip("ifgo", stacked.chunk(4)):
            mine.get_parameter(f"layers.0.{letter}_{gate}").copy_(part)
