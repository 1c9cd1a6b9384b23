"""Featurizers of the classifier of a run, in its current state and before any training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vos.models import ClassifierFeaturizer, FeatureCache, TextClassifier


@dataclass(frozen=True)
class Featurizers:
    """Builds featurizers, with a cache on disk if other runs will need the same features.

    Attributes:
        classifier: the classifier in training.
        new_classifier: builds the classifier before any training.
        cache: folder of cached features, or None.
        device: device of the encoders.
    """

    classifier: TextClassifier
    new_classifier: Callable[[], TextClassifier]
    cache: Path | None = None
    device: str = "cpu"

    def current(self, *, shared: bool = False) -> ClassifierFeaturizer:
        """Featurizer of the current classifier; cached if it is `shared` by several runs or its encoder is frozen."""
        if shared or self.classifier.encoder_is_frozen:
            return self.cached(self.classifier)
        return ClassifierFeaturizer(self.classifier, device=self.device)

    def initial(self) -> ClassifierFeaturizer:
        """Featurizer of the classifier before any training, cached."""
        return self.cached(self.new_classifier())

    def cached(self, classifier: TextClassifier) -> ClassifierFeaturizer:
        """Featurizer of any classifier, cached."""
        cache = None
        if self.cache is not None:
            cache = FeatureCache(self.cache, classifier.encoder_fingerprint(), classifier.n_features)
        return ClassifierFeaturizer(classifier, cache, device=self.device)
