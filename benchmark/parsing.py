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


def check_output(folder: Path) -> None:
    """Make the folder that --output asks for. Raises UsageError where nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise UsageError(f"--output: cannot write to {folder}: {error.strerror}") from None
