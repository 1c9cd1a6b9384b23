"""A small batch of texts and outliers."""

from __future__ import annotations

import torch

LOGITS = [[2.0, -1.0], [0.5, 0.2], [-1.0, 1.5]]
LABELS = [0, 1, 1]
OUTLIERS = [[0.3, 0.1], [1.0, -2.0]]


def batch(logits=LOGITS, labels=LABELS, outliers=OUTLIERS, dtype=torch.float64):
    logits, outliers = torch.tensor(logits, dtype=dtype), torch.tensor(outliers, dtype=dtype)
    features, outlier_features = logits.new_zeros(len(logits), 4), logits.new_zeros(len(outliers), 4)
    return logits, features, torch.tensor(labels), outliers, outlier_features
