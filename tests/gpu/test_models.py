"""Every architecture on a GPU: what it gives on the CPU, in half precision too, and how fast."""

import time
from pathlib import Path

import pytest
import torch

from benchmark.registry import names
from benchmark.stopwatch import Subject
from models import fused
from tests.gpu.devices import EVERYWHERE, built, near, of_model

FLOAT = 1e-3  # share of a tensor's norm that another order of its sums may make; fused kernels round products to TF32
TF32, HALF = 0.02, 0.15
FUSED = {"gla": "gla", "gated_delta_rule": "gated_deltanet", "ssd": "mamba2"}


def inputs(length: int = 70, dim: int = 32) -> torch.Tensor:
    return torch.randn(2, length, dim, generator=torch.Generator().manual_seed(3))


@EVERYWHERE
@pytest.mark.parametrize("name", names("models"))
def test_outputs_and_gradients_are_those_of_the_cpu(name: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "kernel", lambda name, like: None)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    model, x = built(name, dim=32), inputs()
    near(of_model(model, x, device), of_model(model, x, "cpu"), FLOAT)


@EVERYWHERE
@pytest.mark.parametrize("name", names("models"))
def test_mixed_precision_stays_near_full_precision(name: str, device: str) -> None:
    model, x = built(name, dim=32), inputs()
    half, full = of_model(model, x, device, torch.bfloat16), of_model(model, x, "cpu")
    flat = [torch.cat([each[key].flatten() for key in full]) for each in (half, full)]
    assert (half["output"] - full["output"]).norm() < HALF * full["output"].norm()
    assert torch.cosine_similarity(flat[0], flat[1], dim=0) > 0.97


@pytest.mark.gpu
@pytest.mark.parametrize("kernel", fused.KERNELS)
def test_a_fused_kernel_gives_what_plain_torch_does(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if fused.load(kernel) is None:
        pytest.skip(f"{fused.KERNELS[kernel][0].partition('.')[0]} is not installed")
    model, x = built(FUSED[kernel], dim=64), inputs(130, 64)
    half = None if torch.float32 in fused.KERNELS[kernel][2] else torch.bfloat16
    asked: list[str] = []
    found = fused.kernel
    monkeypatch.setattr(fused, "kernel", lambda name, like: asked.append(name) or found(name, like))
    quick = of_model(model, x, "cuda", half)
    assert kernel in asked
    monkeypatch.setattr(fused, "kernel", lambda name, like: None)
    near(quick, of_model(model, x, "cuda", half), TF32 if half is None else HALF)


def seconds(subject: Subject, rounds: int) -> float:
    """Of a training step, the fastest of some: the first only warm up."""
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        subject.train_step()
        if subject.x.is_cuda:
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begin)
    return min(found)


@EVERYWHERE
def test_throughput(device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tokens a second of a training step of every architecture, in full and in mixed precision, as a table."""
    batch, length, dim, rounds = (32, 1024, 256, 7) if device == "cuda" else (1, 16, 16, 1)
    where = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    lines = [f"{where}, torch {torch.__version__}: {batch} sequences of {length}, width {dim}, two layers", ""]
    lines += ["| model | 32-true, tokens/s | bf16-mixed, tokens/s |", "| --- | ---: | ---: |"]
    for name in names("models"):
        subject = Subject(name, length, built(name, dim=dim).to(device), torch.randn(batch, length, dim).to(device))
        speeds = []
        for mixed in (False, True):
            with torch.autocast(device, torch.bfloat16, enabled=mixed):
                speeds.append(batch * length / seconds(subject, rounds))
        assert min(speeds) > 0
        lines.append(f"| {name} | {speeds[0]:,.0f} | {speeds[1]:,.0f} |")
    (tmp_path / "throughput.md").write_text("\n".join(lines) + "\n")
    assert len(lines) == 4 + len(names("models"))
    if device == "cuda":
        with capsys.disabled():
            print("", *lines, f"(also in {tmp_path / 'throughput.md'})", sep="\n")
