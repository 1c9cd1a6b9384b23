"""Sharded training: the encoder's weights, gradients and optimizer states are distributed over several processes.

Uses FSDP2 of torch (`fully_shard`): each process holds a part of every layer, and gathers the whole layer to compute
it. Head, regulariser, density and feature buffer are small and replicated, with averaged gradients.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.strategies import ModelParallelStrategy, StrategyRegistry
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm

from vos.errors import ConfigError

SHARDED = "sharded_encoder"
"""Name of the strategy for `trainer.lightning.strategy`."""


class EncoderSharding(ModelParallelStrategy):
    """Sharded data parallelism over all processes, with unsharded checkpoint files, as with other strategies."""

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    def _setup_distributed(self) -> None:
        super()._setup_distributed()
        self._data_parallel_size = self.world_size


def register() -> None:
    """Register the strategy with Lightning; safe to repeat."""
    StrategyRegistry.register(SHARDED, EncoderSharding, "an encoder sharded over all processes", override=True)


def check_gpus(accelerator: str, devices: object) -> None:
    """Check that the GPUs to shard over exist.

    Args:
        accelerator: as in Lightning; on "cpu" sharding works but saves nothing.
        devices: as in Lightning; a number is checked.

    Raises:
        ConfigError: see above.
    """
    wanted, found = devices if isinstance(devices, int) and devices > 0 else 1, torch.cuda.device_count()
    if accelerator != "cpu" and found < wanted:
        raise ConfigError(
            f"trainer=fsdp: expected {wanted} GPUs (trainer.lightning.devices), found {found}; take trainer=cpu or "
            "trainer=ddp, or try it without with trainer.lightning.accelerator=cpu"
        )


def trainee(module: LightningModule, trainer: Trainer) -> LightningModule:
    """The module to pass to the trainer: itself, or a copy if training would leave its weights sharded."""
    return copy.deepcopy(module) if isinstance(trainer.strategy, EncoderSharding) else module


def shard(classifier: nn.Module, head: nn.Module, mesh: DeviceMesh) -> None:
    """Shard every part of a classifier except its head over the processes of a mesh, layer by layer."""
    for part in classifier.children():
        if part is not head and any(True for _ in part.parameters()):
            for layer in _layers(part):
                fully_shard(layer, mesh=mesh)
            fully_shard(part, mesh=mesh)


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """The members of the outermost `ModuleList`s, in which transformers stores its layers."""
    for child in module.children():
        yield from child if isinstance(child, nn.ModuleList) else _layers(child)


def average_whole_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average the gradients of unsharded parameters over the processes; those of sharded ones already are."""
    for parameter in parameters:
        if parameter.grad is not None and not isinstance(parameter.grad, DTensor):
            distributed.all_reduce(parameter.grad)
            parameter.grad /= distributed.get_world_size()


def clip_gradients(parameters: Iterable[nn.Parameter], largest: float) -> None:
    """Scale all gradients, sharded or not, so that their total norm is at most `largest`."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    kinds = ([g for g in gradients if isinstance(g, DTensor) is sharded] for sharded in (True, False))
    norms = [_whole(get_total_norm(each)) for each in kinds if each]
    scale = largest / (float(torch.stack(norms).norm()) + 1e-6) if norms else 1.0
    if scale < 1:
        for gradient in gradients:
            gradient.mul_(scale)


def _whole(norm: Tensor) -> Tensor:
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
