"""`spanbench new`: a model that works, to be changed into another."""

import keyword
import re
import shlex
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from string import Template

from pydantic import TypeAdapter, ValidationError

from benchmark.parsing import check_output
from benchmark.registry import CONFIGS, UsageError, names
from leaderboard.validation.submission import Family

TOP = CONFIGS.parent
TEMPLATES = Path(__file__).parent / "scaffold"


def new(name: str, output: str | None, family: str) -> int:
    """Write NAME.py and NAME.yaml, into the checkout or into `output`, and say what comes next. Raises UsageError."""
    _refuse_name(name)
    _refuse_family(family)
    class_name = "".join(word.capitalize() for word in name.split("_"))
    if output is None:
        if not (TOP / "pyproject.toml").is_file():
            raise UsageError("new: this spanbench is no checkout: say where to write with --output DIR")
        model, config = TOP / "models" / f"{name}.py", CONFIGS / "models" / f"{name}.yaml"
        class_path, handle = f"models.{name}.{class_name}", name
    else:
        model, config = Path(output) / f"{name}.py", Path(output) / f"{name}.yaml"
        class_path, handle = f"{name}.py:{class_name}", shlex.quote(str(_shown(config)))
    words = {"Class": class_name, "class_path": class_path, "family": family}
    texts = {
        path: Template((TEMPLATES / f"model{path.suffix}.txt").read_text(encoding="utf-8")).substitute(words)
        for path in (model, config)
    }
    for path in texts:
        if path.exists():
            raise UsageError(f"new: {path} is there already, and stays as it is")
    if output is not None:
        check_output(Path(output))
    write_all(texts)
    print(f"wrote {_shown(model)}\nwrote {_shown(config)}\n\nnext:")
    print(f"  spanbench check {handle}")
    print(f"  spanbench run --model {handle} --task delayed_recall")
    print(f'  spanbench submit {handle} --name "{class_name}" --contact you@example.org')
    return 0


def write_all(texts: dict[Path, str]) -> None:
    """All of the files or none; none that is there already is touched. Raises UsageError."""
    written: list[Path] = []
    for path, text in texts.items():
        try:
            with path.open("x", encoding="utf-8") as file:
                written.append(path)
                file.write(text)
        except OSError as error:
            for each in written:
                each.unlink()
            raise UsageError(f"new: cannot write {path}: {error.strerror}") from None


def _refuse_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        said = "letters a to z, digits and single _ between them, a letter first"
        raise UsageError(f'new: "{name}" cannot be a module\'s name: {said}, as in my_model')
    if keyword.iskeyword(name):
        raise UsageError(f'new: "{name}" is a word of Python itself: choose another name, as in {name}_model')
    if name in names("models"):
        raise UsageError(f"new: there is a model {name} already: choose another name, as in {name}_2")
    if (TOP / "models" / f"{name}.py").exists():
        raise UsageError(f"new: models/{name}.py is there already: choose another name, as in {name}_2")
    if name in sys.stdlib_module_names or name in packages_distributions():
        raise UsageError(f"new: {name} is the name of an installed Python module: choose another, as in {name}_model")


def _refuse_family(family: str) -> None:
    try:
        TypeAdapter[str](Family).validate_python(family)
    except ValidationError:
        known = "recurrence, convolution, attention, state space, matrix state, hybrid"
        raise UsageError(f'--family: expected a few small letters, as in {known}; got "{family}"') from None


def _shown(path: Path) -> Path:
    """As seen from here, where it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
