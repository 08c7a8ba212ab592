"""The recurrent part of a task's model: which cell, how wide, how deep. These are options of every task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..cell import Cell
from ..cell_file import find_cell
from ..errors import UsageError
from ..layers.recurrent import Recurrent
from ..options import Count, Share

if TYPE_CHECKING:
    CellOption = str | Cell
else:
    CellOption = str  # what a command line and a run's folder can say


@dataclass(frozen=True)
class Net:
    """The recurrent layers of a model."""

    cell: CellOption = "lstm"
    """a cell's name (see: unrolled cells), or FILE.py:FUNCTION"""
    latex: Path | None = None
    """a file of LaTeX equations to make the cell of, instead of --cell"""
    hidden: Count | None = None
    """width of the recurrent layers"""
    layers: Count | None = None
    """how many recurrent layers"""
    dropout: Share | None = None
    """share of the hidden values dropped while training; without one, the more often
    the data are read the more"""

    def found(self) -> Net:
        """The net with its Cell in place of the cell's name. Raises UsageError or
        CellError where there is none.

        >>> Net("gru", hidden=8, layers=2).found().layer(3).output_size
        8
        """
        if self.latex is not None and self.cell != Net.cell:
            raise UsageError(f"--cell {self.cell} and --latex {self.latex} both say which cell: leave one out.")
        return replace(self, cell=find_cell(self.cell, self.latex))

    def layer(self, width: int, *, bidirectional: bool = False) -> Recurrent:
        """The layers on sequences of vectors (T, B, width), or of indices below `width`."""
        dropout = self.dropout or 0.0
        depth = self.layers or 1
        return Recurrent(
            self.cell,
            width,
            self.hidden or width,
            num_layers=depth,
            bidirectional=bidirectional,
            dropout=dropout if depth > 1 else 0.0,
        )
