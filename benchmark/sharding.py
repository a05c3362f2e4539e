"""Sharded training: of every weight, its gradient and the optimizer's sums, each device holds a part (FSDP2)."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from benchmark.lit_sequence import LitSequence
from models.base import SequenceModel

SHARDED = "fsdp"  # what `--trainer.strategy` calls it


def strategy_for(asked: str, several: bool, model: SequenceModel | None = None) -> Strategy | str:
    """Sharded where that is asked, or wanted by the model and there are several devices; else what is asked."""
    wanted = asked == "auto" and several and model is not None and model.sharded
    return Sharded() if asked == SHARDED or wanted else asked


class Sharded(DDPStrategy):
    """Data parallel training with weights in parts, which come together where and when they are needed.

    The parts that a model names (`units`) come together one at a time; what is left of it, embedding, norm and head at
    once. To be evaluated the module is whole: ranks may run it unequally often. A checkpoint holds whole weights.
    """

    def configure_ddp(self) -> None:
        """Cut the module into parts, in the place of DDP's wrapper."""
        assert isinstance(self.model, LitSequence)
        cut(self.model, init_device_mesh(self.root_device.type, (self.world_size,)))

    def on_validation_start(self) -> None:
        """Put the parts together, until on_validation_end."""
        for unit in self._units():
            unit.set_reshard_after_forward(False, recurse=False)
            unit.unshard()

    def on_validation_end(self) -> None:
        """Keep this device's part alone."""
        for unit in self._units():
            unit.set_reshard_after_forward(unit is not self.model, recurse=False)
            unit.reshard()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The whole weights."""
        return whole_state(super().lightning_module_state_dict())

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """The optimizer's state, its sums whole."""
        found: dict[str, Any] = super().optimizer_state(optimizer)
        return {**found, "state": {key: whole_state(sums) for key, sums in found["state"].items()}}

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this device's part of whole sums."""
        for optimizer, found in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            state: dict[int, dict[str, Any]] = found["state"]
            parts = {key: _parts(sums, parameters[key]) for key, sums in state.items()}
            optimizer.load_state_dict({**found, "state": parts})

    def _units(self) -> list[FSDPModule]:
        assert self.model is not None
        return [module for module in self.model.modules() if isinstance(module, FSDPModule)]


def cut(lit: LitSequence, mesh: DeviceMesh) -> None:
    """Leave this device a part of every weight."""
    for unit in (*lit.model.units(), lit.model, lit):
        fully_shard(unit, mesh=mesh)
    register_fsdp_forward_method(lit, "loss")
    for name in (type(lit.model).__name__, type(lit).__name__):  # nobody changes their outputs in place
        warnings.filterwarnings("ignore", message=rf"FSDP2-wrapped module \({name}\) returned a view")


def whole_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state dict with every tensor that lies in parts put together, on the CPU. All ranks must call it."""
    return {name: each.full_tensor().cpu() if isinstance(each, DTensor) else each for name, each in state.items()}


def _parts(sums: Mapping[str, Any], parameter: nn.Parameter) -> dict[str, Any]:
    """What the optimizer holds of a parameter, cut as that is; counts stay what they are."""
    assert isinstance(parameter, DTensor)
    mesh, places = parameter.device_mesh, parameter.placements

    def part(value: Any) -> Any:
        alike = isinstance(value, Tensor) and value.shape == parameter.shape
        return distribute_tensor(value.to(mesh.device_type), mesh, places) if alike else value

    return {name: part(value) for name, value in sums.items()}
