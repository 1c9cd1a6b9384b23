"""The bipartite graph of units and tokens: how strongly each unit responds to each token of a vocabulary.

The choice of weights matters more than the clustering algorithm; for measurements see `CommunitySettings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from vos.errors import ConfigError, ShapeError
from vos.interpret.units import WORD, Unit, UnitReader

Weighting = Literal["activation", "log_activation", "magnitude"]
"""How the weight is computed from the mean value of a unit at a token:

- `activation`: its positive deviation from the unit's mean over tokens, in standard deviations of these means;
- `log_activation`: the positive part of the double-centred log of the mean magnitude;
- `magnitude`: the mean magnitude.
"""


@dataclass(frozen=True)
class UnitTokenSettings:
    """Content of the graph.

    Attributes:
        weighting: see `Weighting`.
        least: smallest number of texts with a token.
        most: largest share of the texts with a token, because a token that is nearly everywhere links all units.
    """

    weighting: Weighting = "activation"
    least: int = 5
    most: float = 0.3

    def __post_init__(self) -> None:
        if self.weighting not in get_args(Weighting):
            raise ConfigError(f"weighting: expected one of {get_args(Weighting)}, got {self.weighting!r}")
        if self.least < 1 or not 0 < self.most <= 1:
            raise ConfigError(f"tokens: expected least >= 1 and most in (0, 1], got {self.least} and {self.most}")


@dataclass(frozen=True)
class Occurrences:
    """Values of units at each token of some texts.

    Attributes:
        tokens: (n,) int64, token at each position.
        texts: (n,) int64, text of each position, below `n_texts`.
        values: (n, u) float32, activation, or attribution, of each unit there.
        n_texts: number of texts; some may have no tokens.
    """

    tokens: NDArray[np.int64]
    texts: NDArray[np.int64]
    values: NDArray[np.float32]
    n_texts: int

    def __post_init__(self) -> None:
        n = len(self.tokens)
        if self.values.ndim != 2 or len(self.values) != n or len(self.texts) != n:
            raise ShapeError(
                f"expected tokens (n,), texts (n,) and values (n, u), got {self.tokens.shape}, {self.texts.shape} and "
                f"{self.values.shape}"
            )
        if n and not 0 <= int(self.texts.min()) <= int(self.texts.max()) < self.n_texts:
            raise ShapeError(
                f"expected texts from 0 to {self.n_texts - 1}, got {self.texts.min()} to {self.texts.max()}"
            )
        if not np.isfinite(self.values).all():
            raise ShapeError("expected finite values of units, found others; the model's weights may be damaged")

    def of_units(self, columns: NDArray[np.intp]) -> Occurrences:
        """The same positions with some of the units."""
        return replace(self, values=self.values[:, columns])


def read_occurrences(reader: UnitReader, texts: Sequence[str], units: Sequence[Unit]) -> Occurrences:
    """Activations of some units at every token of the texts; special tokens are left out.

    Args:
        reader: unit reader of the classifier.
        texts: n texts; memory grows with tokens * units * 4 bytes.
        units: layer and index of each, in the order of the columns.
    """
    by_layer: dict[int, tuple[list[int], list[int]]] = {}
    for column, (layer, place) in enumerate(units):
        columns, places = by_layer.setdefault(layer, ([], []))
        columns.append(column)
        places.append(place)
    tokens: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    rows: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    values: list[NDArray[np.float32]] = [np.empty((0, len(units)), dtype=np.float32)]
    for batch in reader.read(texts, gradients=False):
        word = batch.kind == WORD
        part = np.empty((int(word.sum()), len(units)), dtype=np.float32)
        for layer, (columns, places) in by_layer.items():
            part[:, columns] = batch.activations[layer][word][:, places]
        tokens.append(batch.token_ids[word])
        rows.append(np.repeat(batch.index, word.sum(1)))
        values.append(part)
    return Occurrences(np.concatenate(tokens), np.concatenate(rows), np.concatenate(values), len(texts))


@dataclass(frozen=True)
class UnitTokenGraph:
    """Weights of edges between units and tokens.

    Attributes:
        tokens: (T,) int64 ids, ascending.
        n_texts: (T,) number of texts with each token.
        weights: (u, T) float64 >= 0.
    """

    tokens: NDArray[np.int64]
    n_texts: NDArray[np.int64]
    weights: NDArray[np.float64]


class UnitTokenCounts:
    """Occurrences summed by token, so that the graph of any bootstrap draw of the texts is a single product.

    Args:
        occurrences: occurrences of tokens in texts.
        settings: see `UnitTokenSettings`; the set of tokens is determined by all texts, also for later draws.

    Example:
        >>> values = np.array([[4.0, 0.0], [0.0, 1.0], [2.0, 0.0]], dtype=np.float32)
        >>> seen = Occurrences(np.array([7, 8, 7]), np.array([0, 0, 1]), values, 2)
        >>> counts = UnitTokenCounts(seen, UnitTokenSettings("magnitude", least=1, most=1.0))
        >>> counts.graph().tokens.tolist(), counts.graph().weights.tolist()
        ([7, 8], [[3.0, 0.0], [0.0, 1.0]])
    """

    def __init__(self, occurrences: Occurrences, settings: UnitTokenSettings) -> None:
        self.settings = settings
        tokens, place = np.unique(occurrences.tokens, return_inverse=True)
        pairs = np.unique(np.stack([place, occurrences.texts]), axis=1)
        n_texts = np.bincount(pairs[0].astype(np.intp), minlength=len(tokens))
        kept = (n_texts >= settings.least) & (n_texts <= settings.most * occurrences.n_texts)
        self.tokens, self.n_texts = tokens[kept], n_texts[kept].astype(np.int64)
        column = np.cumsum(kept) - 1
        used = kept[place]
        self._column, self._texts = column[place[used]], occurrences.texts[used]
        values = occurrences.values[used]
        self._values = values if settings.weighting == "activation" else np.abs(values)

    def graph(self, counts: NDArray[np.float64] | None = None) -> UnitTokenGraph:
        """The graph with each text weighted by `counts` (texts,); None: all weights are 1."""
        times = np.ones(len(self._texts)) if counts is None else counts[self._texts]
        shape = (len(self.tokens), len(self._texts))
        adding = scipy.sparse.csr_matrix((times, (self._column, np.arange(shape[1]))), shape=shape)
        seen = np.asarray(adding.sum(1)).ravel()
        sums: NDArray[np.float64] = np.asarray(adding @ self._values, dtype=np.float64).T
        means = np.divide(sums, seen, out=np.zeros_like(sums), where=seen > 0)
        return UnitTokenGraph(self.tokens, self.n_texts, _weighted(means, seen > 0, self.settings.weighting))


def _weighted(means: NDArray[np.float64], seen: NDArray[np.bool_], weighting: Weighting) -> NDArray[np.float64]:
    """Weights (u, T) of mean values (u, T); a token that is not in the drawn texts has weight 0."""
    weights = np.zeros_like(means)
    present = means[:, seen]
    if not present.size or weighting == "magnitude":
        weights[:, seen] = present
        return weights
    if weighting == "activation":
        centred = present - present.mean(1, keepdims=True)
        spread = present.std(1, keepdims=True)
        weights[:, seen] = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)
    else:
        # Zeros are replaced by the smallest positive magnitude, as their log would be infinite.
        positive = present[present > 0]
        logs = np.log(np.maximum(present, positive.min() if len(positive) else 1.0))
        weights[:, seen] = logs - logs.mean(1, keepdims=True) - logs.mean(0, keepdims=True) + logs.mean()
    return np.maximum(weights, 0.0)
