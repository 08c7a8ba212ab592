"""Kernels for tests: the cells of one family in one C file, so that the headers are
compiled once for all of them.

One cell more builds one family again, not the zoo: the cache's key is the file's text. They are hardly
optimised, float32 a little, for building counts more than running there; cells that are not registered are
built like that alone. The starters are built as users build them, each alone at -O3, and so is everything
inside `as_users_build`.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from unrolled.cells import REGISTRY
from unrolled.graph.node import Graph
from unrolled.kernels.c.build.build import build
from unrolled.kernels.c.build.compiler import CompilerError
from unrolled.kernels.c.call import library, prepared
from unrolled.kernels.c.emit.emit import emit, header, kind_of
from unrolled.kernels.c.emit.spell import unspelled
from unrolled.plan.plan import Plan, plan_of

STARTERS = (
    "elman",
    "gru",
    "gru_reset_before",
    "indrnn",
    "intersection_rnn",
    "jordan",
    "lem",
    "lstm",
    "mgu",
    "mingru",
    "peephole_lstm",
    "phased_lstm",
    "rhn",
)
LEVEL = {"float64": "-O0", "float32": "-O1", "mixed": "-O1"}
USUAL = ("float64", "float32")  # what most tests run; the other on demand
# Names that every emitted file has.
OWN = [f"{way}{end}" for way in ("forward", "backward") for end in ("", "_part", "_arguments")]
alone = library.load
_separate: list[bool] = []  # not empty: everything is built alone


def refused(name: str) -> bool:
    """Whether C has no spelling for one of the cell's primitives. A plan that cannot even be
    made is for tests to say.
    """
    try:
        return unspelled(plan_of(REGISTRY[name].graph)) is not None
    except Exception:
        return False


@lru_cache(maxsize=1)
def homes() -> dict[Graph, str]:
    """The family of each registered cell that is built together with others."""
    return {
        cell.graph: cell.family for name, cell in REGISTRY.items() if name not in STARTERS and not refused(name)
    }


def text_of(graphs: list[Graph], precision: str) -> str:
    """One C file with the functions of several cells, numbered: forward_0, backward_0, forward_1, ..."""
    parts = ["\n".join(kind_of(precision)) + "\n", header()]
    for k, graph in enumerate(graphs):
        parts += [f"\n#define {name} {name}_{k}" for name in OWN]
        parts += ["\n", emit(plan_of(graph), precision, with_header=False)]
        parts += [f"#undef {name}\n" for name in OWN]
    return "".join(parts)


@lru_cache(maxsize=64)
def family(name: str, precision: str) -> dict[Graph, tuple]:
    """The functions of all cells of a family. Raises CompilerError."""
    graphs = [graph for graph, home in homes().items() if home == name]
    made = build(text_of(graphs, precision), name=f"family of {name}", optimise=LEVEL[precision])
    return {graph: (made[f"forward_{k}"], made[f"backward_{k}"]) for k, graph in enumerate(graphs)}


def load(plan: Plan, precision: str) -> tuple:
    """What stands in for `library.load` while tests run."""
    if _separate or plan.graph.name in STARTERS or library.OPTIMISE != "-O3":
        return alone(plan, precision)
    with contextlib.suppress(CompilerError):  # one cell's bad C is that cell's, and not its family's
        if home := homes().get(plan.graph):
            return family(home, precision)[plan.graph]
    before, library.OPTIMISE = library.OPTIMISE, LEVEL[precision]
    try:
        return alone(plan, precision)
    finally:
        library.OPTIMISE = before


def build_all(backwards: bool, at_once: int) -> None:
    """Everything that a whole run will load. Two processes that start at opposite ends share the work."""
    jobs = [
        lambda n=name, p=precision: family(n, p)
        for name in sorted(set(homes().values()))
        for precision in USUAL
    ]
    jobs += [
        lambda n=name, p=precision: alone(plan_of(REGISTRY[n].graph), p)
        for name in STARTERS
        for precision in USUAL
    ]

    def run(job) -> None:
        with contextlib.suppress(CompilerError):  # tests of that cell will say so
            job()

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, jobs[::-1] if backwards else jobs))


@contextlib.contextmanager
def as_users_build():
    """Inside, every cell's kernel is a file of its own at -O3."""
    _separate.append(True)
    _forget()
    try:
        yield
    finally:
        _separate.pop()
        _forget()


def _forget() -> None:
    library.functions.cache_clear()
    prepared._prepared.cache_clear()
