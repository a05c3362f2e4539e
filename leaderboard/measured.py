"""What measures leave in a record: sums, counts and a figure for each document, never only a mean."""

from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field, PositiveFloat, StrictBool, model_validator
from pydantic.dataclasses import dataclass

from leaderboard.cell import NonNegative, NonNegativeInt, PositiveInt, Strict

EXACT = pydantic.Strict()  # of a field: nothing is converted


# A tenth of the memory that a model takes. It may be made of a dict, which a strict dataclass refuses; its fields are
# strict nevertheless.
@dataclass(slots=True, kw_only=True, config=Strict.model_config | {"strict": False})
class Outcome:
    """One point of a recall curve: sums over `n` test examples whose source is exactly `lag` away.

    `total` sums 1 for a correct answer (accuracy) or the squared error (mse). `lag_tokens` sums the lag counted in
    tokens. In the learn regime `sequences` is what training took at this lag and `solved` whether it stopped early.
    """

    lag: Annotated[PositiveInt, EXACT]
    n: Annotated[PositiveInt, EXACT]
    total: Annotated[NonNegative, EXACT]
    lag_tokens: Annotated[NonNegativeInt, EXACT]
    sequences: Annotated[PositiveInt, EXACT] | None = None
    solved: StrictBool | None = None


class Trial(Strict):
    """One learning rate of several, and what its validation came to: the best is kept, and it alone is tested.

    `strength` is the best validation's, the mean of s over its lags; None: training diverged.
    """

    lag: PositiveInt | None  # of a climb
    lr: PositiveFloat
    strength: float | None
    sequences: PositiveInt | None


class Climbed(Strict):
    """What a climb leaves behind at each lag, to go on from where it is interrupted."""

    outcome: Outcome
    trials: list[Trial] = Field(default_factory=list)


class Blocks(Strict):
    """Target blocks of text: the same for every model, tokenizer, context and seed on one corpus."""

    starts: list[NonNegativeInt]  # byte offset in the test split
    n_bytes: list[PositiveInt]
    documents: list[NonNegativeInt]  # which document of the split each lies in

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if not len(self.starts) == len(self.n_bytes) == len(self.documents):
            raise ValueError("starts, n_bytes and documents must be of one length")
        return self


class Losses(Strict):
    """Negative log-likelihoods of the target blocks, given exactly the last `context` bytes or tokens before each.

    Where `foreign`, what lies before that context, up to the longest one of training, is another document's text of as
    many bytes and tokens.
    """

    context: PositiveInt  # in facts.lag_unit
    foreign: bool = False
    nats: list[NonNegative | None]  # a block each; None: not scored, or this tokenizer does not keep the block's edges
    n_tokens: NonNegativeInt  # that the blocks scored have in all
    context_tokens: NonNegativeInt  # before them, in all


class Moved(Strict):
    """How far each target's prediction moves when the input at one lag is replaced, as the amplitude √KL (nats).

    Replaced is the source where the task has one, else a block of text whose nearest byte has this lag.
    """

    lag: PositiveInt  # asked for, in facts.lag_unit
    amplitudes: list[NonNegative | None]  # a target each; None: no replacement of as many bytes and tokens was found
    lag_sum: NonNegativeInt  # of the lags of the targets moved: as near to the one asked for as tokens allow
    lag_tokens: NonNegativeInt  # the same in tokens, or steps


class Influence(Strict):
    """√KL between the predictions of a target before and after a change in its past, by lag, and in its future."""

    documents: list[NonNegativeInt]  # of each target; examples of a synthetic task are a document each
    curve: list[Moved]
    leaks: list[NonNegative]  # a target each: √KL when inputs after it are replaced

    @model_validator(mode="after")
    def _a_figure_for_each_target(self) -> Self:
        if any(len(moved.amplitudes) != len(self.documents) for moved in self.curve):
            raise ValueError(f"amplitudes must be as many as there are documents ({len(self.documents)})")
        return self


class Slope(Strict):
    """‖∂ loss_t / ∂ e_{t−lag}‖ of each target, at the start of training and after it; e is what the model receives."""

    lag: PositiveInt  # asked for: of text to predict in tokens, else in facts.lag_unit
    lag_sum: NonNegativeInt  # over all targets, in facts.lag_unit
    lag_tokens: NonNegativeInt  # the same in tokens, or steps
    before: list[NonNegative]
    after: list[NonNegative]


class Gradient(Strict):
    """The gradient profile by lag and, of a gated model, what its gates let through.

    `gates` has a row a layer: the product of the forget gates over the steps of each lag of the curve, averaged over
    units and targets.
    """

    documents: list[NonNegativeInt]
    curve: list[Slope]
    gates: list[list[NonNegative]] | None = None

    @model_validator(mode="after")
    def _a_figure_for_each_target(self) -> Self:
        n = len(self.documents)
        if any(len(each) != n for slope in self.curve for each in (slope.before, slope.after)):
            raise ValueError(f"before and after must be as many as there are documents ({n})")
        if any(len(row) != len(self.curve) for row in self.gates or []):
            raise ValueError(f"gates must be as many as there are lags ({len(self.curve)})")
        return self


class Score(Strict):
    """Sums over `n` examples: `total` counts correct answers, or sums squared errors."""

    at: NonNegativeInt  # steps or bytes: how far the source was moved, or how long ago it was
    n: PositiveInt
    total: NonNegative


class Audit(Strict):
    """Whether what recalls is a memory, asked at one lag. What could not be asked is in `skipped`, with its reason."""

    lag: PositiveInt
    plain: Score
    shifted: list[Score] = Field(default_factory=list)  # the same lag, the source further from the beginning
    perturbed: Score | None = None  # the state halfway displaced by as much as it varies for one and the same answer
    decoded: list[Score] = Field(default_factory=list)  # the answer read linearly from the state, so long after it
    skipped: dict[Literal["shifted", "perturbed", "decoded"], str] = Field(default_factory=dict)


class Skipped(Strict):
    """A measure that does not apply, and why."""

    measure: Literal["context", "influence", "gradient", "audit"]
    reason: str


Found = Outcome | Losses | Influence | Gradient | Audit | Skipped
