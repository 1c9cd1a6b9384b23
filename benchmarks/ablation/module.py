"""The training module of the package, as the start points and all arms use it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.ablation.arms import Arm
from benchmarks.ablation.parts import LOSSES, SAMPLERS, Facts
from vos.density import ClassConditionalGaussian, FeatureBank
from vos.models import EncoderClassifier
from vos.training.module import ClassifierModule
from vos.training.settings import OptimizerSettings, RegularizerSettings, StepSettings

REFIT_EVERY = 50


def training_module(
    classifier: EncoderClassifier,
    arm: Arm,
    facts: Facts,
    bank: FeatureBank,
    optimizer: OptimizerSettings,
    outliers_per_class: int,
    seed: int,
    outlier_texts: Callable[[torch.Generator], dict[str, Tensor]] | None = None,
) -> ClassifierModule:
    """The module that trains a classifier as an arm says; arms of texts have no sampler."""
    return ClassifierModule(
        classifier,
        ClassConditionalGaussian(facts.n_classes, facts.n_features),
        bank,
        SAMPLERS[arm.sampler](facts) if arm.sampler in SAMPLERS else None,
        LOSSES[arm.loss](facts) if arm.loss else None,
        StepSettings(
            optimizer,
            RegularizerSettings(
                weight=arm.weight, start_epoch=0, outliers_per_class=outliers_per_class, refit_every=REFIT_EVERY
            ),
            seed=seed,
        ),
        outlier_texts=outlier_texts,
    )
