"""One fit, and the loop of rounds around it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vos.errors import ConfigError
from vos.metrics.margins import margin
from vos.storage.json_files import write_json
from vos.storage.seeds import derive_seed
from vos.training.callbacks import fit_callbacks
from vos.training.checkpoint import RoundCheckpoint, load_state, read_round, save_state
from vos.training.job import TrainingJob
from vos.training.measure import measure, training_features
from vos.training.plots import boundary_map
from vos.training.reporters import NearBoundaryText, RoundRecord
from vos.training.settings import StepSettings

logger = logging.getLogger(__name__)

TABLE_ROWS = 20
"""Texts in the table of those nearest the boundary."""


@dataclass(frozen=True)
class TrainingResult:
    """What a run ended with.

    Attributes:
        records: one a round.
        stopped_because: the rule that ended the loop.
    """

    records: tuple[RoundRecord, ...]
    stopped_because: str


def refine(job: TrainingJob) -> TrainingResult:
    """Train, refit, sample, regularise, measure; again, until the boundary stops moving or the budget ends.

    A finished round is kept in the run directory and read back by a resumed run; an interrupted round resumes from its
    last epoch. On return the module holds the weights of the last round.
    """
    rounds, tolerance = _rounds_to_do(job), job.settings.refine.tolerance
    kept: list[RoundCheckpoint] = []
    weights_of: int | None = None
    reason = f"the budget of refine.rounds={rounds} is spent"
    for number in range(rounds + 1):
        found = read_round(job.run, number)
        if found is None:
            if number > 0 and weights_of != number - 1:
                load_state(job.module, _state_path(job, number - 1))
            _train_round(job, number)
            found = _measure_round(job, number, kept)
            save_state(job.module, _state_path(job, number))
            found.write(job.run)
            _state_path(job, number - 1).unlink(missing_ok=True)
            weights_of = number
        kept.append(found)
        _report(job, found)
        shift = found.metrics.get("boundary/shift")
        if shift is not None and shift <= tolerance:
            reason = f"round {number} moved the boundary by {shift:.4f} <= refine.tolerance={tolerance}"
            break
    if weights_of != kept[-1].number:
        load_state(job.module, _state_path(job, kept[-1].number))
        job.module.density.fit(*training_features(job.featurizers.current(), job.data.train))
    return TrainingResult(tuple(record(job, each) for each in kept), reason)


def _rounds_to_do(job: TrainingJob) -> int:
    if job.settings.fit.max_epochs > 0 or not job.settings.train_round_0:
        return job.settings.refine.rounds
    if job.module.classifier.head_is_new:
        raise ConfigError(
            "trainer.max_epochs=0 studies a trained classifier, but this head has random weights; "
            "train it (trainer.max_epochs >= 1) or name a model that was trained for classification"
        )
    logger.info("trainer.max_epochs=0: the classifier is studied as it is, without refinement")
    return 0


def _state_path(job: TrainingJob, number: int) -> Path:
    return job.run.checkpoints / f"round-{number}.safetensors"


def _train_round(job: TrainingJob, number: int) -> None:
    """Bring the module from the end of round `number - 1` to the end of round `number`."""
    if number == 0 and not job.settings.train_round_0:
        return
    if number == 0 and job.cache is not None and job.cache.restore(job.module.classifier):
        logger.info("round 0: taken from the cache, trained before with the same settings")
        return
    fit_round(job, number)
    if number == 0 and job.cache is not None:
        job.cache.store(job.module.classifier)
    shutil.rmtree(job.run.checkpoints / f"round-{number}", ignore_errors=True)


def fit_round(job: TrainingJob, number: int) -> None:
    """Train one round, without measuring it, and load its best weights; resumes from `last.ckpt` when there is one."""
    fit = job.settings.fit
    epochs = fit.max_epochs if number == 0 else job.settings.refine.epochs
    if epochs == 0:
        return
    folder = job.run.checkpoints / f"round-{number}"
    last = folder / "last.ckpt"
    loggers = [found for each in job.reporters if (found := each.lightning_logger(number)) is not None]
    trainer = job.trainer(
        max_epochs=epochs,
        callbacks=fit_callbacks(folder, fit.monitor, fit.patience, fit.progress),
        logger=loggers or False,
        enable_progress_bar=fit.progress,
        default_root_dir=job.run.path,
    )
    resumed = str(last) if last.exists() else None
    with job.module.using(_step_settings(job, number)):
        trainer.fit(job.module, datamodule=job.datamodule, ckpt_path=resumed, weights_only=True)
    best = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=True)
    job.module.load_state_dict(best["state_dict"])


def _step_settings(job: TrainingJob, number: int) -> StepSettings:
    """How round `number` learns: draws of its own, lower rates after round 0, the regulariser from its epoch on."""
    own, refine = job.module.settings, job.settings.refine
    first_epoch = 0 if number == 0 else job.settings.fit.max_epochs + (number - 1) * refine.epochs
    factor = 1.0 if number == 0 else refine.lr_factor
    return replace(
        own,
        optimizer=replace(own.optimizer, lr=own.optimizer.lr * factor, head_lr=own.optimizer.head_lr * factor),
        regularization=replace(own.regularization, start_epoch=max(0, own.regularization.start_epoch - first_epoch)),
        seed=derive_seed(job.settings.seed, "round", number),
    )


def _measure_round(job: TrainingJob, number: int, before: Sequence[RoundCheckpoint]) -> RoundCheckpoint:
    """Measure and draw the boundary; the band and the shift refer to the rounds before."""
    measurement = measure(job, number, before[0].metrics["boundary/band"] if before else job.settings.band)
    metrics = dict(measurement.metrics)
    if before:
        metrics["boundary/shift"] = boundary_shift(
            before[0], before[-1].val_logits, measurement.val.logits, job.data.harmful
        )
    job.run.rounds.mkdir(parents=True, exist_ok=True)
    title = f"Boundary map, round {number}: validation texts and virtual outliers"
    picture = job.run.rounds / f"boundary-{number}.png"
    boundary_map(picture, measurement.texts, measurement.outliers, measurement.band, job.data.classes, title)
    return RoundCheckpoint(number, metrics, measurement.val.logits)


def boundary_shift(first: RoundCheckpoint, previous: Tensor, current: Tensor, harmful: Sequence[int]) -> float:
    """Mean absolute change of the probabilities of the texts that lay in the band of round 0.

    Args:
        first: round 0, which fixes the band.
        previous: (n, C) validation logits of the round before.
        current: (n, C) validation logits now.
        harmful: indices of the harmful classes.
    """
    in_band = margin(first.val_logits, harmful).abs() <= first.metrics["boundary/band"]
    change = (torch.softmax(current.double(), -1) - torch.softmax(previous.double(), -1)).abs().amax(-1)
    return float(change[in_band].mean())


def record(job: TrainingJob, kept: RoundCheckpoint) -> RoundRecord:
    """What reporters receive of a kept round."""
    margins = margin(kept.val_logits, job.data.harmful)
    rows = margins.abs().argsort()[:TABLE_ROWS].tolist()
    names = job.data.label_names
    nearest = tuple(
        NearBoundaryText(e.id, e.text, float(margins[i]), names[e.label])
        for i, e in ((i, job.data.val[i]) for i in rows)
        if e.label is not None
    )
    return RoundRecord(kept.number, kept.metrics, margins, job.run.rounds / f"boundary-{kept.number}.png", nearest)


def _report(job: TrainingJob, kept: RoundCheckpoint) -> None:
    found = record(job, kept)
    shutil.copyfile(found.picture, job.run.picture)
    for reporter in job.reporters:
        reporter.on_round(found)


def save_results(job: TrainingJob, result: TrainingResult) -> dict[str, Any]:
    """Write `model/`, `density.safetensors` and `metrics.json`; return the content of the last."""
    job.module.classifier.save(job.run.model)
    job.module.density.save(job.run.density)
    content = {
        "rounds": [{"round": record.round, **record.metrics} for record in result.records],
        "final": result.records[-1].metrics,
        "stopped_because": result.stopped_because,
        "refine": asdict(job.settings.refine),
    }
    write_json(job.run.metrics_path, content)
    if not job.settings.fit.keep_checkpoints:
        shutil.rmtree(job.run.checkpoints, ignore_errors=True)
    return content
