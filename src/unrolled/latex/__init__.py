"""The equations of a paper or a slide, pasted as LaTeX, become a cell."""

from .read import cell_from_latex as cell_from_latex
from .read import cell_of_file as cell_of_file
from .read import made_of_python as made_of_python
from .read import python_from_latex as python_from_latex
from .read import python_of_file as python_of_file

__all__ = ["cell_from_latex", "cell_of_file", "made_of_python", "python_from_latex", "python_of_file"]
