"""Number, vector or matrix: what a name is follows from how it is written and from what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .roles import Roles
from .tokens import LatexSource
from .tree import CONDITIONS, Name, Tree

NUMBER, VECTOR, MATRIX, STACK = 0, 1, 2, 3  # the number of sides
WHOLE = ("total", "norm", "mean")  # one number of a vector
OF_MATRICES = {"exp": "matrix_exp", "softmax": "softmax_columns"}
ROUNDS = 8
DIAGONAL = (
    "\\mathrm{diag} of a vector stands left of a vector only, where it multiplies unit by unit. "
    "Write \\mathrm{diag}(a) v."
)


@dataclass
class Kinds:
    """The kind of every name, and chains of factors resolved by it.

    A capital letter that is the same at every step and stands left of a vector is a matrix; other capitals and
    small Latin letters are vectors; Greek letters and words are numbers, unless they are added to a vector or
    \\odot stands beside them.
    """

    source: LatexSource
    of: dict[Name, int]
    parameters: tuple[Name, ...]
    fixed: dict[Name, Tree] = field(default_factory=dict)  # what is given and the same at every step
    by_row: list[str] = field(default_factory=list)
    said: frozenset[Name] = frozenset()  # names whose kind the text says

    def kind(self, tree: Tree) -> int:
        return self.resolved(tree)[1]

    def resolved(self, tree: Tree) -> tuple[Tree, int]:
        """The expression with products, mul and div in place of chains, and its kind.

        Raises CellError where kinds clash.
        """
        if tree.op == "name":
            return tree, self.of[tree.value]
        if tree.op == "number":
            return tree, NUMBER
        if tree.op == "chain":
            return self._chain(tree)
        if tree.op == "product":  # of a sum over an index
            return Tree("product", tuple(self.resolved(a)[0] for a in tree.args), at=tree.at), VECTOR
        found = [self.resolved(a) for a in tree.args]
        args, kinds = tuple(t for t, _ in found), [k for _, k in found]
        made = Tree(tree.op, args, tree.value, tree.at, tree.moment)
        if tree.op == "call" and kinds[0] == MATRIX and tree.value in OF_MATRICES:
            return Tree("call", args, OF_MATRICES[tree.value], tree.at), MATRIX
        if tree.op == "call" and tree.value == "diag":
            return self._diagonal(made, kinds[0])
        if tree.op == "index":
            return made, kinds[0] - 1
        if tree.op == "call" and tree.value in WHOLE:
            return made, NUMBER
        if tree.op == "concat":
            return made, VECTOR
        if tree.op == "transpose" and kinds[0] == NUMBER:
            return args[0], NUMBER
        if MATRIX in kinds and VECTOR in kinds:
            raise self._clash(tree.args[kinds.index(MATRIX)])
        return made, max(kinds)

    def _diagonal(self, tree: Tree, kind: int) -> tuple[Tree, int]:
        """diag(R) of a stack of blocks is a matrix; of a vector one, too, whose
        product is taken unit by unit.
        """
        if kind > MATRIX:
            return Tree("call", tree.args, "block_diagonal", tree.at), MATRIX
        if kind == MATRIX:
            raise self.source.wrong(
                tree.at,
                "\\mathrm{diag} of a matrix cannot be read. Give it a vector, or say that it holds blocks: "
                "R \\in \\mathbb{R}^{4 \\times H/4 \\times H/4}.",
            )
        return Tree("diagonal", tree.args, at=tree.at), MATRIX

    def _chain(self, tree: Tree) -> tuple[Tree, int]:
        """Side by side binds first, a matrix to what follows it; then \\odot and /, from left to right."""
        groups, joints = [[tree.args[0]]], []
        for sign, factor in zip(tree.value, tree.args[1:]):
            if sign in ("odot", "/"):
                joints.append(sign)
                groups.append([factor])
            else:
                groups[-1].append(factor)
        made, kind = self._group(groups[0])
        for joint, group in zip(joints, groups[1:]):
            right, other = self._group(group)
            if {kind, other} == {MATRIX, VECTOR}:
                raise self._clash(made if kind == MATRIX else right)
            made, kind = Tree("mul" if joint == "odot" else "div", (made, right), at=made.at), max(kind, other)
        return made, kind

    def _group(self, factors: list[Tree]) -> tuple[Tree, int]:
        stack: list[tuple[Tree, int]] = []
        for factor in reversed(factors):
            made, kind = self.resolved(factor)
            if stack and kind == MATRIX and stack[0][1] == NUMBER and len(stack) > 1 and stack[1][1] == VECTOR:
                stack[:2] = [(Tree("mul", (stack[0][0], stack[1][0]), at=stack[0][0].at), VECTOR)]
            if stack and made.op == "diagonal" and stack[0][1] == VECTOR:
                stack[0] = Tree("mul", (made.args[0], stack[0][0]), at=made.at), VECTOR
            elif len(stack) > 1 and made.op == "transpose" and (stack[0][1], stack[1][1]) == (STACK, VECTOR):
                both = (stack[0][0], made.args[0], stack[1][0])
                stack[:2] = [(Tree("call", both, "bilinear", made.at), VECTOR)]
            elif stack and kind == MATRIX and stack[0][1] == VECTOR:
                stack[0] = Tree("product", (made, stack[0][0]), at=made.at), VECTOR
            elif stack and made.op == "transpose" and kind == VECTOR and stack[0][1] == VECTOR:
                inner = Tree("mul", (made.args[0], stack[0][0]), at=made.at)
                stack[0] = Tree("call", (inner,), "total", made.at), NUMBER
            else:
                stack.insert(0, (made, kind))
        made, kind = stack[0]
        for right, other in stack[1:]:
            if kind == other == MATRIX:
                raise self.source.wrong(
                    right.at,
                    "a product of two matrices and no vector behind it. Write the vector, W U x_t, or make "
                    "the product one matrix.",
                )
            row = kind == VECTOR and other == MATRIX
            made = Tree("product", (right, made), at=made.at) if row else Tree("mul", (made, right), at=made.at)
            kind = VECTOR if row else max(kind, other)
        return made, kind

    def _clash(self, matrix: Tree) -> Exception:
        if matrix.op == "diagonal" or matrix.value == "diag":
            return self.source.wrong(matrix.at, DIAGONAL)
        name = matrix.names()[0].value.python
        return self.source.wrong(
            matrix.at,
            f"{name} is a matrix, for it stands left of a vector elsewhere, and is taken together with "
            "a vector unit by unit here. Give the two uses names of their own.",
        )

    # --- what stands beside a name ----------------------------------------------------------------------------

    def look(self, tree: Tree) -> None:
        """Learn from every part of an expression."""
        for part in tree.args:
            self.look(part)
        if tree.op == "chain":
            self._look_at_chain(tree)
        elif tree.op in ("add", "sub") and self.kind(tree) == VECTOR:
            for part in tree.args:
                if part.op == "name":
                    self.push(part, VECTOR)
        elif tree.op == "transpose" and self.can_be_matrix(tree.args[0]):
            self.push(tree, MATRIX)

    def _look_at_chain(self, tree: Tree) -> None:
        signs = (*tree.value, "odot")
        for k, factor in enumerate(tree.args):
            before = signs[k - 1] if k else "odot"
            if (
                signs[k] in ("", "*")
                and self.can_be_matrix(factor)
                and any(self.kind(f) for f in self._rest(tree, k))
            ):
                self.push(factor, MATRIX)
            elif (
                before in ("", "*")
                and signs[k] in ("odot", "/")
                and self.can_be_matrix(factor)
                and factor.op == "name"
                and self.kind(tree.args[k - 1]) == VECTOR
                and not self.can_be_matrix(tree.args[k - 1])
            ):
                self.by_row.append(factor.value.python)
                self.push(factor, MATRIX)
            if before == signs[k] == "odot":  # alone between \\odot and \\odot
                self.push(factor, VECTOR)

    def _rest(self, tree: Tree, k: int) -> list[Tree]:
        """The factors behind the k-th, up to the next \\odot."""
        found = []
        for sign, factor in zip(tree.value[k:], tree.args[k + 1 :]):
            if sign in ("odot", "/"):
                break
            found.append(factor)
        return found

    def can_be_matrix(self, tree: Tree) -> bool:
        """Whether it is made of capital letters that are the same at every step, and of numbers."""
        if tree.op == "name" and tree.value in self.said:
            return self.of[tree.value] == MATRIX
        if tree.op == "index":
            return self.kind(tree) == MATRIX
        if tree.op == "name":
            return tree.value.capital and (tree.value in self.parameters or tree.value in self.fixed)
        if tree.op == "call":
            return tree.value in (*OF_MATRICES, "diag") and self.can_be_matrix(tree.args[0])
        if tree.op in ("transpose", "neg"):
            return self.can_be_matrix(tree.args[0])
        if tree.op in ("add", "sub") or tree.op == "chain" and "odot" in tree.value:
            return all(self.can_be_matrix(a) for a in tree.args)
        return False

    def push(self, tree: Tree, kind: int) -> None:
        """Tell a name, or all names that an expression is made of, that they are more than they seemed."""
        if tree.op == "call" and tree.value == "diag" or tree.op == "index":
            return
        if tree.op == "name":
            name = tree.value
            if name in self.said:
                return
            if name in self.parameters and (kind == VECTOR or name.capital):
                self.of[name] = max(self.of[name], kind)
            elif name in self.fixed:
                self.push(self.fixed[name], kind)
        elif (
            tree.op not in ("concat", "cases", *CONDITIONS)
            and (kind == MATRIX or self.kind(tree) < kind)
            and tree.value not in WHOLE
        ):
            for part in tree.args:
                self.push(part, kind)


def kinds_of(roles: Roles) -> Kinds:
    """The kind of every name of some equations."""

    def first(name: Name) -> int:
        return VECTOR if name.capital or name.one_latin_letter else NUMBER

    of = {name: VECTOR for name in (*roles.inputs, *roles.states)} | {
        name: first(name) for name in roles.parameters
    }
    of |= {e.name: NUMBER for e in roles.equations if e.name not in roles.states}
    of |= roles.sides | {name: len(shape) for name, shape in roles.shapes.items()}
    fixed = {e.name: e.right for e in roles.equations if e.name not in roles.varying}
    kinds = Kinds(
        roles.source, of, tuple(roles.parameters), fixed, said=frozenset((*roles.shapes, *roles.sides))
    )
    for _ in range(ROUNDS):
        before = dict(of)
        for equation in roles.equations:
            kinds.look(equation.right)
            if equation.name not in kinds.said:
                of[equation.name] = max(of[equation.name], kinds.kind(equation.right))
        if of == before:
            break
    return kinds
