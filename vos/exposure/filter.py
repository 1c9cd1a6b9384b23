"""Filters auxiliary outlier texts that resemble training texts, by the features of the encoder before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from vos.errors import DataError
from vos.exposure.write import OutlierText
from vos.scores import knn

QUANTILE_ROWS = 20_000
"""Largest number of training texts, evenly spaced, for the quantile; each is compared with all training texts."""


def far_from_training(
    texts: Sequence[OutlierText], features: Tensor, train: Tensor, quantile: float
) -> list[OutlierText]:
    """Keep the texts that are farther from their nearest training text than most training texts are from each other.

    Args:
        texts: n texts.
        features: (n, d) features of the texts from the encoder before training.
        train: (N, d) features of the training texts, N >= 2, likewise.
        quantile: quantile of the nearest-neighbour distances between training texts, in [0, 1]; texts beyond it are
            kept.

    Raises:
        DataError: no text is kept.
    """
    distances = knn(features, train, 1)
    some = train[:: -(-len(train) // QUANTILE_ROWS)]
    least = knn(some, train, 2).quantile(quantile)
    kept = [
        replace(each, distance=distance)
        for each, distance in zip(texts, distances.tolist(), strict=True)
        if distance > least
    ]
    if not kept:
        raise DataError(
            f"exposure: none of {len(texts)} texts is farther than {float(least):.3f} from every training text "
            f"(quantile {quantile}); lower exposure.quantile, or bring texts of other kinds"
        )
    return kept
