"""OOD scores computed from logits, in at least float32."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vos.density.checks import at_least_float32, check_logits
from vos.errors import ConfigError, ShapeError


def msp(logits: Tensor) -> Tensor:
    """One minus the largest softmax probability: (n,) in [0, 1 - 1/C] of logits (n, C).

    Computed as the sum of all other probabilities, so that confident texts keep their order when `1 - p` would round to
    zero.

    Source: Hendrycks and Gimpel 2017 (MSP); there the score is `p`, higher = more in-distribution.
    """
    logits = check_logits(logits)
    others = logits.scatter(1, logits.argmax(-1, keepdim=True), -math.inf)
    return torch.exp(torch.logsumexp(others, -1) - torch.logsumexp(logits, -1))


def max_logit(logits: Tensor) -> Tensor:
    """Minus the largest logit: (n,) of logits (n, C).

    Source: Hendrycks et al. 2022, "Scaling out-of-distribution detection for real-world settings".
    """
    logits = check_logits(logits)
    return -logits.amax(-1)


def energy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Free energy `-T · logsumexp(logits / T)`: (n,) of logits (n, C).

    Args:
        logits: (n, C).
        temperature: `T` > 0; as it falls to zero the energy becomes minus the largest logit.

    Raises:
        ConfigError: `temperature` not positive.
        ShapeError: logits are not (n, C).

    Source: Liu et al. 2020, equation (4). The released code scores its negative.
    """
    logits = check_logits(logits)
    if not temperature > 0.0:
        raise ConfigError(f"energy: expected a temperature > 0, got {temperature}")
    return -temperature * torch.logsumexp(logits / temperature, -1)


def weighted_energy(logits: Tensor, weights: Tensor) -> Tensor:
    """Free energy with a weight for every class, `-log Σ_c relu(w_c) exp(x_c)`: (n,) of logits (n, C), weights (C,).

    A class with weight zero or less does not count, however large its logit. If no weight is positive, all weights
    count as one, so that the energy stays finite. A NaN weight gives NaN, because it means divergence.

    Raises:
        ShapeError: shapes are not these.

    Source: Du et al. 2022 (VOS); `train_virtual.py:161-176` returns the negative, and takes log 0 if a class with
    weight zero has by far the largest logit.
    """
    logits = check_logits(logits)
    if weights.shape != logits.shape[1:]:
        raise ShapeError(f"expected weights ({logits.shape[1]},), got {tuple(weights.shape)}")
    weights = at_least_float32(weights)
    positive = ~(weights <= 0.0)  # True for NaN
    active = positive | ~positive.any()
    finite = torch.where(positive, weights, torch.ones_like(weights))  # no log of zero, whose gradient is NaN
    return -torch.logsumexp((logits + finite.log()).masked_fill(~active, -math.inf), -1)
