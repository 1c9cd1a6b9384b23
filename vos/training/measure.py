"""Measure the boundary of a trained classifier."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.data import TextData
from vos.density import FeatureBank, FeatureQueue, GaussianDensity
from vos.metrics.boundary import band_width, boundary_report, margin, outlier_energy_auroc, standardized_distance
from vos.metrics.ood import aupr, auroc, fpr_at_tpr, fpr_at_tpr_ood
from vos.models.featurizer import ClassifierFeaturizer
from vos.outliers import draw_where_feasible
from vos.scores import energy, knn, mahalanobis, standardized_sum
from vos.storage.seeds import derive_seed
from vos.training.plots import BoundaryPoints
from vos.types import Example, FeatureBatch, OutlierSampler

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measurement:
    """The boundary as it stands.

    Attributes:
        metrics: flat names, see `vos.metrics.boundary.boundary_report`, under `boundary/...` and `ood/...`.
        band: half-width of the band, fixed from round 0, logit units.
        val: validation texts in feature space.
        texts: validation texts on the boundary map.
        outliers: virtual outliers on the boundary map, or None when no class can have what was asked for.
    """

    metrics: dict[str, float]
    band: float
    val: FeatureBatch
    texts: BoundaryPoints
    outliers: BoundaryPoints | None


def _labels(examples: Sequence[Example]) -> Tensor:
    return torch.tensor([example.label for example in examples], dtype=torch.int64)


def training_features(featurizer: ClassifierFeaturizer, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Features (n, d) and labels (n,) that a density is fitted to."""
    return featurizer.featurize([example.text for example in examples]).features, _labels(examples)


def featurize_examples(featurizer: ClassifierFeaturizer, examples: Sequence[Example]) -> FeatureBatch:
    """Features, logits and labels of labelled examples, in their order."""
    batch = featurizer.featurize([example.text for example in examples])
    return FeatureBatch(batch.features, batch.logits, _labels(examples))


def measure(
    featurizer: ClassifierFeaturizer,
    density: GaussianDensity,
    memory: FeatureBank | FeatureQueue,
    sampler: OutlierSampler,
    data: TextData,
    *,
    band: float | None,
    band_share: float,
    n_outliers: int,
    seed: int,
    initial: Callable[[], ClassifierFeaturizer] | None = None,
) -> Measurement:
    """Refit `density` on the training features, draw outliers, and report on validation, test and OOD texts.

    Args:
        featurizer: the classifier to study.
        density: refitted in place.
        memory: receives the training features as the classifier gives them now. So what comes next depends on the
            classifier alone, and not on whether it was trained just now or taken from a cache.
        sampler: draws the outliers for outlier_energy_auroc and for the map.
        data: its train, val, test and ood texts are used.
        band: half-width of the band from round 0, or None to set it now.
        band_share: share of validation texts in the band when it is set now.
        n_outliers: draws for each class.
        seed: of the draws.
        initial: the encoder as it was before any training, asked for when there are OOD texts; None leaves its
            scores out.
    """
    train_features, train_labels = training_features(featurizer, data.train)
    memory.push(train_features, train_labels, torch.arange(len(train_labels)))
    density.fit(train_features, train_labels)
    val = featurize_examples(featurizer, data.val)
    if band is None:
        band = band_width(margin(val.logits), band_share)
    metrics = {"boundary/band": band}
    for name, examples in (("val", data.val), ("test", data.test)):
        batch = val if name == "val" else featurize_examples(featurizer, examples)
        if len(batch) and batch.labels is not None:
            levels, pairs = [e.level for e in examples], [e.pair for e in examples]
            report = boundary_report(batch.logits, batch.labels, band, levels, pairs)
            metrics |= {f"boundary/{name}/{key}": value for key, value in report.items()}
    head = featurizer.head
    generator = torch.Generator().manual_seed(derive_seed(seed, "measure"))
    drawn = draw_where_feasible(sampler, density, head, n_outliers, generator)
    metrics["boundary/infeasible_share"] = drawn.share_left_out
    if drawn.left_out:
        logger.warning("measuring: %s", drawn.warning())
    outliers: BoundaryPoints | None = None
    if drawn.outliers is not None:
        outlier_logits = head.logits(drawn.outliers.features.float())
        metrics["boundary/outlier_energy_auroc"] = float(outlier_energy_auroc(val.logits, outlier_logits))
        outliers = _points(density, drawn.outliers.features.float(), outlier_logits, drawn.outliers.labels)
    gaps = standardized_distance(density, head)
    metrics |= {f"boundary/standardized_distance/{n}": float(g) for n, g in zip(data.label_names, gaps, strict=True)}
    metrics["boundary/standardized_distance/min"] = float(gaps.min())
    metrics["boundary/density_jitter"] = float(density.jitter)
    metrics |= _ood_metrics(featurizer, density, train_features, val, data, initial)
    return Measurement(
        metrics,
        band,
        val,
        _points(density, val.features, val.logits, _labels(data.val)),
        outliers,
    )


def _points(density: GaussianDensity, features: Tensor, logits: Tensor, labels: Tensor) -> BoundaryPoints:
    return BoundaryPoints(margin(logits), density.log_prob(features).max(-1).values, labels)


def _ood_metrics(
    featurizer: ClassifierFeaturizer,
    density: GaussianDensity,
    train_features: Tensor,
    val: FeatureBatch,
    data: TextData,
    initial: Callable[[], ClassifierFeaturizer] | None,
) -> dict[str, float]:
    """AUROC, AUPR and both readings of FPR95, ID texts being the test split (validation when there is none)."""
    if not data.ood:
        return {}
    inside = featurize_examples(featurizer, data.test) if data.test else val
    outside = featurizer.featurize([example.text for example in data.ood])
    scores = {
        "energy": (energy(inside.logits), energy(outside.logits)),
        "mahalanobis": (mahalanobis(density, inside.features), mahalanobis(density, outside.features)),
        "knn": (knn(inside.features, train_features), knn(outside.features, train_features)),
    }
    if initial is not None:
        scores |= _initial_scores(initial(), data, scores["energy"])
    metrics = {}
    for name, (id_scores, ood_scores) in scores.items():
        metrics[f"ood/{name}/auroc"] = float(auroc(id_scores, ood_scores))
        metrics[f"ood/{name}/aupr"] = float(aupr(id_scores, ood_scores))
        metrics[f"ood/{name}/fpr95_ood_accepted_at_95_id"] = float(fpr_at_tpr(id_scores, ood_scores))
        metrics[f"ood/{name}/fpr95_id_rejected_at_95_ood"] = float(fpr_at_tpr_ood(id_scores, ood_scores))
    return metrics


def _initial_scores(
    featurizer: ClassifierFeaturizer, data: TextData, energies: tuple[Tensor, Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Distance to the nearest training text as the encoder saw it before training, alone and added to the energy."""
    train, inside, outside = (
        featurizer.featurize([example.text for example in examples]).features
        for examples in (data.train, data.test or data.val, data.ood)
    )
    near = (knn(inside, train, 1), knn(outside, train, 1))
    total = [standardized_sum(pair, (energies[0], near[0])) for pair in zip(energies, near, strict=True)]
    return {"initial_knn": near, "energy_and_initial_knn": (total[0], total[1])}
