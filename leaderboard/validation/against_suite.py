"""Records against the suite: the cell that was to be run, and what the task and the tokenizer alone determine."""

import re
from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel

from leaderboard.cell import Cell
from leaderboard.record import Record
from leaderboard.suite import OF_THE_MODEL, OfficialCell, Suite
from leaderboard.validation.submission import Submission

LR = (1e-6, 1.0)
FLOPS = (1.0, 1e12)  # an input position
MAX_SECONDS = 1e8  # three years
MAX_COUNT = 10**12  # bytes, parameters, inputs
MAX_NAMED = 50  # arguments, versions
ARGUMENT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
OURS = re.compile(r"models(\.[a-z_][a-z0-9_]*)+\.[A-Za-z_]\w*", re.ASCII)
THEIRS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.py:[A-Za-z_]\w*", re.ASCII)
PART_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}\+?")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\+00:00|Z)", re.ASCII)
Problem = tuple[str, str]  # field, what was expected


def model_problems(submission: Submission, suite: Suite) -> Iterator[Problem]:
    """A model is named by a class of the suite, or by the name of a file and a class; its arguments are plain."""
    model = submission.model
    if not PART_NAME.fullmatch(model.name):
        yield "model.name", "expected letters, digits and . _ -, at most 60 of them"
    if not (OURS if model.source is None else THEIRS).fullmatch(model.class_path):
        yield "model.class_path", "expected models.MODULE.CLASS, or FILE.py:CLASS and the file's source digest"
    if model.source not in (None, submission.source):
        yield "model.source", "expected the digest under source, or null for a class of the suite"
    dim = model.init_args.get("dim")
    if isinstance(dim, bool) or not isinstance(dim, int) or not 0 < dim <= suite.n_params:
        yield "model.init_args.dim", f"expected a whole number, 1 to {suite.n_params}"
    if len(model.init_args) > MAX_NAMED:
        yield "model.init_args", f"expected at most {MAX_NAMED}"
        return
    for key, value in model.init_args.items():
        plain = value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 60)
        if not (plain and ARGUMENT.fullmatch(key)):
            yield f"model.init_args.{key[:60]}", "expected a short name with a number, a truth value or a short text"


def cell_problems(official: OfficialCell, record: Record, seed: int, submission: Submission) -> Iterator[Problem]:
    """What was run is the official cell with this seed, and nothing else than the model and its rate are chosen."""
    lr = record.cell.budget.lr
    expected = official.for_model(submission.model, seed, lr)
    if record.cell != expected:
        found, wanted = ({name: getattr(cell, name) for name in Cell.model_fields} for cell in (record.cell, expected))
        yield next(_differing(found, wanted, "cell"))
    elif record.id != expected.id:
        yield "id", f"expected the digest of the cell, {expected.id}"
    elif record.cell.id != expected.id:  # 48 and 48.0 are equal, but another cell
        yield "cell", f"expected the official one, {expected.id}, to the letter"
    if not LR[0] <= lr <= LR[1]:
        yield "cell.budget.lr", f"expected {LR[0]} to {LR[1]}, got {lr}"
    if (record.status == "ok") != (record.reason is None) or record.reason == "":
        yield "reason", "expected a reason where the status is not ok, and there alone"
    if not _is_time(record.host.finished):
        yield "host.finished", "expected a time in UTC, as 2026-01-31T12:00:00+00:00"
    if record.host.commit is not None and not COMMIT.fullmatch(record.host.commit):
        yield "host.commit", "expected 40 hex digits, with + for uncommitted changes, or null"
    if record.host.seconds > MAX_SECONDS or record.host.peak_bytes > MAX_COUNT or len(record.host.versions) > MAX_NAMED:
        yield "host", f"expected at most {MAX_SECONDS:g} seconds, {MAX_COUNT:g} bytes and {MAX_NAMED} versions"
    for name in ("influence", "gradient", "audit"):
        if getattr(record, name) is not None:
            yield name, "expected null: the official cells don't measure it"
    if record.skipped:
        yield "skipped", "expected none: the official cells skip no measure"


def _is_time(text: str) -> bool:
    try:
        return bool(TIME.fullmatch(text) and datetime.fromisoformat(text))
    except ValueError:  # the 30th of February
        return False


def _differing(found: object, wanted: object, at: str) -> Iterator[Problem]:
    """The innermost fields in which two things differ."""
    if found == wanted:
        return
    if isinstance(found, BaseModel) and isinstance(wanted, BaseModel):
        found, wanted = found.model_dump(), wanted.model_dump()
    if isinstance(found, dict) and isinstance(wanted, dict) and found.keys() == wanted.keys():
        for key in wanted:
            yield from _differing(found[key], wanted[key], f"{at}.{key}")
    else:
        yield at, f"expected {str(wanted)[:80]}, got {str(found)[:80]}"


def facts_problems(official: OfficialCell, record: Record, suite: Suite) -> Iterator[Problem]:
    """What the task says of itself is ours to say; what the model says of itself has bounds."""
    facts = record.facts
    if facts is None:
        if record.status == "ok":
            yield "facts", "expected the task's facts"
        return
    mine = facts.model_dump(exclude=set(OF_THE_MODEL))
    ours = official.facts.model_dump(exclude=set(OF_THE_MODEL))
    yield from _differing(mine, ours, "facts")
    if not 0 < facts.n_params_non_embedding <= suite.n_params:
        yield "facts.n_params_non_embedding", f"expected 1 to {suite.n_params}, got {facts.n_params_non_embedding}"
    if facts.n_params <= facts.n_params_non_embedding:
        yield "facts.n_params", "expected more than the model's own: embedding and head have some too"
    if not FLOPS[0] <= facts.flops_per_token <= FLOPS[1]:
        yield "facts.flops_per_token", f"expected {FLOPS[0]:g} to {FLOPS[1]:g}, got {facts.flops_per_token:g}"
    if max(facts.n_params, facts.receptive_field or 0) > MAX_COUNT:
        yield "facts", f"expected at most {MAX_COUNT:g} parameters and inputs"
