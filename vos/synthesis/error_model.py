"""The expected error of the texts of a job: fitted on its validation texts, told of any text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vos.data import TextData
from vos.density import GaussianDensity
from vos.mining.expected_error import ExpectedError, LabelledTexts, evidence, mistakes
from vos.types import Example, FeatureBatch, Featurizer


@dataclass(frozen=True)
class ErrorModel:
    """An expected error with everything that its evidence needs.

    Attributes:
        density: of the classifier.
        harmful: indices of the harmful classes.
        labelled: the training texts.
        error: see `ExpectedError`.
        report: how reliable it is, see `ExpectedError.report`.
    """

    density: GaussianDensity
    harmful: tuple[int, ...]
    labelled: LabelledTexts
    error: ExpectedError
    report: dict[str, Any]

    @classmethod
    def of(cls, featurizer: Featurizer, density: GaussianDensity, data: TextData) -> ErrorModel:
        """Fit it to the validation texts of a run, where there are enough."""
        train, labels = _labelled(featurizer, data.train)
        known = LabelledTexts.of(train.features, labels)
        val, truth = _labelled(featurizer, data.val)
        found = evidence(val, density, data.harmful, known)
        wrong = mistakes(val.logits, truth, data.harmful)
        error = ExpectedError.fit(found, wrong)
        return cls(density, tuple(data.harmful), known, error, error.report(found, wrong))

    def __call__(self, batch: FeatureBatch) -> Tensor:
        """The chance (n,) float64 that each prediction is wrong."""
        return torch.from_numpy(self.error(evidence(batch, self.density, self.harmful, self.labelled)))


def _labelled(featurizer: Featurizer, examples: Sequence[Example]) -> tuple[FeatureBatch, Tensor]:
    """Features and labels of the labelled ones."""
    known = [(example.text, example.label) for example in examples if example.label is not None]
    batch = featurizer.featurize([text for text, _ in known])
    return batch, torch.tensor([label for _, label in known], dtype=torch.int64)
