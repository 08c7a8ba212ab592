"""A graph that comes from outside is put through the rules that tracing uses: what passes is what
`@cell` could have made.

Widths are derived again from the shapes of the leaves, as from those that an author declares, and the stored
ones must be equal to them; so nothing that reads a graph need doubt it. Work is bounded before any is done.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import replace

from ..errors import CellError, UsageError
from ..ops import LEAVES, OPS
from .builder import SINGLE
from .node import Clash, Graph, Node, letters_of, size
from .widths import infer

# Of a step; the deepest cell of the zoo is 49 deep, the largest has 329 nodes.
MOST_NODES, MOST_DEPTH = (2000, 320)
MOST_WRITTEN = 1000  # values in one line of equations, written out
MOST_NAME, MOST_TEXT = 64, 200_000  # letters of a name; of a text that is only printed
MOST_TITLE = 1000  # letters of a cell's name, of a width
MOST_TERMS, MOST_WIDTH = 256, 2**24  # of a width such as H+H+3; of its numbers multiplied out
MOST_RANK = 6  # stacks of stacks of matrices

# Primitives that only differentiation and planning make; `size` has become a width when widths are known.
LATER = (
    "size",
    "product_t",
    "products_t",
    "outer",
    "spread",
    "part",
    "columns",
    "kron",
    "kron_left",
    "kron_right",
)
LATER += ("copy", "flat", "cumsum_back")
NAMED = ("input", "state", "parameter")
NUMBER = re.compile(r"[1-9][0-9]{0,7}")


def checked(graph: Graph) -> Graph:
    """The graph with every width derived again. Raises UsageError, naming the place, for what
    tracing cannot have made.

    Types are taken for granted (graph/json.py sees to them), and nothing else.
    """
    for wrong in (_names, _nodes, _leaves, _bounds, _results, _words):
        for message in wrong(graph):
            raise UsageError(message)
    known = _inferred(graph)
    for wrong in (_shapes, _moving):
        for message in wrong(graph, known):
            raise UsageError(message)
    return replace(known, clashes=_all_clashes(graph, known))


def is_width(text: str) -> bool:
    """Whether a text is a width such as 3, H, H/4, H+2*O, neither nothing nor too large."""
    if len(text) > MOST_TITLE or text.count("+") >= MOST_TERMS:
        return False
    factors = [factor.split("/") for term in text.split("+") for factor in term.split("*")]
    right = all(
        len(factor) <= 2
        and (is_name(factor[0]) or NUMBER.fullmatch(factor[0]))
        and all(map(NUMBER.fullmatch, factor[1:]))
        for factor in factors
    )
    return right and size(re.sub(r"/[0-9]+", "", text), _ONES) <= MOST_WIDTH


class _Ones(dict):
    """Every letter stands for one."""

    def __missing__(self, letter: str) -> int:
        return 1


_ONES = _Ones()


def is_name(text: object) -> bool:
    """Whether a text is what Python calls a name, of at most 64 letters."""
    return (
        isinstance(text, str) and text.isidentifier() and len(text) <= MOST_NAME and not keyword.iskeyword(text)
    )


def is_title(text: object) -> bool:
    """Whether a text can be a cell's name: an identifier, or of a derived cell `zoneout(lstm, 0.1)`."""
    return isinstance(text, str) and text.isprintable() and 0 < len(text) <= MOST_TITLE


def excess(graph: Graph) -> str | None:
    """What of a graph is too much for anybody to work with; None if nothing is. Takes time in
    proportion to its nodes.
    """
    if len(graph.nodes) > MOST_NODES:
        return f"a step has {len(graph.nodes):,} values, and {MOST_NODES:,} is the most"
    named = {s.index for s in graph.statements}
    depth, written, terms = [], [], []
    for node in graph.nodes:
        depth.append(1 + max((depth[a] for a in node.args), default=0))
        written.append(1 + sum(1 if a in named else written[a] for a in node.args))
        if node.op == "concat":
            terms.append(sum(terms[a] for a in node.args))
        else:
            own = max((dim.count("+") + 1 for dim in node.shape or ()), default=1)
            terms.append(max([own, *(terms[a] for a in node.args)]))
        if depth[-1] > MOST_DEPTH:
            return f"node {node.index} ({node.op}) stands on a chain of over {MOST_DEPTH} values"
        if written[-1] > MOST_WRITTEN:
            return f"node {node.index} ({node.op}) is over {MOST_WRITTEN:,} values long, written out"
        if terms[-1] > MOST_TERMS:
            return f"node {node.index} ({node.op}) joins over {MOST_TERMS} widths"
    return None


def _names(graph: Graph) -> Iterator[str]:
    if not is_title(graph.name):
        yield f"{_short(graph.name)} is not a name of a cell"
    if not graph.inputs:
        yield "it has no input"
    named = [*graph.inputs, *graph.states, *graph.parameters, *(name for name, _ in graph.hyper)]
    for name in (*named, *(s.name for s in graph.statements)):
        if not is_name(name):
            yield (
                f"{_short(name)} is not a name of a value; names are identifiers of at most {MOST_NAME} letters"
            )
    seen: set[str] = set()
    for name in named:
        if name in seen:
            yield f"{_short(name)} is the name of two things"
        seen.add(name)


def _nodes(graph: Graph) -> Iterator[str]:
    """Known primitives with as many arguments as they take, each before its user, no two alike."""
    if len(graph.nodes) > MOST_NODES:
        yield excess(graph)
    seen: dict[tuple, int] = {}
    for k, node in enumerate(graph.nodes):
        place = f"node {k} ({node.op if is_name(node.op) else _short(node.op)})"
        if node.op not in LEAVES and (node.op not in OPS or node.op in LATER):
            yield f"{place} is not a primitive of the cell language"
        arity = 0 if node.is_leaf else OPS[node.op].arity
        if len(node.args) != arity and not (arity == -1 and node.args):
            yield f"{place} has {len(node.args)} arguments and takes {'some' if arity == -1 else arity}"
        if any(not 0 <= a < k for a in node.args):
            yield f"{place} rests on a node that does not stand before it"
        if not _value_fits(node):
            yield f"{place} has the value {_short(node.value)}, which its kind does not have"
        twin = seen.setdefault((node.op, node.args, repr(node.value)), k)
        if twin != k and node.op not in (*SINGLE, "width"):
            yield f"{place} is node {twin} once more"
        if len(node.shape) > MOST_RANK or not all(map(is_width, node.shape)):
            yield f"{place} has the shape {_short(list(node.shape))}, whose widths are none"


def _value_fits(node: Node) -> bool:
    if node.op in (*NAMED, "hyper"):
        return is_name(node.value)
    if node.op == "constant":
        return type(node.value) is float
    if node.op == "width":
        return isinstance(node.value, str) and is_width(node.value)
    if node.op == "index":
        return type(node.value) is int and abs(node.value) <= MOST_WIDTH
    return node.value is None


def _leaves(graph: Graph) -> Iterator[str]:
    """Each input, state and parameter has one leaf, in the order of the signature; parameters are used."""
    for kind, names in zip(NAMED, (graph.inputs, graph.states, graph.parameters)):
        found = tuple(n.value for n in graph.nodes if n.op == kind)
        if found != names:
            yield f"its {kind}s are {_short(list(names))} and its nodes have {_short(list(found))}"
    hyper = sorted(name for name, _ in graph.hyper)
    if sorted(n.value for n in graph.nodes if n.op == "hyper") != hyper:
        yield f"its hyper-parameters {_short(hyper)} are not those that its nodes have"
    used = {a for node in graph.nodes for a in node.args}
    for node in graph.nodes:
        if node.op == "parameter" and node.index not in used:
            yield f"the parameter {node.value} is never used"
        if node.op in ("constant", "hyper", "width") and node.shape:
            yield f"node {node.index} ({node.op}) is a number and is said to be {_short(list(node.shape))}"
        if node.op in ("input", "state") and len(node.shape) > 1:
            yield f"the {node.op} {node.value} is said to be {_short(list(node.shape))}, which is not a vector"


def _bounds(graph: Graph) -> Iterator[str]:
    message = excess(graph)
    if message:
        yield message


def _results(graph: Graph) -> Iterator[str]:
    if len(graph.new_states) != len(graph.states):
        yield f"it has {len(graph.states)} states and {len(graph.new_states)} new ones"
    for root in (graph.output, *graph.new_states):
        if not 0 <= root < len(graph.nodes) or graph.nodes[root].is_leaf:
            yield f"its result {_short(root)} is not a node that is worked out"


def _words(graph: Graph) -> Iterator[str]:
    """Names and clashes of widths point at nodes; texts that are only printed have an end."""
    counts: dict[str, int] = {}
    if len(graph.statements) > MOST_NODES or len(graph.clashes) > MOST_NODES:
        yield f"it has {max(len(graph.statements), len(graph.clashes)):,} lines"
    for s in graph.statements:
        counts[s.name] = counts.get(s.name, 0) + 1
        if s.count != counts[s.name]:
            yield f"the name {s.name} is said to stand for the {_short(s.count)}th time"
    for said in (*graph.statements, *graph.clashes):
        if not 0 <= said.index < len(graph.nodes):
            yield f"node {_short(said.index)}, which a line names, is not there"
        if said.line is not None and abs(said.line) > MOST_WIDTH:
            yield f"a line has the number {_short(said.line)}"
    known = {"I", "H", *(letter for n in graph.nodes for dim in n.shape for letter in letters_of(dim))}
    for clash in graph.clashes:
        if not (is_width(clash.left) and is_width(clash.right)):
            yield f"{_short(clash.left)} and {_short(clash.right)} are said to clash, and are not widths"
        if not 0 <= (clash.column or 0) <= MOST_TITLE:
            yield f"a line has the column {_short(clash.column)}"
        known |= {*letters_of(clash.left), *letters_of(clash.right)}
    for node in graph.nodes:
        if node.op == "width" and not known.issuperset(letters_of(node.value)):
            yield f"node {node.index} (width) is {_short(node.value)}, which no vector is wide"


def _inferred(graph: Graph) -> Graph:
    """The widths that follow from those of the leaves, as those of an author's function do."""
    bare = tuple(n if n.is_leaf else replace(n, shape=None) for n in graph.nodes)
    declared = {n.value: n.shape for n in graph.nodes if n.op in NAMED}
    try:
        return infer(replace(graph, nodes=bare, clashes=()), declared, lambda index: (None, None, None))
    except CellError as error:
        raise UsageError(str(error).partition(": ")[2]) from None


def _shapes(graph: Graph, known: Graph) -> Iterator[str]:
    for node, right in zip(graph.nodes, known.nodes):
        if node.shape != right.shape:
            yield (
                f"node {node.index} ({node.op}) is said to have the shape {_short(list(node.shape))}, and has "
                f"{_short(list(right.shape))}"
            )
        if node.op == "index":
            deep = known.nodes[node.args[0]].shape[0]
            if deep.isdigit() and not -int(deep) <= node.value < int(deep):
                yield f"node {node.index} (index) picks layer {node.value} of a stack of {deep}"
    for name, new in zip(graph.states, graph.new_states):
        old = known.shape("state", name)
        if len(known.nodes[new].shape) != len(old):
            yield f"the state {name} is {_short(list(old))} and becomes {_short(list(known.nodes[new].shape))}"
    if len(known.nodes[known.output].shape) > 1:
        yield f"its output, node {known.output}, is a matrix"


def _moving(graph: Graph, known: Graph) -> Iterator[str]:
    """Matrices are made of parameters alone."""
    moves: list[bool] = []
    for node in known.nodes:
        moves.append(node.op in ("input", "state") or any(moves[a] for a in node.args))
        if moves[-1] and len(node.shape) > 1:
            yield f"node {node.index} ({node.op}) is a matrix that rests on an input or a state"


def _all_clashes(graph: Graph, known: Graph) -> tuple[Clash, ...]:
    """Those that were stored, with the author's words, and whichever of the derived ones
    do not follow from them.
    """
    one = {c.right: c.left for c in graph.clashes if c.right.isidentifier() and c.left.isidentifier()}
    said = {_pair(c, one) for c in graph.clashes}
    more = [c for c in known.clashes if (pair := _pair(c, one)) not in said and len(pair) == 2]
    return (*graph.clashes, *more)


def _pair(clash: Clash, one: dict[str, str]) -> frozenset[tuple[str, ...]]:
    """The two widths as sums, with one letter for those that a clash says are equal; one sum
    where they are the same.
    """

    def summands(width: str) -> tuple[str, ...]:
        return tuple(sorted(re.sub(r"[^\W\d]\w*", lambda m: one.get(m[0], m[0]), width).split("+")))

    return frozenset((summands(clash.left), summands(clash.right)))


def _short(value: object) -> str:
    """A value in print, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
