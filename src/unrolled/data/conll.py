"""Sentences with a tag a word: CoNLL's columns, CoNLL-U, and JSONL.

Columns: a word a line, its tag in one of the columns, an empty line (or one of blanks) between sentences;
`-DOCSTART-` lines and comments are passed over. CoNLL-U (universaldependencies.org/format.html): ten
columns with names; ranges of words, `15-16`, and empty nodes, `8.1`, are not words of their own. JSONL: an
object a sentence, with lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from ..errors import UsageError
from .bad_rows import BadRows
from .text import read_text

Form = Literal["auto", "columns", "conllu", "jsonl"]
KINDS: dict[str, Form] = {".conllu": "conllu", ".conllup": "conllu", ".jsonl": "jsonl", ".ndjson": "jsonl"}
CONLLU = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
NAMED = "# global.columns ="  # of CoNLL-U Plus
SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ","}
WORDS, TAGS = ("words", "tokens", "sentence"), ("tags", "ner_tags", "labels", "pos_tags")  # usual keys of JSONL
BLANK = " \t\r\n"  # not what Unicode calls a space: that may be a word


class Sentence(NamedTuple):
    """Words with what stands beside them.

    words     texts, one at least
    tags      one a word; none where the file has no column of tags
    features  further columns, each one text a word
    line      where it begins in its file, counted from 1
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] = ()
    features: tuple[tuple[str, ...], ...] = ()
    line: int = 1


@dataclass(frozen=True)
class Layout:
    """How a file is read. Columns go by number, from 1 on or from -1 back, or by name where the
    file names them: CoNLL-U, a `# global.columns =` line, the keys of JSONL, or a first line of
    names if a name is asked for.

    word, tag  "" for the usual ones: the first and the last column, FORM and UPOS, words (tokens) and tags
    features   further columns
    separator  of columns: a character, tab, space or comma; without one tabs where there are any, else blanks
    form       "auto": by the file's ending, .conllu and .jsonl, else columns
    tagged     whether there must be tags
    """

    word: str = ""
    tag: str = ""
    features: tuple[str, ...] = ()
    separator: str = ""
    form: Form = "auto"
    tagged: bool = True


@dataclass
class Tagged:
    """Sentences, and what of the file is not one."""

    sentences: list[Sentence]
    bad: BadRows
    passed: dict[str, int] = field(default_factory=dict)  # what was passed over by the format's own rules


def read_tagged(
    path: str | Path, layout: Layout = Layout(), *, skip_bad: bool = False, option: str = "--data"
) -> Tagged:
    """The sentences of a file.

    skip_bad  leave out sentences that cannot be read, and count them
    option    what named the file, for messages

    Raises UsageError with file, line and what was expected.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "names.conll"
    >>> _ = file.write_text("EU\\tB-ORG\\nrejects\\tO\\n\\nGermany\\tB-LOC\\n")
    >>> [sentence.tags for sentence in read_tagged(file).sentences]
    [('B-ORG', 'O'), ('B-LOC',)]
    """
    path = Path(path)
    bad, passed = BadRows(path, skip_bad), {}
    lines = str(read_text(path, option)).split("\n")
    form = KINDS.get(path.suffix.lower(), "columns") if layout.form == "auto" else layout.form
    found = list(sentences_of(lines, layout, form, bad, passed))
    if not found:
        raise UsageError(f"{option} {path} has no sentence. {bad.said()}".rstrip())
    return Tagged(found, bad, passed)


def sentences_of(
    lines: Iterable[str], layout: Layout, form: Form, bad: BadRows, passed: dict[str, int] | None = None
) -> Iterator[Sentence]:
    """The sentences of a file's lines, as they come. Raises UsageError for what `bad` does not take."""
    if form == "jsonl":
        yield from _objects(lines, layout, bad)
        return
    settled, passed = None, {} if passed is None else passed
    for first, block in _blocks(lines):
        settled = settled or _settled(block, layout, form == "conllu", bad)
        if settled is None:
            continue  # comments alone
        before = len(bad.found)
        read: list[list[str]] = []
        for line, content in enumerate(block, first):
            with bad.reading(line):
                if (row := _row(content, settled, len(read), passed)) is not None:
                    read.append(row)
        if read and len(bad.found) == before:
            columns = [tuple(row[place] for row in read) for place in settled.places]
            tags = columns.pop(1) if layout.tagged else ()
            yield Sentence(columns[0], tags, tuple(columns[1:]), first)


def of_lines(lines: Iterable[str]) -> Iterator[Sentence]:
    """A sentence a line, its words parted by spaces; empty lines are none.

    >>> [sentence.words for sentence in of_lines(["EU says no", ""])]
    [('EU', 'says', 'no')]
    """
    for number, line in enumerate(lines, 1):
        if words := line.split():
            yield Sentence(tuple(words), line=number)


class Settled(NamedTuple):
    """What the first line of a file with columns settles.

    count     of columns
    places    of word, tag (where there are tags) and features
    numbered  CoNLL-U: the first column counts the words
    header    the line of names, where there is one
    """

    separator: str
    count: int
    places: tuple[int, ...]
    tagged: bool
    numbered: bool
    header: str | None


def _blocks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Lines that no empty line parts, and the number of the first."""
    block: list[str] = []
    number = 0
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        if line.strip(BLANK):
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number + 1 - len(block), block


def _settled(block: Sequence[str], layout: Layout, numbered: bool, bad: BadRows) -> Settled | None:
    """By the first line that is no comment; None where there is none. Raises UsageError for
    columns that are not there.
    """
    named = next((line for line in block if line.startswith(NAMED)), None)
    names = CONLLU if numbered and named is None else tuple((named or "").removeprefix(NAMED).split())
    numbered = numbered or named is not None
    first = next((line for line in block if not line.startswith("#")), None)
    if first is None:
        return None
    separator = SEPARATORS.get(layout.separator, layout.separator)
    separator = separator or ("\t" if numbered or "\t" in first.strip(BLANK) else " ")
    row = _split(first, separator)
    count = len(names) or len(row)
    if len(row) < 1 + layout.tagged:
        raise UsageError(
            f"{bad.file} has {len(row)} column where {_called(separator)} separates them, {row[0][:60]!r}, and"
            " a word and its tag are two: say with --separator what stands between them."
        )
    asked = [layout.word or ("FORM" if "FORM" in names else "1")]
    asked += [layout.tag or ("UPOS" if "UPOS" in names else "-1")] * layout.tagged
    asked += layout.features
    header = None if names or all(map(_is_number, asked)) else first
    places = tuple(_place(name, names if header is None else tuple(row), count, bad) for name in asked)
    if layout.tagged and places[0] == places[1]:
        raise UsageError(f"{bad.file}: column {places[0] + 1} cannot be both word and tag: name two columns.")
    return Settled(separator, count, places, layout.tagged, numbered, header)


def _split(content: str, separator: str) -> list[str]:
    if separator == " ":
        return content.split()
    return [each.strip(BLANK) for each in content.split(separator)]


def _called(separator: str) -> str:
    return {"\t": "a tab", " ": "a space"}.get(separator, repr(separator))


def _place(name: str, names: Sequence[str], count: int, bad: BadRows) -> int:
    if name in names:
        return names.index(name)
    if _is_number(name) and 1 <= abs(int(name)) <= count:
        return int(name) - 1 if int(name) > 0 else count + int(name)
    called = f", {', '.join(names)}" if names else ""
    raise UsageError(
        f"{bad.file} has no column {name!r}, but {count}{called}. Give a number from 1 to {count}"
        f"{', or a name' if names else ''}."
    )


def _row(content: str, settled: Settled, read: int, passed: dict[str, int]) -> list[str] | None:
    """The columns of a line; None for a line that is not a word. Raises ValueError for a
    line that cannot be read.
    """
    if content == settled.header or (settled.numbered and content.startswith("#")):
        return None
    row = _split(content, settled.separator)
    if len(row) != settled.count:
        if content.startswith("#"):
            return None  # a comment; a word that begins so has as many columns as the others
        raise ValueError(
            f"it has {len(row)} column{'s' * (len(row) != 1)} where {_called(settled.separator)} separates"
            f" them, and {settled.count} {'are' if settled.count > 1 else 'is'} expected"
        )
    if row[0] == "-DOCSTART-":
        return None
    if settled.numbered and not row[0].isdecimal():
        return _passed_over(row[0], passed)
    if settled.numbered and int(row[0]) != read + 1:
        raise ValueError(f"its ID is {row[0]}, and word {read + 1} of the sentence is expected")
    for place, what in zip(settled.places, ("word", "tag") if settled.tagged else ("word",)):
        if not row[place] or (settled.numbered and what == "tag" and row[place] == "_"):
            raise ValueError(f"its {what}, column {place + 1}, is empty: a {what} is expected in each line")
    return row


def _is_number(name: str) -> bool:
    return re.fullmatch(r"-?\d{1,4}", name) is not None


def _passed_over(number: str, passed: dict[str, int]) -> None:
    """Ranges of words and empty nodes of CoNLL-U. Raises ValueError for what is neither."""
    for what, pattern in (("ranges of words", r"\d+-\d+"), ("empty nodes", r"\d+\.\d+")):
        if re.fullmatch(pattern, number):
            passed[what] = passed.get(what, 0) + 1
            return
    raise ValueError(f"its ID is {number[:20]!r}: a number, a range (15-16) or an empty node (8.1) is expected")


def _objects(lines: Iterable[str], layout: Layout, bad: BadRows) -> Iterator[Sentence]:
    for number, content in enumerate(lines, 1):
        if not content.strip():
            continue
        with bad.reading(number):
            try:
                found = msgspec.json.decode(content)
            except (msgspec.MsgspecError, RecursionError) as error:
                raise ValueError(f"it is not JSON ({str(error) or 'nested too deeply'})") from None
            if not isinstance(found, dict):
                raise ValueError("it is not an object: {words, tags} is expected")
            words = _texts(found, layout.word, WORDS)
            tags = _texts(found, layout.tag, TAGS) if layout.tagged else ()
            features = tuple(_texts(found, name, ()) for name in layout.features)
            for what, column in (("tags", tags), *zip(layout.features, features)):
                if len(column) != len(words) and (what != "tags" or layout.tagged):
                    raise ValueError(
                        f"it has {len(words)} words and {len(column)} {what}: as many are expected"
                    )
            if words:
                yield Sentence(words, tags, features, number)


def _texts(found: dict, name: str, usual: Sequence[str]) -> tuple[str, ...]:
    """The list of texts under a name. Raises ValueError where it is not there, or is something else."""
    key = name or next((key for key in usual if key in found), usual[0])
    if key not in found:
        raise ValueError(f"it has no {key!r}, only {', '.join(map(repr, list(found)[:8]))}")
    texts = found[key]
    if not isinstance(texts, list) or not all(isinstance(each, str) and each.strip(BLANK) for each in texts):
        raise ValueError(f"{key} is {str(texts)[:40]}: a list of texts is expected")
    return tuple(texts)
