"""The command line. Torch is imported only by the commands that train, so that --help is quick."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from jsonargparse import ArgumentError, ArgumentParser
from rich.console import Console

from benchmark import environment, listing
from benchmark.parsing import PlainHelp, add_wandb, condense
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
    "report": "tables and plots again, from the records in a folder",
    **LISTINGS,
}
EPILOG = "A name stands for a YAML in configs/; a path to a YAML, or path/to/file.py:Class, works wherever a name does."


def main() -> None:
    """Entry point of `spanbench` and `python -m benchmark`.

    Some commands work in this very process, and malloc and OpenMP read their settings when a process starts.
    """
    if sys.argv[1:2] in (["run"], ["cost"], ["calibrate"]) and environment.missing() and os.name == "posix":
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
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on from here")
        return 1


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
    if command == "run":
        from benchmark import commands

        return commands.run(rest)
    if command == "compare":
        from benchmark import compare

        return compare.compare(rest)
    parser, function = _parsers()[command]
    try:
        options = parser.parse_args(rest).as_dict()
    except ArgumentError as error:
        raise _usage(parser, command, str(error)) from None
    return function(**options)


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
    strings = (option for action in parser._actions for option in action.option_strings)
    options = {option for option in strings if option.startswith("--") and not option.startswith("--print_")}
    prefix = "unrecognized arguments: "
    first = message.removeprefix(prefix).split()[0].partition("=")[0] if message.startswith(prefix) else ""
    if first.startswith("-"):
        return unknown("option", first, options)
    if first:
        return UsageError(f'{command}: one argument too many: "{first}"')
    return UsageError(f"{command}: {condense(message)}")


def _parsers() -> dict[str, tuple[ArgumentParser, Callable[..., int]]]:
    found: dict[str, tuple[ArgumentParser, Callable[..., int]]] = {}

    def add(name: str, function: Callable[..., int]) -> ArgumentParser:
        parser = ArgumentParser(
            prog=f"spanbench {name}",
            description=COMMANDS[name],
            epilog=EPILOG,
            formatter_class=PlainHelp,
            exit_on_error=False,
        )
        found[name] = parser, function
        return parser

    table = add("table", _table)
    table.add_argument("name", nargs="?", default="quick", help="a name or a path to a YAML (default: quick)")
    table.add_argument("--output", default="runs", help="records, plots and tables go to OUTPUT/NAME")
    table.add_argument("--workers", type=int | None, help="processes, one core each (default: one a core)")
    table.add_argument("--fresh", type=bool, nargs="?", const=True, default=False, help="run finished cells again")
    add_wandb(table)
    costs = add("cost", _cost)
    costs.add_argument("--model", required=True, help="names, comma-separated")
    lengths = "positions, comma-separated (default: 256 to 8192 by octaves; 1024 where another axis has several values)"
    costs.add_argument("--length", type=str | None, help=lengths)
    costs.add_argument("--dim", default="64", help="widths, comma-separated")
    costs.add_argument("--state", type=str | None, help="state sizes, comma-separated, for models that have a state")
    costs.add_argument("--batch", type=int, default=4, help="sequences in a training step")
    costs.add_argument("--rounds", type=int, default=5, help="whole sweeps; medians and intervals are over them")
    costs.add_argument("--device", type=str | None, help="cpu or cuda (default: cuda where there is one)")
    costs.add_argument("--output", default="runs", help="table, plot and figures go to OUTPUT/cost")
    _profile_options(add("profile", _profile))
    calibrate = add("calibrate", _calibrate)
    calibrate.add_argument("--output", default="runs", help="checks, page and figures go to OUTPUT/calibration")
    calibrate.add_argument(
        "--reduced", type=bool, nargs="?", const=True, default=False, help="fewer checks, on one core"
    )
    calibrate.add_argument(
        "--only", type=str | None, help="measures, comma-separated, to OUTPUT/calibration-part (default: all)"
    )
    report = add("report", _report)
    report.add_argument("folder", help="a folder with records/ in it, such as runs/quick")
    for kind in LISTINGS:
        function = {"models": _models, "tokenizers": _tokenizers}.get(kind, partial(_listing, kind))
        add(kind, function).add_argument("name", nargs="?", help="one of them")
    tokenizers, _ = found["tokenizers"]
    tokenizers.add_argument("--corpus", type=str | None, help="the text to look at one on (default: sympy)")
    models, _ = found["models"]
    models.description = f"{COMMANDS['models']}. {listing.MODEL_COLUMNS}"
    models.add_argument("--n-params", default="100k", help="the budget that sets each width")
    models.add_argument("--length", type=int, default=1024, help="of the inputs, in positions")
    return found


def _table(**options: object) -> int:
    from benchmark import commands

    return commands.table(**options)  # pyright: ignore[reportArgumentType]


def _cost(**options: object) -> int:
    from benchmark import cost

    return cost.cost(**options)  # pyright: ignore[reportArgumentType]


def _profile_options(parser: ArgumentParser) -> None:
    curves = "recall, loss and gain by context, influence, gradient and gates over one lag axis"
    parser.description = f"{COMMANDS['profile']}: {curves}."
    parser.add_argument("run", help="a record (ID.json), a run's folder (cells/ID) or a folder with records/ in it")
    for what in ("model", "tokenizer", "corpus"):
        parser.add_argument(f"--{what}", type=str | None, help="which one, where the records have several")
    parser.add_argument("--output", type=str | None, help="default: profiles/MODEL[@TOKENIZER] beside the records")


def _profile(**options: str | None) -> int:
    from benchmark import profiling

    return profiling.profile(**options)  # pyright: ignore[reportArgumentType]


def _calibrate(**options: object) -> int:
    from benchmark.calibration import command

    return command.calibrate(**options)  # pyright: ignore[reportArgumentType]


def _report(folder: str) -> int:
    from benchmark import reporting

    return reporting.report(folder)


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
