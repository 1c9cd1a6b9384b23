"""The input of a strategy when it selects a batch, and the classifier of a round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

Array = np.ndarray

MANY = 20
"""From this many classes on the regression stops earlier: its figures move by less than their third digit."""


@dataclass(frozen=True)
class State:
    """Before a batch is chosen.

    Attributes:
        features: (n, d) float32 of all texts, standardised over those that can be asked.
        ids: of the texts.
        pool: rows that can be asked.
        labelled: rows with a label, in the order in which they got it.
        labels: (l,) of the labelled rows.
        weight: (C, d) float32 of the classifier, C >= 2.
        bias: (C,) float32.
        harmful: indices of the harmful classes; () where no class is.
        n: texts wanted.
        seed: of whatever is random in the choice.
        held_out: features (v, d) and labels (v,) of validation texts, by which an expected error can be calibrated.
    """

    features: Array
    ids: tuple[str, ...]
    pool: Array
    labelled: Array
    labels: Array
    weight: Array
    bias: Array
    harmful: tuple[int, ...]
    n: int
    seed: int
    held_out: tuple[Array, Array]

    def logits(self, rows: Array) -> Array:
        """(k, C) of texts."""
        return self.features[rows] @ self.weight.T + self.bias

    def probabilities(self, rows: Array) -> Array:
        """(k, C) of texts."""
        return softmax(self.logits(rows))

    def margins(self, rows: Array) -> Array:
        """(k,) top minus second logit: how far a text is from where its prediction would change."""
        logits = np.sort(self.logits(rows), axis=1)
        return logits[:, -1] - logits[:, -2]

    def draw(self) -> np.random.Generator:
        """Randomness of this choice."""
        return np.random.default_rng(self.seed)


def softmax(logits: Array) -> Array:
    """Of rows."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def fit(features: Array, labels: Array, n_classes: int, strength: float) -> tuple[Array, Array]:
    """Weight (C, d) and bias (C,) of a logistic regression; a class without a text is never predicted.

    Args:
        features: (l, d).
        labels: (l,).
        n_classes: C.
        strength: of the L2 regularisation; larger is stronger.
    """
    tolerance = 1e-4 if n_classes < MANY else 1e-2
    model = LogisticRegression(C=1 / strength, max_iter=500, tol=tolerance).fit(features, labels)
    weight, bias = np.zeros((n_classes, features.shape[1])), np.full(n_classes, -1e3)
    rows, offsets = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # one row for two classes: half the gap to each
        rows, offsets = np.concatenate([-rows, rows]) / 2, np.concatenate([-offsets, offsets]) / 2
    weight[model.classes_], bias[model.classes_] = rows, offsets
    return weight.astype(np.float32), bias.astype(np.float32)
