"""The expected error of the texts of a job, fitted to its validation texts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vos.data import TextData
from vos.density import GaussianDensity
from vos.metrics.margins import margin
from vos.mining.error_inputs import ErrorInputs, LabelledNeighbours, wrong_side
from vos.mining.expected_error import ExpectedError, calibrated_error
from vos.types import FeatureBatch, Featurizer


@dataclass(frozen=True)
class ErrorModel:
    """An expected error together with everything needed to compute its inputs.

    Attributes:
        density: density of the classifier's features.
        harmful: indices of the harmful classes.
        neighbours: index of the training texts.
        error: see `ExpectedError`.
        by_margin: the expected error computed from the margin alone.
        report: see `vos.mining.expected_error.calibrated_error`.
    """

    density: GaussianDensity
    harmful: tuple[int, ...]
    neighbours: LabelledNeighbours
    error: ExpectedError
    by_margin: ExpectedError
    report: dict[str, Any]

    @classmethod
    def of(cls, featurizer: Featurizer, density: GaussianDensity, data: TextData) -> ErrorModel:
        """Fit it to the validation texts of a run, if there are enough."""
        harmful = tuple(data.harmful)
        train, val = (_labelled(featurizer, data, split) for split in ("train", "val"))
        assert train.labels is not None  # noqa: S101 - `_labelled` gives them
        assert val.labels is not None  # noqa: S101 - as well
        neighbours = LabelledNeighbours.of(train.features, train.labels, harmful, len(data.label_names))
        error, report = calibrated_error(val, density, harmful, neighbours)
        margins, wrong = margin(val.logits, harmful).double().numpy(), wrong_side(val.logits, val.labels, harmful)
        by_margin = ExpectedError.of_margins(error.reason)
        if error.is_calibrated:
            by_margin = ExpectedError.fit(margins, np.zeros(len(margins)), np.zeros(len(margins)), wrong)
        return cls(density, harmful, neighbours, error, by_margin, report)

    def __call__(self, batch: FeatureBatch) -> Tensor:
        """Probability (n,) float64 that each prediction is wrong."""
        return torch.from_numpy(self.error.of(ErrorInputs.of(batch, self.density, self.harmful, self.neighbours)))

    def of_margins(self, margins: Tensor) -> Tensor:
        """Calibrated probability (n,) float64 of a mistake from the margins (n,) alone.

        Used as the weight of a text in boundary coverage: distance and neighbours find more isolated mistakes, which
        teach the classifier less (docs/selection.md).
        """
        nothing = np.zeros(len(margins))
        return torch.from_numpy(self.by_margin(margins.double().numpy(), nothing, nothing))


def _labelled(featurizer: Featurizer, data: TextData, split: str) -> FeatureBatch:
    """The labelled texts of a split with their labels."""
    known = [(example.text, example.label) for example in getattr(data, split) if example.label is not None]
    batch = featurizer.featurize([text for text, _ in known])
    return replace(batch, labels=torch.tensor([label for _, label in known], dtype=torch.int64))
