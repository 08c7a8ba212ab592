"""What a cell's function is called with while it is traced: values that are not known yet, and
what may be done to them.
"""

from __future__ import annotations

from ..errors import Never
from .advice import instead_of
from .plain import on_numbers

MOST_FACTORS = 64  # of a power that is written out as a product


class Symbol:
    """A value that is not known yet: stands for node `index` of `builder` while a cell is traced."""

    __slots__ = ("builder", "index")
    __array_priority__ = 1000
    __hash__ = object.__hash__  # by identity, although == makes a node

    def __init__(self, builder, index: int):
        self.builder, self.index = builder, index

    def __add__(self, other):
        return apply_op("add", self, other)

    def __radd__(self, other):
        return apply_op("add", other, self)

    def __sub__(self, other):
        return apply_op("sub", self, other)

    def __rsub__(self, other):
        return apply_op("sub", other, self)

    def __mul__(self, other):
        return apply_op("mul", self, other)

    def __rmul__(self, other):
        return apply_op("mul", other, self)

    def __truediv__(self, other):
        return apply_op("div", self, other)

    def __rtruediv__(self, other):
        return apply_op("div", other, self)

    def __neg__(self):
        return apply_op("neg", self)

    def __pos__(self):
        return self

    def __abs__(self):
        return apply_op("abs", self)

    def __round__(self, digits=None):
        if digits is not None:
            raise Never(f"round(v, {digits}) is not part of the cell language; write round(v * 10) / 10")
        return apply_op("round", self)

    def __matmul__(self, other):
        return apply_op("product", self, other)

    def __rmatmul__(self, other):
        return apply_op("product", other, self)

    def __lt__(self, other):
        return apply_op("less", self, other)

    def __gt__(self, other):
        return apply_op("greater", self, other)

    def __le__(self, other):
        return apply_op("at_most", self, other)

    def __ge__(self, other):
        return apply_op("at_least", self, other)

    def __eq__(self, other):
        return apply_op("equal", self, other)

    def __ne__(self, other):
        return apply_op("unequal", self, other)

    def __and__(self, other):
        return apply_op("both", self, other)

    def __rand__(self, other):
        return apply_op("both", other, self)

    def __or__(self, other):
        return apply_op("either", self, other)

    def __ror__(self, other):
        return apply_op("either", other, self)

    def __invert__(self):
        return apply_op("equal", self, 0)

    def __pow__(self, power):
        """A product of as many factors as a small whole number says, a root, 1 / v, or
        the primitive of that name.
        """
        if isinstance(power, (int, float)) and power == 0.5:
            return apply_op("sqrt", self)
        if isinstance(power, (int, float)) and power == -1:
            return apply_op("div", 1, self)
        if not isinstance(power, (int, float)) or power != power // 1 or not 1 <= power <= MOST_FACTORS:
            return apply_op("power", self, power)
        result = self
        for _ in range(int(power) - 1):
            result = result * self
        return result

    def __rpow__(self, base):
        return apply_op("power", base, self)

    @property
    def T(self):
        return apply_op("transpose", self)

    def __getitem__(self, key):
        if not isinstance(key, int):
            raise Never(
                "[...] picks one layer of a stack of weights by a whole number, W[0]; a cell knows no slices"
                " and no single units"
            )
        return self.builder.add("index", (self.index,), value=key)

    def __bool__(self):
        raise Never(
            "an `if` or `and` on a value: a cell is the same graph for every value. "
            "Use where(condition, a, b), and maximum and minimum for Python's max and min; an `if` on a "
            "whole-number or text hyper-parameter is fine. Conditions are joined by & and |: (a < b) & (b < c)"
        )

    def __iter__(self):
        raise Never(
            "a value cannot be unpacked or looped over; loop over range(n) with a whole-number hyper-parameter,"
            " and sum a value's units by total(v)"
        )

    def __float__(self):
        raise Never(
            "a plain number is asked for, as by float() or math.tanh, and the value is not known while the cell"
            " is traced. Use the functions of unrolled: tanh, exp, ..."
        )

    def __index__(self):
        raise Never(
            "a whole number is asked for, as by range() or [...], and this value is not one. A hyper-parameter"
            " is a whole number if its default is: depth=3, not depth=3.0"
        )

    __int__ = __len__ = __index__

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise Never(f".{name} is not part of the cell language; {instead_of(name)}")

    def __repr__(self):
        return f"Symbol({self.index})"


def apply_op(name: str, *args):
    """A node of the first symbol's builder; numbers among the arguments become constants."""
    for argument in args:
        if isinstance(argument, Symbol):
            return argument.builder.apply(name, args)
    return on_numbers(name, args)
