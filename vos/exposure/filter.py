"""Which auxiliary outlier texts are unlike the training texts, told by the encoder as it was before any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from vos.errors import DataError
from vos.exposure.write import OutlierText
from vos.scores import knn

QUANTILE_ROWS = 20_000
"""Training texts, evenly picked, that the quantile is measured on at most; each is compared with all of them."""


def far_from_training(
    texts: Sequence[OutlierText], features: Tensor, train: Tensor, quantile: float
) -> list[OutlierText]:
    """The texts that are farther from their nearest training text than most training texts are from each other.

    Args:
        texts: n of them.
        features: (n, d) of the texts, by the encoder before any training.
        train: (N, d) of the training texts, N >= 2, likewise.
        quantile: of the distances from training texts to their nearest others, in [0, 1]; texts beyond it stay.

    Raises:
        DataError: no text stays.
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
