"""Fixtures: a training job that takes seconds."""

from functools import partial

import pytest
import pytorch_lightning as pl

from tests.training.modules import batches, build, toy_data
from vos.storage.run_directory import RunDirectory
from vos.training.featurizers import Featurizers
from vos.training.job import FitSettings, RefineSettings, RunSettings, TrainingJob


@pytest.fixture
def job(tiny_encoder, tmp_path):
    module = build(tiny_encoder, loss="flattening", start_epoch=2)
    trainer = partial(pl.Trainer, accelerator="cpu", enable_model_summary=False, num_sanity_val_steps=0)
    fit = FitSettings(max_epochs=2, progress=False)
    featurizers = Featurizers(module.classifier, lambda: module.classifier)
    settings = RunSettings(fit, RefineSettings(rounds=1, lr_factor=0.5), seed=3)
    return TrainingJob(module, toy_data(), batches(module), featurizers, RunDirectory(tmp_path), settings, trainer)
