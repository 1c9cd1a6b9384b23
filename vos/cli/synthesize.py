"""Build a synthesis job from a configuration and a finished run, and run it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from vos.cli.classes import load_as_before
from vos.cli.labels import export_batch, hidden_gold
from vos.cli.progress import synthesis_bars
from vos.cli.tables import facts_table, in_words
from vos.cli.train import quiet_libraries, run_hash
from vos.cli.wiring import build_sampler
from vos.data import TextData, open_pool_file
from vos.density import load_density
from vos.errors import RunError
from vos.labeling import Ledger
from vos.loop.next_round import nearest_labelled, with_kept_train
from vos.models import ClassifierFeaturizer, FeatureCache, TextClassifier, load_classifier
from vos.storage.atomic import write_atomically
from vos.storage.run_directory import RunDirectory
from vos.synthesis.job import PoolFolder, SynthesisJob, SynthesisSettings
from vos.synthesis.synthesize import BATCH, REPORT, SHEET, SynthesisResult, synthesize
from vos.training.measure import training_features
from vos.types import Example

SETTINGS_FILE = "synthesis.yaml"
"""What a batch was made with; `verify` draws its targets anew from it."""

NOT_OF_THE_BATCH = ("verify", "verification", "overwrite", "progress", "labeling", "ledger")
"""Settings that change nothing that is computed."""


def run_synthesis(config: DictConfig) -> SynthesisResult:
    """Check the run, build the job, write the batch, print a summary."""
    quiet_libraries()
    output = Path(config.output or config.run)
    existing = output / BATCH
    if existing.exists() and not config.overwrite:
        raise RunError(f"{existing} exists; keep it with output=FOLDER, or replace it with overwrite=true")
    run, data, classifier = open_run(config)
    if config.pool.path is not None:
        data = replace(data, pool=open_pool_file(config.pool.path, text=config.pool.text, id=config.pool.id))
    cache = FeatureCache(Path(config.paths.cache) / "features", classifier.encoder_fingerprint(), classifier.n_features)
    featurizer = ClassifierFeaturizer(classifier, cache, device=config.device)
    bars, progress = synthesis_bars(data.pool.size, config.progress)
    with cache, bars:
        job = replace(build_job(config, run, data, featurizer), asked=_asked_before(config), progress=progress)
        _begin(config, output)
        result = synthesize(job, output)
        gold = hidden_gold(config, data, result.records, featurizer)
        neighbours = nearest_labelled(featurizer, data.train, [*result.records, *gold.records], data.label_names)
    _summary(result)
    if config.labeling._target_ is not None:
        export_batch(config, result.records, data.classes, output, neighbours, gold)
    return result


def open_run(config: DictConfig) -> tuple[RunDirectory, TextData, TextClassifier]:
    """The finished run that `config.run` names, its texts and its classifier.

    Raises:
        RunError: it is not whole, or its data or its model have changed since.
    """
    run = RunDirectory(config.run)
    manifest = run.open_finished()
    run_config = OmegaConf.load(run.config_path)
    classifier = load_classifier(run.model)
    data = with_kept_train(load_as_before(run_config.data, classifier.label_names, classifier.harmful), run.train)
    if data.fingerprint() != manifest["data_fingerprint"]:
        raise RunError(f"run={run.path}: its data files have changed since; restore them, or train again")
    if classifier.fingerprint() != manifest["model_hash"]:
        raise RunError(f"run={run.path}: model/ is not the model that the run saved; train again")
    return run, data, classifier


def build_job(config: DictConfig, run: RunDirectory, data: TextData, featurizer: ClassifierFeaturizer) -> SynthesisJob:
    """The job that a configuration describes."""
    settings: SynthesisSettings = instantiate(config.candidates)
    pools = None
    if settings.index != "none":
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


def _begin(config: DictConfig, output: Path) -> None:
    """Note down the settings that `verify` needs, and take away the batch to be replaced: the two never mix."""
    for name in (BATCH, SHEET, REPORT):
        (output / name).unlink(missing_ok=True)
    kept = OmegaConf.masked_copy(config, [str(key) for key in config if key not in NOT_OF_THE_BATCH])
    write_atomically(output / SETTINGS_FILE, OmegaConf.to_yaml(kept, resolve=True))


def _asked_before(config: DictConfig) -> list[Example]:
    """Texts that people were asked about already: a text is asked once."""
    if config.labeling._target_ is None or not Path(config.ledger).exists():
        return []
    with Ledger(config.ledger) as ledger:
        uids = sorted({event.uid for event in ledger.events("exported") if event.uid})
        return [Example(f"asked:{uid}", item.text) for uid, item in ledger.items(uids).items()]


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
