"""Attention by segments, each of which remembers the one before."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from models.base import StreamingModel, at_least, divisible
from models.positions import sinusoids
from models.residual import Norm, StreamingStack

State = tuple[Tensor, Tensor]


def relative_shift(scores: Tensor) -> Tensor:
    """From score by distance to score by key (arXiv:1901.02860, appendix B).

    (…, S, K) -> same. Column p of row i belongs to distance K − 1 − p; query i stands at place K − S + i of the keys,
    so that key j is due what stands S − 1 − i columns to the right of j. Keys after the query receive rubbish.
    """
    s, k = scores.shape[-2:]
    padded = torch.cat((scores.new_zeros(*scores.shape[:-1], 1), scores), dim=-1)  # (…, S, 1 + K)
    return padded.flatten(-2).unflatten(-1, (1 + k, s))[..., 1:, :].reshape(scores.shape)  # each row one further left


class SegmentAttention(StreamingModel):
    """Attention within segments of `segment` positions and to the `memory` inputs before each (s, m in what follows).

    The score of query i and key j is ((q_i + u) · k_j + (q_i + v) · W_R r_{i−j}) / √d, with r the sinusoids of the
    distance and u, v learned for each head. In training the memory is detached: gradients stop at the segment's
    border, where influence does not. In evaluation they go on, so that they show the influence. State: the last
    m + s − 1 inputs (B, m + s − 1, D), of which a step sees up to all, and how many have gone by, (B,).
    """

    def __init__(self, dim: int = 64, segment: int = 64, memory: int = 64, head_dim: int = 16) -> None:
        super().__init__(dim)
        at_least(1, segment=segment)
        at_least(0, memory=memory)
        divisible(dim, head_dim=head_dim)
        self.segment, self.memory, self.head_dim = segment, memory, head_dim
        self.q, self.kv = nn.Linear(dim, dim, bias=False), nn.Linear(dim, 2 * dim, bias=False)
        self.r, self.out = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.u, self.v = (nn.Parameter(torch.zeros(dim // head_dim, 1, head_dim)) for _ in range(2))  # (H, 1, d)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        past, outputs = (x.detach() if self.training else x), []
        for i, part in enumerate(x.split(self.segment, dim=1)):  # (B, S, D), the last perhaps shorter
            start = i * self.segment
            context = torch.cat((past[:, max(0, start - self.memory) : start], part), dim=1)  # (B, K, D)
            size = part.shape[1], context.shape[1]
            visible = torch.ones(size, dtype=torch.bool, device=x.device).tril(size[1] - size[0])
            outputs.append(self.attend(part, context, visible))
        return torch.cat(outputs, dim=1)

    def attend(self, x: Tensor, context: Tensor, visible: Tensor) -> Tensor:
        """(B, S, D), the last S of `context` (B, K, D), and which keys a query sees, (…, S, K) -> (B, S, D)."""
        q, k, v = (
            each.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)  # (B, H, S, d), (B, H, K, d) twice
            for each in (self.q(x), *self.kv(context).chunk(2, dim=-1))
        )
        distance = torch.arange(context.shape[1] - 1, -1, -1, device=x.device, dtype=self.u.dtype)  # K − 1 … 0
        r = self.r(sinusoids(distance, self.dim)).unflatten(-1, (-1, self.head_dim)).transpose(0, 1)  # (H, K, d)
        by_distance = (q + self.v) @ r.transpose(1, 2) * self.head_dim**-0.5  # (B, H, S, K)
        bias = relative_shift(by_distance).masked_fill(~visible, -torch.inf)
        y = scaled_dot_product_attention(q + self.u, k, v, attn_mask=bias)  # divides by √d
        return self.out(y.transpose(1, 2).flatten(-2))

    def init_state(self, batch: int) -> State:
        """Room for inputs, and none yet."""
        room = self.zeros(batch, self.memory + self.segment - 1, self.dim)
        return room, torch.zeros(batch, dtype=torch.long, device=room.device)

    def step(self, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, D) and the state -> (B, D) and the next state."""
        past, gone = state
        context = torch.cat((past, x_t[:, None]), dim=1)  # (B, m + s, D)
        seen = torch.minimum(gone, self.memory + gone % self.segment)  # of the past: memory, and the segment so far
        visible = torch.arange(context.shape[1], device=x_t.device) >= past.shape[1] - seen[:, None]  # (B, m + s)
        return self.attend(x_t[:, None], context, visible[:, None, None])[:, 0], (context[:, 1:], gone + 1)


class TransformerXl(StreamingStack):
    """A Transformer whose segments attend to each layer's inputs in the one before (arXiv:1901.02860).

    What is remembered is what a layer's attention received: normed states with `norm="pre"`, the states themselves
    with "post", as published. An MLP of 4 · dim follows each attention.
    """

    def __init__(
        self,
        dim: int = 64,
        layers: int = 2,
        segment: int = 64,
        memory: int = 64,
        head_dim: int = 16,
        norm: Norm = "pre",
    ) -> None:
        at_least(1, layers=layers)
        mixers = (SegmentAttention(dim, segment, memory, head_dim) for _ in range(layers))
        super().__init__(dim, mixers, mlp=4, norm=norm)
        self.segment, self.memory, self.layers = segment, memory, layers

    def receptive_field(self, length: int) -> int:
        """s + m + (layers − 1) ⌈m/s⌉ s: what the last position of a segment sees.

        A segment from a on depends on its layer's inputs back to a − m; those were computed in the segment that starts
        at a − ⌈m/s⌉ s, ⌈m/s⌉ whole segments earlier, which goes as far back again.
        """
        segments_back = -(-self.memory // self.segment)
        return self.segment + self.memory + (self.layers - 1) * segments_back * self.segment
