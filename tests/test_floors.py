"""The house keeps its floors: imports point down, files and functions stay short, the
lower floors need no torch.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import unrolled

ROOT = Path(unrolled.__file__).parent
FILES = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.py"))

# From the ground up. A file imports from its own floor or from one below; never in a circle.
FLOORS = (
    ("errors", "ops", "options", "terminal"),
    ("graph",),
    ("views",),
    ("byhand", "cell", "cell_file", "cells", "latex", "noise", "references", "stored", "transform"),
    ("plan",),
    ("kernels", "views.plans"),
    ("layers",),
    ("models", "networks"),
    ("task", "scoring"),
    ("data",),
    ("tasks",),
    ("check", "runs", "training", "search", "exports"),
    ("cli", "commands", "__main__", "viewer"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
# Neither knows the other.
APART = (
    ("kernels", "views"),
    ("kernels", "views.plans"),
    ("plan", "views"),
    ("models", "data"),
    ("networks", "data"),
)
CELLS_KNOW = {"cell", "ops", "cells", "transform", "errors"}
# Imports inside functions are for start-up time, and only here.
LATE = {"kernels/choose.py", "kernels/__init__.py", "cli.py", "__init__.py", "cell.py"}
LATE_FOLDERS = ("commands/",)
# Functions that take any keyword: the names are the author's.
OPEN_KEYWORDS = {
    ("cell.py", "using"),
    ("cell.py", "__call__"),
    ("transform/replace.py", "replace"),
    ("transform/activations.py", "activations"),
    ("transform/initialised.py", "initialised"),
}
FILE_LINES, FUNCTION_LINES, COLUMNS = 400, 45, 112


@cache
def tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def module(path: str) -> str:
    """ "graph/node.py" -> "graph.node"; a package's __init__ is the package."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def noun(path_or_module: str) -> str:
    name = module(path_or_module)
    return "views.plans" if name.startswith("views.plans") else name.split(".")[0]


def imports(path: str, nodes) -> set[str]:
    """Modules of this package that the given nodes import, such as "graph.node"."""
    package = ["unrolled", *path.split("/")[:-1]]
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            found |= {
                f"{name}.{alias.name}" if is_module(f"{name}.{alias.name}") else name for alias in node.names
            }
    return {name.removeprefix("unrolled.") for name in found if name.startswith("unrolled.")}


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split(".")[1:])
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def ours(path: str) -> set[str]:
    return imports(path, ast.walk(tree(path)))


def functions(path: str):
    return [n for n in ast.walk(tree(path)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


def test_every_module_stands_on_a_floor():
    homeless = sorted({noun(p) for p in FILES if p != "__init__.py"} - set(FLOOR))
    assert not homeless, f"say in FLOORS where these stand: {homeless}"


def test_imports_point_down():
    wrong = []
    for path in FILES:
        for name in sorted(ours(path)) if path != "__init__.py" else ():
            here, below = noun(path), noun(name)
            if FLOOR.get(below, 0) > FLOOR.get(here, 99) or (here, below) in APART or (below, here) in APART:
                wrong.append(f"{path} imports {name}")
    assert not wrong


def test_cells_know_only_the_language():
    wrong = [
        (p, name) for p in FILES if p.startswith("cells/") for name in ours(p) if noun(name) not in CELLS_KNOW
    ]
    assert not wrong


def test_no_circle_of_imports():
    paths = {module(p): p for p in FILES if p != "__init__.py"}
    at_load = {m: imports(p, top_level(p)) & set(paths) - {m} for m, p in paths.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"a circle: {' -> '.join((*trail[trail.index(name) :], name))}"
        if name not in done:
            for other in sorted(at_load[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(at_load):
        visit(name, ())


def top_level(path: str):
    """Statements that run when the module is loaded: not those of functions, nor of `if TYPE_CHECKING`."""
    todo, found = list(tree(path).body), []
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or (
            isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        ):
            continue
        found.append(node)
        todo.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))
    return found


def test_no_own_import_inside_a_function():
    wrong = [
        f"{path}: {function.name} imports {late}"
        for path in FILES
        if path not in LATE and not path.startswith(LATE_FOLDERS)
        for function in functions(path)
        for late in sorted(imports(path, ast.walk(function)))
    ]
    assert not wrong, "do these at the top"


def test_no_torch_below_the_kernels():
    wrong = []
    for path in FILES:
        if FLOOR.get(noun(path), 99) < FLOOR["kernels"]:
            names = {alias.name for n in ast.walk(tree(path)) if isinstance(n, ast.Import) for alias in n.names}
            names |= {
                n.module or "" for n in ast.walk(tree(path)) if isinstance(n, ast.ImportFrom) and not n.level
            }
            wrong += [(path, name) for name in sorted(names) if name.split(".")[0] in ("torch", "numpy")]
    assert not wrong


def test_a_cell_is_traced_and_planned_without_torch():
    program = (
        "import sys, unrolled\nfrom unrolled.plan.plan import plan_of\n"
        "for cell in unrolled.cells.REGISTRY.values(): plan_of(cell.graph)\n"
        "assert 'torch' not in sys.modules, 'torch was loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_files_lines_and_functions_are_short():
    wrong = []
    for path in FILES:
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        wrong += [f"{path} has {len(lines)} lines"] * (len(lines) > FILE_LINES)
        wrong += [
            f"{path}:{k + 1} has {len(line)} columns" for k, line in enumerate(lines) if len(line) > COLUMNS
        ]
        wrong += [
            f"{path}: {f.name} has {code_lines(f)} lines of code"
            for f in functions(path)
            if code_lines(f) > FUNCTION_LINES
        ]
    assert not wrong


def test_headers_and_their_lines_are_short():
    headers = sorted((ROOT / "kernels/c/headers").glob("*.h"))
    wrong = {
        h.name: [n for n, line in enumerate(h.read_text().splitlines(), 1) if len(line) > COLUMNS]
        for h in headers
    }
    assert headers and not any(wrong.values()), wrong
    assert max(len(h.read_text().splitlines()) for h in headers) <= FILE_LINES


def code_lines(function) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_public_functions_name_their_arguments():
    wrong = [
        f"{path}: {f.name} takes **{f.args.kwarg.arg}"
        for path in FILES
        for f in functions(path)
        if f.args.kwarg
        and (not f.name.startswith("_") or f.name == "__call__")
        and (path, f.name) not in OPEN_KEYWORDS
    ]
    assert not wrong


def test_every_class_has_a_name_of_its_own():
    """A reader who meets a name, in a message or a signature, knows which class is meant."""
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{path}:{node.lineno}")
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_no_class_is_built_upon_another_of_ours():
    """Errors and warnings apart, which users catch by their kind."""
    classes = [(p, n) for p in FILES for n in ast.walk(tree(p)) if isinstance(n, ast.ClassDef)]
    own = {n.name for p, n in classes if p != "errors.py" and not n.name.endswith(("Error", "Warning"))}
    assert not [
        (p, n.name, b.id) for p, n in classes for b in n.bases if isinstance(b, ast.Name) and b.id in own
    ]
