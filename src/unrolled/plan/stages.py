"""Ordering: which stage each node belongs to, and the program of segments and products that follows."""

from __future__ import annotations

from collections.abc import Iterable

from ..graph.node import Node, needed
from ..ops import ALONG_UNITS, OF_WHOLES, OPS, OVER_UNITS
from .program import Columns, Group, Place, Product, Program, Segment

PRODUCTS = ("product", "products_t")
WHOLE = (*OVER_UNITS, *ALONG_UNITS, *OF_WHOLES)  # known when all units have been gone through


def stages(nodes: tuple[Node, ...], wanted: Iterable[int], found: dict[int, Place]) -> dict[int, int]:
    """Stage of each node: 0 for what is found at the start, one more behind every product, every sum over
    units, and what reads whole vectors, unless they stand in memory.

    One more also for a costly function of another costly one (the tanh of an LSTM's cell after its gates): as
    one long chain for each unit they leave the processor waiting, as two loops the units overlap.
    """
    stage: dict[int, int] = {}
    chained: set[int] = set()  # nodes with a costly function behind them in the same stage
    for index in wanted:
        node = nodes[index]
        if index in found or not node.args:
            stage[index] = 0
            continue
        latest = max(stage[a] for a in node.args)
        waits = node.op in PRODUCTS or any(nodes[a].op in WHOLE and stage[a] == latest for a in node.args)
        waits = waits or (
            node.op in OF_WHOLES
            and any(a not in found and nodes[a].op not in PRODUCTS and stage[a] == latest for a in node.args)
        )
        behind = any(a in chained and stage[a] == latest for a in node.args)
        costly = node.op in OPS and OPS[node.op].costly
        stage[index] = latest + (waits or (costly and behind))
        if costly or (behind and stage[index] == latest):
            chained.add(index)
    return stage


def reachable(nodes: tuple[Node, ...], roots: Iterable[int], found: dict[int, Place]) -> list[int]:
    """Nodes to compute for the roots, stopping at what is found in memory."""
    cut = tuple(Node(n.index, n.op, () if n.index in found else n.args) for n in nodes)
    return needed(cut, roots)


class Scheduler:
    """Lays one direction of the step out as a program. `found` maps nodes to where
    memory already holds them.
    """

    def __init__(self, nodes: tuple[Node, ...], roots: Iterable[int], found: dict[int, Place]):
        self.nodes, self.found, self.given = nodes, dict(found), frozenset(found)
        self.wanted = reachable(nodes, roots, found)
        self.stage = stages(nodes, self.wanted, found)
        self.users: dict[int, list[int]] = {}
        for user in self.wanted:
            for index in dict.fromkeys(nodes[user].args):
                self.users.setdefault(index, []).append(user)
        self.stores: dict[int, list[tuple[int, Place]]] = {}  # stage -> [(node, place)]
        self.sums: dict[int, list[tuple[int, Place]]] = {}
        self.numbers: dict[int, list[tuple[int, Place]]] = {}
        self.products: dict[int, list[Product]] = {}
        self.put_off: dict[int, int] = {}  # values that wait for a later stage before they are stored
        self.scratch, self.z = Columns("scratch"), Columns("z")

    def width(self, index: int) -> str:
        shape = self.nodes[index].shape
        return shape[0] if shape else "1"

    def last_read(self, index: int, fixed: frozenset[int], ends: frozenset[int] = frozenset()) -> int:
        """The last stage that may read a value, also by way of arithmetic put off to a
        later stage; -1 if none does.

        Nodes in `fixed` are stored at their own stage and not put off. Products read their operands from
        memory, and `ends` are results whose storing is arranged apart: neither is counted.
        """
        known: dict[int, int] = {}
        for user in (*self._behind(index, fixed, ends), index):
            known[user] = self.put_off.get(user, -1)
            for reader in self._readers(user, ends):
                known[user] = max(
                    known[user], self.stage[reader], known[reader] if self._moves(reader, fixed) else -1
                )
        return known[index]

    def _behind(self, index: int, fixed: frozenset[int], ends: frozenset[int]) -> list[int]:
        """Values that rest on this one by way of arithmetic that can be put off, the last first."""
        found, todo = set(), [index]
        while todo:
            for reader in self._readers(todo.pop(), ends):
                if reader not in found and self._moves(reader, fixed):
                    found.add(reader)
                    todo.append(reader)
        return sorted(found, reverse=True)

    def _moves(self, index: int, fixed: frozenset[int]) -> bool:
        return index not in fixed and self.nodes[index].op not in WHOLE

    def _readers(self, index: int, ends: frozenset[int]) -> list[int]:
        return [
            user
            for user in self.users.get(index, ())
            if user not in self.given and user not in ends and self.nodes[user].op not in PRODUCTS
        ]

    def store(self, index: int, place: Place, not_before: int = 0, readable: bool = False) -> None:
        """Stores a node at the end of its stage (or of stage `not_before`); `readable`: later
        stages may read it there.

        What is made of whole vectors is written at the beginning of its stage, when a carry may still be read.
        """
        late = self.nodes[index].op in OF_WHOLES and place.buffer == "carry"
        stage = max(self.stage[index] + late, not_before)
        self.stores.setdefault(stage, []).append((index, place))
        if readable:
            self.found.setdefault(index, place)

    def accumulate(self, index: int, place: Place, number: bool) -> None:
        stage = self.stage[index] + (self.nodes[index].op in (*ALONG_UNITS, *OF_WHOLES))
        (self.numbers if number else self.sums).setdefault(stage, []).append((index, place))

    def product(self, stage: int, product: Product) -> None:
        self.products.setdefault(stage, []).append(product)

    def program(self, joined: set[int] = frozenset()) -> Program:
        """The finished program. `joined`: nodes that a product's accumulation has taken over.

        Stages are filled from the last to the first, each with what its stores ask for: what an
        earlier stage knows is read from memory, computed again where that is a little arithmetic, or
        else stored by that stage.
        """
        last = max([*self.stores, *self.sums, *self.numbers, *self.products, 0])
        segments = []
        for stage in range(last, -1, -1):
            nodes = self._demanded(stage, [i for i in self._asked(stage) if i not in joined])
            segments.append(
                Segment(
                    stage,
                    tuple(sorted(nodes)),
                    tuple(self.stores.get(stage, ())),
                    tuple(self.sums.get(stage, ())),
                    tuple(self.numbers.get(stage, ())),
                )
            )
        steps: list[Segment | Product] = []
        for segment in reversed(segments):
            steps += self.products.get(segment.stage, [])
            if segment.stores or segment.vectors or segment.numbers:
                steps.append(segment)
        return Program(
            tuple(steps), tuple(sorted(self.found.items())), tuple(self.scratch.widths), tuple(self.z.widths)
        )

    def asked(self) -> list[int]:
        """What all stages store or add up so far."""
        return [
            i for table in (self.stores, self.sums, self.numbers) for stage in table for i, _ in table[stage]
        ]

    def _asked(self, stage: int) -> list[int]:
        """What a stage stores or adds up."""
        return [i for table in (self.stores, self.sums, self.numbers) for i, _ in table.get(stage, ())]

    def _demanded(self, stage: int, asked: list[int]) -> set[int]:
        """What one stage computes: its own nodes, and earlier ones that nobody needs earlier or that are little
        work. Other values from earlier stages that no buffer holds get a scratch column there."""
        nodes: set[int] = set()
        todo = list(asked)
        before = set(
            reachable(self.nodes, [i for s in range(stage) for i in self._asked(s)], dict.fromkeys(self.given))
        )
        while todo:
            index = todo.pop()
            if index in nodes or self._in_memory(index, stage):
                continue
            movable = index not in before and self.nodes[index].op not in WHOLE
            if self.stage[index] == stage or movable or self._little(index, stage, LITTLE) <= LITTLE:
                nodes.add(index)
                if self.nodes[index].op not in OF_WHOLES:
                    todo.extend(self.nodes[index].args)
                else:
                    self._hold([a for a in self.nodes[index].args if not self._in_memory(a, stage)])
            else:
                self._hold([index])
        return nodes

    def _hold(self, indices: Iterable[int]) -> None:
        """Puts values into scratch columns at the end of their stages."""
        for index in dict.fromkeys(indices):
            place = self.scratch.new(self.width(index))
            self.stores.setdefault(self.stage[index], []).append((index, place))
            self.found[index] = place

    def _in_memory(self, index: int, stage: int) -> bool:
        """Whether a stage reads the value from a buffer: it was given, or an earlier stage (or
        a product) put it there.
        """
        if index in self.given or self.nodes[index].op in PRODUCTS:
            return True
        return index in self.found and self.stage[index] < stage

    def _little(self, index: int, stage: int, most: float) -> float:
        """How many operations it takes to compute a value again from memory; infinite for costly ones, and
        for more than `most`."""
        node = self.nodes[index]
        if self._in_memory(index, stage):
            return 0
        if node.is_leaf or node.op in WHOLE or OPS[node.op].costly or most < 1:
            return float("inf")
        total = 1.0
        for a in node.args:
            total += self._little(a, stage, most - total)
        return total


LITTLE = 4  # operations; a store and a load of a scratch column cost about as much

__all__ = ["Group", "Scheduler", "reachable", "stages"]
