"""What one pass over a pool keeps of it: samples whose size does not grow with the pool.

Every sample keeps the texts of the smallest keys, and every key follows from the text's id, a seed and the text's own
numbers. So the order in which texts come changes nothing, and the samples of two halves of a pool merge to those of the
whole.
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

Array = np.ndarray[Any, np.dtype[np.float64]]

SAMPLES = ("weighted", "nearest", "uniform")
"""Names of the samples of a pool."""

SMALLEST_ERROR = 1e-12
"""A smaller expected error counts as this one: its fourth power still has a reciprocal."""


def uniforms(ids: Sequence[str], seed: int, purpose: str) -> Array:
    """A number in (0, 1) for each id, (n,) float64, uniform and independent over ids, seeds and purposes.

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
    # 53 bits, and half a step away from both ends.
    return ((np.frombuffer(bytes(raw), dtype="<u8") >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


@dataclass(frozen=True)
class Kept:
    """The texts of a bottom-k sample.

    Attributes:
        facts: k texts at most, by rising key.
        keys: (k,) float64.
        threshold: the key that the next text would have had to be below; infinite when every text is kept.
    """

    facts: Facts
    keys: Array
    threshold: float

    def first(self, k: int) -> Kept:
        """The same sample as if it had been of size k."""
        if k >= len(self.keys):
            return self
        return Kept(self.facts.at(range(k)), self.keys[:k], float(self.keys[k]))


class BottomK:
    """Keeps the texts of the smallest keys; equal keys go by the id.

    Args:
        k: texts kept.
        empty: facts of no text, which give the widths of the tables.
    """

    def __init__(self, k: int, empty: Facts) -> None:
        self.k = k
        self._parts: list[Facts] = [empty]
        self._keys: list[Array] = [np.empty(0)]
        self._waiting = 0
        self._bound = math.inf

    def offer(self, facts: Facts, keys: Array) -> None:
        """Take texts with their keys (n,) into account."""
        rows = np.flatnonzero(keys <= self._bound).tolist()
        if not rows:
            return
        self._parts.append(facts.at(rows))
        self._keys.append(keys[rows])
        self._waiting += len(rows)
        if self._waiting > self.k:
            self._settle()

    def merge(self, other: BottomK) -> None:
        """Take everything into account that another sample of this size was offered."""
        for facts, keys in zip(other._parts, other._keys, strict=True):
            self.offer(facts, keys)

    def contents(self) -> tuple[Facts, Array]:
        """The k texts of the smallest keys with their keys, and one more, whose key is the threshold."""
        self._settle()
        return self._parts[0], self._keys[0]

    def kept(self) -> Kept:
        """The sample."""
        self._settle()
        facts, keys = self._parts[0], self._keys[0]
        whole = Kept(facts, keys, math.inf)
        return whole.first(self.k)

    def _settle(self) -> None:
        """Leave the k smallest, and one more: its key is the threshold."""
        facts, keys = Facts.together(self._parts), np.concatenate(self._keys)
        order = sorted(range(len(keys)), key=lambda row: (keys[row], facts.examples[row].id))[: self.k + 1]
        self._parts, self._keys, self._waiting = [facts.at(order)], [keys[order]], 0
        if len(order) > self.k:
            self._bound = float(keys[order[-1]])


@dataclass(frozen=True)
class SampleSizes:
    """How much of a pool is kept.

    Attributes:
        weighted: texts of the weighted sample.
        nearest: texts of the smallest |margin|.
        uniform: texts of the unbiased sample.
        power: a text weighs its expected error to this power.
    """

    weighted: int
    nearest: int
    uniform: int
    power: float


class PoolSample:
    """A weighted sample of a pool, its texts of the smallest |margin|, an unbiased sample, and counts.

    The weighted sample is a sequential Poisson sample: a text of expected error `e` has the key `-ln(u) / e^power`, `u`
    uniform by its id. With the threshold t it is kept with probability `1 - exp(-e^power * t)`.

    Args:
        sizes: see `SampleSizes`.
        seed: of the two random samples.
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
        """Texts that were offered."""
        return sum(self.counts)

    def offer(self, facts: Facts) -> None:
        """Take texts into account."""
        harmful = int(harmful_sides(facts.margins).sum())
        self.keep(facts, facts, facts, (len(facts) - harmful, harmful))

    def keep(
        self, weighted: Facts, nearest: Facts, uniform: Facts, counts: tuple[int, int]
    ) -> tuple[Array, Array, Array]:
        """Offer texts to each of the samples alone, and count (others, harmful) more; returns their keys."""
        ids = [[example.id for example in facts.examples] for facts in (weighted, nearest, uniform)]
        weights = weights_of(weighted.errors, self.sizes.power)
        keys = (
            -np.log(uniforms(ids[0], self.seed, "weighted")) / weights,
            nearest.margins.abs().double().numpy(),
            uniforms(ids[2], self.seed, "uniform"),
        )
        for sample, facts, each in zip(self._all(), (weighted, nearest, uniform), keys, strict=True):
            sample.offer(facts, each)
        self.counts = (self.counts[0] + counts[0], self.counts[1] + counts[1])
        return keys

    def merge(self, other: PoolSample) -> None:
        """Take everything into account that another sample of the same settings was offered."""
        for mine, theirs in zip(self._all(), other._all(), strict=True):
            mine.merge(theirs)
        self.counts = (self.counts[0] + other.counts[0], self.counts[1] + other.counts[1])

    def parts(self) -> dict[str, tuple[Facts, Array]]:
        """The contents of the samples by name, for `restore`."""
        return {name: sample.contents() for name, sample in zip(SAMPLES, self._all(), strict=True)}

    def restore(self, parts: Mapping[str, tuple[Facts, Array]], counts: tuple[int, int]) -> None:
        """Take into account what `parts` and `counts` of another sample of the same settings say."""
        for name, sample in zip(SAMPLES, self._all(), strict=True):
            sample.offer(*parts[name])
        self.counts = (self.counts[0] + counts[0], self.counts[1] + counts[1])

    @property
    def weighted(self) -> Kept:
        """The weighted sample."""
        return self._weighted.kept()

    @property
    def nearest(self) -> Kept:
        """The texts of the smallest |margin|."""
        return self._nearest.kept()

    @property
    def uniform(self) -> Kept:
        """The unbiased sample, in random order."""
        return self._uniform.kept()

    def _all(self) -> tuple[BottomK, BottomK, BottomK]:
        return self._weighted, self._nearest, self._uniform


def weights_of(errors: Tensor, power: float) -> Array:
    """What texts of these expected errors (n,) weigh: (n,) float64, above zero."""
    # Not torch's power, whose last digit depends on a row's place in the tensor.
    weights: Array = np.maximum(errors.double().numpy(), SMALLEST_ERROR) ** power
    return weights


def demand_weights(sample: Kept, power: float) -> Tensor:
    """What each text of a weighted sample stands for in the pool: (k,) float64 `w / π`, adding up to one.

    A small pool that is kept whole and a large one that is sampled so mean the same objective.

    Args:
        sample: of `PoolSample.weighted`.
        power: of the sample.
    """
    weights = torch.from_numpy(weights_of(sample.facts.errors, power))
    if math.isfinite(sample.threshold):
        weights = weights / -torch.expm1(-weights * sample.threshold)
    return weights / weights.sum().clamp_min(torch.finfo(torch.float64).tiny)
