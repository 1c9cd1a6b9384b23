"""A run ends with its best round by one metric: weights, density, plot and final numbers."""

import json
from dataclasses import replace

import pytest
import torch

from vos.errors import ConfigError
from vos.training.checkpoint import RoundCheckpoint, read_round
from vos.training.job import RefineSettings, RunSettings
from vos.training.keep import kept_round, why_kept
from vos.training.loop import refine, save_results
from vos.training.reporters import Reporter

BRIER = "boundary/val/brier"


def rounds(*values, name=BRIER):
    return [RoundCheckpoint(i, {name: v}, torch.zeros(1, 2)) for i, v in enumerate(values)]


def settings(**refine):
    return RunSettings(refine=RefineSettings(**refine))


@pytest.mark.parametrize(
    ("values", "best"),
    [((0.3,), 0), ((0.3, 0.2, 0.25), 1), ((0.2, 0.3, 0.1), 2), ((0.2, 0.3), 0), ((0.3, 0.2, 0.2), 1), ((0.2, 0.2), 0)],
)
def test_it_is_the_lowest_and_of_equal_ones_the_earlier(values, best):
    assert kept_round(rounds(*values), settings()) == best
    assert kept_round(rounds(*values), settings(keep="last")) == len(values) - 1
    errors = rounds(*values, name="boundary/val/error")
    assert kept_round(errors, settings(monitor="boundary/val/error")) == best


@pytest.mark.parametrize(
    ("values", "best", "why"),
    [
        ((0.1, 0.3, 0.2), 2, "boundary/val/brier is lowest: 0.2 (round 1: 0.3; 0.1 before the new labels)"),
        ((0.1, 0.2, 0.2), 1, "boundary/val/brier is lowest: 0.2 (round 2: 0.2; 0.1 before the new labels)"),
        ((0.1, 0.3), 1, "it is the only one; boundary/val/brier 0.3; 0.1 before the new labels"),
        ((0.1,), 0, "it is the only one; boundary/val/brier 0.1"),
    ],
)
def test_with_new_labels_the_classifier_of_before_is_no_candidate(values, best, why):
    """It was chosen on the same validation texts, and is still in its own run."""
    own = replace(settings(), plain_round=1)
    assert kept_round(rounds(*values), own) == best
    assert why_kept(rounds(*values), best, own) == why
    assert kept_round(rounds(*values), replace(own, refine=RefineSettings(keep="last"))) == len(values) - 1


@pytest.mark.parametrize("setting", [{"monitor": "val/brier"}, {"monitor": "boundary/test/brier"}, {"keep": "first"}])
def test_other_names_are_refused_with_those_that_there_are(setting):
    (name, value) = next(iter(setting.items()))
    with pytest.raises(ConfigError, match=rf"refine\.{name}: expected one of .*, got '{value}'"):
        RefineSettings(**setting)


class Told(Reporter):
    def __init__(self):
        self.kept = []

    def on_round(self, record):
        pass

    def on_kept(self, record, reason):
        self.kept.append((record.round, reason))


def prepared(job, lr_factor, **settings):
    refined = RefineSettings(rounds=2, tolerance=-1.0, lr_factor=lr_factor, n_outliers=4, **settings)
    return replace(job, settings=replace(job.settings, refine=refined), reporters=[Told()])


def check(job, result, number):
    """Weights, density, picture and numbers are those of one round."""
    kept = read_round(job.run, number)
    found = job.featurizers.current().featurize([e.text for e in job.data.val])
    torch.testing.assert_close(found.logits, kept.val_logits, rtol=0, atol=1e-6)
    fresh = type(job.module.density)(2, 16)
    train = job.featurizers.current().featurize([e.text for e in job.data.train])
    fresh.fit(train.features, torch.tensor([e.label for e in job.data.train]))
    torch.testing.assert_close(job.module.density.means, fresh.means)
    assert job.run.picture.read_bytes() == (job.run.rounds / f"boundary-{number}.png").read_bytes()
    content = save_results(job, result)
    assert json.loads(job.run.metrics_path.read_text()) == json.loads(json.dumps(content))
    assert content["final"] == kept.metrics
    assert content["kept_round"] == result.kept.round == number
    assert [each["round"] for each in content["rounds"]] == [0, 1, 2]
    assert job.reporters[0].kept[-1] == (number, content["kept_because"])
    return content["kept_because"]


def test_rounds_that_spoil_the_classifier_leave_it_with_round_0(job):
    job = prepared(job, lr_factor=300.0)
    because = check(job, refine(job), 0)
    values = [read_round(job.run, i).metrics[BRIER] for i in range(3)]
    assert values[0] == min(values) < max(values)
    others = f"round 1: {values[1]:.4g}, round 2: {values[2]:.4g}"
    assert because == f"boundary/val/brier is lowest: {values[0]:.4g} ({others})"


def test_the_last_is_kept_where_that_is_asked_for(job):
    job = prepared(job, lr_factor=300.0, keep="last")
    assert check(job, refine(job), 2).startswith("it is the last (refine.keep=last); boundary/val/brier ")


def test_each_round_goes_on_from_the_one_before_and_not_from_the_best(job, tmp_path):
    job = prepared(job, lr_factor=300.0)
    refine(job)
    best = [read_round(job.run, i).val_logits for i in range(3)]
    last = prepared(job, lr_factor=300.0, keep="last")
    assert best[1].equal(best[2]) is False
    refine(last)  # read back: the same rounds, whatever is kept
    for number, logits in enumerate(best):
        assert read_round(job.run, number).val_logits.equal(logits)


def test_a_run_cut_off_after_its_last_round_ends_with_the_same_round(job):
    job = prepared(job, lr_factor=300.0)
    refine(job)
    states = sorted(path.name for path in job.run.checkpoints.glob("*.safetensors"))
    assert states == ["round-0.safetensors", "round-2.safetensors"]  # the best, and the one to go on from
    with torch.no_grad():
        for parameter in job.module.parameters():
            parameter.add_(1.0)
        job.module.density.means.zero_()
    check(job, refine(job), 0)


def test_a_classifier_that_is_taken_over_is_round_0_and_kept_where_no_round_beats_it(job):
    job = prepared(job, lr_factor=300.0)
    job = replace(job, settings=replace(job.settings, plain_round=None))
    before = job.module.classifier.fingerprint()
    job.module.classifier.head_is_new = False
    because = check(job, refine(job), 0)
    assert because.startswith("it is the classifier taken over, and boundary/val/brier is lowest: ")
    assert job.module.classifier.fingerprint() == before


def test_rounds_on_new_labels_are_kept_though_the_classifier_of_before_is_better_on_validation_texts(job):
    job, own = prepared(job, lr_factor=1.0), job.module.settings
    job.module.settings = replace(own, optimizer=replace(own.optimizer, lr=0.3, head_lr=3.0))  # they spoil every round
    settings = replace(job.settings, plain_round=1, refine=replace(job.settings.refine, rounds=1))
    job = replace(job, settings=settings)
    result = refine(job)
    values = [read_round(job.run, i).metrics[BRIER] for i in range(3)]
    assert values[0] == min(values)
    number = 1 if values[1] <= values[2] else 2
    assert check(job, result, number).endswith(f"; {values[0]:.4g} before the new labels)")


def test_on_new_labels_round_1_trains_a_classifier_taken_over_at_the_full_rates(job, monkeypatch):
    seen = []
    settings = replace(job.settings, plain_round=1, refine=RefineSettings(rounds=1, tolerance=-1.0, lr_factor=0.5))
    job, own = replace(job, settings=settings), job.module.settings.optimizer
    real = job.module.training_step
    monkeypatch.setattr(job.module, "training_step", lambda *a: seen.append(job.module.settings) or real(*a))
    result = refine(job)
    assert [record.round for record in result.records] == [0, 1, 2]
    rates = [each.optimizer.lr for each in seen]
    assert rates == [own.lr] * 8 + [own.lr * 0.5] * 4  # two epochs of four steps, then one
    assert [each.regularization.start_epoch for each in seen] == [2] * 8 + [0] * 4
