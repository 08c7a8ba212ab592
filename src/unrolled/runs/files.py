"""Files of a folder that may be a stranger's: opened inside it, never through a link, and only
if they are plain files.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

READ = os.O_RDONLY
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT
CUT = os.O_WRONLY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
# Windows has none of these, and neither links nor pipes that a folder could be given away with.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe would wait for its other end
_FOLDER = getattr(os, "O_DIRECTORY", 0)
_INSIDE = os.open in os.supports_dir_fd


class NotAFile(OSError):
    """A link, a pipe, a folder or a device stands where a file of a run is due."""

    def __init__(self, what: str):
        super().__init__(errno.EINVAL, what)


@contextmanager
def _folder(path: Path, name: str, make: bool = False) -> Iterator[tuple[int | None, str]]:
    """The folder that `name` (of at most one folder and a file) lies in, opened, and the file's own name."""
    if not _INSIDE:
        if make:
            (path / name).parent.mkdir(exist_ok=True)
        yield None, str(path / name)
        return
    *below, last = name.split("/")
    handles = [os.open(path, READ | _FOLDER)]
    try:
        for part in below:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=handles[-1])
            handles.append(_open_folder(part, handles[-1]))
        yield handles[-1], last
    finally:
        for handle in handles:
            os.close(handle)


def _open_folder(name: str, inside: int) -> int:
    try:
        return os.open(name, READ | _FOLDER | _NO_LINK, dir_fd=inside)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise NotAFile(f"{name} is a link or a file, not a folder of this run's") from None
        raise


def _open(name: str, flags: int, inside: int | None) -> int:
    """A plain file; raises NotAFile for anything else, and for a file that has another name
    elsewhere and is to change.
    """
    try:
        handle = os.open(name, flags | _NO_LINK | _NO_WAIT, 0o666, dir_fd=inside)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotAFile(f"{Path(name).name} is a link") from None
        raise
    found = os.fstat(handle)
    wrong = None
    if not stat.S_ISREG(found.st_mode):
        wrong = "is not a plain file"
    elif flags & os.O_WRONLY and found.st_nlink > 1:
        wrong = "is a file that also has another name"
    if wrong:
        os.close(handle)
        raise NotAFile(f"{Path(name).name} {wrong}")
    return handle


def read(folder: Path, name: str, most: int, first: int = -1) -> bytes:
    """A file's bytes, or only the first ones. Raises OSError, also where the file has more than `most`."""
    with _folder(folder, name) as (inside, last), os.fdopen(_open(last, READ, inside), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes, and {most:,} are the most")
        return file.read(size if first < 0 else min(first, size))


def append(folder: Path, name: str, content: bytes) -> None:
    """Add to a file, or begin one."""
    with _folder(folder, name) as (inside, last), os.fdopen(_open(last, APPEND, inside), "ab") as file:
        file.write(content)


def cut(folder: Path, name: str, size: int) -> None:
    """Cut a file, where there is one, to a size that it has reached."""
    try:
        with _folder(folder, name) as (inside, last), os.fdopen(_open(last, CUT, inside), "wb") as file:
            os.ftruncate(file.fileno(), min(size, os.fstat(file.fileno()).st_size))
    except FileNotFoundError:
        return


def size(folder: Path, name: str) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        with _folder(folder, name) as (inside, last), os.fdopen(_open(last, READ, inside), "rb") as file:
            return os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return 0


def replace(folder: Path, name: str, content: bytes) -> None:
    """Write aside, flush to the disk, rename: a reader sees the old file or the new one, never a part."""
    with _folder(folder, name, make=True) as (inside, last):
        aside = f"{last}.part"
        try:
            with suppress(FileNotFoundError):
                # Of a process that was killed here; were it a link, the link goes.
                os.unlink(aside, dir_fd=inside)
            with os.fdopen(_open(aside, _NEW, inside), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, last, src_dir_fd=inside, dst_dir_fd=inside)
        except OSError:
            with suppress(OSError):
                os.unlink(aside, dir_fd=inside)
            raise
        if inside is not None:
            os.fsync(inside)  # the rename lasts through a power cut


def names(folder: Path, below: str) -> list[str]:
    """What a folder inside has, sorted; nothing where there is none."""
    try:
        with _folder(folder, f"{below}/*") as (inside, _):
            return sorted(os.listdir(inside if inside is not None else folder / below))
    except FileNotFoundError:
        return []


def remove(folder: Path, name: str) -> None:
    """Remove a file, where there is one."""
    with suppress(FileNotFoundError), _folder(folder, name) as (inside, last):
        os.unlink(last, dir_fd=inside)
