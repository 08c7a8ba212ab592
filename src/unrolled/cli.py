"""The command line: `unrolled COMMAND ...`. Each command loads only what it needs, so that help comes at once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .errors import UnrolledError, UsageError

Positional = tyro.conf.Positional
Json = Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff]

OVERVIEW = """usage: unrolled COMMAND ...

Recurrent neural networks from their equations.

  train char-lm       train a character model: on --text FILE, or on Python's own source without one
  train --resume RUN  go on with a run that was stopped
  sample RUN          let a trained model write
  evaluate RUN        how well a model predicts --text FILE
  cells               the cells there are
  show CELL           a cell's equations, graph, backward graph, plan or C
  check CELL|RUN      gradients against finite differences; an untrained model's loss against log V

unrolled COMMAND --help says more. Start with: unrolled train char-lm"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 and 143 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(OVERVIEW)
        return 0
    try:
        return _dispatch(arguments[0], arguments[1:])
    except UnrolledError as error:
        print(_message(error), file=sys.stderr)
        return getattr(error, "exit_code", 2)
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `unrolled sample RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _message(error: UnrolledError) -> str:
    text = str(error)
    return text if text.startswith(type(error).__name__) else f"{type(error).__name__}: {text}"


def _dispatch(command: str, arguments: list[str]) -> int:
    if command == "train":
        return _train(arguments)
    commands = {"sample": sample, "evaluate": evaluate, "cells": cells, "show": show, "check": check}
    if command == "--version":
        from importlib.metadata import version
        print(f"unrolled {version('unrolled')}")
        return 0
    if command not in commands:
        raise UsageError(f"there is no command {command!r}: choose one of train, {', '.join(commands)}.")
    return _parse(commands[command], f"unrolled {command}", arguments) or 0


def _parse(function: Callable, program: str, arguments: list[str]):
    """Call a function with the options its signature names; wrong options end with exit code 2."""
    return tyro.cli(function, prog=program, args=arguments,
                    config=(tyro.conf.OmitArgPrefixes,))


# --- train -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """How long a run goes on, and where it is kept."""

    minutes: float | None = None
    """how long to train; 3 where no --epochs are given"""
    epochs: float | None = None
    """how many times to go through the data, instead of --minutes"""
    seed: int = 0
    """of the first weights, dropout and samples"""
    out: Path | None = None
    """the run's folder; runs/TASK-1, -2, ... without it"""
    save_every: float = 30.0
    """seconds between checkpoints"""


def _train(arguments: list[str]) -> int:
    from . import tasks
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: unrolled train TASK ...      TASK is one of: {', '.join(tasks.names())}\n"
              "       unrolled train --resume RUN\n\nunrolled train TASK --help lists a task's options.")
        return 0 if arguments else 2
    if arguments[0].split("=")[0] == "--resume":
        return _parse(_resume, "unrolled train", arguments)
    if arguments[0].startswith("-"):
        raise UsageError(f"train was given {arguments[0]} before a task: "
                         f"write unrolled train TASK ..., TASK being one of {', '.join(tasks.names())}.")
    task_type = tasks.find(arguments[0])

    def start(task, budget: Budget) -> int:
        from .training import train
        return _exit_code(train(task, minutes=budget.minutes, epochs=budget.epochs, seed=budget.seed, out=budget.out,
                                save_every=budget.save_every))

    about = task_type.__doc__.split(">>>")[0].strip()
    start.__annotations__["task"] = Annotated[task_type, tyro.conf.arg(help=about)]
    start.__doc__ = about
    return _parse(start, f"unrolled train {arguments[0]}", arguments[1:])


def _resume(*, resume: Path, save_every: float = 30.0) -> int:
    """Go on with a run that was stopped, however it was stopped.

    Args:
        resume: the run's folder
        save_every: seconds between checkpoints
    """
    from .training import resume as go_on
    return _exit_code(go_on(resume, save_every=save_every))


def _exit_code(run) -> int:
    return {None: 0, "Ctrl-C": 130, "SIGTERM": 143}[run.stopped_by]


# --- the other commands ----------------------------------------------------------------------------------------


def sample(run: Positional[Path], prime: str | None = None, length: int = 500, temperature: float = 0.8,
           top_k: int | None = None, seed: int = 0) -> None:
    """Let a trained model write.

    Args:
        run: the run's folder
        prime: text to go on from; without one, a line's start
        length: how many characters
        temperature: below 1 bolder, above 1 wilder, 0 always the likeliest
        top_k: draw among the k likeliest characters only
        seed: the same seed writes the same text
    """
    from .progress import printable
    from .trained import open_run
    opened = open_run(run)
    drawn = opened.task.sample(opened.model, opened.vocabulary, prime=prime, length=length, temperature=temperature,
                               top_k=top_k, seed=seed)
    clean = printable if sys.stdout.isatty() else str
    sys.stdout.write(clean(prime or ""))
    for character in drawn:
        sys.stdout.write(clean(character))
        sys.stdout.flush()
    sys.stdout.write("\n")


def evaluate(run: Positional[Path], text: Path, as_json: Json = False) -> None:
    """How well a model predicts a text: nats and bits per character, and perplexity.

    Args:
        run: the run's folder
        text: a file of UTF-8 text
        as_json: print one JSON object
    """
    from .trained import open_run
    score = open_run(run).evaluate_file(text)
    if as_json:
        print(json.dumps(score.to_json()))
    else:
        print(f"{score.characters:,} characters: {score.nats:.4f} nats per character, "
              f"{score.bits:.4f} bits per character, perplexity {score.perplexity:.3f}")


def cells(as_json: Json = False) -> None:
    """The cells there are.

    Args:
        as_json: print a JSON list
    """
    from .commands.cells import as_json as rows
    from .commands.cells import table
    print(json.dumps(rows()) if as_json else table())


def show(cell: Positional[str], stage: str = "equations") -> None:
    """A cell as it goes through the house.

    Args:
        cell: a cell's name, or FILE.py:FUNCTION
        stage: equations, graph, backward, plan or c
    """
    from .commands.show import show as text_of
    print(text_of(cell, stage))


def check(what: Positional[str], as_json: Json = False) -> int:
    """Gradients against finite differences in float64, and an untrained model's loss against log V.

    Args:
        what: a cell's name, FILE.py:FUNCTION, or a run's folder
        as_json: print one JSON object
    """
    from .check import GRADIENT_LIMIT, check_cell
    from .cell_file import find_cell
    if Path(what).is_dir():
        from .trained import read_parts
        task, cell, vocabulary = read_parts(what)
        checked = check_cell(cell, characters=len(vocabulary), hidden=task.hidden, layers=task.layers)
    else:
        checked = check_cell(find_cell(what))
    if as_json:
        print(json.dumps(checked.to_json()))
        return 0 if checked.passed else 1
    for name, error in checked.gradients.items():
        print(f"{'right' if error <= GRADIENT_LIMIT else 'WRONG'}  {name:24} {error:.1e} off the finite differences")
    if checked.nats is not None:
        print(f"untrained: {checked.nats:.4f} nats per character, log V is {checked.log_v:.4f}")
    print(f"{checked.cell}: {'all is right' if checked.passed else 'something is WRONG'}")
    return 0 if checked.passed else 1


if __name__ == "__main__":
    sys.exit(main())
