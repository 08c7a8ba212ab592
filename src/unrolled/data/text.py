"""Texts: read from a file with every way it can go wrong named, or taken from the running Python itself."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path

from unrolled.errors import UsageError

BUILT_IN_LIMIT = 4_000_000  # characters
HELD_OUT_LIMIT = 125_000  # more would sharpen the figure little and cost training time


def read_text(path: str | Path) -> str:
    """The text of a file, line ends as they stand.

    path  a file of UTF-8 text (a byte-order mark is dropped)

    Raises UsageError for a path that is missing, a folder, unreadable, empty, binary, or not UTF-8.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "hello.txt"
    >>> file.write_text("hello")
    5
    >>> read_text(file)
    'hello'
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"--text {path} is a folder: give one text file.")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"--text {path} does not exist: check the path.") from None
    except OSError as error:
        raise UsageError(
            f"--text {path} cannot be read ({error.strerror}): give a file you may read."
        ) from None
    if not raw:
        raise UsageError(f"--text {path} is empty: give a file with some text.")
    if b"\x00" in raw:
        # Zero bytes are in no text, but in nearly every image, archive, program and UTF-16 file.
        where = raw.index(b"\x00")
        raise UsageError(f"--text {path} is binary (byte {where} is zero): give a UTF-8 text file.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = f"byte {error.start} is 0x{raw[error.start]:02x}"
        raise UsageError(
            f"--text {path} is not UTF-8 ({wrong}): convert it first, e.g. iconv -f latin1 -t utf-8 {path}"
        ) from None


def standard_library(limit: int = BUILT_IN_LIMIT) -> str:
    """Text that every machine has: the top-level modules of the running Python's standard library.

    Files in sorted order, lines that are ASCII only, cut after `limit` characters; the same Python gives
    the same text. Raises UsageError where the library is not kept as files.

    >>> standard_library(1000) == standard_library(2000)[:1000]
    True
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    parts, length = [], 0
    for file in sorted(folder.glob("*.py")):
        if file.name.startswith("_sysconfigdata"):  # differs from machine to machine
            continue
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        parts.append("".join(line for line in lines if line.isascii()))
        length += len(parts[-1])
        if length >= limit:
            break
    if not length:
        raise UsageError(
            f"this Python keeps no standard library as files in {folder}: give a text with --text FILE."
        )
    return "".join(parts)[:limit]


@dataclass(frozen=True)
class Split:
    """A text in its two parts: what is learned from, and the end that is held out."""

    training: str
    validation: str


def split(text: str, batch: int, span: int) -> Split:
    """Hold out the last tenth of a text (at most 125,000 characters).

    Raises UsageError where what remains is shorter than one batch: `batch` rows of `span` characters, and one
    more to predict.

    >>> split("x" * 100, batch=2, span=4).validation
    'xxxxxxxxxx'
    """
    held_out = min(len(text) // 10, HELD_OUT_LIMIT)
    training, validation = text[: len(text) - held_out], text[len(text) - held_out :]
    need = batch * span + 1
    if len(training) < need or len(validation) < 2:
        raise UsageError(
            f"the text is shorter than one batch: {len(training):,} characters are left for training when the last "
            f"tenth is held out, and one batch takes {batch} x {span} + 1 = {need:,}. "
            "Give a longer text, or a smaller --batch or --span."
        )
    return Split(training, validation)
