"""A run that starts from another one: what its classifier, texts and folder are."""

import pytest

import train
from tests.cli.commands import failing
from vos.cli.compose import composed
from vos.cli.warm_start import model_changes
from vos.errors import ConfigError
from vos.models import load_classifier


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("model.pooling=cls", "model.pooling: expected mean as in run="),
        ("model.name=missing", "model.name: expected "),
        ("model.seed=7", "model.seed: expected 0 as in run="),
        ("model=pretrained model.name=missing", "model: expected vos.models.EncoderClassifier as in run="),
    ],
)
def test_a_setting_that_trained_weights_cannot_follow_is_refused_before_any_work(
    run, monkeypatch, tmp_path, capsys, given, message
):
    monkeypatch.chdir(tmp_path)
    error = failing(train.main, monkeypatch, capsys, f"run={run}", "logger=none", *given.split())
    assert message in error
    assert error.endswith("another one needs warm_start=false\n")
    assert list(tmp_path.iterdir()) == []


def test_settings_that_a_trained_classifier_can_follow_are_applied(run):
    same = composed("train", [f"run={run}", f"model.name={composed_name(run)}", "model.max_length=32", "seed=3"])
    assert model_changes(same) == {}
    same.model.max_length, same.model.dropout, same.model.truncation_side = 24, 0.3, "left"
    changes = model_changes(same)
    assert changes == {"max_length": 24, "dropout": 0.3, "truncation_side": "left"}
    changed = load_classifier(run / "model", **changes)
    assert (changed.max_length, changed.dropout_rate, changed.tokenizer.truncation_side) == (24, 0.3, "left")
    with pytest.raises(ConfigError, match=r"model.max_length: expected at most \d+, the positions"):
        load_classifier(run / "model", max_length=10**6)


def test_a_run_is_resumed_where_it_lies(run, monkeypatch, tmp_path, capsys):
    error = failing(train.main, monkeypatch, capsys, f"resume={run}", f"hydra.run.dir={tmp_path / 'other'}")
    assert f"resume={run}: expected no other folder" in error
    assert not (tmp_path / "other").exists()


def composed_name(run):
    """The encoder that a run began with."""
    lines = (run / "config.yaml").read_text().splitlines()
    return next(line.split(": ")[1] for line in lines if line.startswith("  name: "))
