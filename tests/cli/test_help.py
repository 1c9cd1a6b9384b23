"""`--help` and invalid overrides."""

import re
import sys

import pytest
from omegaconf import OmegaConf

import synthesize
import train
from vos.cli.compose import composed
from vos.cli.main import atlas, main
from vos.cli.overrides import advice, refuse_old_names
from vos.errors import ConfigError
from vos.storage.commands import command

PROGRAMS = {"train": train.main, "synthesize": synthesize.main, "atlas": atlas}


def printed(monkeypatch, capsys, program, *arguments):
    monkeypatch.setattr(sys, "argv", [f"{program}.py", *arguments])
    code = 0
    try:
        PROGRAMS[program]()
    except SystemExit as stop:
        code = stop.code
    found = capsys.readouterr()
    return code, found.out, found.err


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_setting_stands_in_the_help_with_its_value_and_meaning(monkeypatch, capsys, program):
    code, out, _ = printed(monkeypatch, capsys, program, "--help")
    assert code in (0, None)
    settings = out.partition("Settings as composed")[2].splitlines()[2:]
    shown = [line for line in settings if re.match(r" *[\w-]+:", line) and not line.startswith(("Exit", "Tab"))]
    assert len(shown) > (30 if program == "atlas" else 60)
    silent = [line for line in shown if " # " not in line and not line.rstrip().endswith(":")]
    silent = [line.strip().partition(":")[0] for i, line in enumerate(shown) if line in silent and len(line) < 44]
    assert len(silent) < 16, silent  # those of pytorch-lightning, which it explains itself


def test_an_option_changes_what_is_explained(monkeypatch, capsys):
    _, out, _ = printed(monkeypatch, capsys, "train", "--help", "outliers=tail_draws")
    assert re.search(r"^  draws: 10000 ", out, re.MULTILINE)
    assert "  margin: " not in out


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("outliers.distnce=0.5", "outliers.distnce: no such setting, did you mean outliers.distance?"),
        ("sead=1", "sead: no such setting, did you mean seed?"),
        ("outliers=boundry", "outliers=boundry: no such option, did you mean boundary?; expected one of boundary, "),
        ("outlier_texts=written", "outlier_texts: this is called exposure now"),
        ("outlier_texts.batch_size=3", "outlier_texts.batch_size: this is called exposure.batch_size now"),
        ("experiment=outlier_texts", "this is called experiment=outlier_exposure now"),
        ("data=files", "data.train: expected a value, found none"),
        ("a=[1", "no viable alternative at input"),
    ],
)
def test_an_override_that_cannot_be_used_is_one_line(monkeypatch, capsys, tmp_path, override, message):
    code, _, err = printed(monkeypatch, capsys, "train", override, f"hydra.run.dir={tmp_path / 'run'}")
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.glob("run/*")] in ([], ["train.log"])


def test_options_of_version_0_1_are_named_as_they_are_called_now(monkeypatch, capsys):
    code, _, err = printed(monkeypatch, capsys, "synthesize", "run=x", "candidates=ladder")
    assert code == 2
    assert err.strip() == "error: candidates=ladder: this is called candidates=pool_then_lm now"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("making.ladder", "generation.pool_first"),
        ("making.edits.texts", "generation.counterfactuals.texts"),
        ("making.settings.rules.repeated", "generation.text_generator.rules.repeated"),
        ("making.settings.outlook_texts", "generation.text_generator.prefix_value_texts"),
        ("making.settings.steering.chunk", "generation.text_generator.smc.chunk"),
        ("making.settings.stages.per_target", "generation.text_generator.stages.per_target"),
        ("making.settings.stages.chains", "generation.text_generator.stages.mcmc_chains"),
        ("making.settings.stages.moves", "generation.text_generator.stages.mcmc_moves"),
        ("making.settings.stages.steer", "generation.text_generator.stages.smc"),
        ("selection.max_source_share.seeded", "selection.max_source_share.prefix_conditioned"),
        ("selection.max_source_share.steered", "selection.max_source_share.smc"),
        ("selection.max_source_share.edited", "selection.max_source_share.counterfactual"),
    ],
)
def test_settings_of_version_0_1_are_named_as_they_are_called_now(old, new):
    assert OmegaConf.select(composed("synthesize", ["candidates=lm"]), f"candidates.{new}") is not None
    expected = re.escape(f"candidates.{old}: this is called candidates.{new} now")
    with pytest.raises(ConfigError, match=f"^{expected}$"):
        refuse_old_names([f"candidates.{old}=1"])


@pytest.mark.parametrize(
    "old",
    ["candidates.making", "candidates.generation", "exposure", "outlier_texts"],
)
def test_the_language_model_has_one_place(old):
    with pytest.raises(
        ConfigError, match=re.escape(f"{old}.language_model.name: this is called language_model.name now")
    ):
        refuse_old_names([f"{old}.language_model.name=x"])


def test_the_package_runs_as_a_module(monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["nothing"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m vos train|synthesize|atlas")
    monkeypatch.setattr(sys, "argv", sys.argv)
    with pytest.raises(SystemExit) as stop:
        main(["train", "--help"])
    assert stop.value.code == 0
    assert "python -m vos train resume=RUN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        ("train.py", "python synthesize.py"),
        ("/somewhere/bin/vos-train", "vos-synthesize"),
        ("python -m vos train", "python -m vos synthesize"),
        ("/usr/lib/python3/ipykernel_launcher.py", "python -m vos synthesize"),
    ],
)
def test_the_next_step_is_told_as_it_is_typed_here(monkeypatch, called, expected):
    monkeypatch.setattr(sys, "argv", [called])
    assert command("synthesize") == expected


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        ("train.py", "python -m vos atlas"),  # a checkout has no script of that name
        ("/somewhere/bin/vos-train", "vos-atlas"),
        ("python -m vos train", "python -m vos atlas"),
    ],
)
def test_the_atlas_is_told_as_it_is_typed_here(monkeypatch, called, expected):
    monkeypatch.setattr(sys, "argv", [called])
    assert command("atlas") == expected


def test_a_launcher_that_is_not_installed_names_the_package():
    options = "Available options in 'hydra/launcher':\n\tbasic\nConfig search path:"
    found = Exception(f"Could not find 'hydra/launcher/joblib'\n\n{options}")
    assert advice(found, "train", []) == "hydra/launcher=joblib: needs another package; pip install 'vos-text[sweep]'"
