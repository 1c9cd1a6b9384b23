"""A fit that was killed and resumed ends like one that was left alone: the same weights, density and logged steps."""

import csv
from dataclasses import replace
from functools import partial

import torch

from tests.training.killed import killed_fit
from tests.training.modules import batches, build
from vos.storage.run_directory import RunDirectory
from vos.training.featurizers import Featurizers
from vos.training.job import FitSettings
from vos.training.loop import fit_round
from vos.training.reporters import CsvReporter


def made(job, tiny_encoder, folder):
    """A job of three epochs of four steps, in which the density is fitted once."""
    module = build(tiny_encoder, refit_every=100)
    return replace(
        job, module=module, datamodule=batches(module), featurizers=Featurizers(module.classifier, lambda: None),
        run=RunDirectory(folder), settings=replace(job.settings, fit=FitSettings(3, patience=-1, progress=False)),
        trainer=partial(job.trainer, log_every_n_steps=1), reporters=[CsvReporter(folder)],
    )  # fmt: skip


def logged(job):
    with (job.run.path / "steps/round-0/metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_resumed_fit_takes_and_logs_the_steps_of_an_undisturbed_one(job, tiny_encoder, tmp_path):
    whole, killed, resumed = (made(job, tiny_encoder, tmp_path / name) for name in ("whole", "killed", "killed"))
    fit_round(whole, 0)
    assert whole.module.fitted_at == 0
    killed_fit(killed, epoch=1, batch=2)
    assert [row["step"] for row in logged(killed)] == ["0", "1", "2", "3", "3", "4", "5"]  # one of them validates
    fit_round(resumed, 0)
    for name, value in whole.module.state_dict().items():
        assert torch.equal(resumed.module.state_dict()[name], value), name
    assert logged(resumed) == logged(whole)
    assert len(logged(whole)) == 3 * 4 + 3


def test_a_row_that_was_cut_off_is_no_step(tmp_path):
    path = tmp_path / "steps/round-2/metrics.csv"
    path.parent.mkdir(parents=True)
    path.write_text("epoch,step,train/cross_entropy\r\n0,0,0.5\r\n0,1,\r\n0,2,0.25\r\n0,3,1.5e-")
    CsvReporter(tmp_path).lightning_logger(2, steps_done=2)
    assert path.read_text().splitlines() == ["epoch,step,train/cross_entropy", "0,0,0.5", "0,1,"]
