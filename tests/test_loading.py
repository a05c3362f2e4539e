"""What is read from disk is never run: no pickle, no unsafe YAML, no eval; imports by name have their reasons."""

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from benchmark import registry
from benchmark.checkpoint import AtomicIO
from benchmark.registry import UsageError, read_yaml

TOP = Path(__file__).resolve().parent.parent
SOURCES = [
    path for room in ("benchmark", "tasks", "models", "leaderboard") for path in sorted((TOP / room).rglob("*.py"))
]
MODULES = {"cloudpickle", "code", "dill", "joblib", "marshal", "pickle", "runpy", "shelve"}  # nobody imports them
NAMES = {
    "__import__",
    "compile",
    "eval",
    "exec",
    "exec_module",
    "import_module",
}  # nor calls these, but where PERMITTED
METHODS = {"load_from_checkpoint", "read_pickle", "unsafe_load", "full_load"}
SHELLS = {"os.popen", "os.system"}
LOADERS = {"torch.load": "weights_only=True", "yaml.load": "Loader=LOADER", "yaml.load_all": "Loader=LOADER"}
OWNERS = {"torch", "yaml", "os", "numpy"}  # modules whose functions are called by their full name
PERMITTED = {
    ("benchmark/cli.py", "import_module"): "modules of commands, from a table in that file",
    (
        "benchmark/registry.py",
        "importlib.import_module",
    ): "a class that the user names on the command line or in a YAML",
    ("benchmark/registry.py", "spec.loader.exec_module"): "a file of the user's, named as path/to/file.py:Class",
    ("models/by_name.py", "importlib.import_module"): "modules of models/, listed from the folder",
    ("models/fused.py", "import_module"): "kernels of an installed package, from names in that file",
}


def dangers(tree: ast.AST) -> Iterator[str]:
    """Whatever could run what it reads, as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").partition(".")[0]
            hidden = METHODS | {"load", "load_all", "popen", "system"} if module in OWNERS else set()
            yield from (f"{module}.{each.name}" for each in node.names if module in MODULES or each.name in hidden)
        elif isinstance(node, ast.Call):
            said, name = ast.unparse(node.func), ast.unparse(node.func).rpartition(".")[2]
            keywords = {ast.unparse(each) for each in node.keywords}
            own = isinstance(node.func, ast.Name) or name in ("exec_module", "import_module")
            numpy = said in ("np.load", "numpy.load") and any(each.startswith("allow_pickle") for each in keywords)
            loads = said in LOADERS and LOADERS[said] not in keywords
            if (
                (name in NAMES and own)
                or name in METHODS
                or said in SHELLS
                or "shell=True" in keywords
                or numpy
                or loads
            ):
                yield said


def test_nothing_in_the_sources_runs_what_it_reads() -> None:
    found = {
        (str(path.relative_to(TOP)), said)
        for path in SOURCES
        for said in dangers(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set(PERMITTED)


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "from torch import load",
        "import pickle",
        "from pickle import loads as read",
        "import joblib.numpy_pickle",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "exec(text)",
        "importlib.import_module(name)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "Lit.load_from_checkpoint(path)",
    ],
)
def test_what_would_is_seen(line: str) -> None:
    assert list(dangers(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path, weights_only=True)",
        "yaml.load(text, Loader=LOADER)",
        "np.load(path, mmap_mode='r')",
        "model.eval()",
        "re.compile(text)",
        "torch.compile(model)",
        "json.load(file)",
        "subprocess.run(['git', 'status'])",
    ],
)
def test_what_would_not_is_left_alone(line: str) -> None:
    assert not list(dangers(ast.parse(line)))


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_with_code_in_it_is_refused_and_its_code_not_run(tmp_path: Path) -> None:
    target, path = tmp_path / "made", tmp_path / "last.ckpt"
    torch.save({"state_dict": Bomb(target)}, path)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        AtomicIO().load_checkpoint(path)
    assert not target.exists()
    torch.load(path, weights_only=False)
    assert target.exists()  # the bomb was one


def test_a_yaml_makes_plain_values_alone(tmp_path: Path) -> None:
    assert issubclass(registry.LOADER, yaml.SafeLoader | yaml.CSafeLoader)
    path = tmp_path / "bad.yaml"
    path.write_text(f"a: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n")
    with pytest.raises(UsageError, match="not YAML"):
        read_yaml(path)
    assert not (tmp_path / "made").exists()
