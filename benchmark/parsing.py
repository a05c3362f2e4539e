"""What parsers share: help without type signatures, complaints in one line, --output and --wandb."""

import re
import tempfile
from argparse import SUPPRESS, Action
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from benchmark.launch.manner import Launcher, Manner, Resources
from benchmark.registry import UsageError, unknown


class PlainHelp(DefaultHelpFormatter):
    """Each option's help with its default, where it has one."""

    def _get_help_string(self, action: Action) -> str:
        silent = action.default in (None, SUPPRESS) or not action.option_strings
        return (action.help or "") + ("" if silent or "default" in (action.help or "") else " (default: %(default)s)")


def condense(message: str, parser: ArgumentParser | None = None) -> str:
    """jsonargparse's many lines as one: the key, and what was expected of it; a word of `parser` without its dashes."""
    lines = [line.strip(" -") for line in message.splitlines() if line.strip()]
    keys = [match[1] for line in lines if (match := re.match(r'Parser key "([\w.]+)"', line))]
    telling = [line for line in lines if re.search(r"Expected|should|not|required|Value error|invalid", line)]
    telling = [line for line in telling if not re.search("NoneType|Union|a path", line)]
    said = re.sub(r"<class '(\w+)'>", r"\1", telling[-1] if telling else lines[-1])
    words = (
        {action.dest: action.metavar or action.dest for action in parser._actions if not action.option_strings}
        if parser
        else {}
    )
    missing = re.search(r"the following arguments are required: ([\w., ]+)", said)
    if missing:
        needed = [str(words[key]).upper() if key in words else f"--{key}" for key in missing[1].split(", ")]
        said = f"{' and '.join(needed)} {'are' if len(needed) > 1 else 'is'} needed"
    said = re.sub(r"a typing\.Literal\[(.*?)\]", lambda found: f"one of {found[1]}".replace("'", ""), said)
    for kind, plain in {"int": "whole number", "float": "number", "bool": "true or false", "str": "text"}.items():
        said = re.sub(rf"Expected an? {kind}\b", f"Expected a {plain}".replace("a true", "true"), said)
    said = re.sub(r" \[type=.*?\]", "", said).removeprefix("Value error, ")
    return f"--{'.'.join(dict.fromkeys(keys))}: {said}" if keys else said


def add_wandb(parser: ArgumentParser) -> None:
    """--wandb, for every command that trains."""
    parser.add_argument(
        "--wandb", choices=("online", "offline", "disabled"), help="default: online with an account, else offline"
    )


def add_manner(parser: ArgumentParser) -> None:
    """How cells run, for every command that runs many."""
    parser.add_argument("--workers", type=int | None, help="cells at once (default: what the machine has room for)")
    parser.add_argument("--fresh", type=bool, nargs="?", const=True, default=False, help="run finished cells again")
    parser.add_argument(
        "--retry", type=str | None, help="run cells again that ended so: failed, diverged, or both (failed,diverged)"
    )
    parser.add_argument(
        "--time-limit", default="24h", help="what takes longer is ended and recorded as failed, as 90s, 30m, 2h or 3d"
    )
    parser.add_argument("--launcher", type=Launcher, default="local", help="processes here, or a Ray cluster")
    parser.add_class_arguments(Resources, "resources")
    parser.add_argument(
        "--address", type=str | None, help="of a Ray cluster (default: $RAY_ADDRESS, or one of its own)"
    )
    for action in parser._actions:
        if action.dest == "resources" or "--resources.help" in action.option_strings:
            action.help = SUPPRESS


def manner_of(how: dict[str, Any]) -> tuple[Manner, frozenset[str]]:
    """What the options of `add_manner` say: how cells run, and which statuses run again. Raises UsageError.

    Those that are left out have their defaults.
    """
    parser = ArgumentParser(exit_on_error=False)
    add_manner(parser)
    how = parser.get_defaults().as_dict() | how
    resources = Resources(**how["resources"])
    if how["address"] is not None and how["launcher"] != "ray":
        raise UsageError("--address is for --launcher ray")
    again = {"ok", "failed", "diverged"} if how["fresh"] else set()
    for word in (how["retry"] or "").split(",") if how["retry"] is not None else ():
        if word not in ("failed", "diverged"):
            raise unknown("status", word, ("failed", "diverged"))
        again.add(word)
    manner = Manner(how["launcher"], how["workers"], resources, seconds_of(how["time_limit"]), how["address"])
    return manner, frozenset(again)


def seconds_of(text: str) -> float:
    """'90s', '30m', '2h' or '3d' -> seconds. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not match or not float(match[1]):
        raise UsageError(f'--time-limit: expected a time like 90s, 30m, 2h or 3d, got "{text}"')
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]


def check_output(folder: Path) -> None:
    """Make the folder that --output asks for. Raises UsageError where nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise UsageError(f"--output: cannot write to {folder}: {error.strerror}") from None
