"""Which feed-forward units affect the margin: a screen of all units in one pass, checked by ablation.

The screen is gradient x activation, centred on the unit's mean by kind of token: the first-order change of the margin
when the unit is replaced by its mean. Ablation is the reference for the screen, for single units and for sets; a set
counts only in comparison with random sets of the same size in the same layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from vos.errors import ConfigError
from vos.interpret.units import KINDS, WORD, Unit, UnitReader


@dataclass(frozen=True)
class TokenActivations:
    """Mean activation of each unit by token.

    Attributes:
        ids: (v,) int64, tokens of the texts that occur often enough, ascending, without special tokens.
        counts: (v,) int64.
        means: (L, u, v) float32, mean activation of each unit at each of these tokens.
    """

    ids: NDArray[np.int64]
    counts: NDArray[np.int64]
    means: NDArray[np.float32]

    def of(self, unit: Unit, n: int) -> NDArray[np.int64]:
        """Ids of the n tokens with the highest mean activation of a unit, highest first: (n,) int64."""
        return self.ids[np.argsort(-self.means[unit], kind="stable")[:n]]


@dataclass(frozen=True)
class UnitScreen:
    """All units of an encoder over some texts.

    Attributes:
        margins: (n,) float64.
        means: (L, 3, u) float64, mean activation by kind of token, see `UnitReader.means`.
        attribution: (n, L, u) float32, gradient times centred activation, summed over a text: to first order its margin
            minus the margin with the unit at its mean.
        tokens: see `TokenActivations`.
    """

    margins: NDArray[np.float64]
    means: NDArray[np.float64]
    attribution: NDArray[np.float32]
    tokens: TokenActivations

    def score(self, rows: NDArray[np.int64] | Sequence[int] | None = None) -> NDArray[np.float64]:
        """Mean |attribution| over some of the texts, all by default: (L, u), in logit units of the margin."""
        chosen = self.attribution if rows is None else self.attribution[np.asarray(rows, dtype=np.int64)]
        if not len(chosen):
            raise ConfigError("rows: expected at least one text to score units on, got none")
        score: NDArray[np.float64] = np.abs(chosen).mean(0, dtype=np.float64)
        return score

    def top(self, n: int, rows: NDArray[np.int64] | Sequence[int] | None = None) -> list[Unit]:
        """The n units with the largest score, largest first; ties by layer and index."""
        score = self.score(rows)
        order = np.argsort(-score, axis=None, kind="stable")[:n]
        return [(int(layer), int(place)) for layer, place in np.transpose(np.unravel_index(order, score.shape))]


def screen_units(reader: UnitReader, texts: Sequence[str], min_count: int = 5) -> UnitScreen:
    """Attribution of every unit for every text, in one forward and backward pass.

    Args:
        reader: unit reader of the classifier.
        texts: n texts; memory grows with n * L * u * 16 bytes.
        min_count: smallest number of occurrences of a token for a mean activation.

    Raises:
        ConfigError: no text.
    """
    if not texts:
        raise ConfigError("texts: expected at least one to screen units on, got none")
    n, shape = len(texts), (reader.n_layers, reader.n_units)
    product = np.zeros((n, *shape), dtype=np.float32)
    slopes = np.zeros((n, KINDS, *shape), dtype=np.float32)
    margins = np.empty(n)
    total, count = np.zeros((KINDS, *shape)), np.zeros(KINDS)
    tokens = _TokenSums(reader, texts, min_count)
    for batch in reader.read(texts):
        margins[batch.index] = batch.margins
        kinds = np.stack([batch.kind == kind for kind in range(KINDS)])  # (3, b, t)
        count += kinds.sum((1, 2))
        weights = kinds.astype(np.float32)
        assert batch.gradients is not None  # noqa: S101 - they are read by default
        for layer, (values, slope) in enumerate(zip(batch.activations, batch.gradients, strict=True)):
            product[batch.index, layer] = np.einsum("btu,btu->bu", values, slope)
            slopes[batch.index, :, layer] = np.einsum("kbt,btu->bku", weights, slope, optimize=True)
            total[:, layer] += np.einsum("kbt,btu->ku", weights, values, optimize=True)
            tokens.add(layer, batch.token_ids[kinds[WORD]], values[kinds[WORD]])
    known = count[:, None, None] > 0
    means = np.where(known, total / np.maximum(count, 1)[:, None, None], total.sum(0) / count.sum())
    attribution = product - np.einsum("nklu,klu->nlu", slopes, means.astype(np.float32), optimize=True)
    return UnitScreen(margins, means.transpose(1, 0, 2).copy(), attribution, tokens.result())


class _TokenSums:
    """Sums of activations by token, for the tokens that occur often enough."""

    def __init__(self, reader: UnitReader, texts: Sequence[str], min_count: int) -> None:
        seen = [batch.inputs["input_ids"][batch.kind == WORD].cpu().numpy() for batch in reader.batches(texts)]
        ids, counts = np.unique(np.concatenate(seen), return_counts=True)
        self.ids, self.counts = ids[counts >= min_count], counts[counts >= min_count]
        self._sums = np.zeros((reader.n_layers, len(self.ids), reader.n_units), dtype=np.float32)

    def add(self, layer: int, ids: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        place = np.searchsorted(self.ids, ids)
        known = np.isin(ids, self.ids)
        one_hot = np.zeros((len(self.ids), int(known.sum())), dtype=np.float32)
        one_hot[place[known], np.arange(one_hot.shape[1])] = 1.0
        self._sums[layer] += one_hot @ values[known]

    def result(self) -> TokenActivations:
        means = (self._sums / self.counts[None, :, None].astype(np.float32)).transpose(0, 2, 1)
        return TokenActivations(self.ids, self.counts, np.ascontiguousarray(means))


def token_activations(reader: UnitReader, texts: Sequence[str], min_count: int = 5) -> TokenActivations:
    """The token activations of `screen_units`, without a backward pass.

    Raises:
        ConfigError: no text.
    """
    if not texts:
        raise ConfigError("texts: expected at least one to read units on, got none")
    tokens = _TokenSums(reader, texts, min_count)
    for batch in reader.read(texts, gradients=False):
        for layer, values in enumerate(batch.activations):
            tokens.add(layer, batch.token_ids[batch.kind == WORD], values[batch.kind == WORD])
    return tokens.result()


@dataclass(frozen=True)
class SetAblation:
    """The effect of ablating a set of units, compared with random sets.

    Attributes:
        top: mean |change of the margin| when the units of the set are replaced by their means.
        random: (r,) the same for random sets with equally many units in each layer.
    """

    top: float
    random: NDArray[np.float64]

    @property
    def ratio(self) -> float:
        """Ratio to the strongest random set; above 1 with probability 1 / (r + 1) for a random set."""
        strongest = float(self.random.max())
        return self.top / strongest if strongest else np.inf


def ablate_set(
    reader: UnitReader,
    texts: Sequence[str],
    units: Sequence[Unit],
    means: NDArray[np.float64],
    rng: np.random.Generator,
    n_random: int = 20,
) -> SetAblation:
    """Replace a set of units by their means, and `n_random` random sets of the same size in the same layers.

    Args:
        reader: unit reader of the classifier.
        texts: texts over which the change is averaged, usually those near the boundary.
        units: the set, without duplicates.
        means: see `UnitReader.means`.
        rng: draws the random sets, from all units of a layer.
        n_random: r.

    Raises:
        ConfigError: no text, no unit, or no random set.
    """
    if not texts or not units or n_random < 1:
        raise ConfigError(
            f"expected a text, a unit and a random set at least, got {len(texts)} texts, {len(units)} units and "
            f"n_random={n_random}"
        )
    before = reader.margins(texts)
    per_layer = np.bincount([layer for layer, _ in set(units)], minlength=reader.n_layers)

    def effect(chosen: Sequence[Unit]) -> float:
        return float(np.abs(before - reader.ablated(texts, chosen, means)).mean())

    drawn = [
        [(layer, int(u)) for layer, k in enumerate(per_layer) for u in rng.choice(reader.n_units, k, replace=False)]
        for _ in range(n_random)
    ]
    return SetAblation(effect(units), np.array([effect(each) for each in drawn]))


def ablate_singly(
    reader: UnitReader, texts: Sequence[str], units: Sequence[Unit], means: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Margin minus the margin with one unit at its mean, for each unit: (m, n), which `attribution` estimates."""
    change: NDArray[np.float64] = reader.margins(texts) - reader.ablated_each(texts, units, means)
    return change


def spread_of_ranks(score: NDArray[np.float64], n: int) -> list[Unit]:
    """N units at evenly spaced ranks of a score (L, u), largest first, for validating a screen."""
    order = np.argsort(-score, axis=None, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, n).round().astype(int))]
    return [(int(layer), int(place)) for layer, place in np.transpose(np.unravel_index(chosen, score.shape))]


def rank_agreement(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman correlation of two scores of the same units; NaN if one of them is constant."""
    if min(np.ptp(a), np.ptp(b)) == 0:
        return float("nan")
    return float(spearmanr(np.ravel(a), np.ravel(b)).statistic)
