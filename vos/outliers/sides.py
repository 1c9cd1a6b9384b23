"""Which classes are harmful, told to a sampler that draws between the two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vos.outliers.boundary import BoundarySampler
from vos.outliers.mixing import MixSampler
from vos.types import OutlierSampler


def with_sides(sampler: OutlierSampler, harmful: Sequence[int]) -> OutlierSampler:
    """The sampler with these harmful classes, where it draws between sides and has none of its own.

    Args:
        sampler: stays as it is.
        harmful: indices of the harmful classes; () where no class is.

    Example:
        >>> with_sides(BoundarySampler(), (2,)).harmful, with_sides(BoundarySampler(harmful=[0]), (2,)).harmful
        ((2,), [0])
    """
    if isinstance(sampler, BoundarySampler | MixSampler) and not sampler.harmful:
        return replace(sampler, harmful=tuple(harmful))
    return sampler
