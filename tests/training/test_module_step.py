"""The terms of a training step, when the density is fitted, and invalid fits."""

import math
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch

from tests.conftest import toy_examples
from tests.training.modules import NAMES, batches, build, fit
from vos.data import ListPool, TextData, TextDataModule
from vos.errors import ConfigError, DataError


def smoothed_cross_entropy(logits, labels, smoothing):
    """Text by text: the target is `1 - smoothing` of the class and `smoothing / C` of every class."""
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        log_sum = math.log(sum(math.exp(x) for x in row))
        target = [smoothing / len(row) + (1.0 - smoothing) * (c == label) for c in range(len(row))]
        total -= sum(t * (x - log_sum) for t, x in zip(target, row, strict=True))
    return total / len(labels)


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_step_is_cross_entropy_plus_the_weighted_regulariser(tiny_encoder, monkeypatch, weight, smoothing):
    module = build(tiny_encoder, weight=weight, label_smoothing=smoothing)
    module.trainer = pl.Trainer(logger=False, accelerator="cpu")
    logged = {}
    monkeypatch.setattr(module, "log", lambda name, value, **_: logged.update({name: float(value)}))
    module.regularizer.id_loss = lambda *_: torch.tensor(2.0)
    module.regularizer.ood_loss = lambda *_: torch.tensor(5.0)
    module.eval()  # without dropout
    batch = next(iter(batches(module).train_dataloader()))
    expected = smoothed_cross_entropy(module(batch)[1], batch["labels"], smoothing)
    loss = module.training_step(batch, 0)
    assert float(loss.detach()) == pytest.approx(expected + weight * 3.5, rel=1e-5)
    assert logged["train/cross_entropy"] == pytest.approx(expected, rel=1e-5)
    assert logged["train/regularizer"] == 3.5


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, math.nan])
def test_a_share_of_smoothing_that_is_none_is_refused(tiny_encoder, smoothing):
    with pytest.raises(ConfigError, match=r"loss\.label_smoothing: expected a number in \[0, 1\), got"):
        build(tiny_encoder, label_smoothing=smoothing)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("label", [2, -1, -100])
def test_a_fit_refuses_labels_of_no_class(tiny_encoder, split, label):
    module = build(tiny_encoder, loss=None)
    texts = {"train": toy_examples(6), "val": toy_examples(6, "v", 24)}
    texts[split][3] = replace(texts[split][3], label=label)
    data = TextData(texts["train"], texts["val"], [], ListPool([]), NAMES, [], harmful=(1,))
    datamodule = TextDataModule(data, module.classifier.tokenizer, batch_size=6, max_length=32, seed=0)
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    with pytest.raises(DataError, match=rf"labels in \[0, 2\), found 1 others of 6, the first is {label} "):
        trainer.fit(module, datamodule=datamodule)


def fits(module, monkeypatch):
    """The steps at which the density of a module is fitted, as a list that grows."""
    steps, real = [], module.density.fit
    monkeypatch.setattr(module.density, "fit", lambda *a: (steps.append(module.global_step), real(*a)))
    return steps


def test_the_density_is_refitted_every_so_many_steps(tiny_encoder, monkeypatch):
    module = build(tiny_encoder, refit_every=3)
    steps = fits(module, monkeypatch)
    fit(module, epochs=2)
    assert steps == [0, 3, 6]


@pytest.mark.parametrize(("refit_every", "expected"), [(1, [0, 1, 2, 3]), (2, [0, 2])])
def test_batches_that_gradients_are_gathered_over_share_one_fit(tiny_encoder, monkeypatch, refit_every, expected):
    module = build(tiny_encoder, refit_every=refit_every)
    steps = fits(module, monkeypatch)
    fit(module, epochs=2, accumulate_grad_batches=2)  # four batches an epoch
    assert steps == expected


def test_another_fit_begins_with_a_density_of_its_own(tiny_encoder, monkeypatch):
    module = build(tiny_encoder, refit_every=100)
    steps = fits(module, monkeypatch)
    fit(module, epochs=1)
    fit(module, epochs=1)
    assert steps == [0, 0]


def test_a_fit_that_diverges_ends_with_what_to_do_about_it(tiny_encoder):
    module = build(tiny_encoder, loss=None)
    with torch.no_grad():
        module.classifier.head.bias[1] = torch.nan
    with pytest.raises(DataError, match=r"finite validation logits at epoch 0, found 8 of 8 rows .*optimizer\.lr"):
        fit(module, epochs=1)


def test_validation_names_the_rows_that_are_broken(tiny_encoder):
    module = build(tiny_encoder, loss=None)
    module._validation = [
        (torch.zeros(2, 2), torch.tensor([0, 1]), torch.zeros(2, 16)),
        (torch.tensor([[0.0, torch.inf]]), torch.tensor([1]), torch.zeros(1, 16)),
    ]
    with pytest.raises(DataError, match="found 1 of 3 rows with NaN or infinity, the first is row 2"):
        module.on_validation_epoch_end()
