"""One run of a C compiler: no shell, nothing to read, a time limit that holds, and its
complaint as one sentence.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from unrolled.errors import UnrolledError, UsageError
from unrolled.kernels.c.build import cache

LINK = ("-lm", "-pthread")


class CompilerError(UnrolledError):
    """The compiler is missing, broken, hangs, or refuses the source; one sentence and
    its first lines of output.
    """


class CompilerHangs(CompilerError):
    """The compiler did not finish in time, so that trying it again with other flags is a waste of time."""


@dataclass(frozen=True)
class Finished:
    """How a command ended: its exit status (negative: the signal that ended it) and what it printed."""

    status: int
    output: str

    def __str__(self) -> str:
        how = f"stopped with exit status {self.status}"
        if self.status < 0:
            try:
                how = f"was ended by {signal.Signals(-self.status).name}"
            except ValueError:
                how = f"was ended by signal {-self.status}"
        lines = [line[:200] for line in self.output.splitlines() if line.strip()][:8]
        return how + (":\n" + "\n".join(lines) if lines else "")


def time_limit(default: float = 60.0) -> float:
    """Seconds that one run of the compiler may take: $UNROLLED_CC_TIMEOUT where it
    is set. Raises UsageError.
    """
    text = os.environ.get("UNROLLED_CC_TIMEOUT") or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise UsageError(f"UNROLLED_CC_TIMEOUT is {text!r}, which is not a number of seconds above 0; try 60.")
    return seconds


def compile_in(place: Path, command: tuple[str, ...], flags: tuple[str, ...], seconds: float) -> None:
    """Compile `place / SOURCE` to `place / LIBRARY`. Raises CompilerError, or
    OSError where the disk is full.
    """
    # Relative names: the library holds nothing of the user's folders.
    finished = run((*command, *flags, "-o", cache.LIBRARY, cache.SOURCE, *LINK), place, seconds)
    if finished.status == 0 and (place / cache.LIBRARY).is_file():
        return
    if os.strerror(errno.ENOSPC) in finished.output:  # another folder may do
        raise OSError(f"no space is left on the disk of {place.parent}")
    how = "wrote no library, and yet reports success" if finished.status == 0 else str(finished)
    raise CompilerError(f"{spelled(command)!r} {how}")


def run(command: tuple[str, ...], place: Path, seconds: float) -> Finished:
    """Run a command in the folder `place`. Raises CompilerError where it cannot be started, CompilerHangs if it
    takes longer than `seconds`; whatever it started is ended with it.
    """
    environment = os.environ | {"LC_ALL": "C"}
    environment.setdefault("ZIG_GLOBAL_CACHE_DIR", str(place.parent / "zig"))  # its own default needs a home
    try:
        # A session of its own: a compiler is a tree of processes, and ending the driver
        # alone leaves the pipe open.
        process = subprocess.Popen(
            command,
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CompilerError(f"{spelled(command)!r} cannot be started: {error}") from error
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        raise CompilerHangs(
            f"{spelled(command)!r} did not finish within {seconds:g} seconds "
            "(UNROLLED_CC_TIMEOUT sets the limit)"
        ) from None
    except BaseException:  # Ctrl-C, which the terminal sends to our session only
        _end(process)
        raise
    return Finished(process.returncode, output.decode("utf-8", "replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass
    try:
        process.communicate(timeout=5)
    except subprocess.TimeoutExpired:  # something left the session and holds the pipe: it is not waited for
        process.stdout.close()
        process.poll()


def spelled(command: tuple[str, ...]) -> str:
    """The command as a user would type it."""
    return "python -m ziglang cc" if "ziglang" in command else " ".join(command)
