"""Names on the command line, before jsonargparse sees them: each becomes a class_path with its init_args."""

import inspect
import json
from collections.abc import Iterable, Iterator, Sequence

from benchmark.registry import UsageError, entry, load_class, unknown
from models.base import SequenceModel
from tasks.base import Task
from tasks.tokenizers import Tokenizer

SELECTORS = {"model": SequenceModel, "task": Task, "tokenizer": Tokenizer}
FROM_TEXT = {"corpus", "tokenizer"}  # arguments of a task that options of their own provide
LISTS = {"lags", "lr", "measures"}  # comma-separated
FLAGS = {"--bisect", "--fresh", "--compile"}  # may stand without a value


def resolve(argv: Sequence[str], known: set[str]) -> tuple[list[str], dict[str, str]]:
    """Names become classes, selectors come first, overrides after them; what is not `known` is refused.

    Returns the rewritten words, and the place that each selector, and each class_path, came from.
    """
    front: list[str] = []
    rest: list[str] = []
    places: dict[str, str] = {}
    keys: dict[str, list[str]] = {}
    pairs = list(_pairs(argv))
    for name, value in pairs:
        if name in SELECTORS:
            found = entry(f"{name}s", value)
            chosen = load_class(found["class_path"])
            check_kind(name, value, chosen)
            keys[name] = [key for key in inspect.signature(chosen).parameters if key not in FROM_TEXT]
            _check(f"--{name} {value}", found["init_args"], keys[name])
            class_path = f"{chosen.__module__}.{chosen.__qualname__}"
            front += [f"--{name}", json.dumps({"class_path": class_path, "init_args": found["init_args"]})]
            rest = (["--budget.lr", str(found["lr"])] if "lr" in found else []) + rest
            rest = (["--lags", str(found["lags"])] if "lags" in found else []) + rest
            places[name], places[class_path] = value, found["class_path"]
    for name, value in pairs:
        selector, dot, key = name.partition(".")
        if dot and selector in SELECTORS:
            if selector not in keys:
                raise UsageError(f"--{name} needs --{selector}")
            _check(f"--{selector} {places[selector]}", [key.removeprefix("init_args.")], keys[selector])
        elif f"--{name}" not in known:
            raise unknown("option", f"--{name}", known - {"-h"})
        if name not in SELECTORS:
            rest += [f"--{name}", f"[{value}]" if name in LISTS and not value.startswith("[") else value]
    return front + rest, places


def check_kind(name: str, value: str, chosen: type) -> None:
    """Raise UsageError where `chosen`, which `value` stands for, is not what the selector `name` selects."""
    if not issubclass(chosen, SELECTORS[name]):
        raise UsageError(f"{value}: {chosen.__name__} is not a {SELECTORS[name].__name__}")
    if inspect.isabstract(chosen):
        raise UsageError(f"{value}: {chosen.__name__} does not define {', '.join(sorted(chosen.__abstractmethods__))}")


def _pairs(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    while words:
        option = words.pop(0)
        if not option.startswith("--"):
            raise UsageError(f'expected an option, got "{option}"')
        bare = not words or words[0].startswith("--")
        if bare and option not in FLAGS:
            raise UsageError(f"{option} needs a value")
        yield option.removeprefix("--"), "true" if bare else words.pop(0)


def _check(what: str, keys: Iterable[str], choices: list[str]) -> None:
    for key in keys:
        if key not in choices:
            raise UsageError(f"{what}: {unknown('key', str(key), choices)}")
