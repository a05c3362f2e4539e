"""What is composed of other architectures: hybrids and both directions of any recurrence."""

import pytest
import torch

from models.attention import Attention
from models.bidirectional import Bidirectional
from models.by_name import recurrence_named
from models.gru import Gru
from models.hybrid import Hybrid
from models.residual import Block
from models.transformer import Transformer


def kinds(model: Hybrid) -> list[bool]:
    """Which layers attend."""
    return [isinstance(block.mixer, Attention) for block in model.blocks if isinstance(block, Block)]


@pytest.mark.parametrize(
    ("layers", "every", "expected"),
    [(4, 4, [False, False, False, True]), (5, 2, [False, True, False, True, False]), (2, 1, [True, True])],
)
def test_every_nth_layer_attends(layers: int, every: int, expected: list[bool]) -> None:
    assert kinds(Hybrid(dim=16, layers=layers, every=every, recurrence="gru")) == expected


def test_it_is_its_layers_one_after_the_other() -> None:
    model = Hybrid(dim=16, layers=2, every=2, recurrence="gru")
    recurrent, attending = Gru(dim=16, layers=1), Transformer(dim=16, layers=1)
    first, second = model.blocks
    assert isinstance(first, Block)
    assert isinstance(second, Block)
    recurrent.load_state_dict(first.mixer.state_dict())
    attending.blocks[0].load_state_dict(second.state_dict())
    x = torch.randn(2, 20, 16)
    torch.testing.assert_close(model(x), attending(x + recurrent(first.norm_mixer(x))))


@pytest.mark.parametrize("name", ["gru", "irnn", "min_gru", "s4d", "gated_deltanet", "sliding_window"])
def test_any_streaming_architecture_can_be_the_recurrence(name: str) -> None:
    x = torch.randn(2, 9, 16)
    assert Hybrid(dim=16, layers=2, every=2, recurrence=name)(x).shape == x.shape
    assert Bidirectional(dim=16, layers=1, cell=name)(x).shape == x.shape


@pytest.mark.parametrize("name", ["grru", "transformer", "hybrid", "linear", "scans", "bidirectional"])
def test_what_is_none_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ValueError, match=rf'recurrence must be one of .*\bgru\b.*, got "{name}"') as refused:
        Hybrid(recurrence=name)
    assert f" {name}," not in str(refused.value)


@pytest.mark.parametrize("field", ["layers", "every"])
def test_counts_start_at_one(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Hybrid(**{field: 0})  # pyright: ignore[reportArgumentType]


def test_names_are_those_of_the_files() -> None:
    assert recurrence_named("cell", "gru") is Gru
