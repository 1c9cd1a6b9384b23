"""A single fit, and the loop of training rounds."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vos.errors import ConfigError
from vos.metrics.agreement import report_below_chance
from vos.metrics.margins import margin
from vos.metrics.monitor import epoch_name
from vos.models.truncation import tell_truncation
from vos.storage.json_files import write_json
from vos.storage.run_files import RunMetrics
from vos.storage.seeds import derive_seed
from vos.training.callbacks import fit_callbacks
from vos.training.checkpoint import (
    RoundCheckpoint,
    load_state,
    reading,
    remove_damaged,
    rounds_to_go_on_from,
    save_state,
    state_path,
    steps_done,
)
from vos.training.draw_rounds import draw_rounds
from vos.training.frozen import FROZEN, left_out, load_rest
from vos.training.gathering import is_first, wait_for_others
from vos.training.held_out import calibration_facts
from vos.training.job import TrainingJob
from vos.training.keep import kept_round, why_kept
from vos.training.measure import measure
from vos.training.plots import boundary_map
from vos.training.reporters import NearBoundaryText, RoundRecord
from vos.training.settings import StepSettings
from vos.training.sharding import trainee

logger = logging.getLogger(__name__)

TABLE_ROWS = 20
"""Number of texts in the table of texts nearest the boundary."""

NO_SHIFT = "no validation text lies in the band, so that boundary/shift is unknown and refine.tolerance ends nothing"


@dataclass(frozen=True)
class TrainingResult:
    """The result of a run.

    Attributes:
        records: one per round.
        stopped_because: the rule that ended the loop.
        kept: the round that the run keeps.
        kept_because: the reason for keeping it.
    """

    records: tuple[RoundRecord, ...]
    stopped_because: str
    kept: RoundRecord
    kept_because: str


def refine(job: TrainingJob) -> TrainingResult:
    """Train, refit, sample, regularise and measure in rounds, until the boundary stops moving or the budget is used up.

    A finished round is stored in the run directory and loaded by a resumed run; an interrupted round resumes from its
    last epoch. Every round continues from the previous one. On return the module has the weights and the density of the
    kept round, and the run's picture shows that round.
    """
    data = job.data
    splits = {"train": data.train, "val": data.val, "test": data.test, "ood": data.ood}
    tell_truncation(job.module.classifier, {name: [each.text for each in part] for name, part in splits.items()})
    rounds, tolerance = _rounds_to_do(job), job.settings.refine.tolerance
    done = rounds_to_go_on_from(job.run, lambda some: kept_round(some, job.settings))
    kept: list[RoundCheckpoint] = []
    weights_of: int | None = None
    reason = f"the budget of refine.rounds={rounds} is spent"
    for number in range(rounds + 1):
        found = done[number] if number < len(done) else None
        if found is None:
            if number > 0 and weights_of != number - 1:
                load_state(job.module, state_path(job.run, number - 1))
            _train_round(job, number)
            found = _measure_round(job, number, kept)
            save_state(job.module, state_path(job.run, number))
            found.write(job.run)
            weights_of = number
        kept.append(found)
        _remove_states(job, kept)
        _report(job, found)
        shift = found.metrics.get("boundary/shift")
        if shift is not None and math.isnan(shift):
            logger.warning("round %d: %s", number, NO_SHIFT)
            reason = f"the budget of refine.rounds={rounds} is spent ({NO_SHIFT})"
        elif shift is not None and shift <= tolerance:
            reason = f"round {number} moved the boundary by {shift:.4f} <= refine.tolerance={tolerance}"
            break
    best = kept_round(kept, job.settings)
    if weights_of != best:
        load_state(job.module, state_path(job.run, best))
    records = tuple(record(job, each) for each in kept)
    why = why_kept(kept, best, job.settings)
    if best == 0 != job.settings.plain_round:
        why = f"it is the classifier taken over, and {why}"
    result = TrainingResult(records, reason, records[best], why)
    if is_first():
        shutil.copyfile(result.kept.picture, job.run.picture)
    for reporter in job.reporters:
        reporter.on_kept(result.kept, result.kept_because)
    for name, path in draw_rounds(job, kept, best).items() if is_first() else ():
        for reporter in job.reporters:
            reporter.on_picture(name, path)
    return result


def _remove_states(job: TrainingJob, rounds: Sequence[RoundCheckpoint]) -> None:
    """Remove the states of all rounds except the last, from which the next continues, and the best."""
    needed = {rounds[-1].number, kept_round(rounds, job.settings)}
    for each in rounds:
        if each.number not in needed:
            state_path(job.run, each.number).unlink(missing_ok=True)


def _rounds_to_do(job: TrainingJob) -> int:
    """Number of rounds after round 0."""
    plain = job.settings.plain_round
    if job.settings.fit.max_epochs > 0 or plain is None:
        return job.settings.refine.rounds + (plain or 0)
    if job.module.classifier.head_is_new:
        raise ConfigError(
            "trainer.max_epochs=0 studies a trained classifier, but this head has random weights; "
            "train it (trainer.max_epochs >= 1) or name a model that was trained for classification"
        )
    logger.info("trainer.max_epochs=0: the classifier is studied as it is, without refinement")
    return 0


def _train_round(job: TrainingJob, number: int) -> None:
    """Bring the module from the end of round `number - 1` to the end of round `number`."""
    if number == 0 != job.settings.plain_round:
        return  # the classifier is already trained
    if number == 0 and job.cache is not None and job.cache.restore(job.module.classifier):
        logger.info("round 0: taken from the cache, trained before with the same settings")
        return
    fit_round(job, number)
    if number == 0 and job.cache is not None:
        job.cache.store(job.module.classifier)
    wait_for_others()
    shutil.rmtree(job.run.checkpoints / f"round-{number}", ignore_errors=True)


def fit_round(job: TrainingJob, number: int) -> None:
    """Train one round without measuring it, and load its best weights; resumes from `last.ckpt` if it exists."""
    fit = job.settings.fit
    epochs = fit.max_epochs if number == job.settings.plain_round else job.settings.refine.epochs
    if epochs == 0:
        return
    folder = job.run.checkpoints / f"round-{number}"
    last = folder / "last.ckpt"
    remove_damaged(folder)
    n_done = steps_done(last)
    loggers = [each.lightning_logger(number, n_done) for each in job.reporters]
    trainer = job.trainer(
        max_epochs=epochs,
        callbacks=fit_callbacks(
            folder, epoch_name(job.settings.refine.monitor), fit.patience, f"round {number}" if fit.progress else None
        ),
        logger=[each for each in loggers if each is not None] or False,
        enable_progress_bar=fit.progress,
        default_root_dir=job.run.path,
    )
    resumed = str(last) if last.exists() else None
    with job.module.using(_step_settings(job, number)), reading(last):
        trainer.fit(trainee(job.module, trainer), datamodule=job.datamodule, ckpt_path=resumed, weights_only=True)
    with reading(folder / "best.ckpt"):
        best = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=True)
    fingerprint = best.get(FROZEN)
    names = left_out(job.module, fingerprint, folder / "best.ckpt") if fingerprint else ()
    load_rest(job.module, best["state_dict"], names)


def _step_settings(job: TrainingJob, number: int) -> StepSettings:
    """Step settings of round `number`: its own seed, lower rates for refining, the regulariser's start epoch."""
    own, refine = job.module.settings, job.settings.refine
    refined = number - (job.settings.plain_round or 0)  # number of refinement rounds including this one
    first_epoch = 0 if refined == 0 else job.settings.fit.max_epochs + (refined - 1) * refine.epochs
    factor = 1.0 if refined == 0 else refine.lr_factor
    return replace(
        own,
        optimizer=replace(own.optimizer, lr=own.optimizer.lr * factor, head_lr=own.optimizer.head_lr * factor),
        regularization=replace(own.regularization, start_epoch=max(0, own.regularization.start_epoch - first_epoch)),
        seed=derive_seed(job.settings.seed, "round", number),
    )


def _measure_round(job: TrainingJob, number: int, before: Sequence[RoundCheckpoint]) -> RoundCheckpoint:
    """Measure and draw the boundary; the band and the shift refer to earlier rounds."""
    measurement = measure(job, number, before[0].metrics["boundary/band"] if before else job.settings.band)
    metrics = dict(measurement.metrics)
    if not before and measurement.val.labels is not None:
        names, class_of_output = job.module.classifier.data_classes, job.module.classifier.class_of_output
        logits, labels = measurement.val.logits, measurement.val.labels
        report_below_chance(logits, labels, names, "validation, round 0", class_of_output)
    if before:
        metrics["boundary/shift"] = boundary_shift(
            before[0], before[-1].val_logits, measurement.val.logits, job.data.harmful
        )
    job.run.rounds.mkdir(parents=True, exist_ok=True)
    title = f"Boundary map, round {number}: validation texts and virtual outliers"
    picture = job.run.rounds / f"boundary-{number}.png"
    if is_first():  # another process would write the picture anew while this one reads it
        boundary_map(picture, measurement.texts, measurement.outliers, measurement.band, job.data.classes, title)
    return RoundCheckpoint(number, metrics, measurement.val.logits)


def boundary_shift(first: RoundCheckpoint, previous: Tensor, current: Tensor, harmful: Sequence[int]) -> float:
    """Mean absolute change of the probabilities of the texts in the band of round 0; NaN if the band is empty.

    Args:
        first: round 0, which defines the band.
        previous: (n, C) validation logits of the previous round.
        current: (n, C) current validation logits.
        harmful: indices of the harmful classes.
    """
    in_band = margin(first.val_logits, harmful).abs() <= first.metrics["boundary/band"]
    change = (torch.softmax(current.double(), -1) - torch.softmax(previous.double(), -1)).abs().amax(-1)
    return float(change[in_band].mean())


def record(job: TrainingJob, kept: RoundCheckpoint) -> RoundRecord:
    """The record of a finished round for reporters."""
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
    if is_first():
        shutil.copyfile(found.picture, job.run.picture)
    for reporter in job.reporters:
        reporter.on_round(found)


def save_results(job: TrainingJob, result: TrainingResult) -> dict[str, Any]:
    """Write `model/`, `density.safetensors` and `metrics.json`; return the content of `metrics.json`.

    Of several training processes the first writes, and the others wait.
    """
    content: RunMetrics = {
        "rounds": [{"round": record.round, **record.metrics} for record in result.records],
        "final": result.kept.metrics,
        "kept_round": result.kept.round,
        "kept_because": result.kept_because,
        "stopped_because": result.stopped_because,
        "refine": asdict(job.settings.refine),
        "calibration": calibration_facts(job.module.density, result.kept.metrics),
    }
    if is_first():
        job.module.classifier.save(job.run.model)
        job.module.density.save(job.run.density)
        write_json(job.run.metrics_path, content)
    wait_for_others()
    return dict(content)


def remove_checkpoints(job: TrainingJob) -> None:
    """Remove the states that only an unfinished run needs; called after the run is marked as finished."""
    if not job.settings.fit.keep_checkpoints:
        wait_for_others()
        shutil.rmtree(job.run.checkpoints, ignore_errors=True)
