"""`Recurrent`: any cell as a layer over sequences, with depth, both directions, lengths and single steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..cell import Cell, find
from ..errors import Never, NotYet, ShapeError, UsageError
from ..graph.node import Dim, letters_of, size
from ..kernels import BACKENDS
from ..kernels.call import check_sizes as check_widths
from ..transform.head import split_head
from .check import (
    DEEPEST,
    check_extra,
    check_flag,
    check_indices,
    check_input,
    check_probability,
    check_size,
    check_state,
    check_type,
    of_type,
)
from .dropout import dropped
from .initial import check_initial
from .lengths import PackedRows, all_rows, rows_of
from .masks import drawn
from .output import OutputLayer
from .stack import LayerStack, State, mixes, run_stack, stack_of
from .tracers import seen_by_tracers
from .watch import Watcher, watcher_of
from .weights import Named, Weights

Input = Tensor | tuple[Tensor, ...]


class Recurrent(nn.Module):
    """A recurrent layer, or a stack of them, made from a cell's equations.

    cell           a Cell, a registered name such as "lstm", or a plain function in the cell language
    input_size     I, width of the input
    hidden_size    H, width of the states (widths that a cell names itself are set with `cell.using(O=...)`)
    num_layers     how many layers; each reads the output of the one below. An output layer that the
                   equations end in, y = f(U h + b), stands once on the top layer, and layers read the
                   state h (`transform.head`)
    bidirectional  two sets of parameters a layer, the second reading from the end; outputs are put side by side
    batch_first    sequences are (B, T, width) instead of (T, B, width); states are not turned
    dropout        probability of dropping each output between layers, while training
    backend        "auto" (the fastest that can), "c" or "reference"
    recompute      for long sequences: keep about sqrt(T) states instead of every step's values for the backward
                   pass, and run forward once more there. The results are the same

        x        (T, B, I) float, (T, I) for one sequence, or int64 (T, B): an index stands for its one-hot row.
                 A cell with several inputs gets a tuple, each (T, B, width), or (T, B) where it is a number;
                 the inputs after the first are given to every layer unchanged
        state    a tuple, one (layers x directions, B, width) tensor for each state of the cell (without B for
                 one sequence), layer 0, layer 0 reversed, layer 1, ...; None starts with zeros or the cell's
                 `start`. A state as wide as the input may be wider in one layer than in another: then `width`
                 is the greatest, and what lies beyond a layer's own is zero and never read
        lengths  (B,) whole numbers from 0 to T: past a row's length its output is zero, its state is that of
                 its last step, and the reversed direction starts there. Padding may hold anything, NaN too
        y        (T, B, H x directions), or as wide as the cell's output is. Under autocast to
                 bfloat16 operands of products are rounded to it, and y is given out in it, as
                 torch.nn's layers do; states stay float32

    Parameters are called by layer and by their author's name, `layers.0.W_i`, those of the reversed direction
    `reversed.0.W_i`, those of an output layer on a stack `head.U` (and
    `reversed_head.U`). Drawn from U(-1/sqrt(H), 1/sqrt(H)) unless the cell's `init` says otherwise.

    Raises UsageError for arguments out of range, ShapeError (a UsageError) for tensors that do not
    fit, CellError where two widths that an equation needs equal are not, NotYet where a chosen
    backend cannot run the cell.

    >>> rnn = Recurrent("mgu", 3, 5, num_layers=2)
    >>> y, state = rnn(torch.randn(7, 2, 3))
    >>> y.shape, [s.shape for s in state]
    (torch.Size([7, 2, 5]), [torch.Size([2, 2, 5])])
    """

    def __init__(
        self,
        cell: Cell | str | Callable,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        batch_first: bool = False,
        dropout: float = 0.0,
        backend: str = "auto",
        device=None,
        dtype: torch.dtype | None = None,
        recompute: bool = False,
    ):
        super().__init__()
        whole = find(cell)
        check_initial(whole)
        num_layers = check_size(
            f"Recurrent({whole.name}, {input_size}, {hidden_size})", "num_layers", num_layers, DEEPEST
        )
        self.cell, head = split_head(whole) if num_layers != 1 else (whole, None)
        self._who = who = f"Recurrent({self.cell.name}, {input_size}, {hidden_size})"
        self.input_size = check_size(who, "input_size", input_size)
        self.hidden_size = check_size(who, "hidden_size", hidden_size)
        self.num_layers = num_layers
        self.bidirectional = check_flag(who, "bidirectional", bidirectional)
        self.batch_first = check_flag(who, "batch_first", batch_first)
        self.dropout = check_probability(who, "dropout", dropout)
        self.recompute = check_flag(who, "recompute", recompute)
        check_type(who, dtype)
        self._check_arguments(backend)
        self._plan_widths(backend, recompute)
        make = [
            Weights(self.cell, sizes, device, dtype)
            for sizes in self._stack.sizes
            for _ in range(self._directions)
        ]
        self.layers = nn.ModuleList(make[:: self._directions])
        if bidirectional:
            self.reversed = nn.ModuleList(make[1::2])
        self.head = self.reversed_head = None
        if head is not None:
            reads, self.output_size = (
                self.output_size,
                _width((head.width,), {head.width: hidden_size, **self._stack.sizes[0]}),
            )
            self.head = OutputLayer(head, whole, reads, self.output_size, device, dtype)
            if bidirectional:
                self.reversed_head = OutputLayer(head, whole, reads, self.output_size, device, dtype)
        self.watchers: tuple[Watcher, ...] = ()
        self.reset_parameters()

    def _check_arguments(self, backend: str) -> None:
        if self.dropout and self.num_layers == 1:
            warnings.warn(
                f"{self._who}: dropout={self.dropout:g} goes between layers, and there is one. "
                "Give num_layers=2 or more, or dropout=0.",
                stacklevel=3,
            )
        if backend != "auto" and backend not in BACKENDS:
            raise UsageError(
                f"{self._who}: backend={backend!r} does not exist. Choose auto, {' or '.join(BACKENDS)}."
            )

    def _plan_widths(self, backend: str, recompute: bool) -> None:
        """Binds every width of the cell's equations to a number, layer by layer."""
        graph, extra = self.cell.graph, self.cell.widths
        self._directions = 2 if self.bidirectional else 1
        clashing = [d for c in graph.clashes for d in letters_of(f"{c.left}+{c.right}")]
        letters = {d: extra.get(d, self.hidden_size) for d in (*graph.dims, *clashing) if d.isidentifier()}
        sizes, width = [], self.input_size
        for _ in range(self.num_layers):
            sizes.append({**letters, "I": width, "H": self.hidden_size})
            check_widths(graph, sizes[-1])
            self._check_reads(width, sizes[-1])
            self.output_size = _width(graph.nodes[graph.output].shape, sizes[-1])
            width = self.output_size * self._directions
        self._input_names, self._state_names = self.cell.inputs, graph.states
        by_layer = [[_width(graph.shape("state", s), layer) for s in graph.states] for layer in sizes]
        self._state_widths = [max(widths) for widths in zip(*by_layer)]
        self._unlike = tuple(by_layer) if any(widths != self._state_widths for widths in by_layer) else ()
        self._state_starts = [self.cell.start.get(name, 0.0) for name in graph.states]
        self._input_widths = [_width(graph.shape("input", i), sizes[0]) for i in self.cell.inputs]
        self._stack = stack_of(graph, tuple(sizes), self.output_size, self.bidirectional, backend, recompute)
        self._evaluated = (
            None
            if not self.cell.noise
            else stack_of(
                self.cell.evaluation.graph,
                tuple(sizes),
                self.output_size,
                self.bidirectional,
                backend,
                recompute,
            )
        )

    def _check_reads(self, width: int, sizes: Mapping[Dim, int]) -> None:
        """Equations that add the input to a state, say, leave its width no choice."""
        name = self.cell.inputs[0]
        shape = self.cell.graph.shape("input", name)
        if _width(shape, sizes) != width:
            wanted = f"{' '.join(shape) or 'a number'}, {_width(shape, sizes)} wide here"
            raise ShapeError(
                f"{self._who}: a layer would read {width} values, but the equations of {self.cell.name} "
                f"make its input {name} {wanted}. Give sizes that agree, or bring it to that width, "
                f"W @ {name}."
            )

    def reset_parameters(self) -> None:
        """Draws all parameters again, layer by layer."""
        for weights in self._weights():
            weights.draw(self.cell, self.hidden_size)
        for head in self._heads():
            head.reset_parameters()

    def _heads(self) -> list[OutputLayer]:
        """Output layers that stand on the stack, per direction."""
        return [head for head in (self.head, self.reversed_head) if head is not None]

    def _weights(self) -> list[Weights]:
        """Per layer and direction."""
        if not self.bidirectional:
            return list(self.layers)
        return [weights for pair in zip(self.layers, self.reversed) for weights in pair]

    @property
    def backend(self) -> str:
        return self._stack.backend

    @property
    def evaluated(self) -> LayerStack:
        """What runs in evaluation mode: the equations without noise, and the widths of each layer."""
        return self._stack if self._evaluated is None else self._evaluated

    def first_state(self, batch: int) -> State:
        """The state that None stands for: (layers x directions, B, width) each."""
        like = next(iter(self._weights()[0].named().values()), None)
        like = torch.zeros((), device="cpu") if like is None else like
        return self._final(self._start(batch, like), all_rows(1, batch), False)

    def forward(
        self, x: Input, state: State | None = None, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, State]:
        """Runs whole sequences: y (T, B, ·) and the state after each row's last step."""
        return self._forward(x, state, lengths, self.batch_first)

    def step(self, x_t: Input, state: State | None = None) -> tuple[Tensor, State]:
        """Runs one step: x_t (B, I) float or (B,) int64 to y_t (B, ·). Raises Never where layers go both ways.

        In training mode a cell with noise draws its masks for this step alone, those of whole sequences too: a
        step does not know to which sequence it belongs. Train on sequences, and step in evaluation mode.
        """
        if self.bidirectional:
            raise Never(
                f"{self._who}: one step of a bidirectional layer needs the end of the sequence first. "
                "Call rnn(x) on whole sequences, or make the layer with bidirectional=False."
            )
        x = tuple(v.unsqueeze(0) for v in x_t) if isinstance(x_t, tuple) else x_t.unsqueeze(0)
        y, state = self._forward(x, state, None, False)
        return y.squeeze(0), state

    @seen_by_tracers
    def _forward(self, x: Input, state, lengths, batch_first: bool) -> tuple[Tensor, State]:
        weights = [w.named() for w in self._weights()]
        held = [*weights[0].values()]  # next(iter(...), None) is nothing that torch 2.8 compiles
        like = held[0] if held else None
        inputs, alone = self._inputs(x, like, batch_first)
        steps, batch = inputs[0].shape[:2]
        if lengths is None:
            rows = all_rows(steps, batch)
        elif alone:
            raise UsageError(
                f"{self._who} got lengths for one sequence without a batch. Give x[:length] instead."
            )
        else:
            rows = rows_of(lengths, steps, batch, inputs[0].device, self._who)
        like = inputs[0] if like is None else like
        first = self._start(batch, like) if state is None else self._given(state, batch, like, alone, rows)
        stack, masks = self._stack, None
        if self._evaluated is not None:  # a cell with noise
            stack, masks, weights = self._with_noise(weights, rows, like)
        watcher = watcher_of(self.watchers)
        note = watcher and watcher.call(stack.graph, lambda v: _padded(v, rows, alone, batch_first))
        y, last = run_stack(
            stack,
            [rows.pack(v) for v in inputs],
            first,
            weights,
            rows,
            between=self._drop if self.training and self.dropout else None,
            watch=note,
            masks=masks,
        )
        if heads := self._heads():
            y = torch.cat([head(part) for head, part in zip(heads, y.chunk(len(heads), -1))], -1)
        y = _padded(y, rows, alone, batch_first)
        return y.to(torch.bfloat16) if mixes(like) else y, self._final(last, rows, alone)

    def _with_noise(self, weights: list[Named], rows: PackedRows, like: Tensor):
        """What runs, masks behind the inputs, and the weights with theirs: drawn while
        training, else without any.
        """
        if not self.training:
            return self._evaluated, None, weights
        sizes = [s for s in self._stack.sizes for _ in range(self._directions)]
        made = [drawn(self.cell, s, rows, like) for s in sizes]
        return (
            self._stack,
            [inputs for inputs, _ in made],
            [{**w, **more} for w, (_, more) in zip(weights, made)],
        )

    def _drop(self, y: Tensor) -> Tensor:
        return dropped(y, self.dropout)

    def _inputs(self, x: Input, like: Tensor | None, batch_first: bool) -> tuple[list[Tensor], bool]:
        """The cell's inputs, checked, (T, B, width) each (indices (T, B)), and whether there was no batch."""
        given = x if type(x) is tuple else (x,)  # a PackedSequence is a tuple, too
        names, widths = self._input_names, self._input_widths
        if len(given) != len(names):
            wanted = f"a tuple ({', '.join(names)})" if len(names) > 1 else "one tensor"
            raise ShapeError(f"{self._who} got {len(given)} inputs, the cell has {len(names)}. Give {wanted}.")
        x = given[0]
        check_input(x, self._who, widths[0], batch_first)
        floating = x.is_floating_point()
        if not floating:
            check_indices(x, self._who, widths[0])
        lead = x.shape[:-1] if floating else x.shape
        like = x if like is None else like
        inputs = [
            x,
            *(
                check_extra(v, self._who, n, w, lead, batch_first)
                for v, n, w in zip(given[1:], names[1:], widths[1:])
            ),
        ]
        inputs = [of_type(v, like, self._who, "x" if v is x else name) for v, name in zip(inputs, names)]
        alone = len(lead) == 1
        if alone:
            return [v.unsqueeze(1) for v in inputs], True
        return [v.transpose(0, 1) for v in inputs] if batch_first else inputs, False

    def _start(self, batch: int, like: Tensor) -> list[State]:
        first = tuple(
            like.new_full((batch, width), value) for width, value in zip(self._state_widths, self._state_starts)
        )
        return self._cut([first] * (self.num_layers * self._directions))

    def _given(self, state, batch: int, like: Tensor, alone: bool, rows: PackedRows) -> list[State]:
        """A state as it was given, per layer and direction, in the kernel's order of rows."""
        count = self.num_layers * self._directions
        shapes = [(count, width) if alone else (count, batch, width) for width in self._state_widths]
        parts = [s.unbind(0) for s in check_state(state, self._who, self._state_names, shapes, like)]
        return self._cut(
            [tuple(rows.sort(p[k].unsqueeze(0) if alone else p[k]) for p in parts) for k in range(count)]
        )

    def _cut(self, state: list[State]) -> list[State]:
        """Each layer's state as wide as the layer has it, where layers differ."""
        if not self._unlike:
            return state
        return [
            tuple(s[:, :width] for s, width in zip(one, self._unlike[k // self._directions]))
            for k, one in enumerate(state)
        ]

    def _final(self, last: list[State], rows: PackedRows, alone: bool) -> State:
        """Tensors of their own, whoever holds the parts; zero beyond a layer's width."""
        if self._unlike:
            last = [
                tuple(pad(s, (0, width - s.shape[1])) for s, width in zip(one, self._state_widths))
                for one in last
            ]
        joined = torch.cat if alone else torch.stack  # (1, width) each, or (B, width)
        parts = zip(*last) if rows.restore is None else zip(*(map(rows.unsort, state) for state in last))
        return tuple([joined(each) for each in parts])

    def __prepare_scriptable__(self):
        raise NotYet(
            f"torch.jit.script compiles torch's language, and {self._who} has a kernel of its own. Use "
            "torch.export.export(model, (x,)), torch.compile(model) or torch.jit.trace(model, x)."
        )

    def extra_repr(self) -> str:
        shown = f"{self.cell.name}, {self.input_size}, {self.hidden_size}"
        defaults = {
            "num_layers": 1,
            "bidirectional": False,
            "batch_first": False,
            "dropout": 0.0,
            "backend": "auto",
            "recompute": False,
        }
        return shown + "".join(
            f", {k}={getattr(self, k)!r}" for k, v in defaults.items() if getattr(self, k) != v
        )


def _width(shape: Sequence[str], sizes) -> int:
    """How wide a vector is; a number is one wide."""
    return size(shape[0], sizes) if shape else 1


def _padded(packed: Tensor, rows: PackedRows, alone: bool, batch_first: bool) -> Tensor:
    """(N, width) as the caller's sequences are laid out, in memory of its own."""
    y = rows.unpack(packed)
    if alone:
        return y.squeeze(1)
    return y.transpose(0, 1) if batch_first else y
