"""The calibration: every measure taken of systems whose span is known. A measure that fails it ranks nobody."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import Field, ValidationError, model_validator

from leaderboard.cell import NonNegative, Strict
from leaderboard.protocol import REVISION

Name = Literal["recall", "context", "influence", "gradient", "audit", "joint"]
MEASURES: tuple[Name, ...] = get_args(Name)
HEADER = ["system", "what", "found", "expected", ""]


class Check(Strict):
    """One figure of a measure, found of a system that is known to have another, or the same.

    A number passes where `low` ≤ `value` ≤ `high` (None: no such end), a word (`value` None) where it is the expected
    one.
    """

    measure: Name
    system: str
    what: str
    found: str
    expected: str
    passed: bool
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _passes_as_it_says(self) -> Self:
        if self.value is None:
            passes = self.found == self.expected
        else:
            passes = (self.low is None or self.low <= self.value) and (self.high is None or self.value <= self.high)
        if passes != self.passed:
            raise ValueError(f"passed must be {passes} where {self.found} was found and {self.expected} expected")
        return self


class Trace(Strict):
    """A curve as measured, and as the closed form has it (None: it has none there); all of one length."""

    measure: Name
    system: str
    x: list[float]
    found: list[float]
    expected: list[float | None]

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if not len(self.x) == len(self.found) == len(self.expected):
            raise ValueError("x, found and expected must be of one length")
        return self


class Calibration(Strict):
    """All checks of one run of `spanbench calibrate`, in order."""

    schema_version: Literal[1] = 1
    revision: int = REVISION  # of the protocol
    reduced: bool  # fewer trials and smaller systems
    commit: str | None
    versions: dict[str, str]
    seconds: NonNegative
    checks: list[Check] = Field(min_length=1)
    traces: list[Trace] = Field(default_factory=list)

    @property
    def failed(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self.checks if not check.passed]


def number(
    measure: Name, system: str, what: str, value: float, low: float | None, high: float | None, expected: str = ""
) -> Check:
    """A check of a number; `expected` defaults to the ends."""
    value, low, high = float(value), None if low is None else float(low), None if high is None else float(high)
    passed = (low is None or low <= value) and (high is None or value <= high)
    said = expected or _ends(low, high)
    if abs(value) == float("inf") or value != value:
        return Check(measure=measure, system=system, what=what, found=str(value), expected=said, passed=False)
    return Check(
        measure=measure, system=system, what=what, found=f"{value:.4g}", expected=said, passed=passed, value=value,
        low=low, high=high,
    )  # fmt: skip


def word(measure: Name, system: str, what: str, found: str, expected: str) -> Check:
    """A check of a word."""
    return Check(
        measure=measure, system=system, what=what, found=found, expected=expected, passed=found == expected
    )  # fmt: skip


def _ends(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return " ".join(f"{sign} {end:.4g}" for sign, end in (("≥", low), ("≤", high)) if end is not None)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def read_calibration(path: Path) -> Calibration:
    """Read and check calibration.json. Raises ValueError naming the file and the first thing wrong with it."""
    try:
        found = Calibration.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"]) or "the whole file"
        raise ValueError(f"{path}: not a calibration: {where}: {first['msg']}") from None
    if found.revision != REVISION:
        raise ValueError(f"{path}: of revision {found.revision} of the protocol, which is at {REVISION}")
    return found


def blocked(calibration: Calibration) -> dict[str, str]:
    """Each measure that failed a check, and why in one line."""
    found: dict[str, str] = {}
    for measure, checks in by_measure(calibration.checks).items():
        failed = [check for check in checks if not check.passed]
        if failed:
            first = failed[0]
            found[measure] = (
                f"{len(failed)} of {len(checks)} checks failed, first {first.system}: {first.what} "
                f"{first.found}, expected {first.expected}"
            )
    return found


def by_measure(checks: Iterable[Check]) -> dict[Name, list[Check]]:
    """The checks of each measure, in the order of `MEASURES`."""
    checks = list(checks)
    present: list[Name] = [measure for measure in MEASURES if any(check.measure == measure for check in checks)]
    return {measure: [check for check in checks if check.measure == measure] for measure in present}


def row(check: Check) -> list[str]:
    """A check as the cells under `HEADER`."""
    return [check.system, check.what, check.found, check.expected, "pass" if check.passed else "FAIL"]


def summary(calibration: Calibration) -> str:
    """`41 checks of 6 measures: all pass`, or which measures are blocked."""
    n, measures, bad = len(calibration.checks), by_measure(calibration.checks), blocked(calibration)
    said = f"blocked: {', '.join(bad)}" if bad else "all pass"
    return f"{n} checks of {len(measures)} measure{'s' * (len(measures) > 1)}: {said}"
