"""Samples of a pool from one pass, whose size does not grow with the pool.

Every sample keeps the texts with the smallest keys, and a key depends only on the text's id (where ids repeat, on its
uid), a seed and the text's own values. So the order of the texts does not matter, and the samples of two halves of a
pool can be merged to those of the whole pool.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vos.metrics.margins import harmful_sides
from vos.mining.candidates import Facts
from vos.storage.text_ids import text_uid
from vos.types import Example

Array = np.ndarray[Any, np.dtype[np.float64]]

SAMPLES = ("weighted", "nearest", "uniform")
"""Names of the samples of a pool."""

SMALLEST_ERROR = 1e-12
"""Lower bound of expected errors in weights; its fourth power still has a finite reciprocal."""


def uniforms(ids: Sequence[str], seed: int, purpose: str) -> Array:
    """A pseudorandom number in (0, 1) per id, (n,) float64, uniform and independent over ids, seeds and purposes.

    Example:
        >>> bool(uniforms(["a", "b"], 0, "x")[1] == uniforms(["b"], 0, "x")[0])
        True
    """
    start = hashlib.blake2b(f"{seed}\0{purpose}\0".encode(), digest_size=8)
    raw = bytearray()
    for id_ in ids:
        digest = start.copy()
        digest.update(id_.encode("utf-8", "surrogatepass"))
        raw += digest.digest()
    # 53 bits, at least half a step away from 0 and 1.
    return ((np.frombuffer(bytes(raw), dtype="<u8") >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


@dataclass(frozen=True)
class Kept:
    """The texts of a bottom-k sample.

    Attributes:
        facts: at most k texts, by ascending key.
        keys: (k,) float64.
        threshold: the smallest key that was not kept; infinite if every text is kept.
    """

    facts: Facts
    keys: Array
    threshold: float

    def first(self, k: int) -> Kept:
        """The sample that would have been kept with size k."""
        if k >= len(self.keys):
            return self
        return Kept(self.facts.at(range(k)), self.keys[:k], float(self.keys[k]))


class BottomK:
    """Keeps the texts with the k smallest keys; ties are broken by id, then by text.

    Args:
        k: number of texts.
        empty: facts of zero texts, which define the dimensions.
    """

    def __init__(self, k: int, empty: Facts) -> None:
        self.k = k
        self._parts: list[Facts] = [empty]
        self._keys: list[Array] = [np.empty(0)]
        self._waiting = 0
        self._bound = math.inf

    def offer(self, facts: Facts, keys: Array) -> None:
        """Add texts with their keys (n,)."""
        rows = np.flatnonzero(keys <= self._bound).tolist()
        if not rows:
            return
        self._parts.append(facts.at(rows))
        self._keys.append(keys[rows])
        self._waiting += len(rows)
        if self._waiting > self.k:
            self._settle()

    def merge(self, other: BottomK) -> None:
        """Merge with another sample of this size."""
        for facts, keys in zip(other._parts, other._keys, strict=True):
            self.offer(facts, keys)

    def contents(self) -> tuple[Facts, Array]:
        """The k texts with the smallest keys, and one more, whose key is the threshold."""
        self._settle()
        return self._parts[0], self._keys[0]

    def kept(self) -> Kept:
        """The sample."""
        self._settle()
        facts, keys = self._parts[0], self._keys[0]
        whole = Kept(facts, keys, math.inf)
        return whole.first(self.k)

    def _settle(self) -> None:
        """Discard all but the k smallest and one more, whose key is the threshold."""
        facts, keys = Facts.together(self._parts), np.concatenate(self._keys)
        order = sorted(range(len(keys)), key=lambda row: (keys[row], *_names(facts.examples[row])))[: self.k + 1]
        self._parts, self._keys, self._waiting = [facts.at(order)], [keys[order]], 0
        if len(order) > self.k:
            self._bound = float(keys[order[-1]])


def _names(example: Example) -> tuple[str, str]:
    return example.id, example.text


@dataclass(frozen=True)
class SampleSizes:
    """Sizes of the samples of a pool, and how texts are drawn.

    Attributes:
        weighted: size of the weighted sample.
        nearest: number of texts with the smallest |margin|.
        uniform: size of the unbiased sample.
        power: the weight of a text is its expected error to this power.
        by_text: whether the random number of a text comes from its uid in place of its id: texts that share an id would
            otherwise be drawn together.
    """

    weighted: int
    nearest: int
    uniform: int
    power: float
    by_text: bool = False


class PoolSample:
    """A weighted sample of a pool, its texts with the smallest |margin|, an unbiased sample, and counts.

    The weighted sample is a sequential Poisson sample: a text with expected error `e` has the key `-ln(u) / e^power`,
    where `u` is uniform and derived from its id. Given the threshold t it is kept with probability
    `1 - exp(-e^power * t)`.

    Args:
        sizes: see `SampleSizes`.
        seed: seed of the two random samples.
        n_features: d.
        n_classes: C.

    Source: Cohen and Kaplan, "Summarizing data using bottom-k sketches" (PODC 2007), for samples by the smallest keys.
    """

    def __init__(self, sizes: SampleSizes, seed: int, n_features: int, n_classes: int) -> None:
        empty = Facts.none(n_features, n_classes)
        self.sizes, self.seed = sizes, seed
        self._weighted = BottomK(sizes.weighted, empty)
        self._nearest = BottomK(sizes.nearest, empty)
        self._uniform = BottomK(sizes.uniform, empty)
        self.counts = (0, 0)

    @property
    def n(self) -> int:
        """Number of texts that were offered."""
        return sum(self.counts)

    def offer(self, facts: Facts) -> None:
        """Add texts."""
        harmful = int(harmful_sides(facts.margins).sum())
        self.keep(facts, facts, facts, (len(facts) - harmful, harmful))

    def keep(
        self, weighted: Facts, nearest: Facts, uniform: Facts, counts: tuple[int, int]
    ) -> tuple[Array, Array, Array]:
        """Offer texts to each sample separately, and add (others, harmful) to the counts; returns their keys."""
        weights = weights_of(weighted.errors, self.sizes.power)
        keys = (
            -np.log(self._uniforms(weighted, "weighted")) / weights,
            nearest.margins.abs().double().numpy(),
            self._uniforms(uniform, "uniform"),
        )
        for sample, facts, each in zip(self._all(), (weighted, nearest, uniform), keys, strict=True):
            sample.offer(facts, each)
        self.counts = (self.counts[0] + counts[0], self.counts[1] + counts[1])
        return keys

    def _uniforms(self, facts: Facts, purpose: str) -> Array:
        by_text = self.sizes.by_text
        names = [text_uid(example.text) if by_text else example.id for example in facts.examples]
        return uniforms(names, self.seed, purpose)

    def merge(self, other: PoolSample) -> None:
        """Merge with another sample with the same settings."""
        for mine, theirs in zip(self._all(), other._all(), strict=True):
            mine.merge(theirs)
        self.counts = (self.counts[0] + other.counts[0], self.counts[1] + other.counts[1])

    def parts(self) -> dict[str, tuple[Facts, Array]]:
        """The contents of the samples by name, for `restore`."""
        return {name: sample.contents() for name, sample in zip(SAMPLES, self._all(), strict=True)}

    def restore(self, parts: Mapping[str, tuple[Facts, Array]], counts: tuple[int, int]) -> None:
        """Merge with the `parts` and `counts` of another sample with the same settings."""
        for name, sample in zip(SAMPLES, self._all(), strict=True):
            sample.offer(*parts[name])
        self.counts = (self.counts[0] + counts[0], self.counts[1] + counts[1])

    @property
    def weighted(self) -> Kept:
        """The weighted sample."""
        return self._weighted.kept()

    @property
    def nearest(self) -> Kept:
        """The texts with the smallest |margin|."""
        return self._nearest.kept()

    @property
    def uniform(self) -> Kept:
        """The unbiased sample, in random order."""
        return self._uniform.kept()

    def _all(self) -> tuple[BottomK, BottomK, BottomK]:
        return self._weighted, self._nearest, self._uniform


def weights_of(errors: Tensor, power: float) -> Array:
    """Weights (n,) float64, positive, of texts with these expected errors (n,)."""
    # Not torch's power, whose last digit depends on a row's position in the tensor.
    weights: Array = np.maximum(errors.double().numpy(), SMALLEST_ERROR) ** power
    return weights


def demand_weights(sample: Kept, power: float) -> Tensor:
    """Weight of the pool that each text of a weighted sample represents: (k,) float64 `w / π`, summing to one.

    So a small pool that is kept completely and a large sampled pool have the same objective.

    Args:
        sample: the sample `PoolSample.weighted`.
        power: power of the sample.
    """
    weights = torch.from_numpy(weights_of(sample.facts.errors, power))
    if math.isfinite(sample.threshold):
        weights = weights / -torch.expm1(-weights * sample.threshold)
    return weights / weights.sum().clamp_min(torch.finfo(torch.float64).tiny)
