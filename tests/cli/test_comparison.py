"""The sentence on the best run of a sweep, from stored runs."""

import json

import pytest
from omegaconf import OmegaConf

from vos.cli.comparison import compare_sweep
from vos.storage.run_directory import RunDirectory

BRIER, ERROR = "boundary/val/brier", "boundary/val/error"
VALUES = {"0.5": {BRIER: 0.2, ERROR: 0.4}, "0.9": {BRIER: 0.3, ERROR: 0.1}, "0.99": {BRIER: 0.4, ERROR: 0.2}}


def sweep(folder, monitors):
    for i, ((distance, final), monitor) in enumerate(zip(VALUES.items(), monitors, strict=True)):
        run = RunDirectory(folder / str(i))
        run.start("a: 1\n", {})
        (run.path / "overrides.yaml").write_text(OmegaConf.to_yaml([f"outliers.distance={distance}"]), "utf-8")
        refine = {} if monitor is None else {"refine": {"monitor": monitor}}
        run.metrics_path.write_text(json.dumps({"final": final, **refine}), "utf-8")
        run.finish(1.0, {})
    return folder


@pytest.mark.parametrize(
    ("monitors", "best", "words"),
    [
        ([BRIER] * 3, "0", "Brier score"),
        ([ERROR] * 3, "1", "error"),
        ([None] * 3, "0", "Brier score"),  # runs of before
        ([ERROR, BRIER, ERROR], "0", "Brier score"),
    ],
)
def test_the_best_run_is_the_best_by_the_metric_that_chose_the_rounds(tmp_path, capsys, monitors, best, words):
    assert compare_sweep(sweep(tmp_path, monitors)) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"Run {best} has the lowest {words} of the validation texts: " in printed
    assert f"run={tmp_path / best}" in printed.replace(" ", "")
