"""A small training module, its batches and a short fit, shared by the tests of this folder."""

import pytorch_lightning as pl

from tests.conftest import toy_examples
from vos.data import ListPool, TextData, TextDataModule
from vos.density import ClassConditionalGaussian, FeatureBank, FeatureQueue
from vos.losses import BoundaryFlattening, EnergyUncertainty
from vos.models import EncoderClassifier
from vos.outliers import BoundarySampler, TailSampler
from vos.training.module import ClassifierModule
from vos.training.settings import OptimizerSettings, RegularizerSettings, ScheduleSettings, StepSettings

NAMES = ("harmless", "harmful")


def build(
    tiny_encoder,
    *,
    loss="energy",
    start_epoch=0,
    refit_every=2,
    freeze=False,
    seed=0,
    memory="bank",
    weight=0.5,
    n_texts=24,
    capacity=8,
    outlier_texts=None,
    label_smoothing=0.0,
    schedule=None,
):
    classifier = EncoderClassifier(tiny_encoder, NAMES, max_length=32, dropout=0.1, freeze=freeze)
    sampler = {
        "energy": TailSampler(distance=0.99),
        "flattening": BoundarySampler(band=1.0, distance=None),
        None: None,
    }[loss]
    module_of = {"energy": EnergyUncertainty(2), "flattening": BoundaryFlattening(2, id_margin=2.0), None: None}
    return ClassifierModule(
        classifier,
        ClassConditionalGaussian(2, 16),
        FeatureBank(n_texts, 16) if memory == "bank" else FeatureQueue(2, 16, capacity),
        sampler,
        module_of[loss],
        StepSettings(
            OptimizerSettings(lr=1e-3, head_lr=1e-2, weight_decay=0.01),
            RegularizerSettings(weight=weight, start_epoch=start_epoch, outliers_per_class=4, refit_every=refit_every),
            schedule or ScheduleSettings(warmup_share=0.1),
            label_smoothing=label_smoothing,
            seed=seed,
        ),
        outlier_texts,
    )


def toy_data():
    return TextData(
        toy_examples(24), toy_examples(8, "v", 24), toy_examples(8, "w", 40), ListPool([]), NAMES, [], harmful=(1,)
    )


def batches(module):
    return TextDataModule(toy_data(), module.classifier.tokenizer, batch_size=6, max_length=32, seed=0)


def messages(caplog):
    return [r.message for r in caplog.records if r.name == "vos.training.module"]


def fit(module, epochs=2, **options):
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False, **options,
    )  # fmt: skip
    trainer.fit(module, datamodule=batches(module))
    return trainer
