from dataclasses import replace

import pytest
import torch

import vos.training.module as module_code
from vos.storage.seeds import derive_seed
from vos.training.checkpoint import RoundCheckpoint
from vos.training.loop import boundary_shift, fit_round


def from_margins(margins):
    return torch.tensor([[0.0, m] for m in margins])


def test_the_shift_counts_the_texts_of_round_0s_band_alone():
    first = RoundCheckpoint(0, {"boundary/band": 1.0}, from_margins([0.5, -1.0, 3.0]))
    previous, current = from_margins([0.0, 0.0, 9.0]), from_margins([0.0, 2.0, -9.0])
    moved = torch.sigmoid(torch.tensor(2.0, dtype=torch.float64)) - 0.5
    assert boundary_shift(first, previous, current, (1,)) == pytest.approx(float(moved) / 2)
    assert boundary_shift(first, previous, previous, (1,)) == 0.0


class Broken(Exception):
    pass


def watched(job, monkeypatch, error=None):
    """The settings under which each step of the job is taken; `error` is raised in the second."""
    seen = []

    def step(batch, number, real=job.module.training_step):
        seen.append(job.module.settings)
        if error is not None and len(seen) == 2:
            raise error
        return real(batch, number)

    monkeypatch.setattr(job.module, "training_step", step)
    return seen


def test_a_round_has_settings_of_its_own_and_the_module_keeps_its_own(job, monkeypatch):
    own, seen = job.module.settings, watched(job, monkeypatch)
    fit_round(job, 1)
    assert job.module.settings == own
    (found,) = set(seen)
    assert (found.optimizer.lr, found.optimizer.head_lr) == (own.optimizer.lr * 0.5, own.optimizer.head_lr * 0.5)
    assert found.regularization.start_epoch == 0
    assert found.seed == derive_seed(3, "round", 1) != own.seed
    seen.clear()
    fit_round(job, 0)
    (found,) = set(seen)
    assert found == replace(own, seed=derive_seed(3, "round", 0))


@pytest.mark.parametrize("number", [0, 1])
def test_a_fit_that_fails_leaves_the_settings_of_the_module_as_they_were(job, monkeypatch, number):
    own, seen = job.module.settings, watched(job, monkeypatch, Broken())
    with pytest.raises(Broken):
        fit_round(job, number)
    assert len(seen) == 2
    assert seen[0] != own
    assert job.module.settings == own


def test_a_fit_after_one_that_failed_validates_its_own_texts_alone(job, monkeypatch):
    job.module._validation.append((torch.zeros(3, 2), torch.tensor([0, 1, 1]), torch.zeros(3, 16)))  # of a fit cut off
    counted, real = [], module_code.epoch_metrics
    monkeypatch.setattr(module_code, "epoch_metrics", lambda x, _: counted.append(len(x)) or real(x, _))
    fit_round(job, 0)
    assert counted == [8, 8]
