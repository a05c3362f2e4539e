"""Architectures by the names of their files, for those that are composed of others."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable

import models
from models.base import StreamingModel


def recurrence_named(option: str, name: str) -> Callable[..., StreamingModel]:
    """The streaming architecture of layers in models/NAME.py: min_gru is MinGru in models/min_gru.py.

    Raises ValueError naming `option` and its choices.
    """
    found = _recurrence(name) if name in _modules() else None
    if found is None:
        choices = ", ".join(module for module in _modules() if _recurrence(module))
        raise ValueError(f'{option} must be one of {choices}, got "{name}"')
    return found


def _modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(models.__path__))


def _recurrence(module: str) -> type[StreamingModel] | None:
    """None for a file of shared pieces, and for a model that does not stream or is not made of layers."""
    for name, found in vars(importlib.import_module(f"models.{module}")).items():
        if name.lower() == module.replace("_", "") and inspect.isclass(found) and issubclass(found, StreamingModel):
            return found if "layers" in inspect.signature(found).parameters else None
    return None
