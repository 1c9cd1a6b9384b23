"""Ways to train the classifier of a simulated round."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from vos.data import TextData
from vos.models import ClassifierFeaturizer
from vos.training.job import TrainingJob
from vos.training.loop import fit_round
from vos.types import Example, FeatureBatch, Featurizer, LinearHead

Array = np.ndarray[Any, np.dtype[np.float64]]

JobBuilder = Callable[[TextData, int, bool], TrainingJob]
"""Builds the training job of a round from its texts and seed, with new weights, in its own directory.

The last argument says whether the job will start from an existing classifier.
"""


class PipelineFit:
    """Trains with the regular pipeline (encoder, head, optimizer, early stopping), without refinement.

    Args:
        data: data with validation and test texts and class names.
        build_job: see `JobBuilder`.
        warm: whether a round starts from the weights of the previous round.
    """

    def __init__(self, data: TextData, build_job: JobBuilder, warm: bool) -> None:
        self.data, self.build_job, self.warm = data, build_job, warm

    def __call__(self, train: Sequence[Example], seed: int, start: Featurizer | None) -> Featurizer:
        """Train, and return the frozen classifier; removes the job's directory, also one left by a killed fit."""
        warm = self.warm and start is not None
        job = self.build_job(replace(self.data, train=list(train)), seed, warm)
        if warm:
            assert isinstance(start, ClassifierFeaturizer)  # noqa: S101 - this class made it
            job.module.classifier.load_state_dict(start.classifier.state_dict())
        shutil.rmtree(job.run.path, ignore_errors=True)
        try:
            fit_round(job, 0)
        finally:
            shutil.rmtree(job.run.path, ignore_errors=True)
        return job.featurizers.current()


class FrozenEncoderFit:
    """Trains a linear head on fixed features, which takes seconds per round and allows many seeds.

    Args:
        featurizer: computes the features; its own head is not used.
        n_classes: C.
        strength: strength of the L2 regularisation on standardised features; larger is stronger.
        balanced: whether all classes have equal weight, however rare they are.
    """

    def __init__(self, featurizer: Featurizer, n_classes: int, strength: float, balanced: bool) -> None:
        self.featurizer, self.n_classes, self.strength = featurizer, n_classes, strength
        self.balanced = balanced

    def __call__(self, train: Sequence[Example], seed: int, start: Featurizer | None) -> Featurizer:  # noqa: ARG002
        """Fit multinomial logistic regression; its optimum is unique, so seed and start have no effect."""
        features = self.featurizer.featurize([example.text for example in train]).features.double().numpy()
        labels = np.array([example.label for example in train])
        mean, scale = features.mean(0), features.std(0) + 1e-6
        regression = LogisticRegression(
            C=1 / self.strength, max_iter=2000, class_weight="balanced" if self.balanced else None
        )
        regression.fit((features - mean) / scale, labels)
        weight, bias = self._by_class(regression, len(labels) / len(regression.classes_))
        weight = weight / scale
        head = LinearHead(torch.tensor(weight).float(), torch.tensor(bias - weight @ mean).float())
        return _WithHead(self.featurizer, head)

    def _by_class(self, regression: LogisticRegression, mean_count: float) -> tuple[Array, Array]:
        """Weights (C, d) and biases (C,) of all classes, of which the training texts may lack some.

        A class without texts gets no weights and the bias of half a text, so that margins are finite. Coefficients of
        the others sum to zero, hence one of them is always larger.
        """
        found, found_bias = regression.coef_, regression.intercept_
        if len(regression.classes_) == 2:  # one row for two classes: half of it for each
            found, found_bias = np.concatenate([-found, found]) / 2, np.concatenate([-found_bias, found_bias]) / 2
        weight = np.zeros((self.n_classes, found.shape[1]))
        bias = np.full(self.n_classes, found_bias.mean() + np.log(0.5 / mean_count))
        weight[regression.classes_], bias[regression.classes_] = found, found_bias
        return weight, bias


class _WithHead:
    """A featurizer with another last layer."""

    def __init__(self, featurizer: Featurizer, head: LinearHead) -> None:
        self._featurizer, self.head = featurizer, head

    @property
    def model_hash(self) -> str:
        return f"{self._featurizer.model_hash}+head"

    def featurize(self, texts: Sequence[str]) -> FeatureBatch:
        features = self._featurizer.featurize(texts).features
        return FeatureBatch(features, self.head.logits(features))

    def stream(self, examples: Iterator[Example], chunk_size: int) -> Iterator[tuple[list[Example], FeatureBatch]]:
        for part, batch in self._featurizer.stream(examples, chunk_size):
            yield part, FeatureBatch(batch.features, self.head.logits(batch.features))
