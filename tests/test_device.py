"""On a CUDA device, results of scores, losses, densities and metrics stay there and equal those on the CPU."""

from __future__ import annotations

import functools

import pytest
import torch

from tests.contracts import toy_density, toy_features, toy_head
from vos import scores
from vos.density import ClassConditionalGaussian, LowRankGaussian
from vos.losses import (
    BoundaryFlattening,
    EnergyFlattening,
    EnergyMargin,
    EnergyUncertainty,
    ExtraClass,
    FeatureUncertainty,
)
from vos.metrics import (
    aupr,
    auroc,
    boundary_report,
    fpr_at_tpr,
    fpr_at_tpr_ood,
    standardized_distance,
    true_class_margin,
)
from vos.metrics.detection import average_precision, recall_at_fpr
from vos.metrics.monitor import epoch_metrics
from vos.types import LinearHead

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

DEVICE = "cuda"
C, D = 3, 6
TEXTS, LABELS = toy_features(40, C, D)
TEXTS = TEXTS.double()
H = toy_features(5, C, D, seed=3)[0].double()
HEAD = toy_head(C, D, dtype=torch.float64)


def stay(thing):
    return thing


def go(thing):
    return LinearHead(*(go(each) for each in thing)) if isinstance(thing, LinearHead) else thing.to(DEVICE)


def check_same(compute):
    """`compute` takes what moves a tensor, a module or a head; it gives tensors, by itself or in a tuple."""
    here, there = compute(stay), compute(go)
    here, there = (each if isinstance(each, tuple) else (each,) for each in (here, there))
    for a, b in zip(here, there, strict=True):
        assert b.device.type == DEVICE
        assert b.dtype == a.dtype
        torch.testing.assert_close(b.cpu(), a, rtol=1e-6, atol=1e-8)


SCORES = {
    "msp": lambda at: scores.msp(at(HEAD.logits(H))),
    "max_logit": lambda at: scores.max_logit(at(HEAD.logits(H))),
    "energy": lambda at: scores.energy(at(HEAD.logits(H)), temperature=2.0),
    "weighted_energy": lambda at: scores.weighted_energy(at(HEAD.logits(H)), at(torch.tensor([0.3, -1.0, 2.0]))),
    "half precision": lambda at: scores.energy(at(HEAD.logits(H).bfloat16())),
    "mahalanobis": lambda at: scores.mahalanobis(at(toy_density(C, D)), at(H)),
    "relative_mahalanobis": lambda at: scores.relative_mahalanobis(
        at(toy_density(C, D)), at(ClassConditionalGaussian(1, D)).fit(at(TEXTS), at(torch.zeros_like(LABELS))), at(H)
    ),
    "knn": lambda at: scores.knn(at(H), TEXTS, k=3),
    "standardized_sum": lambda at: scores.standardized_sum([at(H[:, 0]), at(H[:, 1])], [TEXTS[:, 0], at(TEXTS[:, 1])]),
    "ViM": lambda at: at(scores.ViM(D)).fit(at(TEXTS), at(HEAD))(at(H), at(HEAD.logits(H))),
    "ViM, fitted before": lambda at: at(scores.ViM(D).fit(TEXTS, HEAD))(at(H), at(HEAD.logits(H))),
}


@pytest.mark.parametrize("name", SCORES)
def test_scores(name):
    check_same(SCORES[name])


LOSSES = {
    "energy": lambda: EnergyUncertainty(C),
    "energy, mlp": lambda: EnergyUncertainty(C, phi="mlp"),
    "flattening": lambda: BoundaryFlattening(C, id_margin=2.0),
    "margin": lambda: EnergyMargin(C),
    "margin and flattening": lambda: EnergyFlattening(C),
    "features": lambda: FeatureUncertainty(C, n_features=D, width=16),
    "extra class": lambda: ExtraClass(C, n_features=D),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_their_gradients(name):
    def compute(at):
        loss = at(LOSSES[name]().double())
        loss.calibrate(at(HEAD.logits(TEXTS)))
        assert loss.is_calibrated
        texts, outliers = at(TEXTS[::4]).requires_grad_(), at(2.0 * H).requires_grad_()
        head = at(HEAD)
        value = loss(head.logits(texts), texts, at(LABELS[::4]), head.logits(outliers), outliers)
        value.backward()
        return (value.detach(), texts.grad, outliers.grad, *(parameter.grad for parameter in loss.parameters()))

    check_same(compute)


DENSITIES = {
    "ledoit_wolf": functools.partial(ClassConditionalGaussian, C, D),
    "each its own": functools.partial(ClassConditionalGaussian, C, D, tied=False),
    "oas": functools.partial(ClassConditionalGaussian, C, D, "oas"),
    "empirical": functools.partial(ClassConditionalGaussian, C, D, "empirical"),
    "low rank": functools.partial(LowRankGaussian, C, D, 2),
}


@pytest.mark.parametrize("name", DENSITIES)
@pytest.mark.parametrize("n_ready", [C, C - 1])
def test_densities(name, n_ready):
    rows = LABELS.lt(n_ready)

    def compute(at):
        density = at(DENSITIES[name]()).fit(at(TEXTS[rows]), at(LABELS[rows]))
        z = density.whiten(at(H), at(torch.arange(len(H)) % n_ready))
        drawn, labels = density.sample(4, torch.Generator().manual_seed(0))
        return density.log_prob(at(H)), density.within_class_covariance(), z, drawn, labels

    check_same(compute)


METRICS = {
    "ood": lambda at: tuple(
        metric(at(TEXTS[:, 0]), at(H[:, 0])) for metric in (auroc, aupr, fpr_at_tpr, fpr_at_tpr_ood)
    ),
    "detection": lambda at: (
        average_precision(at(TEXTS[:, 0]), at(H[:, 0])),
        recall_at_fpr(at(TEXTS[:, 0]), at(H[:, 0])),
    ),
    "monitor": lambda at: epoch_metrics(at(HEAD.logits(TEXTS)), at(LABELS))["val/brier"],
    "true_class_margin": lambda at: true_class_margin(at(HEAD.logits(TEXTS)), at(LABELS)),
    "standardized_distance": lambda at: standardized_distance(at(toy_density(C, D)), at(HEAD), (1,)),
}


@pytest.mark.parametrize("name", METRICS)
def test_metrics(name):
    check_same(METRICS[name])


def test_a_report():
    unknown = [None] * len(LABELS)
    here, there = (
        boundary_report(at(HEAD.logits(TEXTS)), at(LABELS), (1,), 1.0, unknown, unknown) for at in (stay, go)
    )
    assert there == pytest.approx(here)
