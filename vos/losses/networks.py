"""Small classifiers that separate texts from outliers, initialised without the global random state."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vos.density.checks import at_least_float32

MLP_WIDTH = 512
"""Hidden units of φ as an MLP, as in Dream-OOD (`train_ood_det_in100.py:238-242`)."""


def two_way(classifier: nn.Module, inputs: Tensor, target: int) -> Tensor:
    """Mean cross-entropy of a two-way classifier of inputs (n, k) against one target, 0 outlier or 1 text."""
    dtype = next(classifier.parameters()).dtype
    scores = at_least_float32(classifier(inputs.to(dtype)))
    return functional.cross_entropy(scores, torch.full_like(scores[:, 0], target, dtype=torch.int64))


def linear(weight: Tensor) -> nn.Linear:
    """A linear layer with these weights (out, in) and zero bias."""
    # skip_init: the default initialisation would draw from the global generator, only to be overwritten.
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.zero_()
    return layer


def mlp(n_in: int, n_hidden: int, n_out: int, seed: int) -> nn.Sequential:
    """He-initialised MLP with one hidden layer; the biases of the first layer spread its hinges over [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    first = linear(torch.randn(n_hidden, n_in, generator=generator) * math.sqrt(2.0 / n_in))
    last = linear(torch.randn(n_out, n_hidden, generator=generator) * math.sqrt(1.0 / n_hidden))
    with torch.no_grad():
        first.bias.uniform_(-1.0, 1.0, generator=generator)
    return nn.Sequential(first, nn.ReLU(), last)
