"""The atlas program: loads a configuration and a finished run, computes its arrays, and writes the page."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vos.atlas.artefacts import read_artefact
from vos.atlas.build import AtlasPageSettings, build_atlas
from vos.atlas.describe import described, train_texts
from vos.atlas.job import FOLDER, AtlasResult, run_atlas
from vos.atlas.producers import Producer, check_dreams, check_extras, chosen_producers
from vos.atlas.settings import AtlasSettings
from vos.atlas.tags import table_columns
from vos.atlas.texts import choose_texts
from vos.atlas.trust import NAME as TRUST
from vos.atlas.world import AtlasWorld
from vos.cli.cache import open_cache
from vos.cli.preflight import check_atlas
from vos.cli.progress import atlas_bars
from vos.cli.saved_settings import saved_settings
from vos.cli.synthesize import open_run
from vos.cli.tables import duration, memory
from vos.cli.wiring import build_sampler
from vos.console import print_facts, print_paths, say, short
from vos.data import TextData
from vos.density import load_density
from vos.errors import ConfigError
from vos.generation.server.differences import ServedDescriber
from vos.generation.server.model import ServedLanguageModel
from vos.generation.server.settings import LanguageModelServer
from vos.labeling import Ledger
from vos.labeling.batch_files import read_jsonl
from vos.labeling.consensus import consensus
from vos.models import ClassifierFeaturizer, FeatureCache
from vos.models.truncation import warn_of_truncation
from vos.storage.environment import peak_memory_mib
from vos.storage.lock import owned
from vos.storage.provenance import Provenance
from vos.storage.run_directory import RunDirectory, run_hash
from vos.storage.seeds import derive_seed
from vos.synthesis.synthesize import BATCH
from vos.training.measure import training_features
from vos.training.output_labels import label_by_output
from vos.types import Example

logger = logging.getLogger(__name__)

PAGE = "atlas.html"


@dataclass(frozen=True)
class Asked:
    """Texts that people have been asked to label, or will be.

    Attributes:
        batch: uids of the texts of the batch.
        made: uids of the texts that a language model wrote, of this batch or of an earlier one.
        answers: uid to the class that people answered.
        examples: all of these texts, those of the batch first.
    """

    batch: Collection[str]
    made: Collection[str]
    answers: Mapping[str, str]
    examples: Sequence[Example]


def run_atlas_program(config: DictConfig) -> AtlasResult:
    """Check the settings and the run, compute missing arrays, build the page, print a summary."""
    check_atlas(config)
    settings = atlas_settings(config)
    producers = chosen_producers(config.views, config.only)
    if config.views is not None or config.only is not None:
        check_extras(producers)
    check_dreams(settings)
    RunDirectory(config.run).open_finished()
    output = Path(config.output or config.run)
    describer = describing_server(config)
    if describer is not None:
        settings = replace(settings, describer=ServedLanguageModel(describer.client).fingerprint)
    with owned(output):
        return _make(config, settings, producers, output, describer)


def atlas_settings(config: DictConfig) -> AtlasSettings:
    """Read the sizes of an atlas, and what its outliers are drawn with, from the configuration.

    Raises:
        ConfigError: a size is out of range.
    """
    sizes = {name: config[name] for name in AtlasSettings.__dataclass_fields__ if name in config and name != "outliers"}
    return AtlasSettings(**sizes, outliers=dict(OmegaConf.to_object(config.outliers)))  # type: ignore[arg-type]


def describing_server(config: DictConfig) -> ServedDescriber | None:
    """The language model that describes differences in sentences; None if none is configured.

    Raises:
        ConfigError: the language model is not behind a server.
        ServerError: the server cannot be used.
    """
    if OmegaConf.select(config, "language_model") is None:
        return None
    server = instantiate(config.language_model)
    if not isinstance(server, LanguageModelServer):
        raise ConfigError(
            "language_model: the atlas says differences in sentences with a model behind a server alone; expected "
            "language_model=server language_model.url=... language_model.model=..."
        )
    return ServedDescriber(server.client(), config.seed)


def _make(
    config: DictConfig,
    settings: AtlasSettings,
    producers: Sequence[Producer],
    output: Path,
    describer: ServedDescriber | None,
) -> AtlasResult:
    open_cache(config)
    run, data, classifier = open_run(config)
    if config.pool.path is not None:
        data = replace(data, pool=instantiate(config.pool).open())
    asked = texts_asked(config, run, data)
    cache = FeatureCache(Path(config.paths.cache) / "features", classifier.encoder_fingerprint(), classifier.n_features)
    featurizer = ClassifierFeaturizer(classifier, cache, device=config.device)
    bars, told, watcher = atlas_bars(config.progress)
    began = time.monotonic()
    with cache, bars:
        world = build_world(config, run, data, featurizer, settings, asked, told)
        warn_of_truncation(classifier, "atlas", world.texts.text)
        models = Path(config.paths.cache) / "models"
        world = replace(world, folder=output / FOLDER, describer=describer, language_models=models)
        watcher.end("pool", f"{len(world.texts)} texts")
        seconds = time.monotonic() - began
        result = run_atlas(
            world, output / FOLDER, producers, overwrite=config.overwrite, seconds=seconds, watcher=watcher
        )
    page = build_atlas(output / FOLDER, output / PAGE, AtlasPageSettings(blind=config.blind))
    _summary(world, result, output, page)
    return result


def texts_asked(config: DictConfig, run: RunDirectory, data: TextData) -> Asked:
    """The texts of the run's batch, or of the configured one, and the ledger's answers for this data's classes."""
    path = Path(config.batch) if config.batch is not None else run.path / BATCH
    records = read_jsonl(path) if path.is_file() else []
    examples = {record.uid: Example(record.id, record.text, group=record.group) for record in records}
    answers: dict[str, str] = {}
    made = {record.uid for record in records if record.provenance.is_made}
    if Path(config.ledger).exists():
        with Ledger(config.ledger) as ledger:
            answers = {uid: name for uid, name in consensus(ledger).labels.items() if name in data.label_names}
            for uid, item in ledger.items(sorted(answers)).items():
                group = item.payload.get("group")
                known = Example(f"asked:{uid}", item.text, group=None if group is None else str(group))
                examples.setdefault(uid, known)
                if _is_made(item.payload):
                    made.add(uid)
    logger.info("batch: %d texts; answered: %d texts", len(records), len(answers))
    if len(examples) > config.n_texts:
        logger.warning(
            "n_texts=%d: %d of the %d texts of batch and ledger are left out", config.n_texts,
            len(examples) - config.n_texts, len(examples),
        )  # fmt: skip
    batch = {record.uid for record in records}
    return Asked(batch, made, answers, list(examples.values())[: config.n_texts])


def _is_made(payload: Mapping[str, Any]) -> bool:
    """Whether a ledger's item is a record of a text that a language model wrote."""
    given = payload.get("provenance")
    return isinstance(given, Mapping) and "source" in given and Provenance(source=str(given["source"])).is_made


def build_world(
    config: DictConfig,
    run: RunDirectory,
    data: TextData,
    featurizer: ClassifierFeaturizer,
    settings: AtlasSettings,
    asked: Asked,
    told: Callable[[int], None] = lambda _: None,
) -> AtlasWorld:
    """Build the inputs of the atlas, with its texts chosen."""
    data = label_by_output(data, featurizer, run)
    chosen = choose_texts(data, featurizer, settings, config.seed, asked.examples, asked.made, told)
    if not chosen.counts["pool"]:
        logger.info("no pool: the atlas shows held-out texts alone; pool.path=FILE names one")
    density = load_density(run.density)
    texts = described(
        chosen.examples, chosen.splits, chosen.features, featurizer, density, chosen.band,
        batch=asked.batch, answers=asked.answers, weight=chosen.weight, seed=config.seed,
    )  # fmt: skip
    if config.tags is not None:
        texts = replace(texts, columns={**texts.columns, **table_columns(config.tags, chosen.examples)})
    manifest = run.manifest
    return AtlasWorld(
        featurizer,
        texts,
        chosen.features.double().numpy(),
        train_texts(data.train, featurizer, np.random.default_rng(derive_seed(config.seed, "atlas", "train"))),
        density,
        build_sampler(config.outliers, data.harmful, partial(training_features, featurizer, data.train)),
        chosen.band,
        settings=settings,
        seed=config.seed,
        run={
            "name": run.path.resolve().name,
            "model_hash": manifest["model_hash"],
            "run_hash": run_hash(run),
            "seed": config.seed,
            "encoder": OmegaConf.select(saved_settings(run.config_path), "model.name"),
            "counts": dict(chosen.counts),
        },
    )


def _summary(world: AtlasWorld, result: AtlasResult, output: Path, page: Path) -> None:
    """Print what was computed, what is missing and why, which checks passed, and what to do next."""
    folder, texts = output / FOLDER, world.texts
    splits = ", ".join(f"{split} {texts.split.count(split)}" for split in dict.fromkeys(texts.split))
    rows = [("texts", f"{len(texts)}: {splits}; near the boundary {int(texts.near.sum())}")]
    if result.seconds:
        rows.append(("made", ", ".join(f"{name} {duration(seconds)}" for name, seconds in result.seconds.items())))
    if result.kept:
        rows.append(("kept", ", ".join(result.kept)))
    rows += [(f"no {name}", reason) for name, reason in result.dropped.items()]
    checks = (read_artefact(folder, TRUST) or {}).get("checks", [])
    passed = sum(check["passed"] for check in checks)
    if checks:
        failed = dict.fromkeys(f"{check['producer']}: {check['name']}" for check in checks if not check["passed"])
        more = f"; not passed: {', '.join(failed)}" if failed else ""
        rows.append(("checks", f"{passed} of {len(checks)} passed{more}"))
    rows.append(("peak memory", memory(peak_memory_mib())))
    print_facts("Boundary atlas", rows)
    print_paths({"arrays": folder, PAGE: page})
    made = len(result.seconds) - ("pool" in result.seconds)
    verdict = f"; {passed} of {len(checks)} checks of the views passed" if checks else ""
    say(f"The page shows {len(texts)} texts; {made} kinds of arrays were made now, {len(result.kept)} kept{verdict}.")
    say(f"next: open {short(page)} in a browser, after you have labelled the batch")
