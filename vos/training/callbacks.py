"""Lightning's callbacks of one fit: checkpoints, early stopping, progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint

from vos.training.progress import FitProgress


class ResumableEarlyStopping(EarlyStopping):
    """Early stopping that takes effect at once in a resumed fit, if it was due before the interruption.

    Lightning restores the count of bad epochs but not the decision to stop, so a fit killed just after its last
    checkpoint would train one epoch too many.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Stop before the first batch if patience is already used up."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def fit_callbacks(checkpoints: Path, monitor: str, patience: int, progress: str | None) -> list[Callback]:
    """Best and last checkpoint, early stopping and the progress bar of one fit.

    Args:
        checkpoints: folder of `best.ckpt` and `last.ckpt`; the second resumes the fit exactly.
        monitor: name of the validation metric, lower is better.
        patience: epochs without improvement after which the fit stops; negative: never.
        progress: name of the fit next to its progress bar; None: no bar.
    """
    # Saved at the end of the epoch, after validation, so that a resumed fit begins with a whole epoch.
    always: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}
    callbacks: list[Callback] = [
        ModelCheckpoint(checkpoints, filename="best", monitor=monitor, mode="min", **always),
        ModelCheckpoint(checkpoints, filename="last", **always),
    ]
    if patience >= 0:
        callbacks.insert(0, ResumableEarlyStopping(monitor, mode="min", patience=patience))
    if progress is not None:
        callbacks.append(FitProgress(progress))
    return callbacks
