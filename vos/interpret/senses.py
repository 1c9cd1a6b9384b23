"""Word senses: clusters of a word's occurrences by their contextual vectors in the encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, ward
from scipy.ndimage import binary_dilation
from scipy.spatial.distance import pdist, squareform

from vos.errors import ModelError
from vos.interpret.communities import by_size
from vos.interpret.layers import FeedForwardLayers, at_rest, find_layers
from vos.interpret.spectral import p_value
from vos.interpret.words import overlaps, split_words
from vos.models.base import TextClassifier
from vos.types import token_batch

LEAST = 12
"""Smallest number of occurrences of a word for clustering."""

LEAST_EACH = 3
"""Smallest number of occurrences of a sense: clusters of two are found in any data."""

MOST_SENSES = 4

DIRECTIONS = 8
"""Number of leading directions of the vectors used for clustering; there are too few occurrences for more."""

WINDOW = 5
"""Number of tokens of context on either side. The mean over a whole text would reveal its length."""

STRATUM = 5
"""Number of occurrences at similar positions among which labels are permuted."""

DRAWS = 99
"""Number of draws from the null distribution of a single sense."""


@dataclass(frozen=True)
class Senses:
    """A clustering of the occurrences of a word.

    Attributes:
        labels: (n,) int64 clusters from 0, the largest first; all 0 if there are too few occurrences.
        separation: mean silhouette of the clusters; 0 for a single one.
        share: share of the variance of the vectors between the clusters.
        p: share of draws from a single Gaussian of the same covariance that are separated as well.
    """

    labels: NDArray[np.int64]
    separation: float
    share: float
    p: float


@dataclass(frozen=True)
class WordVectors:
    """The occurrences of a word in some texts.

    Attributes:
        texts: (n,) int64, index of the text.
        starts: (n,) int64, index of the word's first character in the text.
        vectors: (n, d) float64, mean over the word's tokens.
        contexts: (n, e) float64, mean input embedding of the surrounding tokens.
        positions: (n,) int64, index of the word's first token in its text.
    """

    texts: NDArray[np.int64]
    starts: NDArray[np.int64]
    vectors: NDArray[np.float64]
    contexts: NDArray[np.float64]
    positions: NDArray[np.int64]

    def at(self, places: NDArray[np.intp]) -> WordVectors:
        """Some of the occurrences."""
        names = ("texts", "starts", "vectors", "contexts", "positions")
        return WordVectors(*(getattr(self, name)[places] for name in names))


def word_vectors(
    classifier: TextClassifier, texts: Sequence[str], words: Sequence[str], layer: int = -1, batch: int = 32
) -> dict[str, WordVectors]:
    """Contextual vectors of words: the output of block `layer` at each of their occurrences.

    Args:
        classifier: an encoder of the BERT family, or a decoder; its modes are not changed.
        texts: texts to search.
        words: case-folded as by `split_words`.
        layer: index of the block; -1 is the last.
        batch: number of texts per forward pass.

    Returns:
        Vectors by word; a word that does not occur has no rows. The truncated part of a long text is not included.

    Raises:
        ModelError: the encoder is not a stack of blocks, or its tokenizer does not give the positions of its tokens.
    """
    tokenizer = classifier.tokenizer
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError("senses need a tokenizer with offsets (a fast one); leave them out")
    wanted, layers = set(words), find_layers(classifier)
    places = [[word for word in split_words(text) if word.text in wanted] for text in texts]
    found: dict[str, list[_Occurrence]] = {word: [] for word in words}
    rows = sorted((i for i in range(len(texts)) if places[i]), key=lambda i: len(texts[i]))
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        for i, (spans, states, static) in zip(
            part, _states(classifier, layers, [texts[i] for i in part], layer), strict=True
        ):
            # The span of a token may hold the space before its word.
            for word, inside in zip(places[i], overlaps(places[i], spans) > 0, strict=True):
                near = binary_dilation(inside, iterations=WINDOW)
                others = near & ~inside & (spans[:, 1] > spans[:, 0])
                if inside.any() and others.any():
                    vector, context = states[inside].mean(0), static[others].mean(0)
                    found[word.text].append(_Occurrence(i, word.start, vector, context, int(inside.argmax())))
    return {word: _together(each, classifier, layers) for word, each in found.items()}


class _Occurrence(NamedTuple):
    text: int
    start: int
    vector: NDArray[np.float64]
    context: NDArray[np.float64]
    position: int


def _states(
    classifier: TextClassifier, layers: FeedForwardLayers, texts: Sequence[str], layer: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]]:
    """For each text: token spans (t, 2), the output of a block (t, d), and input embeddings (t, e)."""
    tokenizer, device = classifier.tokenizer, classifier.head.weight.device
    given = tokenizer(list(texts), truncation=True, max_length=classifier.max_length, return_offsets_mapping=True)
    batch = token_batch(given["input_ids"], tokenizer.pad_token_id, tokenizer.padding_side)
    inputs = {name: values.to(device) for name, values in batch.items()}
    blocks: list[Any] = []
    with at_rest(classifier), torch.no_grad(), layers.recorded(blocks):
        classifier.encode(inputs)
        static = layers.embedding(inputs["input_ids"]).double().cpu().numpy()
    hidden = (blocks[layer][0] if isinstance(blocks[layer], tuple) else blocks[layer]).double().cpu().numpy()
    for row, mask in enumerate(batch["attention_mask"].bool().numpy()):
        yield np.array(given["offset_mapping"][row]).reshape(-1, 2), hidden[row][mask], static[row][mask]


def _together(found: Sequence[_Occurrence], classifier: TextClassifier, layers: FeedForwardLayers) -> WordVectors:
    ordered = sorted(found, key=lambda each: each[:2])
    width = layers.embedding.embedding_dim
    return WordVectors(
        np.array([each.text for each in ordered], dtype=np.int64),
        np.array([each.start for each in ordered], dtype=np.int64),
        np.array([each.vector for each in ordered]).reshape(len(ordered), -1 if ordered else classifier.n_features),
        np.array([each.context for each in ordered]).reshape(len(ordered), width),
        np.array([each.position for each in ordered], dtype=np.int64),
    )


def split_senses(
    vectors: NDArray[np.floating], generator: np.random.Generator, draws: int = DRAWS, most: int = MOST_SENSES
) -> Senses:
    """Cluster the occurrences of a word; the number of clusters, from 2 to `most`, is the one with the best silhouette.

    Ward clustering in the leading directions of the vectors. The same procedure is applied to draws from a Gaussian of
    the same covariance, which has no clusters (Liu and others 2008, with the silhouette as statistic).

    Args:
        vectors: (n, d) vectors of its occurrences.
        generator: random generator of the draws.
        draws: number of draws from the null distribution.
        most: largest number of clusters.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> two = draw.normal(size=(40, 16)) + 8 * np.repeat([0, 1], 20)[:, None]
        >>> found = split_senses(two, draw, draws=19)
        >>> found.labels.tolist() == [0] * 20 + [1] * 20, found.p
        (True, 0.05)
    """
    matrix = np.asarray(vectors, dtype=np.float64)
    n = len(matrix)
    centred = matrix - matrix.mean(0) if n else matrix
    _, scales, directions = np.linalg.svd(centred, full_matrices=False)
    kept = int((scales[:DIRECTIONS] > 1e-9 * max(1.0, float(np.abs(matrix).max(initial=0.0)))).sum())
    if n < LEAST or not kept:
        return Senses(np.zeros(n, dtype=np.int64), 0.0, 0.0, 1.0)
    points = centred @ directions[:kept].T
    labels, separation = _best_parts(points, most)
    deviations = points.std(0)
    null = [_best_parts(generator.normal(size=points.shape) * deviations, most)[1] for _ in range(draws)]
    return Senses(labels, separation, _between(centred, labels), p_value(-separation, -np.array(null)))


def context_p(
    contexts: NDArray[np.floating],
    labels: NDArray[np.int64],
    positions: NDArray[np.int64],
    generator: np.random.Generator,
    permutations: int = 199,
) -> float:
    """Permutation p-value for a difference of the context words between clusters.

    Labels are permuted only among occurrences at similar positions. An encoder with random weights clusters a word by
    its position, and the context depends on the position, for example at the beginning of a text.

    Args:
        contexts: (n, e), see `WordVectors`.
        labels: (n,) clusters.
        positions: (n,) see `WordVectors`.
        generator: random generator of the permutations.
        permutations: number of permutations.
    """
    if len(set(labels.tolist())) < 2:
        return 1.0
    centred = np.asarray(contexts, dtype=np.float64) - np.mean(contexts, axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True).clip(1e-12)
    value = _between(unit, labels)
    order = np.argsort(positions, kind="stable")
    strata = np.array_split(order, max(1, len(order) // STRATUM))
    null = np.empty(permutations)
    for draw in range(permutations):
        permuted = labels.copy()
        for rows in strata:
            permuted[rows] = generator.permutation(labels[rows])
        null[draw] = _between(unit, permuted)
    return p_value(-value, -null * (1 + 1e-12))


def _between(points: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Share of the variance of points (n, d) between their clusters."""
    centred = points - points.mean(0)
    member = (labels[None, :] == np.arange(int(labels.max()) + 1)[:, None]).astype(np.float64)
    means = member @ centred / member.sum(1, keepdims=True)
    total = float((centred**2).sum())
    return float((member.sum(1) * (means**2).sum(1)).sum()) / total if total > 0 else 0.0


def _best_parts(points: NDArray[np.float64], most: int) -> tuple[NDArray[np.int64], float]:
    """Clusters (n,) with the largest mean silhouette, and that silhouette; a single cluster and 0 if none is valid."""
    best: NDArray[np.int64] = np.zeros(len(points), dtype=np.int64)
    value = 0.0
    distances = squareform(pdist(points))
    tree = ward(points)
    for k in range(2, most + 1):
        labels = fcluster(tree, k, criterion="maxclust").astype(np.int64)
        found = silhouette(distances, labels)
        if found > value and np.bincount(labels)[1:].min() >= LEAST_EACH:
            best, value = by_size(labels), found
    return best, value


def silhouette(distances: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean silhouette (Rousseeuw 1987) of clusters, from distances (n, n); 0 for singletons and for a single cluster.

    Example:
        >>> round(silhouette(np.array([[0, 1, 4], [1, 0, 4], [4, 4, 0]]), np.array([1, 1, 2])), 3)
        0.5
    """
    groups = np.unique(labels)
    if len(groups) < 2:
        return 0.0
    member = (labels[:, None] == groups[None, :]).astype(np.float64)
    sizes = member.sum(0)
    sums = distances @ member
    own = member.astype(bool)
    inside = sums[own] / np.maximum(sizes[own.argmax(1)] - 1, 1)
    outside = np.where(own, np.inf, sums / sizes).min(1)
    values = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-300)
    return float(np.where(sizes[own.argmax(1)] > 1, values, 0.0).mean())
