import logging

import pytest
import pytorch_lightning as pl
import torch

from tests.training.modules import NAMES, batches, build, fit, messages, toy_data
from vos.errors import NotFittedError
from vos.exposure.batches import OutlierBatches
from vos.losses import BoundaryFlattening, EnergyMargin, ExtraClass
from vos.metrics.detection import detection_report
from vos.models import ClassifierFeaturizer, EncoderClassifier
from vos.outliers import BoundarySampler


@pytest.mark.parametrize("loss", ["energy", "flattening"])
@pytest.mark.parametrize("memory", ["bank", "queue"])
def test_the_regulariser_moves_everything_that_learns(tiny_encoder, loss, memory):
    module = build(tiny_encoder, loss=loss, memory=memory)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    fit(module)
    still = [n for n, p in module.named_parameters() if torch.equal(p, before[n]) and "pooler" not in n]
    assert still == []
    assert module.density.is_fitted


def test_gradients_of_the_regulariser_alone_reach_encoder_head_weights_and_phi(tiny_encoder, monkeypatch):
    module = build(tiny_encoder)
    fit(module, epochs=1)
    batch = next(iter(batches(module).train_dataloader()))
    features, _ = module(batch)
    module.zero_grad()
    module.trainer = pl.Trainer(logger=False, accelerator="cpu")
    monkeypatch.setattr(module, "log", lambda *arguments: None)  # there is no trainer to log to
    module._regularize(features, batch["labels"]).backward()
    reached = {n for n, p in module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert "classifier.head.weight" in reached
    assert any(n.startswith("classifier.encoder.") for n in reached)
    regularizer = {f"regularizer.{n}" for n, _ in module.regularizer.named_parameters()}
    assert regularizer
    assert regularizer <= reached


def texts_of_no_class(tiny_encoder, size=5, features=None):
    tokenizer = EncoderClassifier(tiny_encoder, NAMES, max_length=32).tokenizer
    return OutlierBatches([f"a kettle and {i} spoons" for i in range(9)], tokenizer, 32, size, features)


@pytest.mark.parametrize("loss", ["extra class", "flattening", "hinge"])
def test_texts_of_no_class_stand_in_for_virtual_outliers_and_reach_the_encoder(tiny_encoder, monkeypatch, loss):
    module = build(tiny_encoder, loss=None, outlier_texts=texts_of_no_class(tiny_encoder))
    module.regularizer = {
        "extra class": ExtraClass(2, 16),
        "flattening": BoundaryFlattening(2, id_margin=0.0),
        "hinge": EnergyMargin(2, m_out=50.0),
    }[loss]
    fit(module, epochs=2)
    assert not module.density.is_fitted  # nothing was drawn from it
    assert module.regularizer.is_calibrated
    seen = {}
    side = module.regularizer.ood_loss
    monkeypatch.setattr(module.regularizer, "ood_loss", lambda x, h: seen.update(x=x, h=h) or side(x, h))
    monkeypatch.setattr(module.regularizer, "id_loss", lambda *_: torch.zeros(()))
    batch = next(iter(batches(module).train_dataloader()))
    module.zero_grad()
    module.trainer = pl.Trainer(logger=False, accelerator="cpu")
    module.eval()  # without dropout
    module._generator.manual_seed(5)
    module._regularize(module(batch)[0], batch["labels"]).backward()
    features, logits = module(module.outlier_texts(torch.Generator().manual_seed(5)))
    assert features.shape == (5, 16)
    assert torch.equal(seen["h"], features)
    assert torch.equal(seen["x"], logits)
    reached = [p for n, p in module.named_parameters() if "encoder.encoder" in n and p.grad is not None]
    assert sum(float(p.grad.abs().sum()) for p in reached) > 0


def test_a_loss_that_measures_the_training_texts_waits_until_all_have_been_seen(tiny_encoder, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    module = build(tiny_encoder, loss=None, outlier_texts=texts_of_no_class(tiny_encoder))
    module.regularizer = EnergyMargin(2)
    measured = []
    calibrate = module.regularizer.calibrate
    monkeypatch.setattr(
        module.regularizer, "calibrate", lambda x: measured.append((module.global_step, x)) or calibrate(x)
    )
    fit(module, epochs=2)
    assert any("not all of them have been seen" in message for message in messages(caplog))
    assert [(step, len(logits)) for step, logits in measured] == [(3, 24)]  # the last of four batches of six


def test_a_frozen_encoder_takes_the_features_of_texts_of_no_class(tiny_encoder):
    features = torch.randn(9, 16, generator=torch.Generator().manual_seed(0))
    module = build(tiny_encoder, loss=None, freeze=True, outlier_texts=texts_of_no_class(tiny_encoder, 9, features))
    module.regularizer = ExtraClass(2, 16)
    seen = []
    module.regularizer.ood_loss = lambda x, h: seen.append(h) or x.sum() * 0.0
    fit(module, epochs=1)
    assert len(seen) == 4
    assert all(torch.equal(h.sort(0).values, features.sort(0).values) for h in seen)


def test_what_learns_is_in_the_optimizer_and_what_remembers_in_the_checkpoint(tiny_encoder):
    module = build(tiny_encoder)
    trainer = fit(module, epochs=1)
    optimized = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    assert optimized == {id(p) for p in module.parameters()}
    state = module.state_dict()
    for part in ("density.means", "density.cholesky", "memory.features", "regularizer.", "classifier.head.weight"):
        assert any(name.startswith(part) for name in state), part


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tiny_encoder):
    weights = []
    for seed in (0, 0, 1):
        module = build(tiny_encoder, loss="flattening", seed=seed)
        torch.manual_seed(len(weights))  # the global state must not matter
        fit(module)
        weights.append(module.classifier.head.weight.detach().clone())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_before_its_start_the_regulariser_is_off_and_says_so(tiny_encoder, caplog):
    with caplog.at_level(logging.INFO, logger="vos.training.module"):
        module = build(tiny_encoder, start_epoch=5)
        before = {n: p.detach().clone() for n, p in module.regularizer.named_parameters()}
        fit(module)
    assert messages(caplog) == ["the regulariser is inactive at step 0: it starts after this round"]
    assert not module.density.is_fitted
    # Without a gradient AdamW leaves a parameter alone.
    assert all(torch.equal(p, before[n]) for n, p in module.regularizer.named_parameters())


def test_a_start_within_the_round_is_told_as_epochs_are_counted_on_the_screen(tiny_encoder, caplog):
    with caplog.at_level(logging.INFO, logger="vos.training.module"):
        fit(build(tiny_encoder, start_epoch=1), epochs=2)
    assert messages(caplog)[0] == "the regulariser is inactive at step 0: it starts at epoch 2"


def test_plain_training_says_that_there_is_no_regulariser(tiny_encoder, caplog):
    with caplog.at_level(logging.INFO, logger="vos.training.module"):
        fit(build(tiny_encoder, loss=None), epochs=1)
    assert messages(caplog) == ["the regulariser is inactive at step 0: no regulariser is configured"]


def test_until_a_class_is_ready_the_regulariser_waits_and_says_why(tiny_encoder, caplog, monkeypatch):
    module = build(tiny_encoder)

    def not_ready(*arguments):
        raise NotFittedError("nothing to fit")

    monkeypatch.setattr(module.density, "fit", not_ready)
    with caplog.at_level(logging.INFO, logger="vos.training.module"):
        fit(module, epochs=1)
    assert messages(caplog) == ["the regulariser is inactive at step 0: nothing to fit"]


def far_apart(module, sampler):
    """A regularised module whose class 1 cannot have outliers at the margin 0."""
    module.sampler = sampler

    def shifted(features, labels, index, real=module.memory.push):
        # The memory sees class 1 far away along the head, as a well trained encoder would put it.
        head = module.classifier.linear_head()
        normal = (head.weight[1] - head.weight[0]).detach()
        real(features + 1e4 * labels[:, None] * normal, labels, index)

    module.memory.push = shifted
    return module


def test_a_class_that_cannot_have_outliers_goes_without_and_is_named_once(tiny_encoder, caplog):
    sampler = BoundarySampler(distance=0.999999, band=0.0)
    module = far_apart(build(tiny_encoder, loss="flattening", refit_every=1), sampler)
    logged = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer, module, *rest):
            logged.append({n: float(v) for n, v in trainer.callback_metrics.items() if n.startswith("train/")})

    with caplog.at_level(logging.INFO, logger="vos.training.module"):
        # The validation texts are not far apart, so radii that they calibrate would reach any margin.
        fit(module, callbacks=[Watch()], limit_val_batches=0)
    assert len(logged) == 8
    assert all(step["train/infeasible_share"] == 0.5 for step in logged[2:])  # class 0 has its outliers
    assert all("train/regularizer" in step for step in logged[2:])
    (message,) = messages(caplog)
    assert "no virtual outliers for class 1 (50% of the classes): class 1: no point has margin 0" in message
    assert "the smallest feasible radius is" in message


def test_without_any_outliers_a_step_is_plain_cross_entropy(tiny_encoder, caplog):
    module = build(tiny_encoder, loss="flattening")
    module.sampler = BoundarySampler(margin=1e6, distance=0.5, band=0.0)
    before = {n: p.detach().clone() for n, p in module.named_parameters()}
    with caplog.at_level(logging.INFO, logger="vos.training.module"):
        trainer = fit(module, epochs=1)
    assert trainer.callback_metrics["train/infeasible_share"] == 1.0
    assert "train/regularizer" not in trainer.callback_metrics
    (message,) = messages(caplog)
    assert "no virtual outliers for class 0, 1 (100% of the classes)" in message
    plain = build(tiny_encoder, loss=None)
    fit(plain, epochs=1)
    trained = dict(module.named_parameters())
    assert all(torch.equal(p, trained[n]) for n, p in plain.named_parameters())
    assert not torch.equal(before["classifier.head.weight"], trained["classifier.head.weight"])


def test_a_sampler_that_cannot_draw_yet_is_waited_for(tiny_encoder, caplog):
    module = build(tiny_encoder, loss="flattening")

    def not_yet(*arguments):
        raise NotFittedError("not yet")

    module.sampler = not_yet
    with caplog.at_level(logging.INFO, logger="vos.training.module"):
        fit(module, epochs=1)
    assert messages(caplog) == ["the regulariser is inactive at step 0: not yet"]


@pytest.mark.parametrize("harmful", [(1,), ()])
def test_a_validation_pass_measures_how_harm_is_found_where_there_is_harm(tiny_encoder, harmful):
    module = build(tiny_encoder, loss=None)
    module.classifier.set_harmful(harmful)
    logged = fit(module, epochs=1).callback_metrics
    names = ("val/average_precision", "val/recall_at_fpr05")
    assert [name in logged for name in names] == [bool(harmful)] * 2
    if harmful:
        val = toy_data().val
        logits = ClassifierFeaturizer(module.classifier).featurize([each.text for each in val]).logits
        expected = detection_report(logits, torch.tensor([each.label for each in val]), harmful)
        assert {name: float(logged[f"val/{name}"]) for name in expected} == pytest.approx(expected, abs=1e-5)


def test_a_frozen_encoder_keeps_its_weights_and_its_mode(tiny_encoder):
    module = build(tiny_encoder, freeze=True)
    before = {n: p.detach().clone() for n, p in module.classifier.encoder.named_parameters()}
    fit(module, epochs=1)
    assert all(torch.equal(p, before[n]) for n, p in module.classifier.encoder.named_parameters())
    assert not module.classifier.encoder.training


def test_an_encoder_that_trains_does_so_with_its_dropout(tiny_encoder):
    module = build(tiny_encoder)
    assert not module.classifier.encoder.training  # as transformers loads it
    modes = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, module, *rest):
            modes.append(all(each.training for each in module.modules()))

    fit(module, epochs=2, callbacks=[Watch()])
    assert modes == [True] * 8
