"""Where built kernels are kept: one private folder, one sub-folder per kernel, each
checked before it is loaded.

Loading a shared library runs its code, so the folder must be ours alone, and a file that was cut short or
overwritten must never reach the loader (a damaged ELF file can crash the process instead of failing). A
kernel's sub-folder holds `kernel.c`, the library, and the library's SHA-256; it is filled aside and renamed, so
that it is there whole or not at all, and two processes that build the same kernel at once both end well. No
locks are held: a fork is harmless.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import stat
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

FORMAT = 1  # part of every key; raise it when the layout of a sub-folder changes
LIBRARY = "kernel.dll" if sys.platform == "win32" else "kernel.so"
SOURCE, CHECKSUM = "kernel.c", "kernel.sha256"
STAGING, STALE_SECONDS = ".building-", 24 * 3600

_given_up: set[Path | None] = set()  # folders that failed once in this process; each is warned about once
_private: list[Path] = []  # this process's own temporary folder, once it was needed


class CacheWarning(UserWarning):
    """The user's cache folder cannot be used, so kernels are built again in every process."""


def key(*parts: object) -> str:
    """40 hexadecimal digits that differ whenever a part, the processor's features or
    the cache's format differ.
    """
    digest = hashlib.sha256()
    for part in (FORMAT, sys.platform, processor(), *parts):
        piece = repr(part).encode("utf-8", "backslashreplace")
        digest.update(b"%d:" % len(piece) + piece)  # with its length, so that ("ab", "c") is not ("a", "bc")
    return digest.hexdigest()[:40]


@functools.lru_cache(maxsize=1)
def processor() -> str:
    """The machine and the features of its processor: code built with `-march=native` runs on no lesser one."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for (
                line
            ) in lines:  # stops at the first core: reading on costs a millisecond a core on large machines
                name, _, value = line.partition(":")
                if name.strip() in ("flags", "Features", "isa"):  # x86, ARM, RISC-V
                    return " ".join([platform.machine(), *sorted(value.split())])
    except OSError:
        pass
    return f"{platform.machine()} {platform.processor()}"


def wanted_folder() -> Path:
    """The folder that the user's settings name: $UNROLLED_CACHE, else `unrolled` in the system's cache folder.

    Raises OSError where no home folder can be told.
    """
    if chosen := os.environ.get("UNROLLED_CACHE"):
        return Path(os.path.abspath(os.path.expanduser(chosen)))
    shared = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(shared):  # the XDG base directory specification: a relative path is to be ignored
        return Path(shared) / "unrolled"
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "unrolled" / "cache"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise FileNotFoundError(f"no home folder is known ({error})") from error
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "unrolled"


def user_folder() -> Path:
    """`wanted_folder`, made with mode 0700 where missing; raises OSError where it, or a folder above it, is not
    ours alone to write: whoever may write above may put another folder in its place."""
    wanted = wanted_folder()
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.mkdir(mode=0o700, exist_ok=True)
    path = wanted.resolve()  # without links, which somebody could turn elsewhere later
    if hasattr(os, "geteuid"):  # Windows has neither owners nor modes of this kind
        for folder in (path, *path.parents):
            _check_owned(folder, folder is path)
    if hasattr(os, "ST_NOEXEC") and os.statvfs(path).f_flag & os.ST_NOEXEC:
        raise PermissionError("nothing may be executed from its disk (noexec)")
    return path


def _check_owned(folder: Path, last: bool) -> None:
    """PermissionError where others may change what is in a folder. Above the last one the system may, and in a
    folder such as /tmp, whose sticky bit is set, nobody moves what another one owns."""
    found, it = folder.stat(), "it" if last else f"{folder}, above it,"
    if found.st_uid != os.geteuid() and (last or found.st_uid != 0):
        raise PermissionError(f"{it} belongs to user {found.st_uid}, and this is user {os.geteuid()}")
    sticky = not last and found.st_mode & stat.S_ISVTX
    others = 0o022 if last or not _alone_in(found.st_gid) else 0o002
    if found.st_mode & others and not sticky:
        who = "others may write into it" if last else f"others may write into {folder}, above it"
        raise PermissionError(f"{who} (mode {found.st_mode & 0o777:o}; `chmod {'700' if last else 'go-w'}` it)")


def _alone_in(group: int) -> bool:
    """Whether a group is this user's own, of nobody else, as systems with a umask of
    002 give one to each user.
    """
    import grp
    import pwd

    try:
        user, named = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return user.pw_gid == group and named.gr_name == user.pw_name and set(named.gr_mem) <= {user.pw_name}


def private_folder() -> Path:
    """A fresh temporary folder, mode 0700, for this process (and its forked children); removed when it ends."""
    if not _private or not _private[-1].is_dir():
        path = Path(tempfile.mkdtemp(prefix="unrolled-"))
        _private.append(path)
        atexit.register(_remove_if_owner, path, os.getpid())
    return _private[-1]


def _remove_if_owner(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child that exits must not take its parent's folder away
        shutil.rmtree(path, ignore_errors=True)


def somewhere(work: Callable[[Path], Result]) -> Result:
    """`work(folder)` in the user's cache folder; where the system refuses it there, in a private temporary one.

    An OSError (not ours, read-only, full, mounted without execution) moves this process over for good, with one
    `CacheWarning`. A second OSError is the caller's.
    """
    wanted: Path | None = None
    try:
        wanted = wanted_folder()
        if wanted not in _given_up:
            return work(user_folder())
    except OSError as error:
        if wanted not in _given_up:
            _given_up.add(wanted)
            named = f", {wanted}," if wanted else ""
            warnings.warn(
                f"the folder for built kernels{named} cannot be used: {error}. They are built again "
                "in every process; set UNROLLED_CACHE to another folder, yours alone.",
                CacheWarning,
                stacklevel=3,
            )
    return work(private_folder())


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A new private sub-folder of `folder` to build in; removed afterwards, unless it was renamed away."""
    place = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def fetch(entry: Path, make: Callable[[Path], None]) -> ctypes.CDLL:
    """The library in the sub-folder `entry`, or the one that `make(place)` writes as `place / LIBRARY`.

    A damaged entry is built again, once. Raises OSError where the library cannot be written or loaded,
    and whatever `make` raises.
    """
    refused: OSError | None = None
    for attempt in range(3):  # as it is, as built, and once more if another process was mending the same damage
        if whole(entry):
            try:
                return ctypes.CDLL(str(entry / LIBRARY))
            except OSError as error:  # whole, and yet refused: built elsewhere, or not to be executed here
                if refused is not None:
                    raise
                refused = error
        if attempt < 2:
            _sweep(entry.parent)
            with staging(entry.parent) as place:
                make(place)
                digest = hashlib.sha256((place / LIBRARY).read_bytes()).hexdigest()
                (place / CHECKSUM).write_text(digest, encoding="ascii")
                _publish(place, entry, replace=refused is not None)
    raise OSError(f"{entry} is damaged as soon as it is built")


def whole(entry: Path) -> bool:
    """Whether the library in `entry` is there and has the checksum that was noted when it was built."""
    try:
        noted = (entry / CHECKSUM).read_text(encoding="ascii")
        return hashlib.sha256((entry / LIBRARY).read_bytes()).hexdigest() == noted
    except (OSError, UnicodeDecodeError):
        return False


def _publish(place: Path, entry: Path, replace: bool) -> None:
    """Rename `place` to `entry`; another process's whole entry is kept, a damaged one goes."""
    if (replace or not whole(entry)) and os.path.lexists(entry):
        with staging(entry.parent) as aside:
            try:
                os.replace(entry, aside / "damaged")  # a rename, not a removal: never a half-removed entry
            except FileNotFoundError:
                pass  # another process was faster
    try:
        os.rename(place, entry)
    except OSError:
        if not whole(entry):
            raise


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed while building left behind a day ago or earlier."""
    for left in folder.glob(STAGING + "*"):
        try:
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            pass
