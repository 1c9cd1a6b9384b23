"""The parts of the arms: samplers of outliers, and the losses that use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vos.density.base import GaussianDensity
from vos.losses import (
    BoundaryFlattening,
    EnergyFlattening,
    EnergyMargin,
    EnergyUncertainty,
    ExtraClass,
    FeatureUncertainty,
    at_least_float32,
    check_batch,
)
from vos.outliers import BoundarySampler, EnergySampler, MixSampler, NeighborSampler, NoiseSampler, TailSampler
from vos.types import LinearHead, OutlierSampler, VirtualOutliers

HINGE_QUANTILES = (0.5, 0.99)
"""The marks of the energy hinge: quantiles of the training texts' energies at the start point."""

LEVEL_QUANTILE = 0.99
"""The energy that energy-level outliers are drawn at, likewise."""

REUSED_STEPS = 200
"""Steps that a drawn stock of the costly outliers lasts where there are many classes."""

REUSED_STOCK = 6
"""Outliers a class in a stock."""


@dataclass(frozen=True)
class Facts:
    """What samplers and losses are made from, all of it known at the start point.

    Attributes:
        n_classes: C.
        n_features: d.
        energies: (n,) of the training texts.
        memory: features and labels of the training texts as last seen.
    """

    n_classes: int
    n_features: int
    energies: Tensor
    memory: Callable[[], tuple[Tensor, Tensor]]

    def energy_at(self, quantile: float) -> float:
        """A quantile of the training texts' energies."""
        return float(self.energies.quantile(quantile))


class Reused:
    """Draws a stock of outliers once in a while, and hands it out by chance; has the signature of a sampler."""

    def __init__(self, sampler: OutlierSampler) -> None:
        self.sampler = sampler
        self.calls = 0
        self.stock: VirtualOutliers | None = None

    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """`n_per_class` of the stock for every class, with replacement."""
        if self.calls % REUSED_STEPS == 0:
            self.stock = self.sampler(density, head, REUSED_STOCK, generator)  # type: ignore[arg-type]
        self.calls += 1
        assert self.stock is not None
        n_classes = len(self.stock) // REUSED_STOCK
        place = torch.randint(REUSED_STOCK, (n_classes, n_per_class), generator=generator)
        rows = (torch.arange(n_classes)[:, None] * REUSED_STOCK + place).flatten()
        return VirtualOutliers(*(t[rows] for t in (self.stock.features, self.stock.labels, self.stock.mahalanobis)))


def _costly(facts: Facts, sampler: OutlierSampler) -> OutlierSampler:
    """The sampler itself for two classes; for many its draws are too slow for every step, and are reused."""
    return sampler if facts.n_classes == 2 else Reused(sampler)


def _boundary(facts: Facts) -> OutlierSampler:
    return _costly(facts, BoundarySampler(margin=0.0, band=1.0, distance=None, rival="nearest"))


class BatchMixes(EnergyMargin):
    """The energy hinge with convex mixes of the batch's own texts as outliers: they carry gradient to the encoder.

    The head is linear, so the logits of a mix are the mix of the logits. What a sampler drew is not looked at.
    """

    def forward(
        self, logits: Tensor, features: Tensor, labels: Tensor, outlier_logits: Tensor, outlier_features: Tensor
    ) -> Tensor:
        """Each text is mixed with the next one of another class, at a share uniform in [0, 1]."""
        check_batch(self.n_classes, logits, features, labels, outlier_logits, outlier_features)
        x = at_least_float32(logits)
        texts = self.id_loss(x, features, labels)
        other = labels != labels.roll(1)
        if not other.any():
            return 0.5 * texts
        share = torch.rand(int(other.sum()), 1)  # the module seeds the global generator in every step
        mixed = share * x[other] + (1.0 - share) * x.roll(1, 0)[other]
        return 0.5 * (texts + self.ood_loss(mixed, features))


def _hinge(facts: Facts, kind: type[EnergyMargin], **options: float) -> EnergyMargin:
    return kind(facts.n_classes, *(facts.energy_at(q) for q in HINGE_QUANTILES), **options)


SAMPLERS: dict[str, Callable[[Facts], OutlierSampler]] = {
    "tail": lambda _: TailSampler(distance=0.999),
    "boundary": _boundary,
    "neighbours": lambda facts: _costly(facts, NeighborSampler(memory=facts.memory, candidates=10)),
    "mixes": lambda facts: MixSampler(memory=facts.memory),
    "noise": lambda _: NoiseSampler(scale=1.0),
    "energy level": lambda facts: _costly(facts, EnergySampler(energy=facts.energy_at(LEVEL_QUANTILE))),
}

LOSSES: dict[str, Callable[[Facts], nn.Module]] = {
    "energy": lambda facts: EnergyUncertainty(facts.n_classes),
    "hinge": lambda facts: _hinge(facts, EnergyMargin),
    "hinge, texts alone": lambda facts: _hinge(facts, EnergyMargin, outlier_weight=0.0),
    "hinge, batch": lambda facts: _hinge(facts, BatchMixes),
    "hinge and flattening": lambda facts: EnergyFlattening(facts.n_classes, facts.energy_at(HINGE_QUANTILES[0])),
    "features": lambda facts: FeatureUncertainty(facts.n_classes, facts.n_features),
    "flattening": lambda facts: BoundaryFlattening(facts.n_classes, id_margin=2.0),
    "extra class": lambda facts: ExtraClass(facts.n_classes, facts.n_features),
}
