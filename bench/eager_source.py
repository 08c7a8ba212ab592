"""Any cell as the loop that a careful person writes in eager torch, as Python text:
`python -m bench eager lstm`.

Batched; everything that waits for no state is done for all steps at once before the loop; one stacked product
per operand in it, which adds the input's share itself (`addmm`); gates with the same activation in one call;
`unbind`, never `x[t]`, whose backward pass takes time quadratic in the number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from unrolled.errors import NotYet
from unrolled.graph.node import needed, size
from unrolled.plan.plan import Plan

from .eager_fusion import fusion_of, runs_of, source_group, twins_of

SPELL = {
    "add": "({} + {})",
    "sub": "({} - {})",
    "mul": "({} * {})",
    "div": "({} / {})",
    "neg": "(-{})",
    "alias": "{}",
    "spread": "{}",
    "softplus": "F.softplus({}, threshold=40.0)",
    "less": "({} < {}).to(dtype)",
    "greater": "({} > {}).to(dtype)",
    "at_most": "({} <= {}).to(dtype)",
    "at_least": "({} >= {}).to(dtype)",
    "unequal": "({} != {}).to(dtype)",
    "both": "torch.logical_and({}, {}).to(dtype)",
    "either": "torch.logical_or({}, {}).to(dtype)",
    "power": "torch.pow({}, {})",
    "clip": "torch.clamp({}, {}, {})",
    "elu": "F.elu({})",
    "silu": "F.silu({})",
    "gelu": "F.gelu({})",
    "where": "torch.where({}, {}, {})",
    "maximum": "torch.maximum({}, {})",
    "minimum": "torch.minimum({}, {})",
    "sum": "{}.sum(-1, keepdim=True)",
    "step": "({} > 0).to(dtype)",
    "abs": "torch.abs({})",
    "held": "{}.detach()",
    "largest": "{}.amax(-1, keepdim=True)",
    "cumsum": "torch.cumsum({}, -1)",
    "kron": "({}.unsqueeze(-1) * {}.unsqueeze(-2)).flatten(-2)",
    "copy": "{}",
    "equal": "({} == {}).to(dtype)",
    **{
        name: f"torch.{name}({{}})"
        for name in (
            "sigmoid",
            "tanh",
            "relu",
            "exp",
            "log",
            "sin",
            "cos",
            "sqrt",
            "floor",
            "sign",
            "round",
            "erf",
        )
    },
}

CUTS = ("columns", "part")
CLAMP = {"maximum": "{}.clamp(min={})", "minimum": "{}.clamp(max={})"}  # where one side is a number
# ("product" | "stream" | "vector" | "number", node of the body), ("outer", node of the outer
# graph), ("zeros", width)
Piece = tuple[str, int]


@dataclass(frozen=True)
class Source:
    """The text of `run(inputs, state, weights, dtype)`, and the pieces that each of `weights` is stacked of."""

    text: str
    stacks: dict[str, tuple[Piece, ...]]


def source_of(plan: Plan, sizes: dict[str, int]) -> Source:
    """Writes the loop. Raises NotYet where a cell has an op that this file does not spell."""
    return _Writer(plan, sizes).write()


class _Writer:
    def __init__(self, plan: Plan, sizes: dict[str, int]):
        self.plan, self.body, self.nodes, self.sizes = plan, plan.body, plan.body.nodes, sizes
        self.fusion = fusion_of(plan)
        self.live = sorted(self.fusion.uses)
        self.runs = [runs_of(plan, self.fusion, group) for group in plan.groups]
        self.text: dict[int, str] = {}  # node -> the name or number that holds it
        self.outer: dict[int, str] = {}  # the same for nodes of the outer graph
        self.twins = twins_of(plan)
        self.stacks: dict[str, tuple[Piece, ...]] = {}
        self.steps: dict[str, str] = {}  # name in the loop -> name of what is unbound
        self.parts: dict[tuple[int, ...], str] = {}  # hoisted streams that stand side by side -> their name
        self.before: list[str] = []
        self.inside: list[str] = []
        self.in_loop = False

    def write(self) -> Source:
        self._leaves()
        self._hoist()
        self._early()
        self.in_loop = True
        for i in self.live:
            self._line(i)
        new = [self._name(i) for i in self.body.new_states]
        states = [f"s{k}" for k in range(len(new))]
        output = states[0] if self.body.output_is_state else self._name(self.body.output)
        tail = [f"{', '.join(states)} = {', '.join(new)}"] if new else []
        at = len(tail) if self.body.output_is_state else 0  # another output may read the old states
        tail.insert(at, f"ys.append({output})")
        xs = ", ".join(f"x{k}" for k in range(len(self.plan.graph.inputs)))
        lines = [
            f"[{', '.join(self.stacks)}] = weights",
            f"[{xs}] = inputs",
            f"[{', '.join(states)}] = state",
            *self.before,
            "ys = []",
            (
                f"for [{', '.join(self.steps)}] in"
                f" zip({', '.join(f'{v}.unbind(0)' for v in self.steps.values())}):"
            ),
            *("    " + line for line in (*self.inside, *tail)),
            f"return torch.stack(ys), [{', '.join(states)}]",
        ]
        text = "\n".join(["def run(inputs, state, weights, dtype):", *("    " + line for line in lines)]) + "\n"
        return Source(text, self.stacks)

    def _leaves(self) -> None:
        biases = self.fusion.biases.values()
        for i in self.live:
            node = self.nodes[i]
            if node.op in ("constant", "hyper", "width"):
                self.text[i] = self._number(node)
            elif i in self.plan.vectors and i not in biases:
                self.text[i] = self._stack(f"v{i}", [("vector", i)])
            elif i in self.plan.numbers:
                self.text[i] = self._stack(f"n{i}", [("number", i)])
        self.text.update((leaf, f"s{k}") for k, leaf in enumerate(self.body.states))
        self.text.update((leaf, f"x{self.plan.graph.inputs.index(name)}") for name, leaf in self.body.streams)

    def _stack(self, name: str, pieces: list[Piece]) -> str:
        self.stacks[name] = tuple(pieces)
        return name

    def _bias(self, name: str, heads: list[int]) -> str:
        """A third argument for `linear`, where one of the heads has a bias."""
        biases = self.fusion.biases
        pieces = [("vector", biases[h]) if h in biases else ("zeros", self._width(h)) for h in heads]
        return f", {self._stack(name, pieces)}" if any(h in biases for h in heads) else ""

    def _hoist(self) -> None:
        """One stacked product for each input."""
        plain = [self.body.outer[h.operand].op == "input" for h in self.body.hoisted]
        # What is made of inputs may need their products.
        for g in sorted(range(len(plain)), key=lambda g: not plain[g]):
            hoisted = self.body.hoisted[g]
            operand = self._outer(hoisted.operand)
            parts = self._side_by_side(g, [s for s in hoisted.streams if s in self.fusion.uses])
            order = [s for part in parts for s in part]
            weight = self._stack(f"W{g}", [("stream", s) for s in order])
            product = f"F.linear({operand}, {weight}{self._bias(f'b{g}', order)})"
            names = self._cut(self.before, [f"a{g}_{k}" for k in range(len(parts))], product, parts)
            self.parts.update(zip(parts, names))
            self.text.update((part[0], name) for part, name in zip(parts, names) if len(part) == 1)

    def _number(self, node) -> str:
        if node.op == "width":
            return repr(float(size(node.value, self.sizes)))
        return repr(float(dict(self.plan.graph.hyper)[node.value] if node.op == "hyper" else node.value))

    def _outer(self, i: int) -> str:
        """Python for what a product before the loop is applied to: an input, or something made of inputs."""
        if i not in self.outer:
            node, twin = self.body.outer[i], self.twins.get(i)
            if twin in self.fusion.timed - self.fusion.inner and node.args and self.nodes[twin].args:
                if twin not in self.text:
                    self.before.append(f"e{twin} = {self._name(twin)}")
                    self.text[twin] = f"e{twin}"
                self.outer[i] = self.text[twin]
            elif node.op == "input":
                self.outer[i] = f"x{self.plan.graph.inputs.index(node.value)}"
            elif node.op in ("constant", "hyper", "width"):
                self.outer[i] = self._number(node)
            elif not any(self.body.outer[a].op == "input" for a in needed(self.body.outer, [i])):
                self.outer[i] = self._stack(f"w{i}", [("outer", i)])
            else:
                args = [self._outer(a) for a in node.args]
                made = (
                    f"F.linear({args[1]}, {args[0]})"
                    if node.op == "product"
                    else self._spelled(node, node.args, args)
                )
                self.before.append(f"o{i} = {made}")
                self.outer[i] = f"o{i}"
        return self.outer[i]

    def _side_by_side(self, g: int, streams: list[int]) -> list[tuple[int, ...]]:
        """The streams of a hoisted group, together those that the loop adds in one go."""
        parts = []
        for k, runs in enumerate(self.runs):
            together = [self._members(k)] if self._adds(k) else runs
            parts += [
                tuple(self.fusion.added[p] for p in products)
                for products in together
                if source_group(self.plan, self.fusion, products[0]) == g
            ]
        taken = {s for part in parts for s in part}
        return parts + [(s,) for s in streams if s not in taken]

    def _members(self, k: int) -> list[int]:
        return [p for run in self.runs[k] for p in run]

    def _adds(self, k: int) -> bool:
        """Whether group k's product can add the input's share: all its gates have one, from the same input."""
        sources = {source_group(self.plan, self.fusion, p) for p in self._members(k)}
        return len(sources) == 1 and None not in sources

    def _early(self) -> None:
        """Elementwise work that waits for no state, for all steps at once, where the loop reads its result."""
        ends = {*self.body.new_states, self.body.output}
        for i in self.live:
            if i in self.fusion.timed - self.fusion.inner and self.nodes[i].args:
                read = any(i in self.nodes[u].args and u not in self.fusion.early for u in self.live)
                if i not in self.text and (i in ends or read or self.fusion.uses[i] > 1):
                    self.before.append(f"e{i} = {self._name(i)}")
                    self.text[i] = f"e{i}"

    def _line(self, i: int) -> None:
        """A line of the loop for a product, a new state, or what is read twice; the rest
        stands where it is read.
        """
        node = self.nodes[i]
        if i in self.fusion.early or not node.args or i in self.text:
            return
        if node.op == "product":
            self._product(next(k for k in range(len(self.runs)) if i in self._members(k)))
        elif self.fusion.uses[i] > 1 or i in self.body.new_states:
            self.inside.append(f"z{i} = {self._name(i)}")
            self.text[i] = f"z{i}"

    def _product(self, k: int) -> None:
        """One group's stacked product, with what is added to it and the activations that follow."""
        members, operand = self._members(k), self._name(self.plan.groups[k].operand)
        if f"U{k}" in self.stacks:
            return
        weight = self._stack(f"U{k}", [("product", p) for p in members])
        if self._adds(k):
            self.before.append(f"{weight}t = {weight}.t()")
            product = f"torch.addmm({self._step(self._part(members))}, {operand}, {weight}t)"
        else:
            product = f"F.linear({operand}, {weight}{self._bias(f'c{k}', members)})"
        names = self._cut(self.inside, [f"g{k}_{r}" for r in range(len(self.runs[k]))], product, self.runs[k])
        for run, name in zip(self.runs[k], names):
            self._run(k, run, name)

    def _run(self, k: int, run: list[int], name: str) -> None:
        """Gates that are treated alike, side by side under one name: the input's share,
        the activation, the cut.
        """
        active = self.fusion.active.get(run[0])
        value = name
        if run[0] in self.fusion.added and not self._adds(k):
            value = f"({self._step(self._part(run))} + {name})"
        if active is not None:
            value = SPELL[self.nodes[active].op].format(value)
        names = [name]
        if len(run) > 1 or value != name:
            names = self._cut(self.inside, [f"{name}_{r}" for r in range(len(run))], value, [(p,) for p in run])
        self.text.update(zip([self.fusion.active.get(p, p) for p in run], names))

    def _part(self, products: list[int]) -> str:
        return self.parts[tuple(self.fusion.added[p] for p in products)]

    def _cut(self, lines: list[str], names: list[str], value: str, parts) -> list[str]:
        """Writes a line that names the parts, side by side, of a value."""
        cut = f".split({[sum(self._width(i) for i in part) for part in parts]}, -1)" if len(parts) > 1 else ""
        lines.append(f"{', '.join(names)} = {value}{cut}")
        return names

    def _width(self, i: int) -> int:
        shape = self.nodes[i].shape
        return size(shape[0], self.sizes) if shape else 1

    def _step(self, whole: str) -> str:
        """The name, in the loop, of one step of what is there for all steps."""
        self.steps[f"{whole}_t"] = whole
        return f"{whole}_t"

    def _name(self, i: int) -> str:
        """Python for a node: its name, or its operation on its arguments."""
        if i in self.text:
            return self._step(self.text[i]) if self.in_loop and i in self.fusion.timed else self.text[i]
        node = self.nodes[i]
        if i in self.fusion.rest and self.fusion.rest[i][0] != i:
            head, others = self.fusion.rest[i]
            terms = [self._name(head), *(self._name(t) for t in others)]
            return terms[0] if len(terms) == 1 else f"({' + '.join(terms)})"
        return self._spelled(node, node.args, [self._name(a) for a in node.args])

    def _spelled(self, node, given: tuple[int, ...], args: list[str]) -> str:
        """An operation on arguments that are Python already; `given` are their nodes."""
        if node.op in CUTS:
            start, width = (0 if d == "0" else size(d, self.sizes) for d in node.value)
            return f"{args[0]}.narrow(-1, {start}, {width})"
        if node.op == "concat":
            return f"torch.cat([{', '.join(args)}], -1)"
        if node.op not in SPELL:
            raise NotYet(
                f"the eager peer of {self.plan.graph.name}: `{node.op}` is not spelled in eager_source.py"
            )
        numbers = [a for a in args if _is_number(a)]
        if node.op in CLAMP and len(numbers) == 1:
            return CLAMP[node.op].format(*sorted(args, key=_is_number))
        if node.op == "where":
            compared = args[0].endswith(".to(dtype)")
            args = [args[0].removesuffix(".to(dtype)") if compared else f"{args[0]} != 0", *args[1:]]
        if node.op == "mul" and "1.0" in args:  # dt = 1, say
            return args[args[0] == "1.0"]
        return SPELL[node.op].format(*args)


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).replace("e-", "", 1).isdigit()
