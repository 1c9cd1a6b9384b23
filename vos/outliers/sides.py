"""Passes the harmful classes to a sampler that draws between the two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vos.outliers.boundary import BoundarySampler
from vos.outliers.mixing import MixSampler
from vos.types import OutlierSampler


def with_sides(sampler: OutlierSampler, harmful: Sequence[int]) -> OutlierSampler:
    """Return the sampler with these harmful classes, if it uses harmful classes and none are set.

    Args:
        sampler: not modified.
        harmful: indices of the harmful classes; () if no class is harmful.

    Example:
        >>> with_sides(BoundarySampler(), (2,)).harmful, with_sides(BoundarySampler(harmful=[0]), (2,)).harmful
        ((2,), [0])
    """
    if isinstance(sampler, BoundarySampler | MixSampler) and not sampler.harmful:
        return replace(sampler, harmful=tuple(harmful))
    return sampler
