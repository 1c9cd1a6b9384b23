"""The control of every view: an encoder with random weights; a view that shows the same for it shows nothing."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from vos.atlas.describe import predicted
from vos.atlas.world import AtlasWorld, TrainTexts
from vos.density import ClassConditionalGaussian
from vos.errors import ModelError
from vos.metrics.boundary import band_width
from vos.metrics.margins import margin
from vos.models import ClassifierFeaturizer, TextClassifier

MOST_TEXTS = 600
"""Largest number of texts for the control, which costs as much per text as the classifier itself."""

MOST_TRAINING_TEXTS = 600
"""Largest number of training texts to which its head and density are fitted."""

DEAD = 1e-3
"""Lower bound of a coordinate's standard deviation, as a share of the median one: the bundled encoder has three nearly
constant coordinates, and dividing by their standard deviations would give weights in the millions."""

UNKNOWN_BIAS = -20.0
"""Bias of a class without training texts, in logit units."""


def random_weights(classifier: TextClassifier, seed: int) -> TextClassifier:
    """The same architecture and tokenizer with initial random weights; the given classifier is not changed.

    Its head is a copy of the given one, which must be fitted before use.

    Raises:
        ModelError: the encoder cannot be built from its configuration.
    """
    control = copy.deepcopy(classifier)
    body: Any = next((getattr(control, name) for name in ("encoder", "body") if hasattr(control, name)), None)
    if body is None or not hasattr(body, "config"):
        raise ModelError(f"{type(classifier).__name__}: expected an encoder of transformers with a configuration")
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # transformers initialises weights from the global random state
        fresh = type(body)(body.config)
    own = body.state_dict()
    body.load_state_dict({key: value for key, value in fresh.state_dict().items() if key in own}, strict=False)
    return control.eval()


def with_logistic_head(classifier: TextClassifier, features: Tensor, labels: NDArray[np.int64]) -> TextClassifier:
    """Fit the head of the classifier to features (t, d) and labels (t,) of all its classes, in place."""
    x = features.double().numpy()
    mean, scale = x.mean(0), x.std(0)
    scale = np.maximum(scale, DEAD * np.median(scale) + np.finfo(np.float64).tiny)
    present = np.unique(labels)
    weight = np.zeros((classifier.n_classes, x.shape[1]))
    bias = np.full(classifier.n_classes, UNKNOWN_BIAS)
    bias[present] = 0.0
    if len(present) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a control does not need full precision
            fit = LogisticRegression(C=0.1, max_iter=500).fit((x - mean) / scale, labels)
        rows, offsets = fit.coef_ / scale, fit.intercept_ - fit.coef_ @ (mean / scale)
        if len(present) == 2:  # a single row, for the second class
            rows, offsets = np.stack([-rows[0], rows[0]]) / 2, np.array([-offsets[0], offsets[0]]) / 2
        weight[present], bias[present] = rows, offsets
    head = nn.Linear(x.shape[1], classifier.n_classes)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    classifier.head = head.to(classifier.head.weight.device)
    return classifier


def control_world(world: AtlasWorld) -> AtlasWorld:
    """The inputs of the atlas for the same architecture with random weights and a logistic head, on at most 600 texts.

    Raises:
        ModelError: see `random_weights`.
    """
    rng = world.rng("control")
    rows = np.sort(rng.choice(len(world.texts), min(MOST_TEXTS, len(world.texts)), replace=False))
    n_train = len(world.train.examples)
    train = np.sort(rng.choice(n_train, min(MOST_TRAINING_TEXTS, n_train), replace=False))
    classifier = random_weights(world.classifier, int(rng.integers(2**31)))
    featurizer = ClassifierFeaturizer(
        classifier, max_tokens=world.featurizer.max_tokens, device=world.featurizer.device
    )
    examples, labels = tuple(world.train.examples[i] for i in train), world.train.labels[train]
    known = featurizer.featurize([example.text for example in examples]).features
    with_logistic_head(classifier, known, labels)
    density = ClassConditionalGaussian(classifier.n_classes, classifier.n_features)
    density.fit(known, torch.from_numpy(labels))
    texts = world.texts.at(rows)
    batch = featurizer.featurize(texts.text)
    held = texts.labelled & texts.held_out
    if held.any():
        density.calibrate(batch.features[held], torch.from_numpy(texts.labels_of(np.flatnonzero(held))))
    band = band_width(margin(batch.logits, classifier.harmful), world.settings.near_share)
    return AtlasWorld(
        featurizer,
        replace(texts, **predicted(featurizer, density, batch.features, band)),
        batch.features.double().numpy(),
        TrainTexts(examples, known.double().numpy(), labels),
        density,
        world.sampler,
        band,
        settings=world.settings,
        seed=world.seed,
        run=world.run,
        is_control=True,
    )
