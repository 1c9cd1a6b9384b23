"""What a run takes over from an earlier one, and `GROUP=null`: composed, without training."""

import pytest
from hydra import compose
from omegaconf import OmegaConf

import train
from tests.cli.commands import call, failing
from vos.cli.groups import with_groups
from vos.cli.history import with_history
from vos.cli.taken_over import without_replaced
from vos.errors import ConfigError

SAVED = [
    "data=files", "data.train=a.csv", "data.val_share=0.3", "seed=3", "outliers.distance=0.9", "run=old",
    "labels=files", "labels.path=answers.csv", "ledger=own.sqlite", "accept_rejected=true", "warm_start=false",
]  # fmt: skip


@pytest.fixture
def earlier(tmp_path):
    """The folder of a run with answers and a cold start."""
    (tmp_path / "overrides.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(SAVED)), "utf-8")
    return tmp_path


def goes_on(*given):
    return with_history(compose("train", list(given)), list(given))


@pytest.mark.usefixtures("hydra_at_conf")
def test_a_run_that_starts_from_another_does_not_repeat_what_was_about_that_run_alone(earlier):
    config, overrides = goes_on(f"run={earlier}")
    assert overrides == [*SAVED[:5], "ledger=own.sqlite", f"run={earlier}"]
    assert (config.get("labels"), config.accept_rejected, config.warm_start) == (None, False, True)
    config, overrides = goes_on(f"resume={earlier}")  # which is the same run
    assert overrides == SAVED
    assert (config.labels.path, config.accept_rejected, config.warm_start) == ("answers.csv", True, False)


@pytest.mark.usefixtures("hydra_at_conf")
def test_answers_to_the_batch_of_a_classifier_that_was_only_studied_are_trained_on(tmp_path):
    (tmp_path / "overrides.yaml").write_text("- model=pretrained\n- trainer.max_epochs=0\n", "utf-8")
    config, overrides = goes_on(f"run={tmp_path}", "labels=oracle")
    assert overrides == ["model=pretrained", f"run={tmp_path}", "labels=oracle"]
    assert config.trainer.max_epochs > 0
    assert goes_on(f"run={tmp_path}")[0].trainer.max_epochs == 0


@pytest.mark.usefixtures("hydra_at_conf")
def test_another_option_on_the_command_line_replaces_the_settings_of_the_earlier_one(earlier, caplog):
    caplog.set_level("INFO")
    given = ["labels=oracle", "data=embedded", "outliers=tail", f"run={earlier}"]
    config, overrides = goes_on(*given)
    assert overrides == ["seed=3", "ledger=own.sqlite", *given]
    assert config.data._target_ == "vos.data.EmbeddedData"
    assert "data.train=a.csv, data.val_share=0.3, outliers.distance=0.9" in caplog.text


@pytest.mark.usefixtures("hydra_at_conf")
@pytest.mark.parametrize(
    ("saved", "given", "start", "kept"),
    [
        (["data=files", "data.train=a"], ["data=files"], True, ["data.train=a"]),  # the same option
        (["exposure=file", "exposure.path=a"], ["exposure=[]"], True, []),
        (["~exposure"], ["exposure=packaged"], True, []),
        (["outliers=tail", "loss.module.weight=1"], ["experiment=frozen"], True, ["outliers=tail"]),  # it has no loss
        (["trainer=ddp", "trainer.max_epochs=9"], ["trainer=cpu"], False, ["trainer.max_epochs=9"]),
        (["logger.wandb.name=a", "seed=1"], ["logger=none"], False, ["seed=1"]),
    ],
)
def test_settings_of_replaced_options(saved, given, start, kept):
    assert without_replaced(saved, given, start=start) == kept


@pytest.mark.parametrize(
    ("program", "given", "composed"),
    [
        ("train", "labels=null", "labels=[]"),
        ("train", "experiment=null", "experiment=[]"),
        ("train", "exposure=null,packaged", "exposure=[],packaged"),  # a sweep
        ("train", "run=null", "run=null"),
        ("train", "data.pool=null", "data.pool=null"),
        ("train", "hydra/launcher=joblib", "hydra/launcher=joblib"),
        ("train", "labels={", "labels={"),  # Hydra says what is wrong
        ("synthesize", "batch=null", "batch=null"),
    ],
)
def test_null_chooses_no_option(program, given, composed):
    assert with_groups(program, ["-m", given]) == ["-m", composed]


@pytest.mark.parametrize(
    ("program", "given", "message"),
    [
        ("train", "data=null", "data: expected one of embedded, files, hub, got null"),
        ("train", "seed=1 outliers=tail,null", "outliers: expected one of boundary, "),
        ("train", "labels=3", "labels: expected one of argilla, files, label_studio, oracle, got 3"),
        ("train", "hydra/launcher=null", "hydra/launcher: expected the name of an option, got null"),
        ("synthesize", "candidates=null", "candidates: expected one of lm, pool, pool_then_lm, got null"),
    ],
)
def test_a_group_that_needs_an_option_has_one(program, given, message):
    with pytest.raises(ConfigError) as caught:
        with_groups(program, given.split())
    assert str(caught.value).startswith(message)


def test_the_program_itself_takes_null_for_a_group(monkeypatch, capsys):
    call(train.main, monkeypatch, "experiment=outlier_exposure", "exposure=null", "labels=null", "--cfg", "job")
    composed = OmegaConf.create(capsys.readouterr().out)
    assert ("exposure" in composed, "labels" in composed, composed.loss.settings.weight) == (False, False, 2.0)
    assert "error: loss: expected one of energy, " in failing(train.main, monkeypatch, capsys, "loss=null")
