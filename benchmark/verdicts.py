"""What `spanbench check` finds: a verdict for every clause of the contract, and what the model is."""

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from benchmark.budget import count, fit_width, n_bytes, parameters_at, parse_count
from benchmark.contract import CHECKS
from benchmark.pinpoint import Breach, Verified
from benchmark.registry import UsageError
from leaderboard.cell import Part
from models.base import SequenceModel, StreamingModel

OFFICIAL = "25k"  # parameters of a model in the official cells
LENGTH = 256  # positions that operations are counted over
FIRST = ("constructor", "width", "shape")
MOST_SAID = 200  # characters of an exception's message
SIGNATURE = "def __init__(self, dim: int = 64, …) -> None: super().__init__(dim)"
BY_WIDTH = "a width that cannot be is refused with ValueError (divisible and at_least in models/base.py)"
NO_NUMBERS = "on torch's meta device, so without .item(), numpy or a branch on values"
IF_IT_RAISES = {
    "constructor": f"start with super().__init__(dim), and let it build with the arguments of its YAML: {SIGNATURE}",
    "width": f"{BY_WIDTH}; others are built {NO_NUMBERS}",
    "receptive field": "this runs in double precision: new tensors take the dtype of x",
    "mixed precision": "under autocast matrix products are bfloat16: cast where two dtypes meet, x.float() or y.to(x)",
    "operations": f"they are counted {NO_NUMBERS} in forward (tensors on self are buffers); or override flops(length)",
}
OTHERWISE = "it has to run for every batch and length from 1 on, in training and in evaluation"


@dataclass(frozen=True)
class Verdict:
    """One clause: what was found and, where it is broken, what to do."""

    clause: str
    status: Literal["ok", "FAIL", "–"]
    said: str
    hint: str = ""


class Subject:
    """A model that is checked: a class with the arguments it is built with."""

    def __init__(self, name: str, class_path: str, chosen: type, init_args: dict[str, Any]) -> None:
        self.part = Part(name=name, class_path=class_path, init_args=init_args)
        self.chosen, self.init_args = chosen, init_args
        self.file = Path(getattr(sys.modules[chosen.__module__], "__file__", None) or class_path).resolve()

    def build(self, **changes: int) -> SequenceModel:
        """A fresh model, the same weights each time; torch's global generator is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.chosen(**self.init_args | changes)

    def verdicts(self) -> Iterator[Verdict]:
        """Clause by clause; one of the first three broken is the last, since the others build on them."""
        clauses: dict[str, Callable[[], Verified]] = {"constructor": self._constructor, "width": self._width}
        clauses |= {clause: partial(check, self.build) for clause, check in CHECKS.items()}
        raised: dict[str, str] = {}
        for clause, check in clauses.items():
            verdict = self._judge(clause, check, raised)
            yield verdict
            if verdict.status == "FAIL" and clause in FIRST:
                return

    def refuse_malformed(self) -> None:
        """What a look at the class tells, before anything is built. Raises Breach."""
        name = self.chosen.__name__
        if not issubclass(self.chosen, SequenceModel):
            raise Breach(
                f"{name} is no SequenceModel", "derive it from SequenceModel or StreamingModel of models/base.py"
            )
        if inspect.isabstract(self.chosen):
            missing = ", ".join(sorted(self.chosen.__abstractmethods__))
            raise Breach(f"{name} is abstract: it does not define {missing}", f"define {missing}")
        parameters = inspect.signature(self.chosen).parameters
        if "dim" not in parameters:
            raise Breach("it takes no dim", SIGNATURE)
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        bare = [key for key, p in parameters.items() if p.default is p.empty and p.kind not in variadic]
        if needed := [key for key in bare if key not in self.init_args]:
            listed = ", ".join(needed)
            raise Breach(f"it needs a value for {listed}", "give every argument a default, or a value in the YAML")

    def _constructor(self) -> Verified:
        self.refuse_malformed()
        model = self.build()
        dim = self.init_args.get("dim", inspect.signature(self.chosen).parameters["dim"].default)
        if model.dim != dim:
            raise Breach(f"built with dim = {dim}, its dim is {model.dim}", "hand dim on: super().__init__(dim)")
        return Verified(f"builds with dim = {dim}, {count(model):,} parameters")

    def _width(self) -> Verified:
        """What --n-params asks: no width is taken that cannot be, and another width is another width."""
        try:
            self.build(dim=0)
        except ValueError:
            pass
        except Exception as error:
            raised = f"{type(error).__name__}{self.place(error)}"
            raise Breach(f"dim = 0 raises {raised}, where a ValueError is due", BY_WIDTH) from error
        else:
            raise Breach("dim = 0 is taken", BY_WIDTH)
        twice = 2 * self.build().dim
        if parameters_at(self.part, twice) is not None and (found := self.build(dim=twice).dim) != twice:
            raise Breach(f"built with dim = {twice}, its dim is {found}", "hand dim on: super().__init__(dim)")
        try:
            fitted = fit_width(self.part, parse_count(OFFICIAL))
        except UsageError as error:
            return Verified(str(error), applies=False)
        return Verified(f"dim = 0 is refused, and --n-params {OFFICIAL} takes dim = {fitted.init_args['dim']}")

    def _judge(self, clause: str, check: Callable[[], Verified], raised: dict[str, str]) -> Verdict:
        """Whatever an author's code raises is a verdict; what a line has `raised` before is said once."""
        try:
            found = check()
        except Breach as breach:
            return Verdict(clause, "FAIL", breach.said, breach.hint)
        except Exception as error:
            place = self.place(error)
            first = raised.setdefault(f"{type(error).__name__}{place}", clause)
            if first != clause:
                return Verdict(clause, "–", f"raises {type(error).__name__}{place}, as {first} does")
            return Verdict(clause, "FAIL", f"{said(error)}{place}", IF_IT_RAISES.get(clause, OTHERWISE))
        return Verdict(clause, "ok" if found.applies else "–", found.said)

    def place(self, error: BaseException) -> str:
        """`, my_model.py:12`: the last line of the author's file on the way to an exception, or of any but ours."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "<" not in frame.filename]
        own = [frame for frame in frames if Path(frame.filename).resolve() == self.file]
        other = [frame for frame in frames if Path(frame.filename).resolve().parent != Path(__file__).resolve().parent]
        last = (own or other)[-1:]
        return f", {Path(last[0].filename).name}:{last[0].lineno}" if last else ""

    def facts(self) -> dict[str, str]:
        """What the model is and says of itself."""
        asked: dict[str, Callable[[SequenceModel], str]] = {
            "parameters": lambda model: (
                f"{count(model):,} at dim {model.dim}; with --n-params {OFFICIAL}: {self._fitted()}"
            ),
            "FLOPs": lambda model: f"{model.flops(LENGTH) / LENGTH:,.0f} a position, over {LENGTH} positions",
            "state": _state,
            "causal": lambda model: "yes" if model.causal else "no, it reads ahead",
            "an output sees": _sees,
        }
        return {what: self._tried(question) for what, question in asked.items()}

    def _tried(self, question: Callable[[SequenceModel], str]) -> str:
        try:
            return question(self.build())
        except Exception as error:
            return f"? {said(error)}{self.place(error)}"

    def _fitted(self) -> str:
        try:
            dim = fit_width(self.part, parse_count(OFFICIAL)).init_args["dim"]
        except UsageError:
            return "no width, so it cannot run the official cells"
        return f"{parameters_at(self.part, dim):,} at dim {dim}"


def _state(model: SequenceModel) -> str:
    return f"{n_bytes(model.init_state(1)):,} bytes" if isinstance(model, StreamingModel) else "does not stream"


def _sees(model: SequenceModel) -> str:
    reach = model.receptive_field(LENGTH)
    return "all inputs" if reach is None else f"at most {reach:,} inputs, that of its position included"


def said(error: BaseException) -> str:
    """`TypeError: …` in one line."""
    text = " ".join(str(error).split())
    text = text if len(text) <= MOST_SAID else f"{text[:MOST_SAID]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
