"""`spanbench tasks NAME`: what a task asks, how large it is, what guessing scores, and three examples to look at."""

import inspect
from typing import Any

from rich.console import Console
from rich.text import Text

from benchmark.cells import corpus_named
from benchmark.registry import UsageError, entry, load_class
from benchmark.resolver import FROM_TEXT, check_kind
from tasks.base import Task
from tasks.spelling import columns
from tasks.tokenizers import Byte

SHOWN_LAG = 12  # of the examples, where the task can be so short
NAME_WIDTH = 8


def show(console: Console, name: str) -> None:
    """The whole of a task. Raises UsageError."""
    found = entry("tasks", name)
    chosen = load_class(found["class_path"])
    check_kind("task", name, chosen)
    try:
        task = _task(chosen, found["init_args"])
        lag = max(SHOWN_LAG, task.spec.min_lag)
        pictures = [picture(task, lag, index, console.width) for index in range(3)]
    except (ValueError, TypeError) as error:
        raise UsageError(f"{name}: {error}") from None
    definition, _, _ = (inspect.getdoc(chosen) or "").partition(">>>")
    plain: Any = {"markup": False, "highlight": False, "soft_wrap": True}
    console.print(f"{name}  {found['class_path']}\n\n{definition.strip()}\n", **plain)
    for key, parameter in inspect.signature(chosen).parameters.items():
        if key not in FROM_TEXT:
            console.print(f"  --task.{key}  {found['init_args'].get(key, parameter.default)}", **plain)
    console.print("\n" + "\n".join(sizes(task)), **plain)
    if "lags" in found:
        console.print(f"lags      {','.join(map(str, found['lags']))} unless --lags says otherwise", **plain)
    for fact in found.get("published", []):
        console.print(f"published {fact}", **plain)
    for number, lines in enumerate(pictures, 1):
        console.print(f"\nexample {number}, {_what_lag_is(task)} {lag}", **plain)
        for line in lines:
            console.print(line, soft_wrap=True)


def _what_lag_is(task: Task) -> str:
    if task.spec.metric == "bits_per_byte":
        return "context"
    return "length" if task.spec.lag_unit == "none" else "lag"


def _task(chosen: type[Task], init_args: dict[str, Any]) -> Task:
    """The task as its YAML has it; one made of text reads the default corpus byte by byte."""
    if "corpus" in inspect.signature(chosen).parameters:
        return chosen(corpus=corpus_named("sympy"), tokenizer=Byte(), **init_args)  # pyright: ignore[reportCallIssue]
    return chosen(**init_args)


def sizes(task: Task) -> list[str]:
    """The spec in words."""
    spec = task.spec
    what = spec.inputs if spec.n_inputs > 1 else spec.inputs.removesuffix("s")
    asked = "a number" if spec.metric == "mse" else f"one of {spec.n_outputs}"
    unit = (
        f"none: scores by length, from {spec.min_lag} on, no span"
        if spec.lag_unit == "none"
        else f"in {spec.lag_unit}, from {spec.min_lag} on"
    )
    name = "squared error" if spec.metric == "mse" else "accuracy"
    if spec.metric == "bits_per_byte":
        return [
            f"inputs    {spec.n_inputs} {what}",
            f"answers   {asked} at every input",
            f"context   in {spec.lag_unit}, from {spec.min_lag} on: what stands for the lag",
            f"baseline  {spec.baseline:.4g} bits per byte knowing nothing",
        ]
    return [
        f"inputs    {spec.n_inputs} {what}",
        f"answers   {asked}" + (f", {spec.probes} scored an example" if spec.probes and spec.probes > 1 else ""),
        f"lag       {unit}",
        f"chance    {name} {spec.chance:.4g} without the source or its binding",
        f"baseline  {name} {spec.baseline:.4g} knowing nothing",
    ]


def picture(task: Task, lag: int, index: int, width: int) -> list[Text]:
    """An example in lines no wider than `width`: the source yellow, what is asked green."""
    lines = columns(task, lag, index)
    cells = dict(lines)
    n, size = len(cells["input"]), len(cells["input"][0]) + 1
    marks = cells.get("lag", [""] * n)
    styles = [
        "bold yellow" if "^" in marks[i] else "bold green" if cells["target"][i].strip() != "." else ""
        for i in range(n)
    ]
    across = max(1, (width - NAME_WIDTH) // size)
    drawn = []
    for first in range(0, n, across):
        for name, found in lines:
            text = Text(f"{name:{NAME_WIDTH}}")
            for cell, style in list(zip(found, styles, strict=True))[first : first + across]:
                text.append(cell, style=style).append(" ")
            text.rstrip()
            drawn.append(text)
    return drawn
