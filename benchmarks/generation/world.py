"""The inputs of text generation: a trained classifier, the space of its targets, and the real texts around it."""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression

from vos.data import load_embedded
from vos.density import ClassConditionalGaussian
from vos.mining.targets import TargetSpace
from vos.models import ClassifierFeaturizer, load_classifier
from vos.models.encoder import EncoderClassifier
from vos.types import Example, FeatureBatch

HARMFUL = (1,)
"""Both corpora have two classes, the second harmful."""


@dataclass(frozen=True)
class World:
    """A trained classifier and the texts around it.

    Attributes:
        featurizer: of the classifier.
        density: of the training texts.
        train: labelled.
        pool: texts that nothing was trained on.
        batch: features and logits of the training texts.
    """

    featurizer: ClassifierFeaturizer
    density: ClassConditionalGaussian
    train: list[Example]
    pool: list[str]
    batch: FeatureBatch

    def space(self, directions: int) -> TargetSpace:
        """Where targets lie, measured in so many directions."""
        return TargetSpace.fit(self.batch.features, self.density, self.featurizer.head, HARMFUL, directions)


def add_world(parser: argparse.ArgumentParser) -> None:
    """The options `--corpus` and `--run`, which `read_world` reads."""
    parser.add_argument("--corpus", default="embedded", help="embedded, or a csv file with text and label")
    parser.add_argument("--run", type=Path, help="a run of train.py on the same texts, for its trained classifier")


def read_world(options: argparse.Namespace, n_train: int) -> World:
    """The classifier of `--run`, or the frozen encoder under a linear head, over the texts of `--corpus`."""
    train, pool = read_corpus(options.corpus, n_train)
    if options.run is None:
        featurizer = frozen_classifier(train)
    else:
        featurizer = ClassifierFeaturizer(load_classifier(options.run / "model"))
    batch = featurizer.featurize([example.text for example in train])
    labels = torch.tensor([example.label for example in train])
    density = ClassConditionalGaussian(2, batch.features.shape[1]).fit(batch.features, labels)
    return World(featurizer, density, train, pool, batch)


def read_corpus(corpus: str, n: int) -> tuple[list[Example], list[str]]:
    """Labelled texts, and others as a pool: of a csv file with columns text and label the rows after the n-th."""
    if corpus == "embedded":
        data = load_embedded("ladder")
        return list(data.train)[:n], [example.text for example in data.pool]
    with Path(corpus).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["label"] for row in rows})
    examples = [Example(f"x{i}", row["text"], names.index(row["label"])) for i, row in enumerate(rows)]
    return examples[:n], [example.text for example in examples[n:]]


def frozen_classifier(train: list[Example]) -> ClassifierFeaturizer:
    """The bundled encoder with a logistic regression as its head."""
    model = EncoderClassifier("bundled", ("harmless", "harmful"), freeze=True)
    featurizer = ClassifierFeaturizer(model)
    features = featurizer.featurize([example.text for example in train]).features.numpy()
    fitted = LogisticRegression(C=10.0, max_iter=2000).fit(features, [example.label for example in train])
    with torch.no_grad():
        weight = torch.from_numpy(fitted.coef_[0]).float()
        model.head.weight.copy_(torch.stack([torch.zeros_like(weight), weight]))
        model.head.bias.copy_(torch.tensor([0.0, float(fitted.intercept_[0])]))
    return featurizer
