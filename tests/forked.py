"""pytest runs one after the other, each in a child of one process that has imported torch and pytest already.

    python tests/forked.py        then, for each run, one line of JSON: pytest's arguments

Answers each line with one of JSON: [exit status, output]. The package under test is imported in the child,
hence as it is at that moment (PYTHONPATH says where). Imports of other packages are most of a short run's time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback

import hypothesis.strategies  # noqa: F401
import numpy  # noqa: F401
import pytest
import torch._functorch.vmap
import torch.autograd.forward_ad  # noqa: F401

SECONDS = 600


def run(arguments: list[str]) -> tuple[int, str]:
    """pytest's exit status (negative: the signal that ended it) and what it printed."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            status = 3
            signal.alarm(SECONDS)
            try:
                status = int(pytest.main(arguments))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        return status, output.read()


if __name__ == "__main__":
    assert not any(name.split(".")[0] == "unrolled" for name in sys.modules)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
