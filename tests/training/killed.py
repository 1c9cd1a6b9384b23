"""A fit that is killed, in this process."""

from dataclasses import replace

import pytest
import pytorch_lightning as pl

from vos.training.loop import fit_round


class Killed(Exception):
    pass


class KillAt(pl.Callback):
    def __init__(self, epoch, batch):
        self.place = (epoch, batch)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == self.place:
            raise Killed


def killed_fit(job, epoch, batch=0):
    """Round 0 up to the beginning of a step."""

    def trainer(callbacks, **options):
        return job.trainer(callbacks=[*callbacks, KillAt(epoch, batch)], **options)

    with pytest.raises(Killed):
        fit_round(replace(job, trainer=trainer), 0)
