import pytest
import pytorch_lightning as pl

from tests.training.modules import build, fit
from vos.training.optimization import rate_factor
from vos.training.settings import ScheduleSettings


def test_parameter_groups_hold_the_right_rates(tiny_encoder):
    module = build(tiny_encoder)
    groups = module._parameter_groups()
    rates = {(g["lr"], g["weight_decay"]) for g in groups}
    assert rates == {(1e-3, 0.0), (1e-3, 0.01), (1e-2, 0.0), (1e-2, 0.01)}
    head = next(g for g in groups if any(p is module.classifier.head.weight for p in g["params"]))
    assert (head["lr"], head["weight_decay"]) == (1e-2, 0.01)
    assert sum(len(g["params"]) for g in groups) == len(list(module.parameters()))


@pytest.mark.parametrize("loss", ["energy", "flattening", None])
def test_the_head_and_what_the_regulariser_learns_have_the_rate_of_the_head(tiny_encoder, loss):
    module = build(tiny_encoder, loss=loss)
    rates = {id(p): (g["lr"], g["weight_decay"]) for g in module._parameter_groups() for p in g["params"]}
    for name, parameter in module.named_parameters():
        is_head = name.startswith(("classifier.head.", "regularizer."))
        decay = 0.01 if parameter.ndim >= 2 else 0.0
        assert rates[id(parameter)] == (1e-2 if is_head else 1e-3, decay), name
    assert loss != "energy" or any(name.startswith("regularizer.") for name, _ in module.named_parameters())


def test_what_is_frozen_is_in_no_group(tiny_encoder):
    module = build(tiny_encoder, freeze=True)
    groups = module._parameter_groups()
    assert {g["lr"] for g in groups} == {1e-2}
    held = {id(p) for g in groups for p in g["params"]}
    assert held == {id(p) for p in (*module.classifier.head.parameters(), *module.regularizer.parameters())}


def rates_of(module):
    """The encoder's rate in each of 20 steps: 24 texts in batches of 6, five times."""
    rates = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, *rest):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    fit(module, epochs=5, callbacks=[Watch()])
    assert len(rates) == 20
    return rates


def test_the_rate_warms_up_and_decays(tiny_encoder):
    rates = rates_of(build(tiny_encoder, loss=None))
    assert rates[0] == pytest.approx(1e-3 / 2)
    assert rates[1] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-3 / 18)
    assert rates[1:] == sorted(rates[1:], reverse=True)


def test_without_decay_the_rate_stays_at_its_peak(tiny_encoder):
    rates = rates_of(build(tiny_encoder, loss=None, schedule=ScheduleSettings(warmup_share=0.2, decay=False)))
    assert rates == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3] + [1e-3] * 17)


@pytest.mark.parametrize("decay", [True, False])
@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("total", [0, 1, 7])
def test_at_the_ends_of_its_settings_the_factor_is_a_share_of_the_peak(decay, share, total):
    factor = rate_factor(ScheduleSettings(share, decay), total)
    assert 0.0 < factor(0) <= 1.0
    assert all(0.0 <= factor(step) <= 1.0 for step in range(total + 2))
