"""A recurrent network that looks several states back."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.base import StreamingModel, at_least
from models.residual import StreamingStack


class DenseRnn(StreamingStack):
    """Layers of h_t = tanh(W x_t + Σ_{j=1..m} U_j h_{t−j} + b), m the `order` (Soltani & Jiang 2016, arXiv:1605.00064).

    Its shortest gradient path over a lag k has ⌈k/m⌉ Jacobians instead of k (Lin et al. 1996): vanishing is put off by
    the factor m, not abolished. State: for every layer its last m outputs, (B, m, D).
    """

    def __init__(self, dim: int = 64, layers: int = 2, order: int = 4, mlp: int = 0) -> None:
        super().__init__(dim, (DenseRecurrence(dim, order) for _ in range(layers)), mlp)


class DenseRecurrence(StreamingModel):
    """The recurrence, with [U_m … U_1] in one matrix (D, m·D): a step is one product with the last m states."""

    def __init__(self, dim: int, order: int) -> None:
        super().__init__(dim)
        at_least(1, order=order)
        self.order, bound = order, (order * dim) ** -0.5
        self.input = nn.Linear(dim, dim)
        self.recurrent = nn.Parameter(torch.empty(dim, order * dim).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return _DenseLoop.apply(self.input(x), self.recurrent)

    def init_state(self, batch: int) -> Tensor:
        """Zeros (B, m, D), oldest first."""
        return self.zeros(batch, self.order, self.dim)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D), (B, m, D) -> (B, D) and the next state."""
        h = torch.tanh(self.input(x_t) + state.flatten(1) @ self.recurrent.t())
        return h, torch.cat((state[:, 1:], h[:, None]), dim=1)

    def flops(self, length: int) -> int:
        """Every position costs the same, so one is counted."""
        return length * super().flops(1)


class _DenseLoop(torch.autograd.Function):
    """The loop over time, with the backward pass written out.

    States lie one after the other in memory, so that the last m of them are a view (B, m·D) and nothing is copied.
    Backwards, δ_t = (1 − h_t²) ∘ (∂h_t + Σ_j U_jᵀ δ_{t+j}) is the same loop over the m gradients that follow.
    """

    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float32)
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, a: Tensor, u: Tensor) -> Tensor:
        """W x_t + b (B, L, D) and [U_m … U_1] (D, m·D) -> h (B, L, D)."""
        (batch, length, dim), span = a.shape, u.shape[1]
        h = a.new_zeros(batch, span // dim + length, dim)  # m zeros, then h_0, h_1, …
        windows = h.flatten(1).unfold(1, span, dim).unbind(1)  # of (B, m·D); window t ends before h_t
        for a_t, window, h_t in zip(a.unbind(1), windows, h[:, span // dim :].unbind(1), strict=False):
            torch.addmm(a_t, window, u.t(), out=h_t).tanh_()
        ctx.save_for_backward(u, h)
        return h[:, span // dim :]

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cuda")
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Gradients of the projections and of the recurrent matrix."""
        u, h = ctx.saved_tensors
        (batch, length, dim), span = grad.shape, u.shape[1]
        order = span // dim
        slope = 1 - h[:, order:].square()
        back = u.view(dim, order, dim).flip(1).transpose(0, 1).reshape(span, dim)  # U_1 on top of U_2 …
        delta = grad.new_zeros(batch, length + order, dim)  # δ_0, δ_1, …, then m zeros
        windows = delta.flatten(1).unfold(1, span, dim).unbind(1)[1:]  # window t starts after δ_t
        rows = list(zip(grad.unbind(1), slope.unbind(1), windows, delta[:, :length].unbind(1), strict=True))
        for grad_t, slope_t, window, delta_t in reversed(rows):
            torch.addmm(grad_t, window, back, out=delta_t).mul_(slope_t)
        delta = delta[:, :length]
        flat = delta.flatten(0, 1).t()  # (D, B·L)
        return delta, torch.cat([flat @ h[:, i : i + length].flatten(0, 1) for i in range(order)], dim=1)
