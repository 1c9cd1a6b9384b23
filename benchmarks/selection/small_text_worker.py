"""Strategies of small-text, run in its own environment, as it needs other library versions than this package.

Started by `benchmarks.selection.small_text` as a script, so that it imports nothing of this repository. Reads one
request per line, the path of an .npz file and a strategy, and writes one line with the selected indices of the pool.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import small_text
from sklearn.linear_model import LogisticRegression

Array = np.ndarray
Data = small_text.SklearnDataset
"""Of one column, the number of the row: what is asked of a text is looked up by it."""


class Given:
    """A classifier that is trained already."""

    def __init__(self, features: Array, probabilities: Array) -> None:
        self.features, self.probabilities = features, probabilities
        self.num_classes = probabilities.shape[1]

    def predict_proba(self, dataset: Data) -> Array:
        """(k, C)."""
        return self.probabilities[_rows(dataset.x)]

    def predict(self, dataset: Data) -> Array:
        """(k,)."""
        return self.predict_proba(dataset).argmax(1)

    def embed(self, dataset: Data, return_proba: bool = False, pbar: None = None) -> Array | tuple[Array, Array]:
        """(k, d), and with `return_proba` (k, C)."""
        features = self.features[_rows(dataset.x)]
        return (features, self.predict_proba(dataset)) if return_proba else features


class OnFeatures(LogisticRegression):
    """Looks the features of rows up; tells labelled texts from others."""

    features: Array

    def fit(self, x: Array, y: Array, sample_weight: Array | None = None) -> OnFeatures:
        """From rows (k, 1) and labels (k,)."""
        return super().fit(self.features[_rows(x)], y, sample_weight)

    def predict_proba(self, x: Array) -> Array:
        """(k, 2) of rows (k, 1)."""
        return super().predict_proba(self.features[_rows(x)])


def _rows(x: Array) -> Array:
    return x[:, 0].astype(int)


def strategy(name: str, n_pool: int, n: int) -> small_text.QueryStrategy:
    """By name, with the library's own settings where no line says why not."""
    margin = small_text.BreakingTies()
    discriminator = small_text.SklearnClassifierFactory(OnFeatures(max_iter=200, tol=1e-2), 2)
    return {
        "kmeans": small_text.EmbeddingKMeans,
        "contrastive": lambda: small_text.ContrastiveActiveLearning(pbar=None),
        "discriminative": lambda: small_text.DiscriminativeActiveLearning(discriminator, min(10, n), pbar=None),
        # In parts of 100 it draws a whole batch of each part, and gives places in the part.
        "lightweight_coreset": lambda: small_text.LightweightCoreset(batch_size=n_pool),
        "anchors": lambda: small_text.AnchorSubsampling(margin),
        "seals": lambda: small_text.SEALS(margin, k=min(50, n_pool)),
        "class_balancer": lambda: small_text.ClassBalancer(margin),
    }[name]()


def answer(path: str, name: str) -> list[int]:
    """Places of the pool."""
    given = np.load(path)
    pool, known, n = len(given["pool"]), len(given["labelled"]), int(given["n"])
    features = np.concatenate([given["pool"], given["labelled"]])
    OnFeatures.features = features  # the library clones the estimator, and with it only its parameters
    np.random.seed(int(given["seed"]))  # noqa: NPY002 - the library draws from the global state
    rows = np.arange(pool + known)
    labels = np.concatenate([np.full(pool, small_text.LABEL_UNLABELED), given["labels"]])
    classes = np.arange(given["probabilities"].shape[1])
    dataset = Data(rows[:, None].astype(float), labels, target_labels=classes)
    classifier = Given(features, given["probabilities"])
    chosen = strategy(name, pool, n).query(classifier, dataset, rows[:pool], rows[pool:], given["labels"], n=n)
    return [int(place) for place in chosen]


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(*json.loads(line)), allow_nan=False), flush=True)
