"""OOD scores: one number a text, higher = more out-of-distribution, always.

Scores of logits are float32 at least, and float64 where the logits are; scores of features are float64. The device is
that of what is scored.
"""

from vos.scores.features import knn, mahalanobis, relative_mahalanobis, standardized_sum
from vos.scores.logits import energy, max_logit, msp, weighted_energy
from vos.scores.vim import ViM

__all__ = [
    "ViM",
    "energy",
    "knn",
    "mahalanobis",
    "max_logit",
    "msp",
    "relative_mahalanobis",
    "standardized_sum",
    "weighted_energy",
]
