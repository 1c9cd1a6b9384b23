"""Fixtures: the configuration as the programs compose it, and the settings of a run that takes seconds."""

import pytest
from hydra import initialize

from tests.cli.commands import write_texts
from vos.cli.compose import prepare


@pytest.fixture
def hydra_at_conf():
    prepare()
    with initialize(version_base="1.3", config_path=None):
        yield


@pytest.fixture(scope="session")
def three_classes(tmp_path_factory, tiny_encoder):
    """Settings of a run of seconds: a frozen tiny encoder, three classes, one plain epoch and one regularised."""
    folder = tmp_path_factory.mktemp("options")
    files = []
    for name, n, start in (("train", 48, 0), ("val", 18, 100), ("test", 18, 200), ("pool", 40, 300)):
        write_texts(folder / f"{name}.csv", n, start)
        lines = (folder / f"{name}.csv").read_text().splitlines()
        rows = [line.replace(",no,", ",maybe,") if i % 4 == 1 else line for i, line in enumerate(lines)]
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
        files.append(f"data.{name}={folder / name}.csv")
    return [
        "data=files", *files, "data.text=comment", "data.label=toxic", "data.id=key",
        f"model.name={tiny_encoder}", "model.max_length=32", "model.freeze=true", "loader.batch_size=12",
        "trainer.max_epochs=1", "refine.rounds=1", "refine.n_outliers=5", "callbacks=quiet", "callbacks.patience=-1",
        "logger=csv", f"paths.cache={folder / 'cache'}",
    ]  # fmt: skip
