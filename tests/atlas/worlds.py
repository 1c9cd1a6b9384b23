"""Small atlas inputs with tiny encoders, for the tests of the producers."""

from dataclasses import replace

import numpy as np
import torch

from tests.conftest import toy_examples
from vos.atlas.describe import described, train_texts
from vos.atlas.settings import AtlasSettings
from vos.atlas.texts import choose_texts
from vos.atlas.world import AtlasWorld
from vos.data import ListPool, TextData
from vos.density import ClassConditionalGaussian
from vos.models import ClassifierFeaturizer, EncoderClassifier
from vos.outliers import BoundarySampler, with_sides

NAMES = ("harmless", "harmful")
THREE = ("fine", "rude", "vile")


def toy_data(n_train=40, n_val=16, n_test=16, n_pool=60, harmful=(1,)):
    """Toy texts of two classes, every one different."""
    starts = np.cumsum([0, n_train, n_val, n_test])
    train, val, test, pool = (
        toy_examples(n, prefix, start)
        for n, prefix, start in zip((n_train, n_val, n_test, n_pool), "tvep", starts, strict=True)
    )
    pool = [type(e)(e.id, e.text, None, group=f"g{i % 3}") for i, e in enumerate(pool)]
    return TextData(train, val, test, ListPool(pool), NAMES, [], harmful=harmful)


def of_three_classes(harmful, **sizes):
    """The same with three classes, of which some are harmful."""
    data = toy_data(**sizes)
    data.label_names, data.harmful = THREE, harmful
    for name in ("train", "val", "test"):
        examples = [replace(e, label=i % 3) for i, e in enumerate(getattr(data, name))]
        setattr(data, name, examples)
    return data


def toy_world(classifier, data=None, settings=None, seed=0, folder=None, **described_as):
    """A world of any classifier on toy texts; see `described` for the further arguments."""
    data = toy_data() if data is None else data
    settings = settings or AtlasSettings(n_texts=80, n_outliers=4)
    featurizer = ClassifierFeaturizer(classifier)
    chosen = choose_texts(data, featurizer, settings, seed)
    train = train_texts(data.train, featurizer, np.random.default_rng(seed))
    known, labels = torch.from_numpy(train.features), torch.from_numpy(train.labels)
    density = ClassConditionalGaussian(classifier.n_classes, classifier.n_features).fit(known, labels)
    val = featurizer.featurize([e.text for e in data.val]).features
    density.calibrate(val, torch.tensor([e.label for e in data.val]))
    texts = described(
        chosen.examples, chosen.splits, chosen.features, featurizer, density, chosen.band, weight=chosen.weight,
        seed=seed, **described_as,
    )  # fmt: skip
    sampler = with_sides(BoundarySampler(distance=None), classifier.harmful)
    run = {"name": "toy", "model_hash": "m", "run_hash": "r", "seed": seed}
    return AtlasWorld(
        featurizer, texts, chosen.features.double().numpy(), train, density, sampler, chosen.band,
        settings=settings, seed=seed, run=run, folder=folder,
    )  # fmt: skip


def tiny_world(tiny_encoder, **options):
    """A world of the tiny encoder with a fresh head."""
    return toy_world(EncoderClassifier(tiny_encoder, NAMES, max_length=32, harmful=(1,)), **options)
