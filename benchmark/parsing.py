"""What parsers share: help without type signatures, complaints in one line, --output and --wandb."""

import re
import tempfile
from argparse import SUPPRESS, Action
from pathlib import Path

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from benchmark.registry import UsageError


class PlainHelp(DefaultHelpFormatter):
    """Each option's help with its default, where it has one."""

    def _get_help_string(self, action: Action) -> str:
        silent = action.default in (None, SUPPRESS) or not action.option_strings
        return (action.help or "") + ("" if silent or "default" in (action.help or "") else " (default: %(default)s)")


def condense(message: str) -> str:
    """jsonargparse's many lines as one: the key, and what was expected of it."""
    lines = [line.strip(" -") for line in message.splitlines() if line.strip()]
    keys = [match[1] for line in lines if (match := re.match(r'Parser key "([\w.]+)"', line))]
    telling = [line for line in lines if re.search(r"Expected|should|not|required|Value error|invalid", line)]
    telling = [line for line in telling if not re.search("NoneType|Union|a path", line)]
    said = re.sub(r"<class '(\w+)'>", r"\1", telling[-1] if telling else lines[-1])
    said = re.sub(r"the following arguments are required: ([\w.]+)", r"--\1 is needed", said)
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


def check_output(folder: Path) -> None:
    """Make the folder that --output asks for. Raises UsageError where nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise UsageError(f"--output: cannot write to {folder}: {error.strerror}") from None
