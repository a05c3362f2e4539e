"""What several tests share."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test talks to Weights & Biases unless it says so."""
    monkeypatch.setenv("WANDB_MODE", "disabled")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tokenizers trained by tests stay out of the user's cache."""
    patch = pytest.MonkeyPatch()
    patch.setenv("SPANBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
