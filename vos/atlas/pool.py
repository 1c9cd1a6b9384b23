"""Samples the pool for an atlas: all texts near the boundary if there is room, and a sample of the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vos.metrics.margins import margin
from vos.mining.pool_sample import uniforms
from vos.models import ClassifierFeaturizer
from vos.storage.text_ids import text_uid
from vos.types import Example

CHUNK = 1024
"""Number of pool texts in memory at a time, in addition to the sample."""

NEAR_SHARE = 0.75
"""Share of the sample for texts near the boundary if not all of them fit."""


@dataclass(frozen=True)
class Sampled:
    """Texts of one source with their features, sorted by key.

    Attributes:
        examples: the texts, each uid once.
        uids: of them.
        features: (k, d) float32.
        keys: (k,) in (0, 1), determined by uid and seed.
        population: number of texts that the sample represents.
    """

    examples: tuple[Example, ...]
    uids: tuple[str, ...]
    features: Tensor
    keys: NDArray[np.float64]
    population: int

    def first(self, k: int) -> Sampled:
        """The k texts with the smallest keys."""
        return Sampled(self.examples[:k], self.uids[:k], self.features[:k], self.keys[:k], self.population)


class SmallestKeys:
    """Keeps the k texts with the smallest keys, in any order of arrival; duplicates are dropped.

    Args:
        k: number of texts kept.
        n_features: d.
    """

    def __init__(self, k: int, n_features: int) -> None:
        self.k = k
        self.population = 0
        self._kept = Sampled((), (), torch.zeros(0, n_features), np.zeros(0), 0)

    def offer(self, examples: list[Example], uids: list[str], features: Tensor, keys: NDArray[np.float64]) -> None:
        """Add some texts."""
        held = dict.fromkeys(self._kept.uids)
        fresh = [i for i, uid in enumerate(uids) if uid not in held and held.setdefault(uid) is None]
        self.population += len(fresh)
        together = np.concatenate([self._kept.keys, keys[fresh]])
        order = np.argsort(together, kind="stable")[: self.k]
        rows = torch.cat([self._kept.features, features[fresh]])[torch.from_numpy(order)]
        all_examples = [*self._kept.examples, *(examples[i] for i in fresh)]
        all_uids = [*self._kept.uids, *(uids[i] for i in fresh)]
        self._kept = Sampled(
            tuple(all_examples[i] for i in order), tuple(all_uids[i] for i in order), rows, together[order], 0
        )

    @property
    def sample(self) -> Sampled:
        """The current sample."""
        kept = self._kept
        return Sampled(kept.examples, kept.uids, kept.features, kept.keys, self.population)


def sample_by_band(
    examples: Iterable[Example],
    featurizer: ClassifierFeaturizer,
    band: float,
    k: int,
    seed: int,
    known: Collection[str] = (),
    told: Callable[[int], None] = lambda _: None,
) -> tuple[Sampled, Sampled]:
    """The k texts with the smallest keys near the boundary, and the k with the smallest keys among the others.

    Memory does not grow with the number of texts, and their order has no effect.

    Args:
        examples: any number.
        featurizer: gives features and logits.
        band: half-width of the band, in logit units.
        k: number of texts kept of each kind.
        seed: seed of the keys.
        known: uids of texts to skip.
        told: called with the number of further texts done.
    """
    classifier = featurizer.classifier
    near, others = (SmallestKeys(k, classifier.n_features) for _ in range(2))
    for part, batch in featurizer.stream(iter(examples), CHUNK):
        uids = [text_uid(example.text) for example in part]
        inside = margin(batch.logits, classifier.harmful).abs() <= band
        keys = uniforms(uids, seed, "atlas")
        for kept, rows in ((near, inside), (others, ~inside)):
            chosen = [i for i in torch.nonzero(rows)[:, 0].tolist() if uids[i] not in known]
            kept.offer([part[i] for i in chosen], [uids[i] for i in chosen], batch.features[chosen], keys[chosen])
        told(len(part))
    return near.sample, others.sample


def shares(near: int, others: int, room: int) -> tuple[int, int]:
    """How many texts of each kind fit: all near ones if they leave a quarter of the room, and others in the rest.

    Example:
        >>> shares(10, 100, 40), shares(100, 100, 40), shares(100, 3, 40)
        ((10, 30), (30, 10), (37, 3))
    """
    if near + others <= room:
        return near, others
    of_near = min(near, max(int(NEAR_SHARE * room), room - others))
    return of_near, min(others, room - of_near)
