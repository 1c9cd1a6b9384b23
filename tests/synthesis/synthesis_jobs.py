"""Small synthesis jobs: texts of a pool, and texts made of made-up words."""

from __future__ import annotations

from dataclasses import replace

import torch

from tests.conftest import toy_examples
from tests.settings import selection as selection_settings
from tests.toy_language import WordLanguage
from vos.data import ListPool, TextData
from vos.density import ClassConditionalGaussian
from vos.generation.particles import Sampling
from vos.generation.settings import Stages, TextGeneratorSettings
from vos.mining.acquisition import TargetAcquisition
from vos.mining.index import ApproximateSettings
from vos.mining.targets import Potential
from vos.models import ClassifierFeaturizer, EncoderClassifier
from vos.outliers import BoundarySampler
from vos.synthesis.job import SynthesisJob, SynthesisSettings
from vos.synthesis.settings import GenerationSettings

APPROXIMATE = ApproximateSettings(lists=8, probes=2, train_per_list=8, seed=0)
NAMES = ("harmless", "harmful")


def job(tiny_encoder, pool, n=8, **selection):
    classifier = EncoderClassifier(tiny_encoder, NAMES, max_length=32)
    featurizer = ClassifierFeaturizer(classifier)
    train = toy_examples(30)
    features = featurizer.featurize([e.text for e in train]).features
    density = ClassConditionalGaussian(2, 16).fit(features, torch.tensor([e.label for e in train]))
    options = {"random_share": 0.25, "near_duplicate": 1.0, "max_distance": 1e9, "max_cosine": None} | selection
    settings = SynthesisSettings(
        acquisition=TargetAcquisition(per_target=10, approximate=APPROXIMATE), targets_per_class=6, n_directions=4,
        chunk_size=7, potential=Potential(beta=4.0, delta=0.5, tau=0.25), selection=selection_settings(n=n, **options),
    )  # fmt: skip
    data = TextData(train, toy_examples(4, "v", 30), [], ListPool(pool), NAMES, [], harmful=(1,))
    return SynthesisJob(featurizer, density, BoundarySampler(band=0.5, distance=None), data, settings, 0, "run")


def generation_job(tiny_encoder, pool, pool_first=False, **options):
    """A job whose texts are made of made-up words."""
    work = job(tiny_encoder, pool, **options)
    stages = Stages(per_target=2, max_distance=99.0, tokens=400, pilot=6, pilot_ess=None, mcmc_chains=2, mcmc_moves=2)
    settings = TextGeneratorSettings(max_start=None, sampling=Sampling(max_tokens=12, top_p=1.0), stages=stages)
    potential = Potential(beta=4.0, delta=99.0, tau=0.25)
    generation = GenerationSettings(WordLanguage, settings, pool_first)
    return replace(work, settings=replace(work.settings, potential=potential, generation=generation))
