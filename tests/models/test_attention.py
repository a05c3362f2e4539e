"""Attention: every position scheme, window, segment and alignment against its formula, in plain loops."""

import math
import statistics
from functools import partial
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, layer_norm

from benchmark.contract import CHECKS
from models.attention import Attention
from models.base import SequenceModel
from models.positions import Learned, Positions, alibi, rotate, sinusoids
from models.residual import Norm
from models.seq2seq_attention import Seq2seqAttention
from models.sliding_window import SlidingWindow, WindowAttention
from models.transformer import Transformer
from models.transformer_xl import SegmentAttention, TransformerXl, relative_shift
from tests.bench.attention import masked_attention


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


# Positions


def test_rotary_positions_turn_each_pair_by_its_angle() -> None:
    x = double(5, 6)
    for i in range(5):
        for pair in range(3):
            angle = (7 + i) * 10_000 ** (-2 * pair / 6)
            a, b = x[i, 2 * pair], x[i, 2 * pair + 1]
            expected = torch.stack(
                (a * math.cos(angle) - b * math.sin(angle), a * math.sin(angle) + b * math.cos(angle))
            )
            torch.testing.assert_close(rotate(x, start=7)[i, 2 * pair : 2 * pair + 2], expected)


def test_rotary_scores_depend_on_distance_alone() -> None:
    q, k = torch.randn(2, 1, 16).expand(2, 40, 16)
    scores = rotate(q) @ rotate(k).T
    torch.testing.assert_close(scores[5:, 5:], scores[:-5, :-5], rtol=1e-4, atol=1e-4)
    assert (scores[0, 0] - scores[0, 20]).abs() > 1e-3


def test_alibi_of_eight_heads_has_the_slopes_of_the_paper() -> None:
    bias = alibi(8, 5, torch.empty(0))
    for head in range(8):
        for t in range(5):
            for s in range(5):
                assert bias[head, t, s] == (-(t - s) / 2 ** (head + 1) if s <= t else -math.inf)


def test_sinusoids_are_their_formula() -> None:
    found = sinusoids(torch.arange(4, dtype=torch.float64), 6)
    for t in range(4):
        for i in range(3):
            angle = t / 10_000 ** (2 * i / 6)
            assert found[t, 2 * i : 2 * i + 2].tolist() == pytest.approx([math.sin(angle), math.cos(angle)])


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_added_positions_are_the_plain_transformer_on_shifted_inputs(positions: Positions) -> None:
    model, plain = (Transformer(dim=16, positions=each) for each in (positions, "none"))
    plain.load_state_dict({name: p for name, p in model.state_dict().items() if not name.startswith("place")})
    x = torch.randn(2, 20, 16)
    table = model.place.table[:20] if isinstance(model.place, Learned) else sinusoids(torch.arange(20.0), 16)
    torch.testing.assert_close(model(x), plain(x + table))


def test_learned_positions_end() -> None:
    model = Transformer(dim=16, positions="learned", max_length=10)
    assert model(torch.randn(1, 10, 16)).isfinite().all()
    with pytest.raises(ValueError, match="max_length=10, got a sequence of 11"):
        model(torch.randn(1, 11, 16))


@pytest.mark.parametrize("positions", ["rope", "alibi", "sinusoidal", "learned", "none"])
def test_only_without_positions_is_the_order_of_the_past_lost(positions: Positions) -> None:
    model, x = Transformer(dim=16, layers=1, positions=positions), torch.randn(1, 12, 16)
    other = torch.cat((x[:, :11].flip(1), x[:, 11:]), dim=1)
    difference = (model(x)[:, -1] - model(other)[:, -1]).abs().max()
    assert difference < 1e-6 if positions == "none" else difference > 1e-4


# Attention and the Transformer


def head_scores(positions: str, q: Tensor, k: Tensor, t: int, head: int, n_heads: int) -> Tensor:
    """Scores of query t against keys 0 … t of one head, (L, d) -> (t + 1,)."""
    if positions == "rope":
        return rotate(k)[: t + 1] @ rotate(q)[t] / q.shape[1] ** 0.5
    distance = t - torch.arange(t + 1)
    penalty = distance * 2 ** (-8 * (head + 1) / n_heads) if positions == "alibi" else 0
    return k[: t + 1] @ q[t] / q.shape[1] ** 0.5 - penalty


@pytest.mark.parametrize("positions", ["rope", "alibi", "none"])
def test_attention_is_its_loop(positions: Literal["rope", "alibi", "none"]) -> None:
    mixer, x = Attention(dim=12, head_dim=4, positions=positions).double(), double(1, 7, 12)
    q, k, v = (x[0] @ mixer.qkv.weight.T).view(7, 3, 3, 4).permute(1, 2, 0, 3)  # each (H, L, d)
    heads = torch.zeros(7, 3, 4, dtype=torch.float64)
    for head in range(3):
        for t in range(7):
            weights = torch.softmax(head_scores(positions, q[head], k[head], t, head, 3), 0)
            heads[t, head] = weights @ v[head, : t + 1]
    torch.testing.assert_close(mixer(x)[0], heads.flatten(1) @ mixer.out.weight.T)


@pytest.mark.parametrize("head_dim", [0, 3, 24])
def test_transformer_refuses_heads_that_do_not_fit(head_dim: int) -> None:
    with pytest.raises(ValueError, match="head_dim"):
        Transformer(dim=64, head_dim=head_dim)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"head_dim": 3, "dim": 9}, "head_dim must be even"),
        ({"positions": "absolute"}, "positions must be one of rope, alibi, sinusoidal, learned, none"),
        ({"norm": "both"}, "norm must be one of pre, post"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"mlp": -1}, "mlp must be at least 0"),
        ({"positions": "learned", "max_length": 0}, "max_length must be at least 1"),
    ],
)
def test_transformer_says_what_it_does_not_accept(arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Transformer(**arguments)


def test_flops_of_the_transformer_in_closed_form() -> None:
    """Every matrix once a position, and two products over the whole square of scores a layer."""
    dim, layers, length = 32, 3, 40
    expected = layers * (2 * length * (4 + 8) * dim**2 + 2 * 2 * length**2 * dim)
    assert Transformer(dim, layers).flops(length) == expected


def gradient_norms(norm: Norm, layers: int, seed: int) -> list[float]:
    """‖∂loss/∂W₂‖ of every block's MLP, in the setting of Xiong et al. (2020): weights of unit gain, a final norm."""
    torch.manual_seed(seed)
    model = Transformer(dim=32, layers=layers, norm=norm)
    for p in model.parameters():
        if p.ndim == 2:
            nn.init.normal_(p, std=p.shape[1] ** -0.5)
    y = layer_norm(model(torch.randn(4, 16, 32)), (32,))
    (y * torch.randn(4, 16, 32)).sum().backward()
    return [float(p.grad.norm()) for name, p in model.named_parameters() if "down" in name and p.grad is not None]


def test_depth_shrinks_pre_norm_gradients_at_the_top_and_no_post_norm_gradient() -> None:
    """Xiong et al. (2020), theorem 1: the last layer's gradient goes as 1/√layers pre-norm, does not change post-norm.

    Downwards from there pre-norm's grow, as the stream that the norms divide by is smaller; post-norm's do not.
    """
    last, profile = {}, {}
    for norm in ("pre", "post"):
        few, many = ([gradient_norms(norm, layers, seed) for seed in range(4)] for layers in (2, 16))
        last[norm] = statistics.geometric_mean(a[-1] / b[-1] for a, b in zip(few, many, strict=True))
        profile[norm] = statistics.geometric_mean(each[-1] / each[0] for each in many)
    assert last["pre"] == pytest.approx(8**0.5, rel=0.25)
    assert last["post"] == pytest.approx(1, rel=0.35)
    assert profile["pre"] < 0.5
    assert profile["post"] == pytest.approx(1, rel=0.4)


# Windows


@pytest.mark.parametrize(("length", "window"), [(1, 1), (5, 1), (10, 32), (64, 64), (50, 7), (257, 32), (300, 128)])
def test_blocked_windows_are_the_masked_square(length: int, window: int) -> None:
    mixer = WindowAttention(dim=32, window=window)
    q, k, v = (torch.randn(2, 2, length, 16, requires_grad=True) for _ in range(3))
    weight = torch.randn(2, 2, length, 16)
    ours, naive = mixer.attend(q, k, v), masked_attention(q, k, v, window)
    torch.testing.assert_close(ours, naive, rtol=1e-4, atol=1e-4)
    for a, b in zip(*(torch.autograd.grad(y, (q, k, v), weight) for y in (ours, naive)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_a_window_as_long_as_the_sequence_is_the_transformer() -> None:
    model, window = Transformer(dim=16), SlidingWindow(dim=16, window=50)
    window.load_state_dict(model.state_dict())
    x = torch.randn(2, 50, 16)
    torch.testing.assert_close(window(x), model(x))


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_holds_at_least_the_position_itself(window: int) -> None:
    with pytest.raises(ValueError, match="window must be at least 1"):
        SlidingWindow(window=window)


# Segments

SIZES = [(8, 8), (8, 5), (5, 12), (1, 3), (6, 0), (40, 8)]


def test_relative_shift_takes_each_score_to_its_key() -> None:
    scores = torch.randn(2, 4, 10)
    shifted = relative_shift(scores)
    for i in range(4):
        for j in range(i + 7):  # the keys query i may see: it stands at place 6 + i
            distance = 6 + i - j
            assert torch.equal(shifted[:, i, j], scores[:, i, 10 - 1 - distance])


def unsegmented(mixer: SegmentAttention, x: Tensor) -> Tensor:
    """One attention over all of x (L, D), masked to each position's segment and the memory before it; by loops."""
    length, dim, d = x.shape[0], x.shape[1], mixer.head_dim
    t = torch.arange(length)
    begin = t // mixer.segment * mixer.segment
    visible = (t <= t[:, None]) & (t >= begin[:, None] - mixer.memory)
    r = sinusoids(t.double(), dim) @ mixer.r.weight.T  # by distance
    q, k, v = x @ mixer.q.weight.T, *(x @ mixer.kv.weight.T).chunk(2, dim=1)
    y = torch.zeros_like(x)
    for head in range(dim // d):
        of = slice(head * d, head * d + d)
        content = (q[:, of] + mixer.u[head]) @ k[:, of].T
        position = torch.zeros(length, length, dtype=x.dtype)
        for i in range(length):
            for j in range(i + 1):
                position[i, j] = (q[i, of] + mixer.v[head, 0]) @ r[i - j, of]
        scores = ((content + position) / d**0.5).masked_fill(~visible, -math.inf)
        y[:, of] = torch.softmax(scores, dim=-1) @ v[:, of]
    return y @ mixer.out.weight.T


@pytest.mark.parametrize(("segment", "memory"), SIZES)
def test_segments_are_one_masked_attention(segment: int, memory: int) -> None:
    mixer = SegmentAttention(dim=8, segment=segment, memory=memory, head_dim=4).double().eval()
    nn.init.normal_(mixer.u)
    nn.init.normal_(mixer.v)
    x = double(1, 30, 8).requires_grad_()
    ours, naive = mixer(x)[0], unsegmented(mixer, x[0])
    torch.testing.assert_close(ours, naive)
    wanted, weight = [x, *mixer.parameters()], double(30, 8)
    for a, b in zip(*(torch.autograd.grad(y, wanted, weight) for y in (ours, naive)), strict=True):
        torch.testing.assert_close(a, b)


def test_gradients_stop_at_the_segment_in_training_and_influence_does_not() -> None:
    """Segments of 8, of which the last holds inputs 16 … 23; two layers see inputs 0 … 23."""
    model, x = TransformerXl(dim=16, segment=8, memory=8).double(), double(1, 24, 16)
    reached = {}
    for training in (True, False):
        inputs = x.clone().requires_grad_()
        model.train(training)(inputs)[0, -1].sum().backward()
        assert inputs.grad is not None
        reached[training] = (inputs.grad[0].abs().amax(1) > 0).nonzero()[:, 0].tolist()
    assert reached == {True: list(range(16, 24)), False: list(range(24))}
    for position in range(16):
        moved = x.clone()
        moved[0, position] += 0.1 * double(16)
        for training in (True, False):
            model.train(training)
            assert (model(moved)[0, -1] - model(x)[0, -1]).abs().max() > 1e-9


# What configs/models does not hold keeps the contract too

VARIANTS: dict[str, partial[SequenceModel]] = {
    **{
        f"transformer {each}": partial(Transformer, positions=each)
        for each in ("alibi", "sinusoidal", "learned", "none")
    },
    **{f"window {window}": partial(SlidingWindow, window=window, layers=3) for window in (1, 2, 70)},
    **{f"segment {s}, memory {m}": partial(TransformerXl, layers=3, segment=s, memory=m) for s, m in SIZES},
    "transformer_xl post": partial(TransformerXl, segment=8, memory=8, norm="post"),
}


@pytest.mark.parametrize("check", [each for each in CHECKS if each != "long inputs"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_keep_the_contract(variant: str, check: str) -> None:
    def build() -> SequenceModel:
        torch.manual_seed(0)
        return VARIANTS[variant](dim=16)

    CHECKS[check](build)


# Encoder and decoder


def test_the_decoder_is_its_equations() -> None:
    model, x = Seq2seqAttention(dim=6, width=4).double(), double(2, 5, 6)
    h = model.encode(x)
    torch.testing.assert_close(h[:, :, :6], model.forwards(x))
    torch.testing.assert_close(h[:, :, 6:], model.backwards(x.flip(1)).flip(1))
    s = torch.tanh(h[:, 0, 6:] @ model.start.weight.T + model.start.bias)
    outputs, rows = [], []
    for t in range(5):
        query = s @ model.query_s.weight.T + x[:, t] @ model.query_x.weight.T
        scores = [torch.tanh(query + h[:, j] @ model.key.weight.T) @ model.score for j in range(5)]
        weights = torch.softmax(torch.stack(scores, dim=1), dim=1)
        context = sum((weights[:, j, None] * h[:, j] for j in range(5)), torch.zeros(2, 12))
        s = model.cell(torch.cat((x[:, t], context), dim=1), s)
        outputs.append(torch.cat((s, context), dim=1) @ model.out.weight.T + model.out.bias)
        rows.append(weights)
    torch.testing.assert_close(model(x), torch.stack(outputs, 1))
    torch.testing.assert_close(model.attention(x), torch.stack(rows, 1))
    torch.testing.assert_close(model.attention(x).sum(2), torch.ones(2, 5, dtype=torch.float64))


def test_an_annotation_reaches_the_context_by_its_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the weights held fixed, ∂c_t/∂h_j = α_tj I."""
    model, x = Seq2seqAttention(dim=4).double(), double(1, 6, 4)
    h, align = model.encode(x).detach(), model.align
    monkeypatch.setattr(model, "align", lambda query, keys: align(query, keys).detach())
    jacobian = torch.autograd.functional.jacobian(lambda h: model.decode(x, h)[1], h)
    assert isinstance(jacobian, Tensor)
    expected = torch.einsum("tj,cd->tcjd", model.attention(x)[0], torch.eye(8, dtype=torch.float64))
    torch.testing.assert_close(jacobian[0, :, :, 0], expected)


def test_trained_to_reverse_it_looks_at_the_mirrored_position() -> None:
    """Output t must name x_{T−1−t}: most weights peak there, and before training they do not."""
    length, dim, mirror = 6, 32, torch.arange(6).flip(0)
    model, embedding, head = Seq2seqAttention(dim), nn.Embedding(8, dim), nn.Linear(dim, 8)
    fresh = torch.randint(8, (200, length))

    def aligned() -> float:
        with torch.no_grad():
            return float((model.attention(embedding(fresh)).argmax(-1) == mirror).float().mean())

    before = aligned()
    parameters = [p for each in (model, embedding, head) for p in each.parameters()]
    optimizer = torch.optim.Adam(parameters, 0.02)
    for _ in range(500):
        x = torch.randint(8, (32, length))
        loss = cross_entropy(head(model(embedding(x))).flatten(0, 1), x.flip(1).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert before < 0.3
    assert aligned() > 0.75
