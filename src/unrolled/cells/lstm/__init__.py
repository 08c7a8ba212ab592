"""Long short-term memory and its kin: a cell state that is added to, behind gates.
`from unrolled.cells.lstm import lstm` is the cell itself."""

from . import exponential, standard, variants
from .standard import lstm

__all__ = ["exponential", "lstm", "standard", "variants"]
