"""An encoder, a decoder, and the first attention between them."""

import torch
from torch import Tensor, nn

from models.base import SequenceModel, at_least
from models.gru import Gru


class Seq2seqAttention(SequenceModel):
    """A decoder that reads, at every step, a weighted mean of all states of a two-way encoder (arXiv:1409.0473).

        h_j = [→h_j ; ←h_j]                             two GRUs read x, one from either end: annotations, 2D wide
        e_tj = vᵀ tanh(W s_{t−1} + V x_t + U h_j)       additive scores, `width` (A) wide inside
        α_t = softmax(e_t),   c_t = Σ_j α_tj h_j        the context
        s_t = GRU([x_t ; c_t], s_{t−1}),   y_t = O [s_t ; c_t],   s_0 = tanh(S ←h_1)

    The paper's decoder also hears its own last output; here the input of its position stands in that place, and takes
    part in the scores, so that a question asked at t can be looked up at t. It reads the whole sequence before it
    answers: not causal.
    """

    causal = False

    def __init__(self, dim: int = 64, width: int = 16) -> None:
        super().__init__(dim)
        at_least(1, width=width)
        self.forwards, self.backwards = Gru(dim, layers=1), Gru(dim, layers=1)
        self.start = nn.Linear(dim, dim)
        self.query_s, self.query_x = nn.Linear(dim, width, bias=False), nn.Linear(dim, width, bias=False)  # W, V
        self.key, self.score = nn.Linear(2 * dim, width, bias=False), nn.Parameter(torch.empty(width))  # U, v
        nn.init.uniform_(self.score, -(width**-0.5), width**-0.5)
        self.cell = nn.GRUCell(3 * dim, dim)
        self.out = nn.Linear(3 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        states, contexts, _ = self.decode(x, self.encode(x))
        return self.out(torch.cat((states, contexts), dim=-1))

    def attention(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, L): row t holds the weights α_t with which output t reads the annotations."""
        return self.decode(x, self.encode(x))[2]

    def encode(self, x: Tensor) -> Tensor:
        """(B, L, D) -> annotations (B, L, 2D)."""
        return torch.cat((self.forwards(x), self.backwards(x.flip(1)).flip(1)), dim=-1)

    def decode(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (B, L, D) and annotations (B, L, 2D) -> states (B, L, D), contexts (B, L, 2D), weights (B, L, L)."""
        keys, s = self.key(h), torch.tanh(self.start(h[:, 0, self.dim :]))
        steps = []
        for x_t, query in zip(x.unbind(1), self.query_x(x).unbind(1), strict=True):
            weights = self.align(query + self.query_s(s), keys)  # (B, L)
            context = torch.bmm(weights[:, None], h)[:, 0]  # (B, 2D)
            s = self.cell(torch.cat((x_t, context), dim=-1), s)
            steps.append((s, context, weights))
        states, contexts, weights = (torch.stack(each, dim=1) for each in zip(*steps, strict=True))
        return states, contexts, weights

    def flops(self, length: int) -> int:
        """Every weight matrix once a position, but for the decoder's start, and the contexts' weighted means."""
        encoder = self.forwards.flops(length) + self.backwards.flops(length)
        maps = (self.query_s.weight, self.query_x.weight, self.key.weight, self.out.weight)
        weights = sum(w.numel() for w in (*maps, self.cell.weight_ih, self.cell.weight_hh))
        return encoder + 2 * length * weights + 2 * self.start.weight.numel() + 2 * length**2 * 2 * self.dim

    def align(self, query: Tensor, keys: Tensor) -> Tensor:
        """A step's query (B, A) and the keys (B, L, A) -> weights (B, L), which sum to 1."""
        return torch.softmax(torch.tanh(query[:, None] + keys) @ self.score, dim=-1)
