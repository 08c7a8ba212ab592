"""What each name is: given by an equation, input, state, parameter; in which order;
and what had to be assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..errors import CellError
from ..graph.node import Shape
from .declared import Declared
from .functions import split_functions
from .indices import Indexed
from .scripts import LAYER_BELOW
from .tokens import FUNCTIONS, LatexSource
from .tree import BEFORE, NOW, Equation, Name, Tree, changed, parts

LAYER = (LAYER_BELOW, "l", "L")
CALLABLE = {*FUNCTIONS.values(), "sqrt", "absolute", "floor", "step", "total"}


@dataclass
class Roles:
    """The equations in the order in which they can be worked out, and the role of each name."""

    source: LatexSource
    equations: list[Equation]
    functions: dict[str, str] = field(default_factory=dict)
    inputs: list[Name] = field(default_factory=list)
    delayed: list[Name] = field(default_factory=list)  # inputs whose last value is asked for
    states: list[Name] = field(default_factory=list)
    parameters: list[Name] = field(default_factory=list)
    varying: set[Name] = field(default_factory=set)
    output: Name | None = None
    shapes: dict[Name, Shape] = field(default_factory=dict)  # as far as they are said
    sides: dict[Name, int] = field(default_factory=dict)  # of names that had indices
    summed: list[Name] = field(default_factory=list)  # vectors that a sum runs over
    start: dict[Name, float] = field(default_factory=dict)  # what the first step finds, where it is said
    notes: list[str] = field(default_factory=list)


def roles_of(source: LatexSource, indexed: Indexed, declared: Sequence[Declared] = ()) -> Roles:
    """Every name's role. Raises CellError for what no equation gives, what two give, and a circle."""
    equations, functions = split_functions(source, indexed.equations)
    roles = Roles(source, equations, functions, notes=_unbraced(source))
    roles.sides, roles.summed = indexed.sides, indexed.summed
    roles.shapes = {d.name: d.shape for d in declared}
    _stacks(roles)
    _layers(roles)
    _horizon(roles)
    _beginnings(roles)
    _twice(roles)
    _leaves(roles)
    roles.equations = _ordered(roles)
    for equation in roles.equations:
        if any(n.moment == BEFORE or n.value in roles.varying for n in equation.right.names()):
            roles.varying.add(equation.name)
    roles.output = _output(roles)
    _called(roles)
    return roles


def _unbraced(source: LatexSource) -> list[str]:
    said = list(dict.fromkeys(source.unbraced))
    if not said:
        return []
    read = ", ".join(
        f"{one} is read as {one[: 1 + one.index('_')]}{{{one[1 + one.index('_') :]}}}" for one in said
    )
    return [f"{read}: LaTeX without braces lowers one letter only."]


def _map_names(roles: Roles, change: Callable[[Tree], Tree]) -> None:
    def of_names(tree: Tree) -> Tree:
        return change(tree) if tree.op == "name" else tree

    roles.equations = [
        replace(e, left=change(e.left), right=changed(e.right, of_names)) for e in roles.equations
    ]


def _layers(roles: Roles) -> None:
    """One equation for all layers, h_{t,l} from h_{t,l-1}: the layer below is the input."""
    if not any(LAYER_BELOW in n.value.below for e in roles.equations for n in e.right.names()):
        return
    first = [e for e in roles.equations if "0" in e.name.below and e.left.moment and e.right.op == "name"]
    roles.equations = [e for e in roles.equations if e not in first]
    given = first[0].right.value if first else Name("x")

    def change(tree: Tree) -> Tree:
        if LAYER_BELOW in tree.value.below and tree.moment != BEFORE:
            return replace(tree, value=given, moment=NOW)
        return replace(
            tree, value=replace(tree.value, below=tuple(p for p in tree.value.below if p not in LAYER))
        )

    _map_names(roles, change)
    roles.notes.append(
        f"One layer of a stack: {given.python} is the layer below, and Recurrent(..., num_layers=L) stacks"
        " them."
    )


def _stacks(roles: Roles) -> None:
    r"""U^{(1)}_h where U_h is said to be a stack of matrices is one of them."""
    given = {e.name for e in roles.equations}

    def change(tree: Tree) -> Tree:
        for count in range(1, len(tree.value.below) + 1):
            places, rest = tree.value.below[:count], tree.value.below[count:]
            whole = replace(tree.value, below=rest)
            if not places[-1].isdigit() or tree.value in given:
                break
            if len(roles.shapes.get(whole, ())) > count:
                made = replace(tree, value=whole)
                for place in places:
                    made = Tree("index", (made,), int(place), tree.at)
                return made
        return tree

    _map_names(roles, change)


def _horizon(roles: Roles) -> None:
    """h_T beside h_t: the last step's value, in an equation that holds at every step."""
    timed = {n.value for e in roles.equations for n in (e.left, *e.right.names()) if n.moment}
    found: list[str] = []

    def change(tree: Tree) -> Tree:
        plain = replace(tree.value, below=tree.value.below[:-1])
        if tree.moment is None and tree.value.below[-1:] == ("T",) and plain in timed:
            found.append(plain.python)
            return replace(tree, value=plain, moment=NOW)
        return tree

    _map_names(roles, change)
    roles.notes += [f"{name}_T is read as {name} of the same step." for name in dict.fromkeys(found)]


def _beginnings(roles: Roles) -> None:
    """h_0 = 0 beside h_t: the state that the first step finds."""
    timed = {n.value for e in roles.equations for n in e.right.names() if n.moment == BEFORE}
    rest = []
    for equation in roles.equations:
        left = equation.left
        state = replace(left.value, below=left.value.below[:-1]) if left.op == "name" else None
        if left.moment or state not in timed or left.value.below[-1:] != ("0",):
            rest.append(equation)
            continue
        value = equation.right.args[0] if equation.right.op == "neg" else equation.right
        if value.op != "number":
            raise roles.source.wrong(
                equation.right.at,
                f"{state.python}_0 is what the first step finds, and a cell begins with a number. Write "
                f"{state.python}_0 = 0, or take the line out and hand the state over when the cell is run.",
            )
        roles.start[state] = -value.value if equation.right.op == "neg" else value.value
    roles.equations = rest


def _twice(roles: Roles) -> None:
    seen: dict[Name, Equation] = {}
    for equation in roles.equations:
        if equation.left.moment == BEFORE:
            raise roles.source.wrong(
                equation.left.at,
                f"{equation.name.python} of t-1 is what the step has found and cannot be given "
                "a value. Write t on the left of =.",
            )
        if equation.name in seen:
            raise roles.source.wrong(
                equation.left.at,
                f"{equation.name.python} is given by two equations. Give one of the two another name.",
            )
        seen[equation.name] = equation


def _leaves(roles: Roles) -> None:
    """Inputs carry t and no equation gives them; states carry t-1; the rest are parameters."""
    given = {e.name for e in roles.equations}
    used = [n for e in roles.equations for n in e.right.names()]
    _inputs(roles, given, used)
    _states(roles, given, used)
    known = {*given, *roles.inputs}
    roles.parameters = list(dict.fromkeys(n.value for n in used if n.value not in known))
    roles.varying = {*roles.inputs}


def _inputs(roles: Roles, given: set[Name], used: Sequence[Tree]) -> None:
    leading = _leading(roles, given)
    for name in dict.fromkeys(n.value for n in used if n.value not in given and n.moment == NOW):
        if name in leading:
            roles.notes.append(f"{name.python} carries a t and is the same at every step, as parameters are.")
        else:
            roles.inputs.append(name)
    if not roles.inputs:
        roles.inputs = _inputs_without_time(roles, given, used)
        roles.notes += [f"{name.python} without t is the input." for name in roles.inputs]
    if not roles.inputs:
        raise roles.source.wrong(
            roles.equations[0].left.at,
            "nothing here is an input: every value that carries t is given by an equation. Use the input as"
            " x_t.",
        )
    # The first input's width is I: x, or what is not a number.
    roles.inputs.sort(key=lambda name: (roles.shapes.get(name) == (), name.base not in ("x", "X")))
    if len(roles.inputs) > 1:
        roles.notes.append(
            f"Inputs, which carry t and no equation gives: {', '.join(n.python for n in roles.inputs)}."
        )


def _inputs_without_time(roles: Roles, given: set[Name], used: Sequence[Tree]) -> list[Name]:
    """An x, or the vector that is summed over."""
    taken = {*given, *(n.value for n in used if n.moment == BEFORE)}
    bare = [n.value for n in used if n.value not in taken and n.value.base in ("x", "X")]
    return list(dict.fromkeys(bare or [n for n in roles.summed if n not in taken][:1]))


def _states(roles: Roles, given: set[Name], used: Sequence[Tree]) -> None:
    now = {n.value for n in used if n.moment == NOW}
    for name in dict.fromkeys(n.value for n in used if n.moment == BEFORE):
        if name in given:
            roles.states.append(name)
        elif name in now and name in roles.inputs:
            roles.delayed.append(name)
            roles.notes.append(f"{name.python} of the step before is kept as a state.")
        else:
            at = next(n.at for n in used if n.value == name)
            raise roles.source.wrong(
                at,
                f"{name.python} of t-1 is used and no equation gives {name.python} of t. "
                "Write that equation too.",
            )


def _leading(roles: Roles, given: set[Name]) -> set[Name]:
    """Capital letters with t that multiply something with t from the left, as the matrix in U_t * x_t."""
    found = set()
    for chain in (p for e in roles.equations for p in parts(e.right) if p.op == "chain"):
        for k, sign in enumerate(chain.value):
            left, right = chain.args[k], chain.args[k + 1]
            if (
                left.op == "name"
                and left.value.capital
                and left.moment == NOW
                and left.value not in given
                and sign in ("", "*")
                and any(n.moment for n in right.names())
            ):
                found.add(left.value)
    return found


def _ordered(roles: Roles) -> list[Equation]:
    """Each equation behind those whose values it reads, otherwise as they stand."""
    by_name = {e.name: e for e in roles.equations}
    done: dict[Name, Equation] = {}

    def visit(equation: Equation, trail: tuple[Name, ...]) -> None:
        for name in equation.right.names():
            if name.moment == BEFORE or name.value not in by_name or name.value in done:
                continue
            if name.value in (*trail, equation.name):
                names = [n.python for n in (*trail, equation.name, name.value)]
                circle = f"{names[0]} reads itself" if len(names) == 2 else " reads ".join(names)
                raise roles.source.wrong(
                    name.at,
                    f"a circle: {circle}, all of the same step. Write {names[-1]}_{{t-1}} where the value of"
                    " the step before is meant.",
                )
            visit(by_name[name.value], (*trail, equation.name))
        done[equation.name] = equation

    for equation in roles.equations:
        if equation.name not in done:
            visit(equation, ())
    return list(done.values())


def _output(roles: Roles) -> Name:
    """The one value that nothing reads; without one, the state h, or y, or the last."""
    read = {n.value for e in roles.equations for n in e.right.names() if n.moment != BEFORE}
    free = [e for e in roles.equations if e.name not in read and e.name not in roles.states]
    if len(free) > 1 and roles.states:
        said = " and ".join(e.name.python for e in free[:2])
        raise roles.source.wrong(
            free[0].left.at,
            f"{said} are read by nothing, and a cell has one output. "
            "Use this value in another equation, or take its equation out.",
        )
    if free:
        return free[-1].name
    order = [e.name for e in roles.equations if e.name in roles.states]
    chosen = next(
        (n for letter in "hy" for n in order if n == Name(letter)),
        order[-1] if order else roles.equations[-1].name,
    )
    if len(order) > 1:
        roles.notes.append(f"{chosen.python} is the output.")
    return chosen


def _called(roles: Roles) -> None:
    """Every function by the name that it has in the cell language; an unknown one is tanh."""

    def known(tree: Tree) -> Tree:
        if tree.op != "call" or tree.value in CALLABLE and tree.value not in roles.functions:
            return tree
        said = str(tree.value)
        if said in roles.functions:
            meant = roles.functions[said]
            if meant not in CALLABLE:
                raise _unknown(roles.source, tree.at, said, meant)
            return replace(tree, value=meant)
        if said in FUNCTIONS:
            return replace(tree, value=FUNCTIONS[said])
        if len(tree.args) > 1:
            raise roles.source.wrong(
                tree.at,
                f"{said} is given {len(tree.args)} values, and nothing says what it does with them. "
                f"Write it out, e.g. \\tanh(W x_t + U h_{{t-1}}).",
            )
        meant = (
            "sigmoid"
            if said in ("sigma_g", "sigma_i", "sigma_f", "sigma_o") or said.startswith("sigmoid")
            else "tanh"
        )
        roles.notes.append(
            f"The function {said} is taken for {meant}; a line such as {said}(x) = relu(x) would say another."
        )
        roles.functions[said] = meant
        return replace(tree, value=meant)

    roles.equations = [replace(e, right=changed(e.right, known)) for e in roles.equations]


def _unknown(source: LatexSource, at: int, said: str, meant: str) -> CellError:
    return source.wrong(
        at,
        f"{said} is said to be {meant}, which is not a known function. "
        "Say \\sigma, \\tanh, \\mathrm{relu}, \\mathrm{softmax} or \\mathrm{identity}.",
    )
