"""The command line: `unrolled COMMAND ...`. Each command loads only what it needs, so
that help comes at once.
"""

from __future__ import annotations

import sys
from importlib import import_module

from .errors import UnrolledError, UsageError
from .terminal import interruptible, prepare, say, silence

OVERVIEW = """usage: unrolled COMMAND ...

Recurrent neural networks from their equations.

  train char-lm       train a character model: on --text FILE, or on Python's own source without one
  train --resume RUN  go on with a run that was stopped
  train --from RUN    from its weights, with other data or options
  predict RUN         what a trained model makes of inputs: arguments, --file FILE, or standard input
  sample RUN          let a trained character model write
  evaluate RUN        how good a model is on --data FILE
  export RUN          a trained model as ONNX
  runs                the runs there are, with what differs between them
  plot RUN ...        loss and figures of runs as a picture
  cells               the cells there are
  show CELL           a cell's equations, LaTeX, picture, listing, backward graph, plan or C
  byhand EXAMPLE      a small net by hand: every number, every gradient; --list names the examples
  check CELL|RUN      gradients against finite differences; an untrained model's loss against log V
  completion SHELL    completion of all this by bash, zsh or fish

unrolled COMMAND --help says more. Start with: unrolled train char-lm"""


# The file of each command under `commands/`. It has a function `command`, reads the options into a dataclass,
# and loads what the command needs only then, so that --help comes at once.
COMMANDS = {
    "train": "train",
    "predict": "predict",
    "sample": "predict",
    "evaluate": "evaluate",
    "export": "export",
    "runs": "runs",
    "plot": "plot",
    "cells": "cells_options",
    "show": "show_options",
    "byhand": "byhand_options",
    "check": "check_options",
    "completion": "completion",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 and 143 interrupted."""
    try:
        return _printed(sys.argv[1:] if arguments is None else arguments)
    except UnrolledError as error:
        say(_message(error), sys.stderr)
        return getattr(error, "exit_code", 2)
    except KeyboardInterrupt:
        say("stopped by Ctrl-C", sys.stderr)
        return 130
    except BrokenPipeError:  # `unrolled sample RUN | head`
        silence()
        return 0
    except OSError as error:
        silence()
        say(f"unrolled: {error.filename or 'standard output'}: {error.strerror or error}", sys.stderr)
        return 1
    except MemoryError:
        say("unrolled: there is not enough memory for that: ask for less", sys.stderr)
        return 1


def _printed(arguments: list[str]) -> int:
    """Runs a command; an error of standard output is raised here, not when the process ends."""
    prepare()
    try:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            say(OVERVIEW)
            return 0
        return _dispatch(arguments[0], arguments[1:])
    finally:
        sys.stdout.flush()


def _message(error: UnrolledError) -> str:
    text = str(error)
    return text if text.startswith((type(error).__name__, "CellError")) else f"{type(error).__name__}: {text}"


def _dispatch(command: str, arguments: list[str]) -> int:
    if command == "--version":
        from importlib.metadata import version

        say(f"unrolled {version('unrolled')}")
        return 0
    if command not in COMMANDS:
        raise UsageError(f"there is no command {command!r}: choose one of {', '.join(COMMANDS)}.")
    module = import_module(f".commands.{COMMANDS[command]}", __package__)
    interruptible()
    return module.command(command, arguments) or 0


if __name__ == "__main__":
    sys.exit(main())
