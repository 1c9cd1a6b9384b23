"""The two commands called in this process, on a tiny encoder and small files: what tests of `vos.app` share."""

import csv
import sys

import pytest

import train
from tests.conftest import HARMFUL, HARMLESS


def write_texts(path, n, start=0):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["comment", "toxic", "key"])
        for i in range(start, start + n):
            words = (HARMLESS, HARMFUL)[i % 2][(i // 2) % 3]
            writer.writerow([f"on day {i} {words}, said number {i * 7}", ("no", "yes")[i % 2], f"k{i}"])
    return str(path)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, tiny_encoder):
    """Files, and the overrides that make a run take seconds."""
    folder = tmp_path_factory.mktemp("app")
    overrides = [
        "data=files",
        f"data.train={write_texts(folder / 'train.csv', 40)}",
        f"data.val={write_texts(folder / 'val.csv', 16, 100)}",
        f"data.test={write_texts(folder / 'test.csv', 16, 200)}",
        f"data.pool={write_texts(folder / 'pool.csv', 60, 300)}",
        f"data.ood={write_texts(folder / 'ood.csv', 10, 400)}",
        "data.text=comment",
        "data.label=toxic",
        "data.id=key",
        f"model.name={tiny_encoder}",
        "model.max_length=32",
        "loader.batch_size=8",
        "trainer.max_epochs=2",
        "refine.rounds=1",
        "refine.n_outliers=10",
        "callbacks=quiet",
        "callbacks.patience=-1",
        "outliers.distance=null",  # the classes of these toy texts lie too far apart for the default shell
        f"paths.cache={folder / 'cache'}",
    ]
    return folder, overrides


def call(main, monkeypatch, *overrides):
    monkeypatch.setattr(sys, "argv", ["vos", *map(str, overrides)])
    return main()


@pytest.fixture(scope="module")
def run(workplace):
    """A finished run."""
    folder, overrides = workplace
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        call(train.main, patch, *overrides, f"hydra.run.dir={folder / 'run'}")
    return folder / "run"


def synthesis(run, *more):
    return [f"run={run}", "n=10", "outliers.distance=null", "labeling=none", "progress=false",
            f"paths.cache={run.parent / 'cache'}",
            "candidates.targets_per_class=8", "candidates.n_directions=4", "candidates.selection.max_distance=50",
            "candidates.selection.near_duplicate=1.0", "candidates.selection.max_cosine=null",
            "candidates.potential.delta=5", *more]  # fmt: skip


def failing(main, monkeypatch, capsys, *overrides):
    with pytest.raises(SystemExit) as caught:
        call(main, monkeypatch, *overrides)
    assert caught.value.code == 2
    return capsys.readouterr().err
