"""What `@cell(shapes=...)` has to say of a function that was read: numbers, stacks,
widths that use cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.node import Shape, letters_of
from .kinds import NUMBER, Kinds
from .roles import Roles
from .tree import Name


def shapes_of(
    roles: Roles, kinds: Kinds, said: Mapping[Name, str], last: Mapping[Name, str]
) -> dict[str, Shape]:
    """Python name -> shape. The text's letters for the widths of the input and of the state become I and H.

    said  what each name is called; last  the same of inputs whose last value is kept as a state
    """
    letters = _letters(roles)
    found: dict[str, Shape] = {}
    for name in (*roles.inputs, *roles.states, *roles.parameters):
        shape = roles.shapes.get(name)
        if shape is None and name in roles.parameters and kinds.of[name] == NUMBER:
            shape = ()
        if shape is not None and all(letter in letters for side in shape for letter in letters_of(side)):
            found[said[name]] = tuple(_renamed(side, letters) for side in shape)
    first = roles.inputs[0]
    for name, kept in last.items():
        if said[name] in found or name == first:
            found[kept] = found.get(said[name], ("I",))
    plain = {said[first]: ("I",)} | {said[name]: ("H",) for name in roles.states}
    return {name: shape for name, shape in found.items() if plain.get(name) != shape}


def _letters(roles: Roles) -> dict[str, str]:
    """The text's width letters that can be relied upon, with those of the language."""
    letters = {letter: letter for letter in "IHO"}
    for name, own in ((roles.inputs[0], "I"), *((name, "H") for name in roles.states[:1])):
        shape = roles.shapes.get(name, ())
        if len(shape) == 1 and shape[0].isidentifier() and shape[0] not in letters:
            letters[shape[0]] = own
    for name in (*roles.inputs, *roles.states):
        for side in roles.shapes.get(name, ()):
            letters |= {letter: letter for letter in letters_of(side) if letter not in letters}
    return letters


def _renamed(side: str, letters: Mapping[str, str]) -> str:
    for letter in letters_of(side):
        side = side.replace(letter, letters[letter]) if letters[letter] != letter else side
    return side
