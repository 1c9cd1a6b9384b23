"""The expected error of the texts of a job: fitted on its validation texts, told of any text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vos.data import TextData
from vos.density import GaussianDensity
from vos.mining.error_inputs import ErrorInputs, LabelledNeighbours
from vos.mining.expected_error import ExpectedError, calibrated_error
from vos.types import FeatureBatch, Featurizer


@dataclass(frozen=True)
class ErrorModel:
    """An expected error with everything that its inputs need.

    Attributes:
        density: of the classifier.
        harmful: indices of the harmful classes.
        neighbours: of the training texts.
        error: see `ExpectedError`.
        report: see `vos.mining.expected_error.calibrated_error`.
    """

    density: GaussianDensity
    harmful: tuple[int, ...]
    neighbours: LabelledNeighbours
    error: ExpectedError
    report: dict[str, Any]

    @classmethod
    def of(cls, featurizer: Featurizer, density: GaussianDensity, data: TextData) -> ErrorModel:
        """Fit it to the validation texts of a run, where there are enough."""
        harmful = tuple(data.harmful)
        train, val = (_labelled(featurizer, data, split) for split in ("train", "val"))
        assert train.labels is not None  # noqa: S101 - `_labelled` gives them
        neighbours = LabelledNeighbours.of(train.features, train.labels, harmful, len(data.label_names))
        error, report = calibrated_error(val, density, harmful, neighbours)
        return cls(density, harmful, neighbours, error, report)

    def __call__(self, batch: FeatureBatch, mahalanobis: Tensor | None = None) -> Tensor:
        """The chance (n,) float64 that each prediction is wrong; distances (n, C) that are known are not measured."""
        inputs = ErrorInputs.of(batch, self.density, self.harmful, self.neighbours, mahalanobis)
        return torch.from_numpy(self.error.of(inputs))


def _labelled(featurizer: Featurizer, data: TextData, split: str) -> FeatureBatch:
    """The labelled texts of a split with their labels."""
    known = [(example.text, example.label) for example in getattr(data, split) if example.label is not None]
    batch = featurizer.featurize([text for text, _ in known])
    return replace(batch, labels=torch.tensor([label for _, label in known], dtype=torch.int64))
