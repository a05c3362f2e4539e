"""Attention among recurrences."""

from models.base import at_least
from models.by_name import recurrence_named
from models.residual import ResidualStack, blocks_of
from models.transformer import Transformer


class Hybrid(ResidualStack):
    """Every `every`-th layer attends to the whole past, the others are layers of a `recurrence`: the recurrence keeps
    order and a summary, attention looks up what a summary loses (Jamba, arXiv:2403.19887; Griffin, arXiv:2402.19427).

    `recurrence` names an architecture of the suite that streams and has layers: gru, mamba, s4d …

    It is no GatedModel, whatever the recurrence: attention looks past any gate, so that their product bounds nothing.
    """

    def __init__(
        self, dim: int = 64, layers: int = 4, every: int = 4, recurrence: str = "mamba", head_dim: int = 16
    ) -> None:
        at_least(1, layers=layers, every=every)
        if every > layers:
            raise ValueError(f"every must be at most layers, or no layer attends, got every={every}, layers={layers}")
        recurrent = recurrence_named("recurrence", recurrence)
        attends = [(depth + 1) % every == 0 for depth in range(layers)]
        parts = (Transformer(dim, layers=1, head_dim=head_dim) if yes else recurrent(dim, layers=1) for yes in attends)
        super().__init__(dim, (block for part in parts for block in blocks_of(part)))
