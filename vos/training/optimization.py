"""Parameter groups of the optimizer, and the learning-rate schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from vos.training.settings import OptimizerSettings, ScheduleSettings


def parameter_groups(
    parameters: Iterable[nn.Parameter], head_side: Iterable[nn.Parameter], settings: OptimizerSettings
) -> list[dict[str, Any]]:
    """Parameter groups for AdamW, at most four: encoder or head side, decayed (matrices) or not.

    Args:
        parameters: all parameters; those without gradient are left out.
        head_side: the parameters with the learning rate `head_lr`: those of the head and the regulariser.
        settings: learning rates and weight decay.
    """
    head = {id(parameter) for parameter in head_side}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in parameters:
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in head, parameter.ndim >= 2), []).append(parameter)
    return [
        {
            "params": members,
            "lr": settings.head_lr if is_head else settings.lr,
            "weight_decay": settings.weight_decay if is_matrix else 0.0,
        }
        for (is_head, is_matrix), members in sorted(groups.items())
    ]


def rate_factor(settings: ScheduleSettings, total: int) -> Callable[[int], float]:
    """Factor of the peak learning rates at each of `total` optimizer steps."""
    total = max(1, total)
    warmup = max(1, round(settings.warmup_share * total))

    def factor(step: int) -> float:
        left = max(0.0, (total - step) / max(1, total - warmup)) if settings.decay else 1.0
        return min((step + 1) / warmup, left, 1.0)

    return factor
