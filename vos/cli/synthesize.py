"""Builds a synthesis job from a configuration and a finished run, and runs it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vos.cli.batch_summary import print_batch
from vos.cli.cache import open_cache
from vos.cli.classes import load_as_before
from vos.cli.labels import check_sheets, export_batch, hidden_gold, is_waiting
from vos.cli.oracle_view import oracle_view
from vos.cli.pool_engines import WHERE_SCORED, sharded_pass
from vos.cli.precision import with_dtype
from vos.cli.preflight import check_gold, check_sending, check_synthesis
from vos.cli.progress import synthesis_bars
from vos.cli.saved_settings import saved_settings
from vos.cli.scoring import arithmetic, check_runtime, fast_featurizer, n_workers, with_scoring
from vos.cli.wiring import build_sampler, synthesis_settings
from vos.data import TextData
from vos.density import load_density
from vos.errors import RunError
from vos.harmful import Classes
from vos.labeling import BoundaryRecord, Ledger, read_jsonl
from vos.labeling.instructions import Instructions
from vos.loop.next_round import nearest_labelled, with_kept_train
from vos.models import ClassifierFeaturizer, FeatureCache, TextClassifier, load_classifier, saved_classes
from vos.storage.atomic import read_utf8, write_atomically
from vos.storage.hashes import file_hash
from vos.storage.json_files import json_line, read_json
from vos.storage.lock import owned
from vos.storage.run_directory import RunDirectory, run_hash
from vos.synthesis.job import PoolFolder, SynthesisJob
from vos.synthesis.pool_check import check_pool
from vos.synthesis.synthesize import BATCH, JOURNAL, REPORT, SHEET, SynthesisResult, synthesize
from vos.synthesis.writing_targets import FILE as WRITING_TARGETS
from vos.training.measure import training_features
from vos.training.output_labels import label_by_output
from vos.types import Example

logger = logging.getLogger(__name__)

SETTINGS_FILE = "synthesis.yaml"
"""File with the settings of a batch, from which `verify` draws its targets again."""

UNFINISHED = "unfinished"
"""Temporary folder of a batch that will replace another."""

PARTS = (SETTINGS_FILE, REPORT, SHEET, JOURNAL, WRITING_TARGETS, BATCH)
"""Files of a batch, the batch itself last."""

MOVING = "moving.json"
"""File that lists the files of the new batch while it replaces the old one."""

NOT_OF_THE_BATCH = ("verify", "verification", "overwrite", "progress", "labeling", "ledger", "precision", "runtime")
"""Settings that do not affect the result."""


def run_synthesis(config: DictConfig) -> SynthesisResult:
    """Check the run, build the job, write the batch, print a summary."""
    check_synthesis(config)
    check_runtime(config)
    config = with_scoring(with_dtype(config))
    output = Path(config.output or config.run)
    RunDirectory(config.run).open_finished()
    check_sending(config, output)
    with owned(output):
        return _make_or_send(config, output)


def _make_or_send(config: DictConfig, output: Path) -> SynthesisResult:
    """Make the batch; an existing batch with the same settings that was not sent yet is sent instead."""
    _finish_replacing(output)
    written = None if config.overwrite else _waiting(config, output)
    check_sheets(config, output, written)
    open_cache(config)
    run, data, classifier = open_run(config)
    check_gold(config, data.label_names)
    if config.pool.path is not None:
        data = replace(data, pool=instantiate(config.pool).open())
    shards = sharded_pass(config, data.pool)
    # A bad row is found now, not after hours of scoring.
    read = check_pool(data.pool, classifier) if shards is None else shards.check(classifier)
    n_pool = read.truncation.texts
    cache = FeatureCache(Path(config.paths.cache) / "features", classifier.encoder_fingerprint(), classifier.n_features)
    featurizer = ClassifierFeaturizer(classifier, cache, device=config.device, n_workers=n_workers(config))
    bars, progress = synthesis_bars(n_pool, config.progress)
    with cache, fast_featurizer(config, classifier, n_pool) as fast, bars:
        if written is not None:
            result = _as_written(written, run, output)
        else:
            job = build_job(config, run, data, featurizer)
            scoring = "float32" if fast is None else arithmetic(config)
            job = replace(
                job, asked=_asked_before(config), progress=progress, fast=fast, scoring=scoring, shards=shards,
                ids_repeat=read.ids.found,
            )  # fmt: skip
            read.truncation.warn(classifier, "pool")
            if read.ids.found:
                logger.info("pool: different texts have the same id; they are told apart by their content")
            result = _make(config, job, output)
        outputs = Classes(classifier.label_names, classifier.harmful)
        gold = hidden_gold(config, data, result.records, featurizer, outputs)
        neighbours = nearest_labelled(featurizer, data.train, [*result.records, *gold.records], data.label_names)
        view = oracle_view(config, data, result.records, featurizer)
    print_batch(result, view)
    if config.labeling._target_ is not None:
        records, known = _in_data_classes(result.records, classifier), _in_data_classes(gold.records, classifier)
        own = Instructions(data.question, data.guidelines)
        export_batch(config, records, data.classes, output, neighbours, replace(gold, records=known), own)
    return result


def _in_data_classes(records: Sequence[BoundaryRecord], classifier: TextClassifier) -> tuple[BoundaryRecord, ...]:
    """The records with the data's classes, which people answer with, instead of the model's outputs."""
    return tuple(replace(each, probability=classifier.by_data_class(each.probability)) for each in records)


def open_run(config: DictConfig) -> tuple[RunDirectory, TextData, TextClassifier]:
    """Open the finished run that `config.run` names; returns it with its texts and its classifier.

    Raises:
        RunError: the run is incomplete, or its data or model have changed since.
    """
    run = RunDirectory(config.run)
    manifest = run.open_finished()
    run_config = saved_settings(run.config_path)
    classifier = load_classifier(run.model)
    data = with_kept_train(load_as_before(run_config.data, *saved_classes(run.model)), run.train)
    if data.fingerprint() != manifest["data_fingerprint"]:
        raise RunError(f"run={run.path}: its data files have changed since; restore them, or train again")
    if classifier.fingerprint() != manifest["model_hash"]:
        raise RunError(f"run={run.path}: model/ is not the model that the run saved; train again")
    run.check_files()
    return run, data, classifier


def build_job(config: DictConfig, run: RunDirectory, data: TextData, featurizer: ClassifierFeaturizer) -> SynthesisJob:
    """The job that a configuration describes."""
    data = label_by_output(data, featurizer, run)
    settings = synthesis_settings(config)
    pools = None
    if getattr(settings.acquisition, "index", "none") != "none":
        pools = PoolFolder(Path(config.paths.cache) / "pools", featurizer.classifier.encoder_fingerprint())
    return SynthesisJob(
        featurizer=featurizer,
        density=load_density(run.density),
        sampler=build_sampler(config.outliers, data.harmful, partial(training_features, featurizer, data.train)),
        data=data,
        settings=settings,
        seed=config.seed,
        run_hash=run_hash(run),
        pools=pools,
    )


def _make(config: DictConfig, job: SynthesisJob, output: Path) -> SynthesisResult:
    """Make the batch and store the settings that `verify` needs.

    If it replaces another batch, it is made in a temporary folder and moved when it is complete: until then the old
    batch remains, and the two are never mixed.
    """
    making = output / UNFINISHED if (output / BATCH).exists() else output
    (output / UNFINISHED / MOVING).unlink(missing_ok=True)  # of a replacement that was stopped after its last file
    write_atomically(making / SETTINGS_FILE, _of_the_batch(config))
    result = synthesize(job, making)
    if making == output:
        return result
    _finish_replacing(output)
    return replace(result, paths=tuple(output / path.name for path in result.paths))


def _finish_replacing(output: Path) -> None:
    """Replace the old batch by the complete new one; also finishes a replacement that was interrupted.

    The batch file is moved last: while it is still in the temporary folder, the replacement is not finished.
    """
    making = output / UNFINISHED
    if not (making / BATCH).exists():
        return
    began = making / MOVING
    if not began.exists():
        write_atomically(began, json_line([name for name in PARTS if (making / name).exists()]))
    parts = json.loads(read_utf8(began))
    for name in PARTS:
        if (making / name).exists():
            (making / name).replace(output / name)
        elif name not in parts:
            (output / name).unlink(missing_ok=True)
    began.unlink(missing_ok=True)
    with suppress(OSError):  # the folder contains other files
        making.rmdir()


def _of_the_batch(config: DictConfig) -> str:
    """The settings that affect the choice of texts, as YAML."""
    kept = OmegaConf.masked_copy(config, [str(key) for key in config if key not in NOT_OF_THE_BATCH])
    for name in WHERE_SCORED:
        kept.pool.pop(name, None)
    return OmegaConf.to_yaml(kept, resolve=True)


def _waiting(config: DictConfig, output: Path) -> list[BoundaryRecord] | None:
    """The batch in this folder if it was made with these settings and not fully sent; None if there is no batch.

    Raises:
        RunError: the folder has a different batch, or one that was already sent.
    """
    existing, settings = output / BATCH, output / SETTINGS_FILE
    if not existing.exists():
        return None
    records = read_jsonl(existing)
    if not is_waiting(config, records):
        raise RunError(f"{existing} exists; keep it with output=FOLDER, or replace it with overwrite=true")
    if not settings.exists() or read_utf8(settings) != _of_the_batch(config):
        raise RunError(
            f"{existing} exists, made with other settings, and was not sent to everybody; send it with the settings of "
            f"{settings}, keep it with output=FOLDER, or replace it with overwrite=true"
        )
    return records


def _as_written(records: Sequence[BoundaryRecord], run: RunDirectory, output: Path) -> SynthesisResult:
    """The result of an earlier synthesis, read from this folder."""
    if {record.run_hash for record in records} != {run_hash(run)}:
        raise RunError(f"{output / BATCH} is not of run={run.path} as it is now; replace it with overwrite=true")
    report = read_json(output / REPORT)
    for name, expected in report.get("files", {}).items():
        if name in (BATCH, SHEET) and (not (output / name).exists() or file_hash(output / name) != expected):
            raise RunError(
                f"{output / name} is not what was written (its hash is not that in {REPORT}); restore it, or replace "
                "the batch with overwrite=true"
            )
    logger.info("%s was written before and not sent to everybody: it is sent now, no other texts are chosen", output)
    paths = [path for name in (BATCH, SHEET, REPORT) if (path := output / name).exists()]
    return SynthesisResult(tuple(records), report, tuple(paths))


def _asked_before(config: DictConfig) -> list[Example]:
    """Texts that people were already asked to label; no text is asked twice."""
    if config.labeling._target_ is None or not Path(config.ledger).exists():
        return []
    with Ledger(config.ledger) as ledger:
        uids = sorted({event.uid for event in ledger.asked()})
        return [Example(f"asked:{uid}", item.text) for uid, item in ledger.items(uids).items()]
