"""Featurizers over the classifier of a run, as it is now and as it was before any training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vos.models import ClassifierFeaturizer, FeatureCache, TextClassifier


@dataclass(frozen=True)
class Featurizers:
    """Gives featurizers, with a cache on disk where other runs will ask for the same features.

    Attributes:
        classifier: the one that is trained.
        new_classifier: builds the classifier as it was before any training.
        cache: folder of cached features, or None.
        device: where encoders run.
    """

    classifier: TextClassifier
    new_classifier: Callable[[], TextClassifier]
    cache: Path | None = None
    device: str = "cpu"

    def current(self, *, shared: bool = False) -> ClassifierFeaturizer:
        """Over the classifier as it is now; cached where it is `shared` by several runs or its encoder is frozen."""
        if shared or self.classifier.encoder_is_frozen:
            return self.cached(self.classifier)
        return ClassifierFeaturizer(self.classifier, device=self.device)

    def initial(self) -> ClassifierFeaturizer:
        """Over the classifier as it was before any training, cached."""
        return self.cached(self.new_classifier())

    def cached(self, classifier: TextClassifier) -> ClassifierFeaturizer:
        """Over any classifier, cached."""
        cache = None
        if self.cache is not None:
            cache = FeatureCache(self.cache, classifier.encoder_fingerprint(), classifier.n_features)
        return ClassifierFeaturizer(classifier, cache, device=self.device)
