"""Build a synthesis job from a configuration and a finished run, and run it."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from vos.cli.labels import hidden_gold, send
from vos.cli.tables import facts_table, in_words
from vos.cli.train import quiet_libraries, run_hash
from vos.cli.wiring import build_sampler
from vos.data import PoolSource, TextData, open_pool_file
from vos.density import ClassConditionalGaussian, load_density
from vos.errors import RunError
from vos.labeling import Ledger
from vos.loop.next_round import nearest_labelled, with_kept_train
from vos.models import ClassifierFeaturizer, FeatureCache, TextClassifier, load_classifier
from vos.storage.atomic import write_atomically
from vos.storage.run_directory import RunDirectory
from vos.synthesis.job import SynthesisJob
from vos.synthesis.synthesize import SynthesisResult, synthesize
from vos.training.measure import training_features
from vos.types import Example

logger = logging.getLogger(__name__)

SETTINGS_FILE = "synthesis.yaml"
"""What a batch was made with; `verify` draws its targets anew from it."""

NOT_OF_THE_BATCH = ("verify", "verification", "overwrite", "progress", "labeling", "ledger")
"""Settings that change nothing that is computed."""


def run_synthesis(config: DictConfig) -> SynthesisResult:
    """Check the run, build the job, write the batch, print a summary."""
    quiet_libraries()
    output = Path(config.output or config.run)
    existing = output / "near_boundary.jsonl"
    if existing.exists() and not config.overwrite:
        raise RunError(f"{existing} exists; keep it with output=FOLDER, or replace it with overwrite=true")
    run, data, classifier = open_run(config)
    cache = FeatureCache(Path(config.paths.cache) / "features", classifier.encoder_fingerprint(), classifier.n_features)
    pool: PoolSource = data.pool
    if config.pool.path is not None:
        pool = open_pool_file(config.pool.path, text=config.pool.text, id=config.pool.id)
    with cache, _progress(config.progress) as progress:
        bar = progress.add_task("pool", total=pool.size)
        job = build_job(config, run, data, ClassifierFeaturizer(classifier, cache, device=config.device), output)
        job = replace(job, known=[*job.known, *_asked_before(config)], pool=pool)
        job.progress = lambda n: progress.advance(bar, n)
        if job.settings.generation is not None:
            generation_bar = progress.add_task("made for targets", total=None)
            job.generation_progress = lambda done, total: progress.update(generation_bar, completed=done, total=total)
        _begin(config, output)
        result = synthesize(job)
        gold = hidden_gold(config, data, result.records, job.featurizer)
        asked = [*result.records, *gold.records]
        neighbours = nearest_labelled(job.featurizer, data.train, asked, data.label_names)
    _summary(result)
    if config.labeling._target_ is not None:
        send(config, result.records, data.label_names, output, neighbours, gold)
    return result


def open_run(config: DictConfig) -> tuple[RunDirectory, TextData, TextClassifier]:
    """The finished run that `config.run` names, its texts and its classifier.

    Raises:
        RunError: it is not whole, or its data or its model have changed since.
    """
    run = RunDirectory(config.run)
    manifest = run.open_finished()
    run_config = OmegaConf.load(run.config_path)
    data: TextData = with_kept_train(instantiate(run_config.data), run.train)
    if data.fingerprint() != manifest["data_fingerprint"]:
        raise RunError(f"run={run.path}: its data files have changed since; restore them, or train again")
    classifier = load_classifier(run.model)
    if classifier.fingerprint() != manifest["model_hash"]:
        raise RunError(f"run={run.path}: model/ is not the model that the run saved; train again")
    return run, data, classifier


def build_job(
    config: DictConfig, run: RunDirectory, data: TextData, featurizer: ClassifierFeaturizer, output: Path
) -> SynthesisJob:
    """The job that a configuration describes, over the pool of the run's own data."""
    return SynthesisJob(
        featurizer=featurizer,
        density=cast(ClassConditionalGaussian, load_density(run.density)),  # read as any density
        sampler=build_sampler(config.outliers, partial(training_features, featurizer, data.train)),
        train=data.train,
        known=[*data.val, *data.test],
        pool=data.pool,
        label_names=data.label_names,
        settings=instantiate(config.candidates),
        output=output,
        run_hash=run_hash(run),
        seed=config.seed,
        pools=Path(config.paths.cache) / "pools",
    )


def _begin(config: DictConfig, output: Path) -> None:
    """Note down the settings that `verify` needs, and take away the batch to be replaced: the two never mix."""
    for name in ("near_boundary.jsonl", "near_boundary.csv", "synthesis.json"):
        (output / name).unlink(missing_ok=True)
    kept = OmegaConf.masked_copy(config, [str(key) for key in config if key not in NOT_OF_THE_BATCH])
    write_atomically(output / SETTINGS_FILE, OmegaConf.to_yaml(kept, resolve=True))


def _asked_before(config: DictConfig) -> list[Example]:
    """Texts that people were asked about already: a text is asked once."""
    if config.labeling._target_ is None or not Path(config.ledger).exists():
        return []
    with Ledger(config.ledger) as ledger:
        uids = sorted({event.uid for event in ledger.events("exported") if event.uid})
        return [Example(f"asked:{uid}", record.text) for uid, record in ledger.records(uids).items()]


class _RateColumn(ProgressColumn):
    """How many a second; a target takes seconds."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.3g}/s")


def _progress(enabled: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        disable=not enabled,
    )


def _summary(result: SynthesisResult) -> None:
    table = facts_table("Near-boundary texts")
    report = dict(result.report)
    for part, prefix in ((report, ""), (report.pop("made", {}), "made: ")):
        for name, value in part.items():
            # One line for each missed target is for the file.
            if name != "nearest_miss" and (shown := in_words(value)):
                table.add_row(prefix + name.replace("_", " "), shown)
    for path in result.paths:
        table.add_row(path.name, str(path))
    Console().print(table)
