"""Measures the boundary of a trained classifier."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vos.data import TextData
from vos.metrics.boundary import band_width, boundary_report, outlier_energy_auroc, standardized_distance
from vos.metrics.margins import harmful_sides, margin
from vos.metrics.ood import aupr, auroc, fpr_at_tpr, fpr_at_tpr_ood
from vos.models.featurizer import ClassifierFeaturizer
from vos.outliers import draw_where_feasible
from vos.scores import energy, knn, mahalanobis, standardized_sum
from vos.storage.seeds import derive_seed
from vos.training.held_out import distance_metrics, outlier_metrics
from vos.training.job import TrainingJob
from vos.training.plots import BoundaryPoints
from vos.types import Example, FeatureBatch, Featurizer, LinearHead

logger = logging.getLogger(__name__)

OOD = {
    "auroc": auroc,
    "aupr": aupr,
    "fpr95_ood_accepted_at_95_id": fpr_at_tpr,
    "fpr95_id_rejected_at_95_ood": fpr_at_tpr_ood,
}
"""OOD metrics by name; functions of the scores of ID and OOD texts."""

MOST_GROUPS = 5
"""If OOD texts have more groups than this, for example one per author, no metrics by group are computed."""


@dataclass(frozen=True)
class Measurement:
    """A measurement of the boundary.

    Attributes:
        metrics: flat names, see `vos.metrics.boundary.boundary_report`, under `boundary/...` and `ood/...`.
        band: half-width of the band, fixed from round 0, logit units.
        val: validation texts in feature space.
        texts: validation texts on the boundary map.
        outliers: virtual outliers on the boundary map, or None if the request is infeasible for every class.
    """

    metrics: dict[str, float]
    band: float
    val: FeatureBatch
    texts: BoundaryPoints
    outliers: BoundaryPoints | None


def _labels(examples: Sequence[Example]) -> Tensor:
    return torch.tensor([example.label for example in examples], dtype=torch.int64)


def training_features(featurizer: Featurizer, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Features (n, d) and labels (n,) that a density is fitted to."""
    return featurizer.featurize([example.text for example in examples]).features, _labels(examples)


def _featurized(featurizer: Featurizer, examples: Sequence[Example]) -> FeatureBatch:
    """Features, logits and labels of labelled examples, in their order."""
    return replace(featurizer.featurize([example.text for example in examples]), labels=_labels(examples))


def measure(job: TrainingJob, number: int, band: float | None) -> Measurement:
    """Refit the density on the training features, draw outliers, and report on validation, test and OOD texts.

    The training features replace those of the training steps in the memory. So later rounds depend only on the
    classifier, and not on whether it was just trained or taken from a cache.

    Args:
        job: the job whose module is measured on its data.
        number: number of the round, which seeds the draws.
        band: half-width of the band from round 0; None: set it now.
    """
    featurizer, harmful = job.featurizers.current(shared=number == 0), job.data.harmful
    density = job.module.density
    train_features, train_labels = training_features(featurizer, job.data.train)
    job.module.memory.clear()
    job.module.memory.push(train_features, train_labels, torch.arange(len(train_labels)))
    density.fit(train_features, train_labels)
    val = _featurized(featurizer, job.data.val)
    density.calibrate(val.features, _labels(job.data.val))
    test = _featurized(featurizer, job.data.test)
    if band is None:
        band = band_width(margin(val.logits, harmful), job.settings.refine.band_share)
    metrics = {"boundary/band": band}
    for split, batch, examples in (("val", val, job.data.val), ("test", test, job.data.test)):
        metrics |= _reported(split, batch, examples, harmful, band)
    if job.data.test:
        beyond = distance_metrics(density, test.features, _labels(job.data.test))
        metrics |= {f"boundary/test/{name}": share for name, share in beyond.items()}
    drawn, outliers = _drawn(job, featurizer.head, number, val)
    metrics |= drawn
    gaps = standardized_distance(density, featurizer.head, harmful)
    names = job.data.label_names
    metrics |= {f"boundary/standardized_distance/{name}": float(g) for name, g in zip(names, gaps, strict=True)}
    metrics["boundary/standardized_distance/min"] = float(gaps.min())
    metrics["boundary/density_jitter"] = float(density.jitter)
    if job.data.ood:
        metrics |= _ood_metrics(job, featurizer, train_features, val, test)
    val_labels = _labels(job.data.val)
    squared = density.own_mahalanobis(val.features, val_labels)
    return Measurement(metrics, band, val, _points(job, val.logits, squared, val_labels), outliers)


def _reported(
    split: str, batch: FeatureBatch, examples: Sequence[Example], harmful: Sequence[int], band: float
) -> dict[str, float]:
    if not len(batch) or batch.labels is None:
        return {}
    levels, pairs = [e.level for e in examples], [e.pair for e in examples]
    report = boundary_report(batch.logits, batch.labels, harmful, band, levels, pairs)
    return {f"boundary/{split}/{name}": value for name, value in report.items()}


def _drawn(
    job: TrainingJob, head: LinearHead, number: int, val: FeatureBatch
) -> tuple[dict[str, float], BoundaryPoints | None]:
    """Metrics of virtual outliers and their points on the map; empty without a sampler."""
    if job.module.sampler is None:
        return {}, None
    density = job.module.density
    seed = derive_seed(derive_seed(job.settings.seed, "round", number), "measure")
    generator = torch.Generator().manual_seed(seed)
    drawn = draw_where_feasible(job.module.sampler, density, head, job.settings.refine.n_outliers, generator)
    metrics = {"boundary/infeasible_share": drawn.share_left_out}
    if drawn.left_out:
        logger.warning("measuring: %s", drawn.warning())
    outliers = drawn.outliers
    if outliers is None:
        return metrics, None
    logits, labels, squared = head.logits(outliers.features.float()), outliers.labels, outliers.mahalanobis
    metrics["boundary/outlier_energy_auroc"] = float(outlier_energy_auroc(val.logits, logits))
    found = outlier_metrics(density, squared, labels)
    metrics |= {f"boundary/outlier_{name}": value for name, value in found.items()}
    return metrics, _points(job, logits, squared, labels)


def _points(job: TrainingJob, logits: Tensor, squared: Tensor, labels: Tensor) -> BoundaryPoints:
    beyond = job.module.density.share_beyond(squared, labels)
    return BoundaryPoints(margin(logits, job.data.harmful), 1.0 - beyond, labels)


def _ood_metrics(
    job: TrainingJob, featurizer: ClassifierFeaturizer, train_features: Tensor, val: FeatureBatch, test: FeatureBatch
) -> dict[str, float]:
    """AUROC, AUPR and both readings of FPR95; ID texts are the test split, or the validation split without one."""
    density, inside = job.module.density, test if job.data.test else val
    outside = featurizer.featurize([example.text for example in job.data.ood])
    scores = {
        "energy": (energy(inside.logits), energy(outside.logits)),
        "mahalanobis": (mahalanobis(density, inside.features), mahalanobis(density, outside.features)),
        "knn": (knn(inside.features, train_features), knn(outside.features, train_features)),
    }
    scores |= _initial_scores(job.featurizers.initial(), job.data, scores["energy"], energy(val.logits))
    return _harmful_shares(outside.logits, job.data) | {
        f"ood/{name}/{metric}": float(value(*pair)) for name, pair in scores.items() for metric, value in OOD.items()
    }


def _harmful_shares(logits: Tensor, data: TextData) -> dict[str, float]:
    """Share of OOD texts that the classifier predicts as harmful: over all, and by group if there are few groups."""
    if not data.harmful:
        return {}
    called = harmful_sides(margin(logits, data.harmful)).tolist()
    groups = sorted({example.group for example in data.ood if example.group is not None})
    shares = {"ood/called_harmful": sum(called) / len(called)}
    for group in groups if len(groups) <= MOST_GROUPS else ():
        own = [each for each, example in zip(called, data.ood, strict=True) if example.group == group]
        shares[f"ood/called_harmful/{group.replace(' ', '_')}"] = sum(own) / len(own)
    return shares


def _initial_scores(
    featurizer: ClassifierFeaturizer, data: TextData, energies: tuple[Tensor, Tensor], of_val: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """Distance to the nearest training text in the features before training, alone and added to the energy.

    The sum is standardised on the validation texts; if these are the texts reported on, the sum is left out.
    """
    train, val, inside, outside = (
        featurizer.featurize([example.text for example in examples]).features
        for examples in (data.train, data.val, data.test or data.val, data.ood)
    )
    near = (knn(inside, train, 1), knn(outside, train, 1))
    if not data.test:
        return {"initial_knn": near}
    scale = (of_val, knn(val, train, 1))
    total = [standardized_sum(pair, scale) for pair in zip(energies, near, strict=True)]
    return {"initial_knn": near, "energy_and_initial_knn": (total[0], total[1])}
