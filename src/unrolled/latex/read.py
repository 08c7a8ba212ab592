r"""LaTeX equations become a cell: `cell_from_latex(r"h_t = \tanh(W x_t + U h_{t-1} + b)")`."""

from __future__ import annotations

import hashlib
import keyword
import linecache
import re
from pathlib import Path

from ..cell import Cell
from ..errors import CellError, UsageError
from .declared import declared_of
from .indices import without_indices
from .lines import lines_of
from .parser import equations_of
from .roles import roles_of
from .tokens import LatexSource, tokens_of
from .write import TAKEN, source_of

LONGEST = 100_000  # letters


def python_from_latex(text: str, name: str = "pasted") -> str:
    r"""The Python function that some LaTeX equations of one step mean, as the text of a module.

    text   the equations, pasted: with or without $...$, align and words around them
    name   what the function is called

    The function's docstring says what was assumed. Raises CellError, with the line and a caret under the place,
    for what cannot be read.

    >>> print(python_from_latex(r"h_t = \tanh(W x_t + U h_{t-1} + b)").splitlines()[-2].strip())
    h = tanh(W @ x + U @ h + b)
    """
    if not isinstance(text, str):
        raise UsageError(
            f'text={text!r:.60} is not text. Give the equations as a string, such as r"h_t = \\tanh(W x_t)".'
        )
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name in TAKEN:
        raise UsageError(f"name={name!r} cannot be a cell's name. Choose a Python name such as my_lstm.")
    if len(text) > LONGEST:
        raise UsageError(
            f"the text has {len(text):,} letters, and equations of one step have at most {LONGEST:,}. Paste the"
            " equations alone."
        )
    source = LatexSource(text, "LaTeX")
    try:
        lines = lines_of(source, tokens_of(source))
        declared = [d for line in lines if line.equals.text == "\\in" for d in declared_of(source, line)]
        equations = equations_of(source, [line for line in lines if line.equals.text == "="])
        indexed = without_indices(source, equations)
        return source_of(roles_of(source, indexed, declared), name)
    except RecursionError:
        raise UsageError(
            "one equation has too many terms, or brackets in brackets, to be read. Give its parts names."
        ) from None


def cell_from_latex(text: str, name: str = "pasted") -> Cell:
    r"""The cell that some LaTeX equations of one step mean (Olah 2015 writes such, and the
    lecture decks after him).

    text   the equations; x_t is an input, h_{t-1} makes h a state, what carries no t is a parameter
    name   what the cell is called

    Its equations are those of `python_from_latex(text, name)`. Raises CellError for what cannot be read
    and for widths that clash.

    >>> gate = r"f_t = \sigma(W_f [h_{t-1}, x_t] + b_f)"
    >>> cell = cell_from_latex(gate + r" \\ h_t = f_t * h_{t-1} + (1 - f_t) * x_t")
    >>> cell.inputs, cell.states, cell.parameters
    (('x',), ('h',), ('W_f', 'b_f'))
    """
    return made_of_python(python_from_latex(text, name), name)


def made_of_python(source: str, name: str) -> Cell:
    """The cell of a text that `python_from_latex` made. Traced at once, so that a width clash shows here."""
    file = f"<latex {hashlib.sha256(source.encode()).hexdigest()[:12]}>"
    # So that lines can be quoted.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    found: dict[str, object] = {}
    exec(compile(source, file, "exec"), found)
    made = found[name]
    made.graph
    return made


def cell_of_file(file: str | Path) -> Cell:
    """The cell of a file of LaTeX equations, named like the file. Raises UsageError
    where it cannot be opened.
    """
    return made_of_python(*python_of_file(file))


def python_of_file(file: str | Path) -> tuple[str, str]:
    """(The Python that a file of LaTeX equations means, the name of its function)."""
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or error
        raise UsageError(f"--latex {file}: the file cannot be read: {reason}. Check the path.") from None
    name = re.sub(r"\W", "_", path.stem, flags=re.ASCII).strip("_") or "pasted"
    name = name if name[0].isalpha() else f"cell_{name}"
    name = f"{name}_cell" if keyword.iskeyword(name) or name in TAKEN else name
    try:
        return python_from_latex(text, name), name
    except CellError as error:
        raise CellError(str(error).replace("CellError in LaTeX", f"CellError in {path.name}", 1)) from None
