"""An encoder whose weights, gradients and optimizer states are spread over several processes while it is trained.

FSDP2 of torch (`fully_shard`): each process holds a part of every layer, and gathers a whole layer when it computes it.
Head, regulariser, density and memory are small and stay whole in every process, which averages their gradients.
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
"""Name of the strategy, as `trainer.lightning.strategy` takes it."""


class EncoderSharding(ModelParallelStrategy):
    """Data parallelism over all processes, whose checkpoints are whole files, as those of other strategies."""

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    def _setup_distributed(self) -> None:
        super()._setup_distributed()
        self._data_parallel_size = self.world_size


def register() -> None:
    """Let Lightning know the strategy by its name; safe to repeat."""
    StrategyRegistry.register(SHARDED, EncoderSharding, "an encoder sharded over all processes", override=True)


def check_gpus(accelerator: str, devices: object) -> None:
    """Refuse to shard over GPUs that are not there.

    Args:
        accelerator: as Lightning takes it; on "cpu" sharding saves nothing, but works.
        devices: as Lightning takes them; a number is checked.

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
    """What the trainer is given: the module, or a copy where training would leave its weights in pieces."""
    return copy.deepcopy(module) if isinstance(trainer.strategy, EncoderSharding) else module


def shard(classifier: nn.Module, head: nn.Module, mesh: DeviceMesh) -> None:
    """Spread every part of a classifier but its head over the processes of a mesh, layer by layer."""
    for part in classifier.children():
        if part is not head and any(True for _ in part.parameters()):
            for layer in _layers(part):
                fully_shard(layer, mesh=mesh)
            fully_shard(part, mesh=mesh)


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """The members of the outermost lists of modules, which is where transformers keeps its layers."""
    for child in module.children():
        yield from child if isinstance(child, nn.ModuleList) else _layers(child)


def average_whole_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average the gradients of those parameters over the processes that are not sharded; those that are have been."""
    for parameter in parameters:
        if parameter.grad is not None and not isinstance(parameter.grad, DTensor):
            distributed.all_reduce(parameter.grad)
            parameter.grad /= distributed.get_world_size()


def clip_gradients(parameters: Iterable[nn.Parameter], largest: float) -> None:
    """Scale gradients, sharded and whole alike, so that their norm together is at most `largest`."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    kinds = ([g for g in gradients if isinstance(g, DTensor) is sharded] for sharded in (True, False))
    norms = [_whole(get_total_norm(each)) for each in kinds if each]
    scale = largest / (float(torch.stack(norms).norm()) + 1e-6) if norms else 1.0
    if scale < 1:
        for gradient in gradients:
            gradient.mul_(scale)


def _whole(norm: Tensor) -> Tensor:
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
