"""Names to classes: every model, task, tokenizer, corpus and table is a YAML in configs/, or a file of the user's."""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML's own, in C where its wheel has it: ten times faster
DEEPEST = 100  # levels of a YAML
KEYS = {"class_path", "init_args", "pattern", "lr", "family", "paper", "lags", "published"}


class UsageError(ValueError):
    """The user asked for something that cannot be; the message is one line that says what, where and what else."""


def unknown(what: str, word: str, choices: Iterable[str]) -> UsageError:
    """'unknown model "gur": did you mean gru? choices: …'."""
    known = sorted(choices)
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return UsageError(f'unknown {what} "{word}": {hint}choices: {", ".join(known) or "none"}')


def names(kind: str) -> list[str]:
    """What configs/ has of a kind ("models", "tasks", …), sorted."""
    return sorted(path.stem for path in (CONFIGS / kind).glob("*.yaml"))


def entry(kind: str, text: str) -> dict[str, Any]:
    """What `text` (a name, a path to a YAML or file.py:Class) stands for: class_path, init_args and maybe lr.

    Raises UsageError naming the choices.
    """
    if ".py:" in text:
        return {"class_path": text, "init_args": {}}
    if text.endswith((".yaml", ".yml")):
        return read_entry(Path(text))
    if text.endswith(".py"):
        raise UsageError(f"{text}: name the class too, as in {text}:ClassName")
    if text in names(kind):
        found = read_entry(CONFIGS / kind / f"{text}.yaml")
        if "pattern" not in found:
            return found
    for name in names(kind):
        found = read_entry(CONFIGS / kind / f"{name}.yaml")
        match = re.fullmatch(found.get("pattern", "(?!)"), text)
        if match:
            arguments = {key: value if key == "path" else int(value) for key, value in match.groupdict().items()}
            return found | {"init_args": found["init_args"] | arguments}
    singular = kind.removesuffix("s").replace("corpora", "corpus")
    if (bare := text.rstrip(":")) in names(kind):  # a pattern's own name: its first comment line says how it is used
        first, *_ = (CONFIGS / kind / f"{bare}.yaml").read_text(encoding="utf-8").splitlines()
        raise UsageError(f'{singular} "{text}" needs more: {first.removeprefix("#").strip()}')
    raise unknown(singular, text, names(kind))


def read_entry(path: Path) -> dict[str, Any]:
    """A registry file, checked. A class_path like file.py:Class is taken relative to the file's folder."""
    data = read_yaml(path)
    if not isinstance(data, dict) or not isinstance(data.get("class_path"), str):
        others = ", ".join(sorted(KEYS - {"class_path"}))
        raise UsageError(f"{path}: expected a mapping with a text under class_path, and maybe {others}")
    for key in data:
        if key not in KEYS:
            raise UsageError(f"{path}: {unknown('key', str(key), KEYS)}")
    _refuse_arguments(path, data.setdefault("init_args", {}))
    if ".py:" in data["class_path"]:
        data["class_path"] = str(path.parent / data["class_path"])
    return data


def _refuse_arguments(path: Path, arguments: Any) -> None:
    """Raise UsageError unless these are a mapping of texts to what JSON can say, as a cell keeps them."""
    if not isinstance(arguments, dict) or not all(isinstance(key, str) for key in arguments):
        raise UsageError(f"{path}: init_args: expected a mapping with texts as keys, got {str(arguments)[:60]}")
    try:
        json.dumps(arguments, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:  # a date, NaN, what holds itself
        raise UsageError(f"{path}: init_args: expected numbers, texts, lists and mappings: {error}") from None


def read_yaml(path: Path) -> Any:
    """Parsed YAML. Raises UsageError where the file is missing or is no YAML."""
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_depth(text)
        return yaml.load(text, Loader=LOADER)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError) as error:  # `!!int x`, a month 13
        said = " ".join(str(error).replace('in "<unicode string>", ', "in ").split())
        raise UsageError(f"{path}: not YAML: {said}") from None


def _refuse_depth(text: str) -> None:
    """Raise ValueError where YAML is nested too deep: the loader in C goes as deep, and ends the process there."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST} levels")


def load_class(class_path: str) -> type:
    """The class behind module.Class or path/to/file.py:Class. Raises UsageError."""
    file, colon, name = class_path.rpartition(":")
    if not colon:
        module, _, name = class_path.rpartition(".")
        if not all(module.split(".")):
            raise UsageError(f'class_path "{class_path}": expected module.Class or path/to/file.py:Class')
        try:
            loaded = importlib.import_module(module)
        except Exception as error:  # whatever a module of the user's does when it is imported
            kind = "" if isinstance(error, ImportError) else f"cannot be imported: {type(error).__name__}: "
            raise UsageError(f"{class_path}: {kind}{error}") from None
    else:
        loaded = _load_file(Path(file))
    found = getattr(loaded, name, None)
    if not inspect.isclass(found):
        own = (
            value for value in vars(loaded).values() if inspect.isclass(value) and value.__module__ == loaded.__name__
        )
        classes = (value.__name__ for value in own if not value.__name__.startswith("_"))
        raise unknown(f"class in {file or loaded.__name__}", name, classes)
    return found


def source_of(class_path: str, init_args: dict[str, Any]) -> str | None:
    """sha256 of the user's file that a class, or what it reads, comes from; None where the checkout has all of it."""
    file, colon, _ = class_path.rpartition(":")
    if colon:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    reads = getattr(load_class(class_path), "source", None)
    return None if reads is None else reads(**init_args)


def _load_file(path: Path) -> Any:
    if "\0" in str(path):
        raise UsageError(f"{str(path)!r}: no such file")
    name = f"spanbench_file_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"{path}: cannot be imported: {type(error).__name__}: {error}") from None
    return module
