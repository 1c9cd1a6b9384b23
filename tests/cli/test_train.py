"""The two commands, in this process, with a tiny encoder and small files."""

import csv
import io
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import yaml
from hydra.utils import instantiate
from safetensors.torch import load_file

import synthesize
import train
from tests.cli.commands import call, failing, synthesis, write_texts
from tests.conftest import ROOT
from tests.training.wandb_file import history, the_file
from vos.cli.compose import composed
from vos.labeling import Label, read_jsonl, write_labels
from vos.training.measurable import can_be_measured, measurable


def test_a_run_leaves_everything_that_was_promised(run):
    files = """config.yaml overrides.yaml manifest.json metrics.json boundary.png
    boundary_by_round.png reliability.png density.safetensors rounds.csv
    rounds/0.json rounds/1.json model/config.json model/model.safetensors model/head.safetensors model/tokenizer.json
    steps/round-0/metrics.csv"""
    for name in files.split():
        assert (run / name).stat().st_size > 0, name
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["seed"] == 0
    assert not (run / "checkpoints").exists()
    final = json.loads((run / "metrics.json").read_text())["final"]
    for name in ("boundary/val/band_error", "boundary/test/brier", "boundary/outlier_energy_auroc", "boundary/shift",
                 "boundary/standardized_distance/no", "ood/energy/auroc", "ood/mahalanobis/fpr95_ood_accepted_at_95_id",
                 "ood/knn/fpr95_id_rejected_at_95_ood", "ood/initial_knn/aupr",
                 "ood/energy_and_initial_knn/auroc"):  # fmt: skip
        assert isinstance(final[name], float), name


def test_the_band_stays_that_of_round_0(run):
    rounds = json.loads((run / "metrics.json").read_text())["rounds"]
    assert rounds[0]["boundary/band"] == rounds[1]["boundary/band"]


def test_the_wandb_run_on_disk_holds_steps_and_rounds(run):
    rows = history(the_file(run))
    assert sum("train/cross_entropy" in row for row in rows) == 5 * 3
    assert sum("train/regularizer" in row for row in rows) == 5
    assert [row["round"] for row in rows if "round" in row] == [0, 1]
    assert all("boundary/map" in row for row in rows if "round" in row)
    for name in ("boundary_by_round", "reliability"):
        (logged,) = [row[f"pictures/{name}"] for row in rows if f"pictures/{name}" in row]
        assert (the_file(run).parent / "files" / logged["path"]).read_bytes() == (run / f"{name}.png").read_bytes()


def test_synthesis_writes_the_batch_with_its_evidence(run, monkeypatch):
    call(synthesize.main, monkeypatch, *synthesis(run))
    records = read_jsonl(run / "near_boundary.jsonl")
    rows = list(csv.DictReader(io.StringIO((run / "near_boundary.csv").read_text())))
    report = json.loads((run / "synthesis.json").read_text())
    assert len(records) == len(rows) == report["written"] == 10
    assert {r.chosen for r in records} == {"coverage", "random"}
    assert all((r.coverage is None) == (r.chosen == "random") for r in records)
    assert all(float(row["expected_error"]) == r.expected_error for r, row in zip(records, rows, strict=True))
    assert report["pool_scored"] == 60
    assert [row["text"] for row in rows] == [r.text for r in records]
    manifest = json.loads((run / "manifest.json").read_text())
    assert {r.model_hash for r in records} == {manifest["model_hash"]}
    pool = {row["key"]: row["comment"] for row in csv.DictReader(io.StringIO((run.parent / "pool.csv").read_text()))}
    assert all(pool[r.id] == r.text for r in records)


def test_the_same_synthesis_gives_the_same_bytes(run, monkeypatch, tmp_path):
    for name in ("a", "b"):
        call(synthesize.main, monkeypatch, *synthesis(run, f"output={tmp_path / name}"))
    assert (tmp_path / "a/near_boundary.jsonl").read_bytes() == (tmp_path / "b/near_boundary.jsonl").read_bytes()


def test_a_pool_from_another_file(run, monkeypatch, tmp_path):
    pool = write_texts(tmp_path / "other.csv", 30, 900)
    call(synthesize.main, monkeypatch,
         *synthesis(run, f"output={tmp_path}", f"pool.path={pool}", "pool.text=comment", "pool.id=key"))  # fmt: skip
    assert all(int(r.id[1:]) >= 900 for r in read_jsonl(tmp_path / "near_boundary.jsonl"))


def test_synthesis_refuses_to_replace_a_batch(run, monkeypatch, tmp_path, capsys):
    call(synthesize.main, monkeypatch, *synthesis(run, f"output={tmp_path}"))
    error = failing(synthesize.main, monkeypatch, capsys, *synthesis(run, f"output={tmp_path}"))
    assert "near_boundary.jsonl exists; keep it with output=FOLDER, or replace it with overwrite=true" in error
    call(synthesize.main, monkeypatch, *synthesis(run, f"output={tmp_path}", "overwrite=true"))


def test_synthesis_of_a_run_that_is_not_there_makes_nothing(monkeypatch, tmp_path, capsys):
    error = failing(synthesize.main, monkeypatch, capsys, f"run={tmp_path / 'no'}")
    assert "no such directory" in error
    assert list(tmp_path.iterdir()) == []


def test_synthesis_notices_data_that_changed(run, monkeypatch, capsys):
    path = run.parent / "train.csv"
    before = path.read_text()
    try:
        path.write_text(before + "one more text,yes,k999\n")
        error = failing(synthesize.main, monkeypatch, capsys, *synthesis(run, "output=elsewhere"))
        assert "its data files have changed since" in error
    finally:
        path.write_text(before)


def test_synthesis_notices_a_model_that_changed(run, monkeypatch, capsys):
    path = run / "model/head.safetensors"
    before = path.read_bytes()
    try:
        path.write_bytes(before[:-4] + b"\0\0\0\x3f")
        error = failing(synthesize.main, monkeypatch, capsys, *synthesis(run, "output=elsewhere"))
        assert "is not the model that the run saved" in error
    finally:
        path.write_bytes(before)


def test_nothing_near_enough_is_an_error_with_a_report(run, monkeypatch, tmp_path, capsys):
    error = failing(
        synthesize.main, monkeypatch, capsys,
        *synthesis(run, f"output={tmp_path}", "candidates.selection.max_margin=0",
                   "candidates.selection.random_share=0"),
    )  # fmt: skip
    assert "no text passed the selection: 60 scored" in error
    assert json.loads((tmp_path / "synthesis.json").read_text())["written"] == 0
    assert not (tmp_path / "near_boundary.jsonl").exists()


def test_an_infeasible_target_names_the_smallest_radius(run, monkeypatch, capsys, tmp_path):
    error = failing(
        synthesize.main, monkeypatch, capsys,
        *synthesis(run, f"output={tmp_path}", "outliers.margin=1e4", "outliers.distance=0.5"),
    )  # fmt: skip
    assert "feasible radius" in error


def test_a_finished_run_is_not_run_again(run, workplace, monkeypatch, capsys):
    before = (run / "manifest.json").read_bytes()
    value = call(train.main, monkeypatch, *workplace[1], f"hydra.run.dir={run}")
    assert (run / "manifest.json").read_bytes() == before
    assert value is None  # Hydra's main gives nothing back outside of a sweep


def test_another_seed_into_the_same_directory_is_refused(run, workplace, monkeypatch, capsys):
    error = failing(train.main, monkeypatch, capsys, *workplace[1], f"hydra.run.dir={run}", "seed=1")
    assert "holds a run whose config_hash is" in error


def test_the_next_run_starts_from_the_classifier_of_the_first(run, monkeypatch, tmp_path):
    call(train.main, monkeypatch, f"run={run}", "outliers=tail", "outliers.distance=0.9", "logger=csv",
         "model.dropout=0.3", f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert json.loads((tmp_path / "model/vos.json").read_text())["dropout"] == 0.3
    rounds = json.loads((tmp_path / "metrics.json").read_text())["rounds"]
    before = json.loads((run / "metrics.json").read_text())["final"]
    assert rounds[0]["boundary/test/brier"] == pytest.approx(before["boundary/test/brier"], abs=1e-6)
    assert len(rounds) == 2
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["outliers"]["_target_"].endswith("TailSampler")
    assert config["data"]["text"] == "comment"


def test_a_pretrained_classifier_is_studied_as_it_is(workplace, tiny_classifier, monkeypatch, tmp_path):
    _, overrides = workplace
    kept = [o for o in overrides if not o.startswith(("model.", "trainer.max_epochs"))]
    call(train.main, monkeypatch, *kept, "model=pretrained", f"model.name={tiny_classifier}", "model.max_length=32",
         "trainer.max_epochs=0", "logger=none", "data.label_map={no: harmless, yes: harmful}",
         "data.positive=harmful", f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert len(json.loads((tmp_path / "metrics.json").read_text())["rounds"]) == 1
    original = load_file(f"{tiny_classifier}/model.safetensors")
    saved = load_file(tmp_path / "model/model.safetensors")
    assert all((saved[name] == value).all() for name, value in original.items())


def test_an_untrained_head_cannot_be_studied(workplace, monkeypatch, tmp_path, capsys):
    error = failing(train.main, monkeypatch, capsys, *workplace[1], "trainer.max_epochs=0", "logger=none",
                    f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert "this head has random weights" in error


def test_bad_rows_are_skipped_counted_and_listed(workplace, monkeypatch, tmp_path):
    folder, overrides = workplace
    path = tmp_path / "bad.csv"
    path.write_text((folder / "train.csv").read_text() + "   ,yes,k900\n")
    kept = [o for o in overrides if not o.startswith("data.train")]
    call(train.main, monkeypatch, *kept, f"data.train={path}", "data.on_bad_row=skip", "logger=none",
         "refine.rounds=0", "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "run/skipped.jsonl").read_text().splitlines()]
    assert [(row["line"], row["id"]) for row in rows] == [(42, "k900")]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.text=nothing", "nothing"),
        ("optimized_metric=boundary/nothing", "is not measured"),
        ("density.memory=other", "density.memory: expected one of 'all', 'queue', got 'other'"),
        ("precision=bf16-true", "precision: expected one of 'auto', '32-true', 'bf16-mixed', '16-mixed', got"),
        ("trainer.lightning.precision=64-true", "trainer.lightning.precision: expected one of 'auto', '32-true',"),
        ("density.memory=queue", "density.capacity: expected the number of texts per class that the queue keeps"),
        ("resume=missing", "no overrides.yaml here"),
        ("run=missing", "no overrides.yaml here"),
        ("=5", "=5: expected NAME=VALUE, found no name"),
        ("dry_run=true", "dry_run=true: expected labels=..."),
        ("trainer.max_epochs=0 labels=files labels.path=a.jsonl", "expected at least 1 with labels=..."),
    ],
)
def test_bad_settings_give_one_line_and_exit_code_2(workplace, monkeypatch, tmp_path, capsys, override, message):
    monkeypatch.chdir(tmp_path)
    error = failing(train.main, monkeypatch, capsys, *workplace[1], "logger=none", "refine.rounds=0",
                    "trainer.max_epochs=1", *override.split())  # fmt: skip
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "outputs").exists()


def test_every_metric_of_a_run_is_known_before_it(run, workplace):
    data = instantiate(composed("train", workplace[1]).data).load()
    final = json.loads((run / "metrics.json").read_text())["final"]
    assert [name for name in final if not can_be_measured(name, data)] == []
    assert measurable(data) - final.keys() == {"boundary/infeasible_share"} - final.keys()
    assert not can_be_measured("ood/knn/auroc", replace(data, ood=[]))


@pytest.mark.slow
def test_a_sweep_compares_its_runs_and_trains_round_0_once_a_seed(workplace, monkeypatch, tmp_path, caplog):
    _, overrides = workplace
    monkeypatch.chdir(tmp_path)
    arguments = ["-m", *overrides, "logger=csv", "outliers=tail", "outliers.distance=0.9,0.99", "seed=0,1",
                 "optimizer.lr=2e-4", "hydra.sweep.dir=sweep"]  # fmt: skip
    call(train.main, monkeypatch, *arguments)
    text = (tmp_path / "sweep/comparison.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(r["outliers.distance"], r["seed"]) for r in rows] == [
        ("0.9", "0"), ("0.9", "1"), ("0.99", "0"), ("0.99", "1")
    ]  # fmt: skip
    assert (tmp_path / "sweep/comparison.png").exists()
    # Steps of round 0 are logged by the two runs that trained it.
    trained = sorted(p.parent.parent.parent.name for p in (tmp_path / "sweep").glob("*/steps/round-0/metrics.csv"))
    assert trained == ["0", "1"]
    before = {p: p.read_bytes() for p in (tmp_path / "sweep").glob("*/manifest.json")}
    call(train.main, monkeypatch, *arguments)  # a sweep called again runs nothing twice
    assert before == {p: p.read_bytes() for p in (tmp_path / "sweep").glob("*/manifest.json")}


@pytest.mark.slow
@pytest.mark.parametrize("when", ["checkpoints/round-0/last.ckpt", "rounds/0.json"])
def test_a_killed_run_resumed_ends_with_the_weights_of_an_uninterrupted_one(workplace, tmp_path, when):
    _, overrides = workplace
    own = [*overrides, "logger=csv", "trainer.max_epochs=6", "refine.rounds=2", "refine.tolerance=-1",
           f"paths.cache={tmp_path / 'cache'}"]  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, str(ROOT / "train.py")]
    process = subprocess.Popen([*command, *own, f"hydra.run.dir={killed}"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (killed / when).exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert json.loads((killed / "manifest.json").read_text())["status"] == "running"
    subprocess.run([*command, f"resume={killed}"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    clean = [o for o in own if not o.startswith("paths.cache")] + [f"paths.cache={tmp_path / 'other'}"]
    subprocess.run([*command, *clean, f"hydra.run.dir={whole}"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    for name in ("model/model.safetensors", "model/head.safetensors", "density.safetensors"):
        first, second = load_file(whole / name), load_file(killed / name)
        assert all((first[key] == second[key]).all() for key in first), name
    assert (whole / "metrics.json").read_bytes() == (killed / "metrics.json").read_bytes()


@pytest.mark.slow
def test_the_loop_closes_through_the_page_and_its_answers(run, monkeypatch, tmp_path):
    ledger = f"ledger={tmp_path / 'ledger.sqlite'}"
    labelled = [o for o in synthesis(run, f"output={tmp_path}", ledger) if o != "labeling=none"]
    call(synthesize.main, monkeypatch, *labelled)
    assert "<script" in (tmp_path / "label.html").read_text("utf-8")
    records = read_jsonl(tmp_path / "near_boundary.jsonl")
    answers = tmp_path / "answers.jsonl"
    write_labels(
        answers,
        [Label(r.uid, "ann", ("no", "yes")[i % 2], "2026-11-21T10:00:00Z") for i, r in enumerate(records)],
    )
    labels = ["labels=files", f"labels.path={answers}", ledger, f"run={run}", "logger=none"]
    with pytest.raises(SystemExit) as caught:
        call(train.main, monkeypatch, *labels, "dry_run=true", f"hydra.run.dir={tmp_path / 'rehearsal'}")
    assert caught.value.code == 0
    for name, more in (("warm", []), ("cold", ["warm_start=false"])):
        call(train.main, monkeypatch, *labels, *more, f"hydra.run.dir={tmp_path / name}")
        rows = [json.loads(line) for line in (tmp_path / name / "train.jsonl").read_text("utf-8").splitlines()]
        assert len(rows) == 50
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())
        before = json.loads((run / "metrics.json").read_text())["final"]
        assert metrics["rounds"][0]["boundary/band"] == before["boundary/band"]
    assert len((tmp_path / "labelling_rounds.jsonl").read_text("utf-8").splitlines()) == 2
    # The next batch asks about new texts alone, and knows the run's own training texts.
    second = [o.replace(f"output={tmp_path}", f"output={tmp_path / 'second'}") for o in labelled]
    second = [o.replace(f"run={run}", f"run={tmp_path / 'warm'}") for o in second]
    call(synthesize.main, monkeypatch, *second)
    assert not {r.uid for r in records} & {r.uid for r in read_jsonl(tmp_path / "second/near_boundary.jsonl")}


def test_three_classes_go_all_the_way(workplace, monkeypatch, tmp_path):
    folder, overrides = workplace
    for name in ("train", "val", "test"):
        text = (folder / f"{name}.csv").read_text().splitlines()
        rows = [line.replace(",no,", ",maybe,") if i % 4 == 1 else line for i, line in enumerate(text)]
        (tmp_path / f"{name}.csv").write_text("\n".join(rows) + "\n")
    own = [o for o in overrides if not o.startswith(("data.train", "data.val", "data.test"))]
    files = [f"data.{name}={tmp_path / name}.csv" for name in ("train", "val", "test")]
    run = tmp_path / "run"
    call(train.main, monkeypatch, *own, *files, "logger=none", f"hydra.run.dir={run}")
    final = json.loads((run / "metrics.json").read_text())["final"]
    assert {
        "boundary/standardized_distance/maybe",
        "boundary/standardized_distance/no",
        "boundary/standardized_distance/yes",
    } <= set(final)
    more = (f"output={tmp_path}", "outliers.margin=0.5", "outliers.band=0.2")
    call(synthesize.main, monkeypatch, *synthesis(run, *more))
    assert all(len(r.probability) == 3 and r.margin >= 0 for r in read_jsonl(tmp_path / "near_boundary.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16-mixed"])
def test_reduced_precision_by_setting(workplace, monkeypatch, tmp_path, precision):
    call(train.main, monkeypatch, *workplace[1], "logger=none", f"trainer.lightning.precision={precision}",
         f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert (tmp_path / "model/model.safetensors").exists()


def test_tab_completion_is_there():
    command = [sys.executable, str(ROOT / "train.py"), "-sc", "install=bash"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "complete -o nospace" in output


def test_help_answers_at_once_and_explains():
    for script, word in (("train.py", "resume=RUN"), ("synthesize.py", "near_boundary.jsonl")):
        started = time.monotonic()
        output = subprocess.run(
            [sys.executable, str(ROOT / script), "--help"], check=True, capture_output=True, text=True
        ).stdout
        assert word in output
        assert "Exit codes" in output
        assert "outliers: boundary" in output
        assert time.monotonic() - started < 20  # 0.5 s on an idle machine; torch alone would take several
