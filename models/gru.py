"""The gated recurrent unit."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.torch_recurrence import GatedRecurrence


class Gru(GatedRecurrence):
    """h_t = (1 − z_t) n_t + z_t h_{t−1}, with n_t = tanh(W x_t + r_t ∘ (U h_{t−1} + b)) (arXiv:1406.1078).

    z and r are sigmoids of x_t and h_{t−1}; the reset gate acts after U, as in cuDNN. `forget_bias` is z's bias at
    the start of training: a unit then keeps σ(forget_bias) of itself a step. `forget_gates` are z. State: h of every
    layer, (B, D).

    On a CPU, where torch's own GRU spends its time on the bookkeeping of autograd, the recurrence below runs instead,
    with the same parameters.
    """

    def __init__(self, dim: int = 64, layers: int = 2, forget_bias: float = 0.0) -> None:
        super().__init__(dim, (nn.GRU(dim, dim, batch_first=True) for _ in range(layers)), forget_bias)

    def run(self, cell: nn.Module, x: Tensor) -> Tensor:
        """One layer's outputs: (B, L, D) -> (B, L, D)."""
        if x.device.type != "cpu":
            return super().run(cell, x)
        w, u, b, c = cell.parameters()
        return _GruRecurrence.apply(nn.functional.linear(x.transpose(0, 1), w, b), u, c).transpose(0, 1)


class _GruRecurrence(torch.autograd.Function):
    """The recurrence alone, from its inputs' projections a_t = W x_t + b, with the backward pass written out.

    With gates r, z, candidate n and m = U_n h_{t−1} + c_n, the gradients of the pre-activations are δh_t times
    (1−z)(1−n²) m r(1−r) for r, (h_{t−1}−n) z(1−z) for z, (1−z)(1−n²) for n and r times that for m: factors known before
    the backward loop starts, which is left with four operations a step.
    """

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, a: Tensor, u: Tensor, c: Tensor) -> Tensor:
        """Projections (L, B, 3D), U (3D, D), c (3D,) -> h (L, B, D)."""
        length, batch, dim = a.shape[0], a.shape[1], u.shape[1]
        h = a.new_zeros(length + 1, batch, dim)
        gates = a[..., : 2 * dim] + c[: 2 * dim]  # (L, B, 2D), r before z
        m = c[2 * dim :].expand_as(h[1:]).contiguous()
        n = torch.empty_like(m)
        u_gates, u_n = u[: 2 * dim].t(), u[2 * dim :].t()
        r, z = gates.chunk(2, dim=-1)
        rows = zip(*(x.unbind(0) for x in (h[:-1], h[1:], gates, r, z, m, n, a[..., 2 * dim :])), strict=True)
        for before, after, gates_t, r_t, z_t, m_t, n_t, a_t in rows:
            gates_t.addmm_(before, u_gates).sigmoid_()
            m_t.addmm_(before, u_n)
            torch.addcmul(a_t, r_t, m_t, out=n_t).tanh_()
            torch.lerp(n_t, before, z_t, out=after)
        ctx.save_for_backward(u, h, gates, n, m)
        return h[1:]

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of the projections, of U and of c."""
        u, h, gates, n, m = ctx.saved_tensors
        r, z = gates.chunk(2, dim=-1)
        to_n = (1 - z) * (1 - n * n)
        factors = torch.stack([to_n * m * r * (1 - r), (h[:-1] - n) * z * (1 - z), to_n * r, to_n], dim=2)
        delta = torch.empty_like(factors)  # (L, B, 4, D): of r, z, m and n
        recurrent = delta.flatten(2)[..., : 3 * u.shape[1]]  # (L, B, 3D), the first three of them
        running = torch.zeros_like(h[0])
        rows = list(zip(*(x.unbind(0) for x in (grad, factors, delta, recurrent, z)), strict=True))
        for grad_t, factor, delta_t, recurrent_t, z_t in reversed(rows):
            running += grad_t
            torch.mul(factor, running[:, None], out=delta_t)
            running = torch.mul(running, z_t).addmm_(recurrent_t, u)
        flat = recurrent.flatten(0, 1)  # (L·B, 3D)
        to_a = torch.cat((delta[:, :, :2], delta[:, :, 3:]), dim=2).flatten(2)
        return to_a, flat.t() @ h[:-1].flatten(0, 1), flat.sum(0)
