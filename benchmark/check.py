"""`spanbench check`: the contract of one model, a verdict a line, in seconds."""

import traceback
from argparse import SUPPRESS
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentError, ArgumentParser
from rich.console import Console
from rich.text import Text

from benchmark.parsing import PlainHelp, condense
from benchmark.pinpoint import Breach
from benchmark.registry import UsageError, entry, load_class
from benchmark.resolver import resolve
from benchmark.verdicts import FIRST, Subject, Verdict
from models.base import SequenceModel

STYLES = {"ok": "green", "FAIL": "bold red", "–": "dim"}
USAGE = "a model comes first: a name, a path to a YAML, or path/to/file.py:Class"


def check(argv: Sequence[str]) -> int:
    """Every clause, then what the model is. 0: it keeps the contract; 1: it breaks it."""
    parser = _parser()
    if "-h" in argv or "--help" in argv:
        parser.print_help()
        return 0
    if not argv or argv[0].startswith("-"):
        raise UsageError(f"check: {USAGE}")
    name, *rest = argv
    torch.set_num_threads(1)
    subject = _subject(name, rest, parser)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{subject.chosen.__name__}, {subject.file.name}", markup=False)
    verdicts = []
    for verdict in subject.verdicts():
        console.print(_line(verdict))
        verdicts.append(verdict)
    kept, broken = ([v for v in verdicts if v.status == status] for status in ("ok", "FAIL"))
    if verdicts[-1].clause in FIRST:
        console.print(f"\nit breaks the contract: {verdicts[-1].clause}; nothing else was tried")
        return 1
    console.print()
    for what, found in subject.facts().items():
        console.print(f"{what:<16}{found}", markup=False)
    if broken:
        console.print(f"\nit breaks the contract: {', '.join(verdict.clause for verdict in broken)}")
        return 1
    rest = "" if len(kept) == len(verdicts) else "; the others do not apply to it"
    console.print(f"\nit keeps the contract: {len(kept)} of {len(verdicts)} clauses ok{rest}")
    return 0


def _line(verdict: Verdict) -> Text:
    line = Text(f"{verdict.status:<5}", STYLES[verdict.status])
    line.append(f"{verdict.clause:<23}{verdict.said}", "default")
    if verdict.hint:
        line.append(f"\n     {'':23}→ {verdict.hint}", "default")
    return line


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        exit_on_error=False,
        formatter_class=PlainHelp,
        usage="spanbench check M [--model.KEY VALUE …]",
        description=f"The contract of a model, a verdict a line; {USAGE}. `spanbench models NAME` shows its keys.",
    )
    parser.add_subclass_arguments(SequenceModel, "model", as_group=False)
    for action in parser._actions:
        if action.dest != "help":
            action.help = SUPPRESS  # M goes through `resolve`
    return parser


def _subject(name: str, words: Sequence[str], parser: ArgumentParser) -> Subject:
    """The model that the words describe. What is wrong with its class is left to the verdicts. Raises UsageError."""
    found = entry("models", name)
    chosen = _loaded(found["class_path"])
    subject = Subject(name, found["class_path"], chosen, found["init_args"])
    try:
        subject.refuse_malformed()
    except Breach:
        return subject
    resolved, _ = resolve(["--model", name, *words], {"--model"})
    pairs = zip(resolved[::2], resolved[1::2], strict=True)
    own = [word for pair in pairs if pair[0].startswith("--model") for word in pair]  # without the YAML's lr
    try:
        options: dict[str, Any] = parser.parse_args(own).as_dict()
    except (ArgumentError, TypeError) as error:
        raise UsageError(f"check: {condense(str(error))}") from None
    return Subject(name, found["class_path"], chosen, options["model"].get("init_args", {}))


def _loaded(class_path: str) -> type:
    """The class, or where in the author's file its import ends. Raises UsageError."""
    try:
        return load_class(class_path)
    except UsageError as error:
        file = Path(class_path.rpartition(":")[0])
        frames = traceback.extract_tb(error.__context__.__traceback__) if error.__context__ else []
        lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == file.resolve()]
        raise UsageError(f"{error} (line {lines[-1]})" if lines else str(error)) from None
