"""`LSTM`, `GRU` and `RNN` under torch.nn's names: the same arguments, keys, first values and
results, on our kernels.

Each stands on torch's RNNBase, so that everything that is not arithmetic (construction, random order of first
values, state_dict, checks, messages) is torch's own. Not on nn.LSTM itself: torch.compile refuses that class
and all made from it, so `isinstance(layer, torch.nn.LSTM)` is False and `isinstance(layer, torch.nn.RNNBase)`
True; `as_torch` gives a model with torch's classes to tools that insist. What a kernel here does not do (other
devices than the CPU, projections, half precision parameters, empty batches, arguments that torch.nn refuses,
exports) goes to torch's.
"""

from __future__ import annotations

import torch
from torch import nn

from ..cell import find
from ..errors import UsageError
from .as_torch import qconfig, scriptable
from .torch_calls import call_as_torch, check_depth, refuse_projection, stack_like
from .watch import Watcher


class LSTM(nn.RNNBase):
    """torch.nn.LSTM on this package's kernels: arguments, results and state_dict are torch.nn.LSTM's.

        x       (T, B, I), (B, T, I) with batch_first, (T, I), or a PackedSequence
        hx      (h, c), each (layers x directions, B, H), or (layers x directions, H) for one sequence
        y       like x, H x directions wide; then (h, c) after the last step

    With proj_size, or away from the CPU, torch's own kernels run. `isinstance(rnn, torch.nn.LSTM)` is False,
    with torch.nn.RNNBase it is True; `as_torch` makes a torch.nn.LSTM of it. Source: Hochreiter and Schmidhuber
    1997, Gers et al. 2000, as written in `unrolled.find("lstm")`.

    >>> rnn = LSTM(3, 5, bidirectional=True)
    >>> y, (h, c) = rnn(torch.randn(7, 2, 3))
    >>> y.shape, h.shape
    (torch.Size([7, 2, 10]), torch.Size([2, 2, 5]))
    """

    watchers: tuple[Watcher, ...] = ()
    qconfig, __prepare_scriptable__ = qconfig, scriptable  # for torch.ao.quantization, torch.jit.script

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype: torch.dtype | None = None,
    ):
        check_depth(num_layers)
        layers = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__("LSTM", *layers, proj_size, device, dtype)
        self._stack = stack_like(self, find("lstm"))

    # What torch.nn.LSTM adds to its base, for the calls that go to torch.
    torch_forward = nn.LSTM.forward
    get_expected_cell_size = nn.LSTM.get_expected_cell_size
    check_forward_args = nn.LSTM.check_forward_args
    permute_hidden = nn.LSTM.permute_hidden

    def forward(self, input, hx=None):
        return call_as_torch(self, input, hx, states=2)


class GRU(nn.RNNBase):
    """torch.nn.GRU on this package's kernels: arguments, results and state_dict are torch.nn.GRU's.

        x       (T, B, I), (B, T, I) with batch_first, (T, I), or a PackedSequence
        hx      (layers x directions, B, H), or (layers x directions, H) for one sequence
        y       like x, H x directions wide; then the state after the last step

    Away from the CPU torch's own kernels run. `isinstance(rnn, torch.nn.GRU)` is False, with torch.nn.RNNBase
    it is True; `as_torch` makes a torch.nn.GRU of it. Raises torch.nn's ValueError for `proj_size`. Source: Cho
    et al. 2014, as written in `unrolled.find("gru")`.

    >>> rnn = GRU(3, 5)
    >>> y, h = rnn(torch.randn(7, 2, 3))
    >>> h.shape
    torch.Size([1, 2, 5])
    """

    watchers: tuple[Watcher, ...] = ()
    qconfig, __prepare_scriptable__ = qconfig, scriptable  # for torch.ao.quantization, torch.jit.script

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device=None,
        dtype: torch.dtype | None = None,
        proj_size: None = None,
    ):
        refuse_projection(proj_size)
        check_depth(num_layers)
        layers = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__("GRU", *layers, 0, device, dtype)
        self._stack = stack_like(self, find("gru"))

    torch_forward = nn.GRU.forward

    def forward(self, input, hx=None):
        return call_as_torch(self, input, hx, states=1)


class RNN(nn.RNNBase):
    """torch.nn.RNN on this package's kernels: arguments, results and state_dict are torch.nn.RNN's.

        x       (T, B, I), (B, T, I) with batch_first, (T, I), or a PackedSequence
        hx      (layers x directions, B, H), or (layers x directions, H) for one sequence
        y       like x, H x directions wide; then the state after the last step

    Away from the CPU torch's own kernels run. `isinstance(rnn, torch.nn.RNN)` is False, with torch.nn.RNNBase
    it is True; `as_torch` makes a torch.nn.RNN of it. Raises UsageError (a ValueError) where nonlinearity is
    not "tanh" or "relu", and torch.nn's ValueError for `proj_size`. Source: Elman 1990, as written in
    `unrolled.find("elman")`.

    >>> rnn = RNN(3, 5, nonlinearity="relu")
    >>> y, h = rnn(torch.randn(7, 2, 3))
    >>> h.shape
    torch.Size([1, 2, 5])
    """

    watchers: tuple[Watcher, ...] = ()
    qconfig, __prepare_scriptable__ = qconfig, scriptable  # for torch.ao.quantization, torch.jit.script

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device=None,
        dtype: torch.dtype | None = None,
        proj_size: None = None,
    ):
        refuse_projection(proj_size)
        if nonlinearity not in ("tanh", "relu"):
            raise UsageError(
                f"RNN({input_size}, {hidden_size}): nonlinearity={nonlinearity!r} is not torch.nn.RNN's. "
                'Give "tanh" or "relu", or use Recurrent with a cell of your own.'
            )
        self.nonlinearity = nonlinearity
        check_depth(num_layers)
        layers = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(f"RNN_{nonlinearity.upper()}", *layers, 0, device, dtype)
        self._stack = stack_like(self, find("elman").using(nonlinearity=nonlinearity))

    torch_forward = nn.RNN.forward

    def forward(self, input, hx=None):
        return call_as_torch(self, input, hx, states=1)
