"""Densities of the features of texts, and the buffers of features that they are fitted to."""

from vos.density.base import GaussianDensity
from vos.density.covariance import (
    COVARIANCES,
    cholesky_with_jitter,
    empirical_covariance,
    ledoit_wolf_covariance,
    oas_covariance,
)
from vos.density.gaussian import ClassConditionalGaussian
from vos.density.low_rank import LowRankGaussian
from vos.density.queue import FeatureBank, FeatureQueue
from vos.density.streaming import StreamingMoments

load_density = GaussianDensity.load
"""Load a density that `save` wrote, as an instance of the class that wrote it."""

__all__ = [
    "COVARIANCES",
    "ClassConditionalGaussian",
    "FeatureBank",
    "FeatureQueue",
    "GaussianDensity",
    "LowRankGaussian",
    "StreamingMoments",
    "cholesky_with_jitter",
    "empirical_covariance",
    "ledoit_wolf_covariance",
    "load_density",
    "oas_covariance",
]
