"""Seconds and memory of one model: a training step, and a streamed input."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmark.budget import n_bytes
from leaderboard.reports.costs import CostPoint
from models.base import SequenceModel, StreamingModel

TOKENS = 32  # streamed inputs that one timing averages over


@dataclass
class Subject:
    """One model at one value of the axis, with its inputs and what has been measured of it."""

    name: str
    at: int
    model: SequenceModel
    x: Tensor  # (B, L, D)
    peak_bytes: int = 0
    state: object = None

    def __post_init__(self) -> None:
        self.steps: list[float] = []
        self.tokens: list[float] = []

    def train_step(self) -> None:
        """Forward and backward pass, as training does them: a loss on every output."""
        self.model.zero_grad(set_to_none=True)
        x = self.x.detach().requires_grad_()  # an embedding below wants its gradient
        self.model(x).square().mean().backward()

    def warm_up(self) -> None:
        """Run once, watching memory; stream the whole input to reach the state at its end."""
        self.train_step()
        self.peak_bytes = peak_bytes(self.train_step, self.x.device)
        self.model.zero_grad(set_to_none=True)
        if isinstance(self.model, StreamingModel):
            state = self.model.init_state(1)
            with torch.no_grad():
                for x_t in self.x[:1].unbind(1):
                    _, state = self.model.step(x_t, state)
            self.state = state

    def stream(self) -> None:
        """A few more inputs from where the state stands."""
        assert isinstance(self.model, StreamingModel)
        x_t, state = self.x[:1, 0], self.state
        with torch.no_grad():
            for _ in range(TOKENS):
                _, state = self.model.step(x_t, state)

    def round(self) -> None:
        """Time each once."""
        self.steps.append(clock(self.train_step, self.x.device))
        self.model.zero_grad(set_to_none=True)
        if self.state is not None:
            self.tokens.append(clock(self.stream, self.x.device) / TOKENS)

    def point(self) -> CostPoint:
        """What was seen."""
        return CostPoint(
            model=self.name,
            at=self.at,
            step_seconds=self.steps,
            peak_bytes=self.peak_bytes,
            token_seconds=self.tokens or None,
            state_bytes=n_bytes(self.state) if self.state is not None else None,
        )


def clock(function: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, its kernels finished."""
    synchronize(device)
    begin = time.perf_counter()
    function()
    synchronize(device)
    return time.perf_counter() - begin


def synchronize(device: torch.device) -> None:
    """Wait for what a GPU has been given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_bytes(function: Callable[[], object], device: torch.device) -> int:
    """Most bytes that tensors made during a call held at once, from the allocator's own events."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        return torch.cuda.max_memory_allocated(device) - before
    with profile_quietly() as profiled:
        function()
    results: Any = profiled.profiler and profiled.profiler.kineto_results
    events = [event for event in results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


@contextlib.contextmanager
def profile_quietly() -> Iterator[profile]:
    """torch's profiler, without the lines that its library writes straight to standard error."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            yield profiled
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
