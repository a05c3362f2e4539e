"""Frozen systems whose memory is known in closed form."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.calibration.predictors import CODES
from benchmark.lit_sequence import LitSequence
from leaderboard.cell import Budget
from models.base import GatedModel, SequenceModel, StreamingModel
from models.dense_rnn import DenseRecurrence
from models.linear import Linear
from models.long_conv import causal_conv
from tasks.base import Task
from tasks.language import Language
from tasks.planted import BLANK, VALUES, Planted

GAIN = 1e-2  # at which logits are so small that KL is quadratic in the signal


def frozen(make: Callable[[], SequenceModel], task: Task, seed: int = 0) -> LitSequence:
    """A model at random weights, in double precision; torch's global generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LitSequence(make(), task.spec, Budget()).double().eval()


def legible(make: Callable[[int], SequenceModel], task: Task, gain: float = 1.0) -> LitSequence:
    """A model as wide as there are symbols, which it receives one-hot; each output is `gain` times its symbol's number.

    So all symbols are equally far apart.
    """
    symbols = CODES if isinstance(task, Language) else torch.arange(task.spec.n_inputs)
    lit = LitSequence(make(len(symbols)), task.spec, Budget()).double().eval()
    lit.norm = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(lit.embedding, nn.Embedding)
    with torch.no_grad():
        lit.embedding.weight.zero_()[symbols] = torch.eye(len(symbols), dtype=torch.float64)
        lit.head.weight.copy_(gain * lit.embedding.weight[: task.spec.n_outputs])
        lit.head.bias.zero_()
    return lit


class Unstable(Linear):
    """h_t = ρ h_{t−1} + x_t with ρ above 1, which explodes."""

    def __init__(self, dim: int, rho: float) -> None:
        super().__init__(dim, rho=1.0)
        self.rho = rho


class Leaky(Linear, GatedModel):
    """The leaky integrator as a gated model, whose gate is always ρ."""

    def forget_gates(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (1, B, L, 1)."""
        return torch.full((1, *x.shape[:2], 1), self.rho, dtype=x.dtype)


class PowerLaw(SequenceModel):
    """y_t = Σ_{ℓ ≥ 1} ℓ^−α x_{t+1−ℓ}, so that the last input has lag 1."""

    def __init__(self, dim: int, alpha: float) -> None:
        super().__init__(dim)
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        kernel = torch.arange(1, x.shape[1] + 1, dtype=x.dtype)[:, None] ** -self.alpha
        return causal_conv(x, kernel.expand(-1, self.dim))


class Dense(DenseRecurrence):
    """h_t = tanh(x_t / 100 + u Σ_{j ≤ m} h_{t−j}): linear but for rounding, with ⌈ℓ/m⌉ factors u across a lag ℓ."""

    def __init__(self, dim: int, order: int, u: float) -> None:
        super().__init__(dim, order)
        with torch.no_grad():
            self.input.weight.copy_(torch.eye(dim) / 100)
            self.input.bias.zero_()
            self.recurrent.copy_(u * torch.eye(dim).repeat(1, order))


class Windowed(LitSequence):
    """Answers right where the source lies within `window` steps, bytes or tokens, else names whatever comes to hand.

    It has the task's own oracle, and of delayed recall and planted text with one pair it knows where the source stands;
    `unit` says what the window counts. What it names otherwise follows from the inputs, but not from the source.
    """

    def __init__(self, task: Task, window: int, unit: str = "steps") -> None:
        super().__init__(Linear(dim=1), task.spec, Budget())
        self.task, self.window, self.unit = task, window, unit

    def forward(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """Inputs (B, L) and positions (B, 1) -> outputs (B, 1, K)."""
        right = self.task.solve(inputs, positions)
        guess = (inputs[:, -9:].sum(1) + inputs[:, -9:-1].amax(1))[:, None] % self.spec.n_outputs
        answer = torch.where((self.lags(inputs, positions) <= self.window)[:, None], right, guess)
        return nn.functional.one_hot(answer, self.spec.n_outputs).double()

    def lags(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """How far back the source lies, (B,); endless where there is none."""
        if not isinstance(self.task, Planted):
            return positions[:, 0]
        rows = zip(inputs, (positions[:, 0] + 1).tolist(), strict=True)
        return torch.tensor([self.told(self.task, row[:end]) for row, end in rows])

    def told(self, task: Planted, ids: Tensor) -> float:
        """From the first byte of the word, or its token, to where the answer would begin."""
        lengths = task.tokenizer.lengths[ids.numpy()]
        text = task.tokenizer.decode(ids.numpy())
        source = text.index(b"=") + 1
        if text[source : source + len(BLANK)].decode() not in VALUES:
            return float("inf")
        return len(text) - source if self.unit == "bytes" else int((lengths.cumsum() > source).sum())


class Held(StreamingModel):
    """A symbol's direction, held from the first input on that the gate lets in; two numbers of noise beside it.

    What the head reads is (answer + noise) − noise, where `noise` is the sum of all other inputs so far. With a small
    answer the difference is exact and lost once the two are disturbed apart. State: (B, 2 D + 1), the last for time.
    """

    def __init__(self, dim: int, symbols: int, noise: float = 0.0, clock: bool = False) -> None:
        super().__init__(dim)
        self.symbols, self.noise, self.clock = symbols, noise, clock

    def init_state(self, batch: int) -> Tensor:
        """Zeros."""
        return torch.zeros(batch, 2 * self.dim + 1)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) one-hot and the state -> (B, D) and the next state."""
        signal, noise, time = state[:, : self.dim], state[:, self.dim : -1], state[:, -1:]
        answers = torch.arange(self.dim, device=x_t.device) < self.symbols
        let_in = (time == 0) if self.clock else torch.ones_like(time, dtype=torch.bool)
        further = self.noise * torch.where(answers, 0.0, x_t).roll(self.dim - self.symbols, 1)
        signal, noise = signal + let_in * answers * x_t + further, noise + further
        return signal - noise, torch.cat([signal, noise, time + 1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        state: Any = self.init_state(len(x)).to(x)
        outputs = []
        for x_t in x.unbind(1):
            y, state = self.step(x_t, state)
            outputs.append(y)
        return torch.stack(outputs, 1)
