"""Work interrupted at the critical points found by the fault campaign resumes to the same result."""

import json
import shutil

import pytest

import synthesize
import train
from tests.cli.commands import call, changed_by_hand, failing, synthesis
from vos.cli.synthesize import BATCH, MOVING, PARTS, UNFINISHED, _finish_replacing
from vos.labeling import Label, Ledger, read_jsonl, write_labels
from vos.storage.run_directory import RunDirectory

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """As abrupt as a signal: nothing catches it."""


def killed_in(monkeypatch, place, main, *overrides):
    """Run a program whose process dies when it calls this."""

    def die(*_args, **_settings):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(place, die)
        with pytest.raises(Killed):
            call(main, monkeypatch, *overrides)


def events(ledger):
    with Ledger(ledger) as opened:
        return [(each.kind, each.uid, each.batch, each.payload) for each in opened.events()]


@pytest.fixture
def answered(run, monkeypatch, tmp_path):
    """A batch, answers to it, and the settings of the round that trains on them."""
    ledger = tmp_path / "ledger.sqlite"
    asked = [each for each in synthesis(run, f"output={tmp_path}", f"ledger={ledger}") if each != "labeling=none"]
    call(synthesize.main, monkeypatch, *asked)
    records = read_jsonl(tmp_path / BATCH)
    labels = [Label(r.uid, "ann", ("no", "yes")[i % 2], "2027-01-01T10:00:00Z") for i, r in enumerate(records)]
    write_labels(tmp_path / "answers.jsonl", labels)
    answers = ["labels=files", f"labels.path={tmp_path / 'answers.jsonl'}", f"ledger={ledger}"]
    return ledger, [*answers, f"run={run}", "logger=csv", f"hydra.run.dir={tmp_path / 'next'}"]


@pytest.mark.parametrize(
    "place",
    ["vos.cli.train.record_round", "vos.storage.run_directory.RunDirectory.finish"],
)
def test_a_labelled_round_that_was_cut_off_is_recorded_when_it_is_resumed(answered, monkeypatch, tmp_path, place):
    ledger, settings = answered
    shutil.copyfile(ledger, tmp_path / "before.sqlite")
    call(train.main, monkeypatch, *settings)
    expected, rounds = events(ledger), (tmp_path / "labelling_rounds.csv").read_bytes()
    metrics = (tmp_path / "next/metrics.json").read_bytes()
    assert sum(event[0] == "trained" for event in expected) == 10
    shutil.rmtree(tmp_path / "next")
    shutil.copyfile(tmp_path / "before.sqlite", ledger)
    (tmp_path / "labelling_rounds.jsonl").unlink()
    killed_in(monkeypatch, place, train.main, *settings)
    call(train.main, monkeypatch, f"resume={tmp_path / 'next'}")
    assert events(ledger) == expected
    assert (tmp_path / "labelling_rounds.csv").read_bytes() == rounds
    assert (tmp_path / "next/metrics.json").read_bytes() == metrics
    assert not (tmp_path / "next/checkpoints").exists()


@pytest.mark.parametrize(
    "place",
    ["vos.storage.run_directory.RunDirectory.finish", "vos.cli.train.build_job"],
)
def test_a_run_cut_off_at_its_begin_or_its_end_is_resumed_to_the_same_files(workplace, monkeypatch, tmp_path, place):
    settings = [*workplace[1], "logger=csv", f"paths.cache={tmp_path / 'cache'}"]
    call(train.main, monkeypatch, *settings, f"hydra.run.dir={tmp_path / 'whole'}")
    killed_in(monkeypatch, place, train.main, *settings, f"hydra.run.dir={tmp_path / 'cut'}")
    if (tmp_path / "cut/manifest.json").exists():
        call(train.main, monkeypatch, f"resume={tmp_path / 'cut'}")
    else:
        call(train.main, monkeypatch, *settings, f"hydra.run.dir={tmp_path / 'cut'}")
    names = ["metrics.json", "rounds.csv", "density.safetensors", "boundary.png"]
    names += [path.relative_to(tmp_path / "whole").as_posix() for path in (tmp_path / "whole/model").iterdir()]
    for name in names:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not (tmp_path / "cut/checkpoints").exists()


@pytest.mark.parametrize("place", ["write_csv", "file_hash"])
def test_where_a_batch_is_all_that_belongs_to_it_is(run, monkeypatch, tmp_path, place):
    settings = synthesis(run, f"output={tmp_path / 'cut'}")
    killed_in(monkeypatch, f"vos.synthesis.synthesize.{place}", synthesize.main, *settings)
    assert not (tmp_path / "cut" / BATCH).exists()
    call(synthesize.main, monkeypatch, *settings)
    call(synthesize.main, monkeypatch, *synthesis(run, f"output={tmp_path / 'whole'}"))
    for name in ("near_boundary.jsonl", "near_boundary.csv", "synthesis.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("moved", range(len(PARTS) + 1))
def test_a_batch_that_takes_the_place_of_another_does_so_in_the_end(tmp_path, moved):
    """Killed after so many of its files were moved; two of its parts are missing, and go with the old batch."""
    new = [name for name in PARTS if name not in ("made.jsonl", "writing_targets.safetensors")]
    (tmp_path / UNFINISHED).mkdir()
    for name in PARTS:
        (tmp_path / name).write_text("old")
    for name in new:
        (tmp_path / UNFINISHED / name).write_text("new")
    if moved:
        (tmp_path / UNFINISHED / MOVING).write_text(json.dumps(new, allow_nan=False))
    for name in PARTS[: moved - 1] if moved else ():
        if name in new:
            (tmp_path / UNFINISHED / name).replace(tmp_path / name)
        else:
            (tmp_path / name).unlink()
    _finish_replacing(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(new, "new")


def test_a_batch_of_which_a_file_was_changed_is_not_sent(run, monkeypatch, capsys, tmp_path):
    settings = synthesis(run, f"output={tmp_path / 'batch'}")
    call(synthesize.main, monkeypatch, *settings)
    path = tmp_path / "batch" / BATCH
    path.write_text(path.read_text("utf-8").replace("on day", "on dax", 1), "utf-8")
    page = [*settings[:3], "labeling=page", *settings[4:], f"ledger={tmp_path / 'ledger.sqlite'}"]
    assert settings[3] == "labeling=none"
    error = failing(synthesize.main, monkeypatch, capsys, *page)
    assert "near_boundary.jsonl" in error
    assert len(error.strip().splitlines()) == 1
    assert not list(tmp_path.glob("batch/label*.html"))


def test_a_changed_file_of_a_finished_run_is_refused_in_one_line(run, monkeypatch, capsys, tmp_path):
    copy = tmp_path / "run"
    for name in ("model/config.json", "metrics.json"):
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("wandb", ".lock"))
        with (copy / name).open("ab") as file:
            file.write(b"\n")
        for program, settings in (
            (synthesize.main, synthesis(copy, f"output={tmp_path / 'batch'}")),
            (train.main, [f"run={copy}", f"hydra.run.dir={tmp_path / 'next'}"]),
        ):
            error = failing(program, monkeypatch, capsys, *settings)
            assert name in error
            assert len(error.strip().splitlines()) == 1
        shutil.rmtree(copy)
    assert RunDirectory(run).manifest["files"]


def test_a_full_disk_is_one_line_and_no_log_of_it_is_a_trace(workplace, monkeypatch, capsys, tmp_path):
    settings = [*workplace[1], "logger=none", f"paths.cache={tmp_path / 'cache'}", f"hydra.run.dir={tmp_path / 'run'}"]

    def full(*_args, **_settings):
        raise OSError(28, "No space left on device", "a.ckpt")

    with monkeypatch.context() as patch:
        patch.setattr("vos.training.loop.fit_round", full)
        error = failing(train.main, monkeypatch, capsys, *settings)
    assert "a.ckpt: cannot be read, written or made (No space left on device)" in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()  # nothing was computed yet


def test_settings_of_a_run_or_a_batch_with_a_byte_that_is_no_text_are_one_line(run, monkeypatch, capsys, tmp_path):
    settings = synthesis(run, f"output={tmp_path / 'batch'}")
    call(synthesize.main, monkeypatch, *settings)
    beside = tmp_path / "batch/synthesis.yaml"
    beside.write_bytes(beside.read_bytes().replace(b"acquisition", b"acqui\xffition", 1))
    page = ["labeling=page" if each == "labeling=none" else each for each in settings]
    copy = shutil.copytree(run, tmp_path / "copy", ignore=shutil.ignore_patterns("wandb", ".lock"))
    (copy / "config.yaml").write_bytes(b"seed: \xff\n")
    changed_by_hand(copy)
    for program, own in (
        (synthesize.main, [*page, f"ledger={tmp_path / 'ledger.sqlite'}"]),
        (synthesize.main, synthesis(copy, f"output={tmp_path / 'other'}")),
        (train.main, [f"run={copy}", f"hydra.run.dir={tmp_path / 'next'}"]),
    ):
        assert len(failing(program, monkeypatch, capsys, *own).strip().splitlines()) == 1


@pytest.mark.parametrize("error", [MemoryError("Cannot allocate memory"), RuntimeError("can't allocate memory")])
def test_memory_that_ends_while_a_part_is_built_is_one_line(workplace, monkeypatch, capsys, tmp_path, error):
    def built(*_args, **_settings):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("vos.models.encoder.load_tokenizer", built)
        own = [*workplace[1], "logger=none", f"hydra.run.dir={tmp_path / 'run'}"]
        said = failing(train.main, monkeypatch, capsys, *own)
    assert "error: model: memory is short" in said
    assert "Traceback" not in said
