"""Texts and outliers are treated equally in a step: no dropout before their logits, and a head in float32."""

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional

from tests.training.modules import NAMES, batches, build, fit
from vos.density import ClassConditionalGaussian, FeatureBank
from vos.losses import EnergyMargin
from vos.models import PretrainedClassifier
from vos.outliers import TailSampler
from vos.training.module import ClassifierModule
from vos.training.settings import RegularizerSettings, StepSettings
from vos.types import LinearHead


class Watching(EnergyMargin):
    """Keeps what it is given."""

    def __init__(self):
        super().__init__(2, m_in=-5.0, m_out=-1.0)
        self.seen = []

    def forward(self, *given):
        self.seen.append([each.detach().clone() for each in given])
        return super().forward(*given)


def watched(tiny_encoder, dropout, **options):
    module = build(tiny_encoder, refit_every=1, **options)
    module.regularizer = Watching()
    module.classifier.dropout.p = dropout
    return module


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_both_sides_of_a_loss_are_the_heads_logits_of_their_features_without_dropout(tiny_encoder, precision):
    module = watched(tiny_encoder, dropout=0.5)
    heads, real = [], module._regularize

    def step(*given):
        heads.append([t.detach().clone() for t in module.classifier.linear_head()])
        return real(*given)

    module._regularize = step
    fit(module, epochs=2, precision=precision)
    seen = module.regularizer.seen
    assert len(seen) == len(heads) > 4
    for (logits, features, _, outlier_logits, outliers), (weight, bias) in zip(seen, heads, strict=True):
        for found, points in ((logits, features), (outlier_logits, outliers)):
            assert found.dtype == torch.float32
            torch.testing.assert_close(found, points.float() @ weight.T + bias, rtol=0, atol=1e-6)


@pytest.mark.parametrize("freeze", [False, True])
def test_the_memory_holds_features_that_no_dropout_has_touched(tiny_encoder, freeze):
    # Half of the features would be zero in a memory of what the head was given.
    module = build(tiny_encoder, loss=None, freeze=freeze)
    module.classifier.dropout.p = 0.5
    fit(module, epochs=1)
    features, _ = module.memory.contents()
    assert len(features) == 24
    assert float((features == 0.0).float().mean()) < 0.01


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_pretrained_model_stores_its_features_before_the_dropout_of_its_head(tiny_classifier, precision):
    classifier = PretrainedClassifier(tiny_classifier, NAMES, max_length=32)
    classifier.dropout.p = 0.5
    module = ClassifierModule(
        classifier, ClassConditionalGaussian(2, 16), FeatureBank(24, 16), TailSampler(distance=0.9), Watching(),
        StepSettings(regularization=RegularizerSettings(outliers_per_class=4, refit_every=1)),
    )  # fmt: skip
    fit(module, epochs=2, precision=precision)
    assert float((module.memory.contents()[0] == 0.0).float().mean()) < 0.01
    for logits, features, _, outlier_logits, outliers in module.regularizer.seen:
        assert float((features == 0.0).float().mean()) < 0.01
        assert logits.dtype == outlier_logits.dtype == torch.float32
        assert len(outliers) == 8


def test_dropout_still_acts_on_the_logits_of_the_cross_entropy(tiny_encoder):
    module = build(tiny_encoder, loss=None)
    module.classifier.dropout.p = 0.5
    batch = next(iter(batches(module).train_dataloader()))
    module.train()
    features, logits = module(batch)
    clean = module.classifier.linear_head().logits(features)
    assert float((logits - clean).detach().abs().max()) > 1e-3
    module.classifier.dropout.eval()
    features, logits = module(batch)
    torch.testing.assert_close(logits, module.classifier.linear_head().logits(features), rtol=0, atol=0)


def test_under_autocast_the_head_and_its_gradient_are_those_of_float32(tiny_encoder):
    module = build(tiny_encoder, loss=None)
    module.eval()
    batch = next(iter(batches(module).train_dataloader()))
    with torch.autocast("cpu", torch.bfloat16):
        features, logits = module(batch)
        again = module.classifier.head(features)
    head = module.classifier.head
    exact = (features.double() @ head.weight.double().T + head.bias.double()).detach()
    assert logits.dtype == torch.float32
    assert float((logits.detach().double() - exact).abs().max()) < 1e-6
    assert float((again.detach().double() - exact).abs().max()) > 1e-4  # what the layer itself gives under autocast
    functional.cross_entropy(logits, batch["labels"]).backward()
    probabilities = exact.softmax(-1) - functional.one_hot(batch["labels"], 2)
    expected = probabilities.T @ features.detach().double() / len(features)
    torch.testing.assert_close(head.weight.grad.double(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("features_dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_a_head_computes_in_the_wider_dtype_and_in_float32_at_least(generator, dtype, features_dtype):
    weight = torch.randn(3, 8, generator=generator).to(dtype)
    features = torch.randn(5, 8, generator=generator).to(features_dtype)
    logits = LinearHead(weight, torch.zeros(3, dtype=dtype)).logits(features)
    wide = torch.float64 in (dtype, features_dtype)
    assert logits.dtype == (torch.float64 if wide else torch.float32)
    exact = features.double() @ weight.double().T
    assert float((logits.double() - exact).abs().max()) < (1e-12 if wide else 1e-5)


def test_outlier_texts_go_through_the_encoder_and_not_through_the_dropout_of_the_head(tiny_encoder):
    rows = {}

    def texts(_):
        rows.setdefault("batch", {name: t[:4] for name, t in first.items() if name != "labels"})
        return rows["batch"]

    module = watched(tiny_encoder, dropout=0.5, outlier_texts=texts)
    first = next(iter(batches(module).train_dataloader()))
    module.trainer = pl.Trainer(logger=False, accelerator="cpu")
    module.log = lambda *_, **__: None
    module.train()
    module.training_step(first, 0)
    ((_, _, _, outlier_logits, outliers),) = module.regularizer.seen
    assert outliers.shape == (4, 16)
    torch.testing.assert_close(outlier_logits, module.classifier.linear_head().logits(outliers), rtol=0, atol=0)
