"""The command line. Torch is imported only by the commands that train, so that --help is quick."""

import os
import signal
import sys
from argparse import SUPPRESS
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module

from jsonargparse import ArgumentError, ArgumentParser
from rich.console import Console

from benchmark import environment, listing, parsers
from benchmark.parsing import PlainHelp, condense
from benchmark.registry import UsageError, unknown

LISTINGS = {
    "models": "the architectures there are, or one of them whole",
    "tasks": "the memory tasks there are, or one of them whole",
    "tokenizers": "the tokenizers there are, or one of them whole",
    "corpora": "the corpora there are, or one of them whole",
    "tables": "the tables there are, or one of them whole",
}
COMMANDS = {
    "table": "reproduce a table: train what is missing, print it, draw it",
    "run": "train and measure one model on one task",
    "compare": "spans and bits per byte of models at several granularities of one text",
    "cost": "seconds and memory against length, width or state size, with fitted exponents",
    "profile": "one trained model: all its curves and spans in a figure",
    "calibrate": "every measure against systems whose span is known",
    "new": "a model that works, to be changed into another: one file and its YAML",
    "check": "the contract of a model, a verdict a line, in seconds",
    "submit": "run the official cells of a model and pack a submission to the leaderboard",
    "reproduce": "run a row of the leaderboard again: a verdict a cell",
    "leaderboard": "validate, verify, rank and show submissions",
    "report": "tables and plots again, from the records in a folder",
    "sweep": "a table as W&B sweeps: configurations that `wandb agent` runs",
    **LISTINGS,
}
PLACES = {  # modules of the functions that run commands
    "table": "benchmark.table_command",
    "run": "benchmark.commands",
    "compare": "benchmark.compare",
    "cost": "benchmark.cost",
    "profile": "benchmark.profiling",
    "calibrate": "benchmark.calibration.command",
    "new": "benchmark.new",
    "check": "benchmark.check",
    "submit": "benchmark.board.submit",
    "reproduce": "benchmark.board.reproduce",
    "leaderboard": "benchmark.board.command",
    "report": "benchmark.reporting",
    "sweep": "benchmark.sweep",
}
OWN_WORDS = ("run", "compare", "check", "leaderboard")  # these parse their words themselves
EPILOG = "A name stands for a YAML in configs/; a path to a YAML, or path/to/file.py:Class, works wherever a name does."


def main() -> None:
    """Entry point of `spanbench` and `python -m benchmark`.

    Some commands work in this very process, and malloc and OpenMP read their settings when a process starts.
    """
    if _follows():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first rank, which the others follow
    if sys.argv[1:2] in (["run"], ["cost"], ["calibrate"], ["check"]) and environment.missing() and os.name == "posix":
        os.environ.update(environment.missing())
        os.execv(sys.executable, [sys.executable, "-m", "benchmark", *sys.argv[1:]])
    sys.exit(call(sys.argv[1:]))


def call(argv: Sequence[str]) -> int:
    """Run one command. 0: done; 1: something failed; 2: bad usage, said in one line."""
    try:
        return _dispatch(list(argv))
    except UsageError as error:
        complain(str(error))
        return 2
    except BrokenPipeError:  # the reader of our output has gone, as in `spanbench models | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a folder that went away
        complain(f"{error.filename or 'the system'}: {error.strerror or error}")
        return 1
    except SystemExit as end:  # a parser has printed its help
        return int(end.code or 0)
    except KeyboardInterrupt as error:
        if not _follows():
            complain(str(error) or "interrupted; the same command goes on from here")
        return 1


def _follows() -> bool:
    """Whether this process is another rank than its machine's first, which speaks for all of them."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def complain(message: str) -> None:
    """One line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"spanbench: {' '.join(message.split())}", markup=False)


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0 if argv else 2
    command, *rest = argv
    if command == "--version":
        from importlib.metadata import version

        print(f"spanbench {version('spanbench')}")
        return 0
    if command not in COMMANDS:
        raise unknown("command", command, COMMANDS)
    if command in OWN_WORDS:
        return _function(command)(rest)
    parser = cli_parser(command)
    try:
        options = parser.parse_args(rest).as_dict()
    except ArgumentError as error:
        raise _usage(parser, command, str(error)) from None
    return _function(command)(**options)


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:{width}}{text}" for name, text in COMMANDS.items()]
    head = "How far back does a sequence model remember, and how much of that is the tokenizer's doing?"
    return "\n".join(
        [
            "usage: spanbench COMMAND [options]",
            "",
            head,
            "",
            *lines,
            "",
            "`spanbench COMMAND --help` says more.",
            EPILOG,
        ]
    )


def _usage(parser: ArgumentParser, command: str, message: str) -> UsageError:
    shown = (action for action in parser._actions if action.help != SUPPRESS)
    strings = (option for action in shown for option in action.option_strings)
    options = {option for option in strings if option.startswith("--") and not option.startswith("--print_")}
    prefix = "unrecognized arguments: "
    if not message.startswith(prefix):
        return UsageError(f"{command}: {condense(message, parser)}")
    first = message.removeprefix(prefix).partition(" ")[0].partition("=")[0]
    if first.startswith("-"):
        return unknown("option", first, options)
    return UsageError(f'{command}: one argument too many: "{first}"')


def cli_parser(command: str) -> ArgumentParser:
    """The parser of a command that does not parse its words itself."""
    parser = ArgumentParser(
        prog=f"spanbench {command}",
        description=COMMANDS[command],
        epilog=EPILOG,
        formatter_class=PlainHelp,
        allow_abbrev=False,
        exit_on_error=False,
    )
    parsers.OPTIONS[command](parser)
    return parser


def _function(command: str) -> Callable[..., int]:
    """What runs a command; its module is imported only now."""
    if command in PLACES:
        return getattr(import_module(PLACES[command]), command)
    return {"models": _models, "tokenizers": _tokenizers}.get(command, partial(_listing, command))


def _models(name: str | None, n_params: str, length: int) -> int:
    from benchmark import catalogue
    from benchmark.budget import parse_count

    if length < 1:
        raise UsageError(f"--length must be at least 1, got {length}")
    if name is None:
        return catalogue.show(parse_count(n_params), length)
    sizes = catalogue.line(name, parse_count(n_params), length)
    _listing("models", name)
    print(f"\n{sizes}")
    return 0


def _tokenizers(name: str | None, corpus: str | None) -> int:
    if name is None:
        if corpus is not None:
            raise UsageError("tokenizers: --corpus needs the name of a tokenizer before it")
        return listing.show("tokenizers", None)
    from benchmark import tokenizerview

    tokenizerview.show(Console(highlight=False), name, corpus or "sympy")
    return 0


def _listing(kind: str, name: str | None) -> int:
    return listing.show(kind, name)
