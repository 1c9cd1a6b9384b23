"""Splits a transformers classifier before its last linear layer, and before the dropout in front of it."""

from __future__ import annotations

from collections.abc import Mapping
from threading import get_ident
from typing import Protocol

import torch
from torch import Tensor, nn

from vos.errors import ModelError


class HasLogits(Protocol):
    """What a classifier of transformers returns."""

    logits: Tensor


def last_linear(model: nn.Module, out_features: int) -> str:
    """Dotted name of the last `nn.Linear` with `out_features` outputs, in definition order.

    Raises:
        ModelError: there is none.
    """
    names: list[str] = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == out_features
    ]
    if not names:
        raise ModelError(
            f"{type(model).__name__} has no nn.Linear with {out_features} outputs to split at; "
            "expected a model whose logits come from one linear layer"
        )
    return names[-1]


def swap(model: nn.Module, name: str, module: nn.Module) -> nn.Module:
    """Replace the submodule with this dotted name by `module`; return the old one."""
    parent, _, attribute = name.rpartition(".")
    owner = model.get_submodule(parent)
    previous: nn.Module = getattr(owner, attribute)
    setattr(owner, attribute, module)
    return previous


class LastInput(nn.Module):
    """Replaces a dropout and records its last input: directly before the head, that is the features.

    Some heads apply one dropout twice, before their dense layer and before the last linear layer. The first use works
    as before; the output of the second is not used. The recorded input is per thread.

    Args:
        dropout: the replaced dropout, which still acts in all but the last use.
    """

    def __init__(self, dropout: nn.Module) -> None:
        super().__init__()
        self.dropout = dropout
        self._kept: dict[int, Tensor] = {}

    def forward(self, values: Tensor) -> Tensor:
        """The dropout of `values`, any shape."""
        self._kept[get_ident()] = values
        dropped: Tensor = self.dropout(values)
        return dropped

    def take(self) -> Tensor:
        """Return the last input and forget it, so that the graph of a step is not kept alive."""
        return self._kept.pop(get_ident())


def lift_dropout(model: nn.Module, head_name: str, batch: Mapping[str, Tensor]) -> tuple[LastInput | None, nn.Module]:
    """Replace the dropout directly before the head of a model.

    Args:
        model: in evaluation mode.
        head_name: dotted name of its last linear layer.
        batch: valid inputs of the model.

    Returns:
        The replacement, which records the features, and the dropout itself; None and an identity if there is no such
        dropout, or if the head acts on every token, (b, t, d), and the model selects one of them later.
    """
    calls: list[tuple[str, Tensor]] = []
    entered: list[Tensor] = []
    handles = [
        module.register_forward_hook(lambda _m, _i, output, name=name: calls.append((name, output)))
        for name, module in model.named_modules()
        if "dropout" in type(module).__name__.lower()
    ]
    handles.append(
        model.get_submodule(head_name).register_forward_pre_hook(lambda _m, inputs: entered.append(inputs[0]))
    )
    try:
        with torch.no_grad():
            model(**batch)
    finally:
        for handle in handles:
            handle.remove()
    if not calls or not entered or entered[-1].ndim != 2 or calls[-1][1] is not entered[-1]:
        return None, nn.Identity()
    name = calls[-1][0]
    uses = sum(each == name for each, _ in calls)
    dropout = model.get_submodule(name)
    tap = LastInput(dropout if uses > 1 else nn.Identity())
    swap(model, name, tap)
    rate = getattr(dropout, "p", getattr(dropout, "drop_prob", 0.0))
    return tap, nn.Dropout(float(rate))
