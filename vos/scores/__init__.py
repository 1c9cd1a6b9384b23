"""OOD scores: one number per text, always higher = more out-of-distribution.

Scores of logits are at least float32, and float64 if the logits are; scores of features are float64. They are on the
device of the input.
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
