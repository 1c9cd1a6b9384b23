"""Clusters of texts by their words, for counting labels; independent of the classifier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

MOST_CLUSTERS = 16
DIMENSIONS = 50
TEXTS_A_CLUSTER = 60
"""Average number of texts per cluster; with fewer texts an error rate would be too imprecise."""

WORDS = r"(?u)\b[^\W\d_][\w'-]+\b"


def text_clusters(texts: Sequence[str], seed: int) -> NDArray[np.int64]:
    """Cluster of each text: (n,) int64 from 0, the largest first; about 60 texts per cluster, at most 16 clusters.

    k-means on the leading 50 dimensions of the TF-IDF matrix (latent semantic analysis).

    Example:
        >>> text_clusters(["a cat", "a dog"], 0)
        array([0, 0])
    """
    k = min(MOST_CLUSTERS, len(texts) // TEXTS_A_CLUSTER)
    if k < 2:
        return np.zeros(len(texts), dtype=np.int64)
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=3, max_df=0.3, stop_words="english", token_pattern=WORDS)
    try:
        weighted = vectorizer.fit_transform(texts)
    except ValueError:  # no word occurs in three texts
        return np.zeros(len(texts), dtype=np.int64)
    if weighted.shape[1] <= DIMENSIONS:
        points = weighted.toarray()
    else:
        points = TruncatedSVD(DIMENSIONS, random_state=seed % 2**32).fit_transform(weighted)
    found = KMeans(k, n_init=4, random_state=seed % 2**32).fit_predict(normalize(points))
    sizes = np.bincount(found, minlength=k)
    rank = np.empty(k, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(k)
    ranked: NDArray[np.int64] = rank[found]
    return ranked
