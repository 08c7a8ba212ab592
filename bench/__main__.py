"""The benchmarks' command line: `python -m bench layers`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from rich.console import Console

from unrolled import find
from unrolled.errors import UnrolledError
from unrolled.plan.plan import plan_of

from . import (
    build,
    char_lm,
    classify,
    few,
    generate,
    layers,
    long,
    memory,
    mixed,
    quality,
    report,
    sampling,
    scan,
    shares,
    tag,
    translate,
    word_lm,
    zoo,
)
from .eager_source import source_of
from .machine import only_avx2, refuse_if_busy
from .peers import sizes_of
from .rows import Row

STEPS = {"char-lm": char_lm, "word-lm": word_lm, "sampling": sampling, "mixed": mixed, "shares": shares}
SETS = {"tag": tag, "translate": translate}  # which measure one thing at a time
TIMED = ("layers", "zoo", "scan", "few", *STEPS)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m bench", description="Time and memory against peers.")
    commands = top.add_subparsers(dest="command", required=True)
    texts = {
        "layers": "layers, forward and backward",
        "zoo": "every cell against its eager loop",
        "scan": "linear recurrences against going step by step",
        "char-lm": "training steps of the character model",
        "word-lm": "training steps of a word model; with SETs, what trainings reach",
        "sampling": "characters that a model writes",
        "mixed": "bfloat16 products against torch.nn",
        "few": "one row, against torch.nn.LSTM and the memory's bandwidth",
        "shares": "the LSTM's share of the product peak, short sequences and long ones",
        "tag": "a tagger: its speed, and what it reaches",
        "translate": "a translator: its speed, and what it reaches",
        "memory": "peak memory of the LSTM",
        "long": "time and memory from 100 to 100,000 steps",
        "build": "building cells, importing the package",
    }
    for name, text in texts.items():
        one = commands.add_parser(name, help=text)
        one.add_argument(
            "--write", action="store_true", help="render bench/RESULTS.md from all results there are"
        )
        one.add_argument(
            "--anyway", action="store_true", help="measure on a busy machine, too, and mark the table"
        )
        if name in (*TIMED, *SETS):
            one.add_argument(
                "--seconds",
                type=positive,
                default=2.0 if name in ("zoo", "scan", "few") else 4.0,
                help="for each pair (default: %(default)s)",
            )
        if name == "word-lm":
            one.add_argument("sets", nargs="*", metavar="SET", help=f"some of {', '.join(word_lm.SETS)}")
        if name == "layers":
            one.add_argument(
                "--only", default="", metavar="TEXT", help='rows that contain it, e.g. "mgu vs eager"; not kept'
            )
        if name in SETS:
            one.add_argument(
                "set",
                nargs="?",
                choices=SETS[name].SETS,
                default="speed",
                help="what of it (default: %(default)s)",
            )
        if name in ("zoo", "few"):
            one.add_argument("--only", nargs="+", default=(), metavar="CELL", help="some cells; not kept")
        if name == "zoo":
            one.add_argument(
                "--hidden",
                type=int,
                nargs="+",
                default=zoo.WIDTHS,
                metavar="H",
                help="widths (default: 128 512)",
            )
            one.add_argument("--mixed", action="store_true", help="ours under autocast to bfloat16")
    commands.add_parser("report", help="render bench/RESULTS.md without measuring")
    add_quality(
        commands.add_parser("quality", help="time to quality: one training, one line of bench/quality.md")
    )
    add_generate(commands.add_parser("generate", help="whether names made to order are told apart as such"))
    sets = commands.add_parser("classify", help="the task classify on public data: lines of bench/classify.md")
    sets.add_argument("sets", nargs="*", metavar="SET", help=f"some of {', '.join(classify.SETS)}; all without")
    shown = commands.add_parser("eager", help="print the eager peer of a cell")
    shown.add_argument("cell")
    shown.add_argument("--hidden", type=int, default=128)
    return top


def add_quality(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--model", choices=quality.MODELS, default="unrolled", help="whose training (default: %(default)s)"
    )
    one.add_argument("--minutes", type=positive, default=5.0, help="how long (default: %(default)s)")
    one.add_argument(
        "--seed", type=int, default=1, help="of weights, dropout and windows (default: %(default)s)"
    )
    one.add_argument(
        "--text",
        default="tinyshakespeare",
        metavar="NAME|FILE",
        help=f"{' or '.join(quality.TEXTS)}, found in $UNROLLED_DATA, or a file (default: %(default)s)",
    )
    for option in quality.OPTIONS:
        one.add_argument(
            f"--{option}", type=quality.OPTIONS[option], help="CharLM's, where it is not to be the default"
        )
    one.add_argument("--anyway", action="store_true", help="train on a busy machine, too, and mark the line")


def add_generate(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--minutes", type=positive, default=2.0, help="how long each of the two learns (default: %(default)s)"
    )
    one.add_argument(
        "--temperature", type=positive, default=0.7, help="how boldly names are drawn (default: %(default)s)"
    )
    one.add_argument("--seed", type=int, default=1, help="of weights and draws (default: %(default)s)")


def positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return value


def main() -> int:
    options = parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 200)
    try:
        if options.command == "report":
            console.print(f"written: {report.write()}")
        elif options.command == "eager":
            chosen = find(options.cell)
            print(
                source_of(plan_of(chosen.graph), sizes_of(chosen, options.hidden, options.hidden)).text, end=""
            )
        elif options.command == "generate":
            console.print(f"written: {generate.keep(generate.asked(options))}")
        elif options.command == "classify":
            for name in classify.check(options.sets):
                console.print(f"written: {classify.keep([classify.run(name)])}")
        elif options.command == "quality":
            refuse_if_busy(options.anyway)
            console.print(f"written: {quality.keep(quality.asked(options))}")
        elif getattr(options, "sets", None):
            names = word_lm.known(options.sets)
            refuse_if_busy(options.anyway)
            for name in names:
                console.print(f"written: {word_lm.keep(word_lm.trained(name))}")
        else:
            measure(options, console)
    except UnrolledError as error:
        print(error, file=sys.stderr)
        return getattr(error, "exit_code", 2)
    return 0


def measure(options: argparse.Namespace, console: Console) -> None:
    """Runs one benchmark, each row said on stderr as it comes, the table and the file's
    name on stdout at the end.
    """
    if options.command != "memory":  # which measures no time
        refuse_if_busy(options.anyway)
    progress = Console(stderr=True)

    def say(row: Row) -> None:
        texts = dict(zip(report.HEADS, report.cells(row)))
        wanted = ("what", "sizes", "against", "ours", "peer", "ratio", "target", "reached")
        progress.print(
            "  ".join(texts[w] for w in wanted if texts[w]), markup=False, highlight=False, soft_wrap=True
        )

    if options.command == "layers":
        result = layers.run(options.seconds, options.only, say)
    elif options.command == "zoo":
        result = zoo.run(options.seconds, options.hidden, options.only, say, options.mixed)
    elif options.command == "few":
        result = few.run(options.seconds, options.only, say)
    elif options.command in SETS:
        result = SETS[options.command].run(options.set, options.seconds, say)
    elif options.command == "scan":
        result = scan.run(options.seconds, say)
    elif options.command in STEPS:
        result = STEPS[options.command].run(options.seconds, say)
    else:
        result = {"memory": memory, "long": long, "build": build}[options.command].run(say)
    if not result.rows and options.command == "layers":
        raise UnrolledError(f"no row contains {options.only!r}. Leave --only out to see all rows.")
    if f"{result.command}-avx2" in report.ORDER and only_avx2(result.machine):
        # A table beside the other, with its own targets.
        result = replace(result, command=f"{result.command}-avx2")
    report.show(result, console)
    if getattr(options, "only", None):
        return  # part of a table must not replace the whole
    console.print(f"written: {result.save()}")
    if options.write:
        console.print(f"written: {report.write()}")


if __name__ == "__main__":
    sys.exit(main())
