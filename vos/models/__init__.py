"""Classifiers: features from a pretrained encoder, one linear head, and their training step."""

from vos.models.base import TextClassifier
from vos.models.cache import FeatureCache
from vos.models.encoder import EncoderClassifier
from vos.models.featurizer import ClassifierFeaturizer
from vos.models.loading import load_classifier, saved_classes, saved_harmful
from vos.models.pretrained import PretrainedClassifier
from vos.models.wrapped import WrappedClassifier

__all__ = [
    "ClassifierFeaturizer",
    "EncoderClassifier",
    "FeatureCache",
    "PretrainedClassifier",
    "TextClassifier",
    "WrappedClassifier",
    "load_classifier",
    "saved_classes",
    "saved_harmful",
]
