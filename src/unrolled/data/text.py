"""Texts: read from a file block by block, with every way it can go wrong named, or taken from
the running Python itself.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy

from unrolled.errors import UsageError

BUILT_IN_LIMIT = 4_000_000  # characters
HELD_OUT_LIMIT = 125_000  # more would sharpen the figure little and cost training time
BLOCK = 2**20  # bytes of a file that are looked at together
BEYOND = 0x110000  # code points that there are


@dataclass(frozen=True, eq=False)
class Text:
    """A text that need not be in memory: it comes in blocks, as often as it is asked for.

    blocks    gives the text's blocks of characters from the start, each time that it is called
    name      how messages call it
    length    characters
    alphabet  the distinct ones, by code point
    digest    SHA-256 of the text in UTF-8, hexadecimal

    >>> text = Text.of("hello")
    >>> len(text), text.alphabet, str(text)
    (5, ('e', 'h', 'l', 'o'), 'hello')
    """

    blocks: Callable[[], Iterator[str]]
    name: str
    length: int
    alphabet: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, text: str, name: str = "the text") -> Text:
        """A text that is in memory."""
        return cls.in_blocks(lambda: (text[k : k + BLOCK] for k in range(0, len(text), BLOCK)), name)

    @classmethod
    def in_blocks(cls, blocks: Callable[[], Iterator[str]], name: str) -> Text:
        """Reads a text once, for its length, its alphabet and its digest. Raises what `blocks` raises."""
        length, seen, digest = 0, numpy.zeros(BEYOND, dtype=bool), hashlib.sha256()
        for block in blocks():
            length += len(block)
            seen[code_points(block)] = True
            digest.update(block.encode())
        return cls(blocks, name, length, tuple(map(chr, numpy.flatnonzero(seen))), digest.hexdigest())

    def __len__(self) -> int:
        return self.length

    def __str__(self) -> str:
        return "".join(self.blocks())


def code_points(text: str) -> numpy.ndarray:
    """The code points of a text's characters: uint8 where all are ASCII, else uint32."""
    if text.isascii():
        return numpy.frombuffer(text.encode("ascii"), dtype=numpy.uint8)
    return numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)


def read_text(path: str | Path, option: str = "--text") -> Text:
    """The text of a file, line ends as they stand. It is read here once, in blocks, and is not kept in memory.

    path    a regular file of UTF-8 text (a byte-order mark is dropped)
    option  what named the file, for messages

    Raises UsageError for a path that is missing, no regular file, unreadable, empty, binary, or not UTF-8.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "hello.txt"
    >>> file.write_text("hello")
    5
    >>> str(read_text(file))
    'hello'
    """
    path, named = Path(path), f"{option} {path}"
    text = Text.in_blocks(lambda: _decoded(_opened(path, named), path, named), named)
    if not len(text):
        raise UsageError(f"{named} is empty: give a file with some text.")
    return text


KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def _opened(path: Path, named: str) -> BinaryIO:
    """The file, once it is sure that it has an end: neither a pipe, which may never
    say a word, nor a device.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise UsageError(f"{named} does not exist: check the path.") from None
    except OSError as error:
        if path.is_dir():  # Windows does not open folders
            raise UsageError(f"{named} is a folder: give one text file.") from None
        raise UsageError(f"{named} cannot be read ({error.strerror}): give a file you may read.") from None
    kind = stat.S_IFMT(os.fstat(handle).st_mode)
    if kind != stat.S_IFREG:
        os.close(handle)
        raise UsageError(f"{named} is {KINDS.get(kind, 'no regular file')}: give one text file.")
    return open(handle, "rb", buffering=0)


def _decoded(file: BinaryIO, path: Path, named: str) -> Iterator[str]:
    """The file's text in blocks; a character that two blocks share is in the second."""
    place, rest = 0, b""  # of the first byte of `rest` in the file
    with file:
        while True:
            try:
                read = file.read(BLOCK)
            except OSError as error:
                raise UsageError(f"{named} cannot be read ({error.strerror}): give another file.") from None
            if b"\x00" in read:
                # Zero bytes are in no text, but in nearly every image, archive, program and UTF-16 file.
                where = place + len(rest) + read.index(b"\x00")
                raise UsageError(f"{named} is binary (byte {where} is zero): give a UTF-8 text file.")
            rest += read
            if place == 0 and rest.startswith(codecs.BOM_UTF8):
                place, rest = len(codecs.BOM_UTF8), rest[len(codecs.BOM_UTF8) :]
            try:
                block, used = codecs.utf_8_decode(rest, "strict", not read)
            except UnicodeDecodeError as error:
                wrong = f"byte {place + error.start} is 0x{rest[error.start]:02x}"
                raise UsageError(
                    f"{named} is not UTF-8 ({wrong}): convert it first, e.g. iconv -f latin1 -t utf-8 {path}"
                ) from None
            place, rest = place + used, rest[used:]
            if block:
                yield block
            if not read:
                return


def standard_library(limit: int = BUILT_IN_LIMIT) -> Text:
    """Text that every machine has: the top-level modules of the running Python's standard library.

    Files in sorted order, lines that are ASCII only, cut after `limit` characters; the same Python gives
    the same text. Raises UsageError where the library is not kept as files.

    >>> str(standard_library(1000)) == str(standard_library(2000))[:1000]
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
    return Text.of("".join(parts)[:limit], "Python's standard library")


def held_out(length: int) -> int:
    """How many characters at the end of a text of that length are kept apart: a tenth, at most 125,000."""
    return min(length // 10, HELD_OUT_LIMIT)


def split(length: int, batch: int, span: int) -> int:
    """Where a text of so many characters is cut: what stands before is learned from, the end is held out.

    Raises UsageError where what remains is shorter than one batch, `batch` rows of `span` characters and one
    more to predict, or where too little is held out to predict anything.

    >>> split(100, batch=2, span=4)
    90
    """
    training, need = length - held_out(length), batch * span + 1
    if training >= need and held_out(length) >= 2:
        return training
    least = max(20, need + held_out(need * 10 // 9) - 2)
    while least - held_out(least) < need:
        least += 1
    remedy = ", or a smaller --batch or --span" if least > 20 else ""
    raise UsageError(
        f"the text has {length:,} characters, and --batch {batch} with --span {span} takes {least:,}: one batch"
        f" is {batch} x {span} + 1 = {need:,}, and a tenth of the text, at least 2 and at most"
        f" {HELD_OUT_LIMIT:,} characters, is held out. Give a longer text{remedy}."
    )


def check_length(length: int, batch: int, span: int) -> None:
    """Raise UsageError where a text, all of which is to be learned from, is shorter than one batch."""
    need = batch * span + 1
    if length < need:
        raise UsageError(
            f"the text has {length:,} characters, and one batch of --batch {batch} and --span {span} is {batch}"
            f" x {span} + 1 = {need:,}. Give a longer text, or a smaller --batch or --span."
        )


def joint_digest(*texts: Text) -> str:
    """One digest of several texts; that of one text is its own."""
    if len(texts) == 1:
        return texts[0].digest
    return hashlib.sha256(" ".join(text.digest for text in texts).encode()).hexdigest()
