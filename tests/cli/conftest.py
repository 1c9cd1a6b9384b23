"""Fixtures: a finished run that takes seconds, shared read-only by the tests of this folder."""

import pytest

import train
from tests.cli.commands import CANARIES, call, write_texts


@pytest.fixture(scope="session")
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
        "data.question=Is it toxic?",
        f"model.name={tiny_encoder}",
        "model.max_length=32",
        "loader.batch_size=8",
        "trainer.max_epochs=2",
        "refine.rounds=1",
        "refine.n_outliers=10",
        "callbacks=quiet",
        "callbacks.patience=-1",
        f"paths.cache={folder / 'cache'}",
    ]
    return folder, overrides


@pytest.fixture(scope="session")
def run(workplace):
    """A finished run, made while keys stood in the environment."""
    folder, overrides = workplace
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, key in CANARIES.items():
            patch.setenv(name, key)
        call(train.main, patch, *overrides, f"hydra.run.dir={folder / 'run'}")
    return folder / "run"
