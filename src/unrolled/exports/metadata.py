"""What stands in the file beside the operators: who wrote it, the equations, and what the caller adds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from ..cell import Cell
from ..errors import UsageError
from ..views.equations import equations

OURS = ("unrolled", "cells", "equations", "latex", "cell_json", "first_states")
LICENCE = (
    "The file was written by unrolled (Apache-2.0); the weights' licence is for whoever trained them to say."
)


def package_version() -> str:
    try:
        return version("unrolled")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"


def metadata_of(
    cells: Sequence[Cell], starts: Mapping[str, float], more: Mapping[str, object]
) -> dict[str, str]:
    """Texts by name, as ONNX keeps them; what is not text is JSON.

    cells   one for each recurrent module, the lowest first
    starts  each state's first value; those that are not zero are told
    more    the caller's: vocabulary, names, licence, ...

    Raises UsageError where a name is one of those written here, or a value is neither a text nor JSON.
    """
    unlike = list({cell.name: cell for cell in cells}.values())
    made = {
        "unrolled": package_version(),
        "cells": json.dumps([cell.name for cell in cells]),
        "equations": "\n\n".join(f"{c.name}\n" + "\n".join(equations(c.graph)) for c in unlike),
        "latex": "\n\n".join(cell.latex() for cell in unlike),
        "cell_json": json.dumps([cell.to_json() for cell in unlike]),
        "first_states": json.dumps({name: f"{value:g}" for name, value in starts.items() if value}),
        "licence": LICENCE,
    }
    for name, value in more.items():
        if name in OURS:
            raise UsageError(f"metadata={name!r}: export writes {', '.join(OURS)} itself. Choose another name.")
        made[str(name)] = _text(str(name), value)
    return made


def _text(name: str, value: object) -> str:
    """As UTF-8 can hold it. JSON has an escape for half of a surrogate pair, which a label of
    somebody's data may have.
    """
    text = value if isinstance(value, str) else _json(name, value)
    try:
        text.encode()
    except UnicodeEncodeError:
        if isinstance(value, str):
            raise UsageError(
                f"metadata={{{name!r}: ...}}: the text has half of a surrogate pair, which UTF-8 does not "
                "hold. Leave it out, or give it in a list, which is kept as JSON."
            ) from None
        return json.dumps(value)
    return text


def _json(name: str, value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"metadata={{{name!r}: ...}}: {error}. Give a text, or lists, dicts, numbers and texts."
        ) from None
