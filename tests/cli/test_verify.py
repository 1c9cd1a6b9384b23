"""`synthesize.py verify=FILE`, in this process, with a tiny encoder and a toy language model."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from omegaconf import OmegaConf

import synthesize
import train
from tests.cli.commands import call, failing, synthesis
from tests.toy_language import WordLanguage

WORDS = [
    "candidates=lm",
    "language_model._target_=tests.toy_language.WordLanguage",
    *(f"~language_model.{name}" for name in ("name", "cache", "dtype", "device")),
    "candidates.potential.delta=99",
    "candidates.generation.text_generator.max_start=null",
    "candidates.generation.text_generator.stages.max_distance=99",
    "candidates.generation.text_generator.stages.pilot=6",
    "candidates.generation.text_generator.stages.pilot_ess=null",
    "candidates.generation.text_generator.stages.per_target=50",
    "candidates.generation.text_generator.stages.rounds=1",
    "candidates.generation.counterfactuals=null",
    "candidates.generation.text_generator.sampling.max_tokens=12",
]
"""A language model of made-up words writes for every target."""


def another_pool(run):
    """Settings of a pool that is not the run's own: its texts have other ids, and groups."""
    return [f"pool.path={run.parent / 'pool.csv'}", "pool.text=comment", "pool.group=key"]


@pytest.fixture(scope="module")
def batch(run, tmp_path_factory):
    """A batch with made texts."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        call(synthesize.main, patch, *synthesis(run, f"output={folder}", *another_pool(run), *WORDS))
    return folder


@pytest.fixture
def copy(batch, tmp_path):
    """A copy of the batch that a test may change."""
    return shutil.copytree(batch, tmp_path / "copy")


def verify(monkeypatch, capsys, path, *more):
    """Exit code and output of the command."""
    monkeypatch.setenv("VOS_ALLOW", "tests.toy_language")  # the batch names it
    try:
        call(synthesize.main, monkeypatch, f"verify={path}", *more)
    except SystemExit as stop:
        return stop.code, capsys.readouterr().out
    return 0, capsys.readouterr().out


def test_a_batch_from_before_there_were_several_ways_passes(run, tmp_path, monkeypatch, capsys):
    call(synthesize.main, monkeypatch, *synthesis(run, f"output={tmp_path}", "acquisition=targets"))
    path = tmp_path / "synthesis.yaml"
    settings = OmegaConf.load(path)
    of_targets = settings.pop("acquisition")
    settings.candidates.update({name: of_targets[name] for name in ("per_target", "index", "approximate")})
    OmegaConf.save(settings, path)
    code, output = verify(monkeypatch, capsys, tmp_path / "near_boundary.jsonl")
    assert (code, "mismatches" in output) == (0, True), output


@pytest.mark.parametrize("name", ["near_boundary.jsonl", "made.jsonl"])
def test_a_true_file_passes(batch, monkeypatch, capsys, name):
    code, output = verify(monkeypatch, capsys, batch / name)
    assert code == 0, output
    rows = dict(re.split(r" {2,}", line.strip(), maxsplit=1) for line in output.splitlines() if re.match(r"  \w", line))
    assert (rows["mismatches"], rows["targets made again"]) == ("0", "2")
    texts = [json.loads(line)["text"] for line in (batch / "near_boundary.jsonl").read_text("utf-8").splitlines()]
    assert not [text for text in texts if text in output]


def test_one_changed_digit_fails_with_id_field_and_both_values(copy, monkeypatch, capsys):
    path = copy / "near_boundary.jsonl"
    lines = path.read_text("utf-8").splitlines()
    row = json.loads(lines[3])
    before = row["margin"]
    row["margin"] = round(before + 0.01, 6)
    path.write_text("\n".join([*lines[:3], json.dumps(row, ensure_ascii=False), *lines[4:]]) + "\n", "utf-8")
    code, output = verify(monkeypatch, capsys, path)
    assert code == 3
    assert f"{row['id']}: margin is {row['margin']!r} in the file, {str(before)[:6]}" in output
    assert "near_boundary.jsonl: sha256 is" in output


def test_one_changed_text_fails(copy, monkeypatch, capsys):
    path = copy / "near_boundary.jsonl"
    lines = path.read_text("utf-8").splitlines()
    row = json.loads(lines[0])
    row["text"] += " indeed"
    path.write_text("\n".join([json.dumps(row, ensure_ascii=False), *lines[1:]]) + "\n", "utf-8")
    code, output = verify(monkeypatch, capsys, path)
    assert code == 3
    assert f"{row['id']}: uid is {row['uid']!r} in the file" in output


@pytest.mark.slow
def test_another_runs_model_fails(batch, workplace, monkeypatch, capsys, tmp_path):
    folder, overrides = workplace
    monkeypatch.chdir(folder)
    call(train.main, monkeypatch, *overrides, "seed=1", "refine.rounds=0", f"hydra.run.dir={tmp_path / 'other'}")
    code, output = verify(monkeypatch, capsys, batch / "near_boundary.jsonl", f"run={tmp_path / 'other'}")
    assert code == 3
    assert ": model_hash is '" in output
    assert re.fullmatch(r"and \d+ more", output.splitlines()[-2])
    assert "numbers of this file are not what its run gives" in output.splitlines()[-1]


def test_a_language_model_that_is_not_there_is_said(copy, monkeypatch, capsys):
    settings = copy / "synthesis.yaml"
    text = settings.read_text("utf-8").replace("WordLanguage", "MissingLanguage")
    settings.write_text(text, "utf-8")
    code, output = verify(monkeypatch, capsys, copy / "near_boundary.jsonl")
    assert code == 0
    assert "the language model cannot be had: expected the extra" in " ".join(output.split())


def test_what_cannot_be_checked_is_an_error_in_one_line(batch, copy, monkeypatch, capsys, tmp_path):
    def error(*overrides):
        return failing(synthesize.main, monkeypatch, capsys, *overrides)

    assert "none.jsonl: no such file" in error(f"verify={tmp_path / 'none.jsonl'}")
    assert "leave out ['n=10', 'candidates=pool_then_lm']" in error(f"verify={batch / 'made.jsonl'}", "n=10",
                                                               "candidates=pool_then_lm")  # fmt: skip
    (copy / "synthesis.yaml").unlink()
    message = error(f"verify={copy / 'near_boundary.jsonl'}")
    assert "expected the settings of the batch in" in message
    assert "make the batch again" in message


def test_an_interrupted_synthesis_goes_on_and_ends_with_the_same_bytes(run, batch, monkeypatch, capsys, tmp_path):
    command = [*synthesis(run, f"output={tmp_path}", *another_pool(run)), *WORDS]
    begun, calls = WordLanguage.with_beginnings, []

    def interrupted(self, *given):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return begun(self, *given)

    monkeypatch.setattr(WordLanguage, "with_beginnings", interrupted)
    with pytest.raises(SystemExit) as stop:
        call(synthesize.main, monkeypatch, *command)
    assert stop.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (tmp_path / "near_boundary.jsonl").exists()
    assert len((tmp_path / "made.jsonl").read_text("utf-8").splitlines()) == 4
    call(synthesize.main, monkeypatch, *command)
    whole = len((batch / "made.jsonl").read_text("utf-8").splitlines()) - 1
    # Asked for at most once a target, and once more where it was interrupted: what was made before is not made again.
    assert 4 < len(calls) <= whole + 1
    for name in ("near_boundary.jsonl", "near_boundary.csv", "made.jsonl"):
        assert (tmp_path / name).read_bytes() == (batch / name).read_bytes(), name
