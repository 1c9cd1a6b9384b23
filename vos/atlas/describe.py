"""The classifier's outputs for the texts of an atlas, and the artefact from which the page reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vos.atlas.clusters import text_clusters
from vos.atlas.tags import told_columns
from vos.atlas.texts import AtlasTexts
from vos.atlas.world import AtlasWorld, TrainTexts
from vos.density.base import GaussianDensity
from vos.metrics.margins import margin
from vos.models import ClassifierFeaturizer
from vos.storage.seeds import derive_seed
from vos.storage.text_ids import text_uid
from vos.types import Example

NEAREST = 3
"""Number of nearest training texts of each side shown for a text."""

MOST_TRAINING_TEXTS = 20_000
"""Largest number of training texts searched for neighbours."""

ENCODER = "encoder"
"""Field of a run that is left out of the artefact, as it may be a path on this machine."""

ROWS = 512
"""Number of texts per batch of the neighbour search."""


def described(
    examples: Sequence[Example],
    splits: Sequence[str],
    features: Tensor,
    featurizer: ClassifierFeaturizer,
    density: GaussianDensity,
    band: float,
    *,
    batch: Collection[str] = (),
    answers: Mapping[str, str] | None = None,
    weight: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> AtlasTexts:
    """The texts with all outputs of the classifier.

    Args:
        examples: n texts.
        splits: split of each text.
        features: (n, d) float32.
        featurizer: of the classifier.
        density: fitted and calibrated.
        band: half-width of the band of texts near the boundary.
        batch: uids of the texts of the run's batch.
        answers: uid to the class that people answered.
        weight: see `AtlasTexts`; 1 for each text if not given.
        seed: seed of the clusters.
    """
    texts = [example.text for example in examples]
    uids = [text_uid(text) for text in texts]
    given, logits = answers or {}, featurizer.head.logits(features)
    return AtlasTexts(
        text=tuple(texts),
        uid=tuple(uids),
        split=tuple(splits),
        label=tuple(
            example.label if split != "pool" else None for example, split in zip(examples, splits, strict=True)
        ),
        **predicted(featurizer, density, features, band),
        batch=np.array([uid in batch for uid in uids], dtype=np.bool_),
        answer=tuple(
            _output(featurizer.classifier, given.get(uid), row) for uid, row in zip(uids, logits, strict=True)
        ),
        cluster=text_clusters(texts, derive_seed(seed, "text clusters")),
        weight=np.ones(len(texts)) if weight is None else weight,
        columns=told_columns(examples),
    )


def predicted(
    featurizer: ClassifierFeaturizer, density: GaussianDensity, features: Tensor, band: float
) -> dict[str, Any]:
    """Prediction, margin, probability, distance and `near` of texts with features (n, d), by name."""
    harmful, logits = featurizer.classifier.harmful, featurizer.head.logits(features)
    margins = margin(logits, harmful).double().numpy()
    probability = logits.double().softmax(-1)
    return {
        "prediction": logits.argmax(-1).numpy(),
        "margin": margins,
        "probability": (probability[:, list(harmful)].sum(-1) if harmful else probability.amax(-1)).numpy(),
        "distance": distances(density, features, logits.argmax(-1)),
        "near": np.abs(margins) <= band,
    }


def distances(density: GaussianDensity, features: Tensor, classes: Tensor) -> NDArray[np.float64]:
    """Calibrated distance q of features (n, d) to the classes (n,): (n,), NaN for a class that was not fitted."""
    found = torch.full((len(features),), torch.nan, dtype=torch.float64)
    known = density.ready.cpu()[classes]
    if known.any():
        squared = density.own_mahalanobis(features[known].to(density.ready.device), classes[known])
        found[known] = 1.0 - density.share_beyond(squared, classes[known]).cpu()
    values: NDArray[np.float64] = found.numpy()
    return values


def _output(classifier: Any, name: str | None, logits: Tensor) -> int | None:
    """Index of the class that an answer names; of several outputs of that class, the one with the largest logit."""
    if name is None or name not in classifier.data_classes:
        return None
    place = classifier.data_classes.index(name)
    outputs = [i for i, c in enumerate(classifier.class_of_output) if c == place]
    return max(outputs, key=lambda i: float(logits[i]), default=None)


def _outputs(world: AtlasWorld) -> list[list[int | None]] | None:
    """For each text and class of the data the output that such an answer means; None if outputs are the classes."""
    classifier = world.classifier
    if classifier.class_of_output == tuple(range(len(classifier.data_classes))):
        return None
    logits = world.head.logits(torch.from_numpy(world.features).float())
    return [[_output(classifier, name, row) for name in classifier.data_classes] for row in logits]


def train_texts(examples: Sequence[Example], featurizer: ClassifierFeaturizer, rng: np.random.Generator) -> TrainTexts:
    """The labelled training texts with their features; a random sample of at most 20,000."""
    known = [example for example in examples if example.label is not None]
    if len(known) > MOST_TRAINING_TEXTS:
        known = [known[i] for i in np.sort(rng.choice(len(known), MOST_TRAINING_TEXTS, replace=False))]
    features = featurizer.featurize([example.text for example in known]).features.double().numpy()
    return TrainTexts(tuple(known), features, np.array([example.label for example in known], dtype=np.int64))


def texts_artefact(world: AtlasWorld) -> dict[str, Any]:
    """Content of the artefact `texts`, including the nearest training texts of both sides."""
    texts = world.texts
    facts = {name: value for name, value in world.run.items() if name != ENCODER}
    nearest = _nearest(world)
    used = sorted({row for lists in nearest.values() for rows in lists for row in rows})
    place = {row: i for i, row in enumerate(used)}
    return {
        "run": {
            **facts,
            "classes": world.classes,
            "data_classes": world.classifier.data_classes,
            "harmful": world.harmful,
            "band": world.band,
            "created": None,
        },
        "outputs": _outputs(world),
        **{name: getattr(texts, name) for name in texts.__dataclass_fields__},
        "neighbours": {side: [[place[row] for row in rows] for rows in lists] for side, lists in nearest.items()},
        "train": {
            "text": [world.train.examples[row].text for row in used],
            "label": [int(world.train.labels[row]) for row in used],
        },
        "pca": principal_components(world.features),
    }


def principal_components(features: NDArray[np.float64]) -> dict[str, Any]:
    """The two principal components of features (n, d), and their shares of the variance.

    The sign of each component is chosen so that its largest loading is positive.

    Example:
        >>> found = principal_components(np.array([[0.0, 1.0], [4.0, 1.0], [2.0, 1.0]]))
        >>> found["x"].tolist(), found["shares"].tolist()
        ([-2.0, 2.0, 0.0], [1.0, 0.0])
    """
    centred = features - features.mean(0, keepdims=True) if len(features) else features
    values, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.where(np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0) < 0, -1.0, 1.0)
    places, total = centred @ axes, max(float(values.clip(min=0).sum()), np.finfo(np.float64).tiny)
    return {"x": places[:, 0], "y": places[:, 1], "shares": values.clip(min=0)[::-1][:2] / total}


def _nearest(world: AtlasWorld) -> dict[str, list[list[int]]]:
    """Rows of the nearest training texts of each side by Euclidean distance of the features, nearest first.

    If no class is harmful, all of them are listed under "harmless".
    """
    features, known = torch.from_numpy(world.features), torch.from_numpy(world.train.features)
    harmful = np.isin(world.train.labels, world.harmful)
    found: dict[str, list[list[int]]] = {}
    for side, mask in (("harmful", harmful), ("harmless", ~harmful)):
        rows = torch.from_numpy(np.flatnonzero(mask))
        k = min(NEAREST, len(rows))
        found[side] = [
            rows[columns].tolist()
            for part in torch.split(features, ROWS)
            for columns in torch.cdist(part, known[rows]).topk(k, largest=False).indices
        ]
    return found
