"""`@cell`: a plain function of one example at one step becomes a recurrent cell, known by name everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from .errors import CellError, UsageError
from .graph.declared import check_names, check_start, function_of, like_default, listed, signature_of
from .graph.interpret import interpret
from .graph.json import graph_to_json
from .graph.node import Dim, Graph, Shape
from .graph.replay import Draft
from .graph.trace import trace
from .noise import Noise
from .references import bibtex, citations, year_of
from .stored import named, storable, stored_cell
from .views import notebook
from .views.account import account
from .views.equations import card
from .views.latex import latex
from .views.picture import Picture, picture

Initial = float | str | Callable  # a constant, the name of an initialisation, or a function that fills a tensor


@dataclass(frozen=True, eq=False)
class Cell:
    """A recurrent cell: its equations, and what they cannot say themselves.

    function    the author's function; None for a cell read from a file or made from another cell
    shapes      widths that use cannot tell, e.g. {"beta": (), "W_h": ("depth", "H", "H"), "y": ("O",)}
    start       a state's first value where it is not zero
    fixed       parameters that are not trained
    init        initial values: a number, the name of an initialisation, or a function that fills a tensor
    cite        keys of the papers
    values      hyper-parameters that differ from the function's defaults
    widths      widths besides I and H, e.g. {"O": 10}
    stored      the equations of a cell without a function
    symbols     how names are set that have parts above, {"W_h": "W^h"}
    noise       masks that a layer draws while training: last inputs of the graph, some of its parameters
    """

    name: str
    function: Callable | None = None
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    init: Mapping[str, Initial] = field(default_factory=dict)
    cite: tuple[str, ...] = ()
    doc: str = ""
    family: str = ""
    year: int | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    widths: Mapping[Dim, int] = field(default_factory=dict)
    stored: Graph | None = None
    noise: Mapping[str, Noise] = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def graph(self) -> Graph:
        """The equations as data, traced once."""
        if self.stored is not None:
            return self.stored
        numbers = {k: v for k, v in self.hyper.items() if isinstance(v, int)}
        declared = {name: tuple(str(numbers.get(d, d)) for d in listed(s)) for name, s in self.shapes.items()}
        graph = replace(trace(self.function, declared, dict(self.values)), name=self.name)
        check_start(self.name, self.start, graph.states)
        check_names(self.name, "fixed", self.fixed, graph.parameters, "parameter")
        check_names(self.name, "init", self.init, graph.parameters, "parameter")
        return graph

    @property
    def inputs(self) -> tuple[str, ...]:
        """What a caller gives; the graph's inputs may have masks behind them."""
        return tuple(n for n in self.graph.inputs if n not in self.noise)

    @property
    def states(self) -> tuple[str, ...]:
        return self.graph.states

    @property
    def parameters(self) -> tuple[str, ...]:
        """What a layer holds; the graph's parameters may have masks among them."""
        return tuple(n for n in self.graph.parameters if n not in self.noise)

    @cached_property
    def evaluation(self) -> Cell:
        """The cell without noise: every mask is its mean. The same cell where there is none."""
        if not self.noise:
            return self
        means = {name: noise.mean for name, noise in self.noise.items()}
        draft = Draft(self.graph, lambda _, node: means.get(node.value) if node.is_leaf else None, copies=False)
        draft.inputs = list(self.inputs)
        return self.made_of(draft.finish(self.name), noise={})

    def made_of(self, graph: Graph, *, noise: Mapping[str, Noise] | None = None) -> Cell:
        """A cell with these equations, and this one's papers, first values and so on for names left."""
        kept = {*graph.parameters, *graph.states}
        return replace(
            self,
            name=graph.name,
            function=None,
            stored=graph,
            shapes={},
            values={},
            start={k: v for k, v in self.start.items() if k in kept},
            fixed=tuple(k for k in self.fixed if k in kept),
            symbols={k: v for k, v in self.symbols.items() if k in named(graph)},
            init={k: v for k, v in self.init.items() if k in kept},
            noise={
                k: v
                for k, v in (self.noise if noise is None else noise).items()
                if k in graph.inputs or k in graph.parameters
            },
        )

    @property
    def hyper(self) -> dict[str, object]:
        """Hyper-parameters with their values."""
        if self.function is None:
            return {**dict(self.graph.hyper), **self.values}
        return signature_of(self.function, dict(self.values)).hyper

    def using(self, **values: float | int | str) -> Cell:
        """The same equations, other hyper-parameters or widths: `lem.using(dt=0.5)`, `jordan.using(O=10)`.

        Raises UsageError for a name that the cell does not have.
        """
        hyper, letters = self.hyper, set(self.graph.dims) - {"I", "H"}
        for name in values:
            if name not in hyper and name not in letters:
                known = ", ".join([*hyper, *sorted(letters)])
                raise UsageError(
                    f"{self.name}.using({name}=...): {self.name} has no {name}. "
                    + (f"It takes {known}." if known else "It takes no hyper-parameters.")
                )
        chosen = {k: like_default(self.name, k, hyper[k], v) for k, v in values.items() if k in hyper}
        widths = {k: int(v) for k, v in values.items() if k in letters}
        stored = None
        if self.stored is not None:
            stored = replace(self.stored, hyper=tuple((k, chosen.get(k, v)) for k, v in self.stored.hyper))
        return replace(self, values={**self.values, **chosen}, widths={**self.widths, **widths}, stored=stored)

    def __call__(self, *args, **parameters):
        """The author's function itself, on symbols or plain tensors of one example.

        A cell from a file or made from another cell has no function: its equations run node by node, on
        tensors. Without its masks a cell is its evaluation.
        """
        if self.function is not None:
            return self.function(*args, **{**self.values, **parameters})
        if (
            self.noise
            and len(args) == len(self.inputs) + len(self.states)
            and not self.noise.keys() & parameters.keys()
        ):
            return self.evaluation(*args, **parameters)
        return interpret(self.graph, args, parameters, self.widths)

    def latex(self, *, comments: bool = False, numbered: bool = False) -> str:
        r"""The equations as a paper prints them: an `align*` environment for LaTeX, KaTeX and MathJax.

        comments  the author's comments in a column to the right
        numbered  `align`, whose lines carry numbers

            >>> print(REGISTRY["elman"].latex())                            # doctest: +SKIP
            \begin{align*}
              h_{t} &= \tanh(W x_{t} + U h_{t-1} + b)
            \end{align*}
        """
        return latex(self.graph, comments=comments, numbered=numbered, symbols=self.symbols)

    def picture(
        self,
        file: str | Path | None = None,
        *,
        view: str = "graph",
        steps: int | None = None,
        layers: int = 1,
        parts: bool = False,
        theme: str = "auto",
    ) -> Picture:
        """The cell as a picture: SVG text, which a notebook shows, and a file, .svg, .png or .pdf.

        view    "graph": the computational graph of a step, or of several equal ones side by side; "unrolled":
                one box a step, inputs below, outputs above; "rolled": one box with its loop; "conveyor": a
                gated cell with the state on a belt above its gates (Olah 2015); "neurons": a circle for each
                unit; "modes": what recurrent nets are used for, from one to one to many to many
        steps   how many steps, from 1 to 64; without it a graph has 1, an unrolled net 4.
                All use the same weights
        layers  of an unrolled or rolled net, one above the other
        parts   of a graph: each primitive apart; without it a sum of matrix products is one box
        theme   "auto" (an SVG follows its reader's setting and is light in print), "light" or "dark"

        Raises UsageError for what does not fit, for a view that the cell does not have, and for a PNG or PDF
        where Graphviz is missing (pip install "unrolled[pictures]").

            lstm.picture("lstm.svg")
            lstm.picture("deep.svg", view="unrolled", steps=3, layers=2)
        """
        return picture(
            self.graph,
            file,
            view=view,
            steps=steps,
            layers=layers,
            parts=parts,
            theme=theme,
            widths=self.widths,
        )

    def _repr_latex_(self) -> str:
        return self.latex()

    def _repr_svg_(self) -> str:
        return str(self.picture())

    def _repr_markdown_(self) -> str:
        return notebook.markdown(self.name, self.doc, self.latex())

    def _repr_html_(self) -> str:
        return notebook.html(self.name, self.doc, self.latex(), self.picture())

    def listing(self, sizes: Mapping[Dim, int] | None = None) -> str:
        """What a cell weighs and where it is from: each array's shape, numbers, bytes and first value, FLOPs of
        a step forward and backward, and the papers as BibTeX.

        sizes  widths, {"I": 28, "H": 64}; 128 where nothing says otherwise

        Raises UsageError for a width that the cell does not have.

            print(lstm.listing({"I": 28, "H": 64}))
        """
        return account(
            self.name,
            self.graph,
            doc=self.doc,
            sizes={**self.widths, **(sizes or {})},
            init=self.init,
            fixed=self.fixed,
            start=self.start,
            bibtex=bibtex(self.cite, self.year),
            masks=tuple(self.noise),
        )

    def to_json(self) -> dict:
        """The cell as plain data; `Cell.from_json` needs nothing else and runs no code. First values that are
        functions are left out: whoever stores a cell stores its weights. Raises UsageError for a cell that
        `from_json` would refuse, so that nothing is trained that could not be read again."""
        data = {
            "name": self.name,
            "graph": graph_to_json(self.graph),
            "start": dict(self.start),
            "fixed": list(self.fixed),
            "init": {name: value for name, value in self.init.items() if not callable(value)},
            "cite": list(self.cite),
            "doc": self.doc,
            "family": self.family,
            "year": self.year,
            "widths": dict(self.widths),
            "symbols": dict(self.symbols),
            "noise": {name: [noise.rate, noise.kind, noise.over] for name, noise in self.noise.items()},
        }
        return storable(Cell, data)

    @staticmethod
    def from_json(data: dict) -> Cell:
        """A cell from the data of `to_json`, which may be a stranger's: nothing of it runs. Raises UsageError,
        saying what is wrong and where, for what neither `@cell` nor a change of a cell could have made."""
        try:
            return stored_cell(Cell, data)
        except UsageError as error:
            raise UsageError(f"this is not a stored cell: {error}") from None

    def __deepcopy__(self, memo) -> Cell:
        return self  # nothing in it changes

    def __reduce__(self):
        functions = {name: value for name, value in self.init.items() if callable(value)}
        return _unpickled, (self.to_json(), functions)

    def __str__(self) -> str:
        """The equations, parameters, counts and papers, on one page."""
        return card(
            self.name,
            self.graph,
            doc=self.doc,
            papers=citations(self.cite, self.year),
            hyper=self.hyper,
            init=self.init,
            fixed=self.fixed,
            start=self.start,
            widths=self.widths,
            masks={name: str(noise) for name, noise in self.noise.items()},
        )

    def __repr__(self) -> str:
        given = ", ".join(f"{k}={v}" for k, v in {**self.values, **self.widths}.items())
        return (
            f"<cell {self.name}{f' using {given}' if given else ''}:"
            f" {self.doc.splitlines()[0] if self.doc else ''}>"
        )


def _unpickled(data: dict, functions: dict[str, Callable]) -> Cell:
    made = Cell.from_json(data)
    return replace(made, init={**made.init, **functions}) if functions else made


REGISTRY: dict[str, Cell] = {}
ZOO = f"{__package__}.cells"


def cell(
    function: Callable | None = None,
    *,
    cite: str | tuple[str, ...] = (),
    shapes: Mapping[str, Shape] | None = None,
    start: Mapping[str, float] | None = None,
    fixed: str | tuple[str, ...] = (),
    init: Mapping[str, Initial] | None = None,
    symbols: Mapping[str, str] | None = None,
    family: str = "",
    year: int | None = None,
):
    """Makes a cell of a function; the language is in docs/language.md.

    The family of a cell of the zoo is its file or folder in cells/, and the year is the one in the key of the
    first paper, "zhou2016mgu"; `family` and `year` say otherwise.

        @cell(cite="zhou2016mgu")
        def mgu(x, h, *, W_f, U_f, b_f, W_n, U_n, b_n):
            f = sigmoid(W_f @ x + U_f @ h + b_f)      # forget gate
            n = tanh(W_n @ x + U_n @ (f * h) + b_n)   # candidate
            h = (1 - f) * h + f * n                   # new state
            return h

    Nothing is traced yet; mistakes in the equations show when the cell is first used, as CellError.
    """

    def make(function: Callable) -> Cell:
        doc = (function.__doc__ or "").strip()
        return Cell(
            function.__name__,
            function,
            shapes or {},
            start or {},
            listed(fixed),
            init or {},
            listed(cite),
            doc,
            family or family_of(function.__module__ or ""),
            year or year_of(listed(cite)),
            symbols=symbols or {},
        )

    return make if function is None else make(function)


def family_of(module: str) -> str:
    """The family of a cell that a module of the zoo defines; none for one from elsewhere.

    >>> family_of(f"{ZOO}.second_order"), family_of(f"{ZOO}.lstm.variants"), family_of("__main__")
    ('second order', 'lstm', '')
    """
    inside = module.removeprefix(f"{ZOO}.")
    return "" if inside == module else inside.split(".")[0].replace("_", " ")


def register(made: Cell) -> Cell:
    """Puts a cell into the catalogue, so that its name works wherever a cell is asked for."""
    if made.name in REGISTRY:
        raise CellError(f"two cells are called {made.name}; rename one")
    REGISTRY[made.name] = made
    return made


def find(named: str | Cell | Callable) -> Cell:
    """The cell of that name, or the cell itself, or a cell of a plain function.

    Raises UsageError with the nearest names where there is none.
    """
    if isinstance(named, Cell):
        return named
    if callable(named):
        return cell(function_of(named, REGISTRY))
    from . import cells as _zoo  # noqa: F401  (registers the cells; only a name needs them)

    if not isinstance(named, str):
        raise UsageError(f"{named!r} is not a cell. Give a cell, a cell's name such as 'lstm', or a function.")
    if named in REGISTRY:
        return REGISTRY[named]
    from difflib import get_close_matches

    near = get_close_matches(named, REGISTRY, 3, 0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`unrolled cells` lists them."
    raise UsageError(f"there is no cell called {named!r}. {hint}")
