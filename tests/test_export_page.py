"""docs/export.md: the same model from Python, JavaScript and C++ prints the same text, and the
page shows what is printed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from layer_cases import CELLS, make_input, make_layer, make_state
from onnx_cases import compare, onnxruntime, tensors

from unrolled import export

PAGE = Path(__file__).parent.parent / "docs" / "export.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.S | re.M)
WEB = "1.22.0"  # of onnxruntime-web
GOLDEN = bool(os.environ.get("UNROLLED_UPDATE_GOLDEN"))

pytestmark = pytest.mark.usefixtures("one_thread")


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if kind == language]


def printed(code: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, PAGE.name, "exec"), {"__name__": "page"})
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the page's model is written, and what its first two programs print."""
    place, before = tmp_path_factory.mktemp("page"), Path.cwd()
    os.chdir(place)
    try:
        yield place, [printed(code) for code in blocks("python")]
    finally:
        os.chdir(before)


def test_the_page_shows_what_is_printed(folder):
    _, (wrote, _, small) = folder
    text = PAGE.read_text(encoding="utf-8")
    for shown, now in zip(blocks("text"), (wrote, small), strict=True):
        text = text.replace(f"```text\n{shown}```", f"```text\n{now}```")
    if GOLDEN:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
    assert PAGE.read_text(encoding="utf-8") == text


def test_python_prints_forty_characters(folder):
    text = folder[1][1]
    assert text.startswith("once ") and len(text) == 41


@pytest.fixture(scope="module")
def web():
    """The folder of an installed onnxruntime-web, kept between runs beside other caches."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("no node and npm")
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unrolled-tests" / f"web-{WEB}"
    installed = place / "node_modules" / "onnxruntime-web" / "package.json"
    if not installed.exists():
        place.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", f"onnxruntime-web@{WEB}"]
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            pytest.skip("npm install onnxruntime-web took longer than two minutes")
        if done.returncode or not installed.exists():
            pytest.skip(f"npm cannot install onnxruntime-web: {done.stderr[-200:]}")
    return node, place


def test_javascript_prints_what_python_prints(folder, web):
    (place, (_, text, _)), (node, modules) = folder, web
    (place / "m.mjs").write_text(blocks("js")[0], encoding="utf-8")
    (place / "node_modules").symlink_to(modules / "node_modules")
    done = subprocess.run([node, "m.mjs"], cwd=place, capture_output=True, text=True, timeout=60)
    assert done.stdout == text, done.stderr


EVERY = """
import * as ort from "onnxruntime-web";
import { readFileSync } from "node:fs";
ort.env.wasm.numThreads = 1;
const made = {};
for (const [name, given] of Object.entries(JSON.parse(readFileSync("given.json", "utf8")))) {
  const session = await ort.InferenceSession.create(name + ".onnx");
  const tensor = ([dims, data]) => new ort.Tensor("float32", Float32Array.from(data), dims);
  const results = await session.run(Object.fromEntries(Object.entries(given).map(([k, v]) => [k, tensor(v)])));
  made[name] = session.outputNames.map((k) => [results[k].dims, Array.from(results[k].data)]);
  await session.release();
}
console.log(JSON.stringify(made));
"""


@pytest.mark.slow
def test_every_cell_in_javascript(tmp_path, web):
    """Two layers both ways of every cell, in WebAssembly."""
    given, wanted = {}, {}
    for name in CELLS:
        layer = make_layer(name, dtype=torch.float32, hidden_size=8, num_layers=2, bidirectional=True)
        inputs = export(layer, tmp_path / f"{name}.onnx", lengths="none").inputs
        x, state = make_input(layer, 7, 3), make_state(layer, 3)
        given[name] = {
            k: (list(v.shape), v.flatten().tolist()) for k, v in zip(inputs, (*tensors(x), *state), strict=True)
        }
        with torch.no_grad():
            wanted[name] = layer(x, state)
    (tmp_path / "given.json").write_text(json.dumps(given))
    (tmp_path / "every.mjs").write_text(EVERY)
    node, modules = web
    (tmp_path / "node_modules").symlink_to(modules / "node_modules")
    done = subprocess.run([node, "every.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr
    for name, found in json.loads(done.stdout).items():
        compare([torch.tensor(data).view(dims) for dims, data in found], wanted[name], name)


def test_cpp_prints_what_python_prints(folder):
    """Where a compiler finds onnxruntime's headers; its library may be that of the Python package."""
    place, (_, text, _) = folder
    compiler = shutil.which("g++") or shutil.which("c++")
    if not compiler:
        pytest.skip("no C++ compiler")
    (place / "m.cpp").write_text(blocks("cpp")[0], encoding="utf-8")
    header = subprocess.run([compiler, "-std=c++17", "-E", "m.cpp"], cwd=place, capture_output=True, timeout=60)
    if header.returncode:
        pytest.skip("onnxruntime's C++ headers are not installed (CPLUS_INCLUDE_PATH)")
    library = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so*"), None)
    if library:
        (place / "libonnxruntime.so.1").symlink_to(library)  # the name that it is asked for by
    given = [str(library), f"-Wl,-rpath,{place}"] if library else ["-lonnxruntime"]
    subprocess.run([compiler, "-std=c++17", "m.cpp", "-o", "m", *given], cwd=place, check=True, timeout=120)
    done = subprocess.run(["./m"], cwd=place, capture_output=True, text=True, timeout=60)
    assert done.stdout == text, done.stderr
