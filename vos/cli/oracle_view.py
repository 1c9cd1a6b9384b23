"""Evaluates a batch by the stored answers of a demonstration, declared as those of an oracle."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.utils import instantiate
from omegaconf import DictConfig

from vos.cli.saved_settings import saved_settings
from vos.data import EmbeddedData, TextData
from vos.labeling import BoundaryRecord
from vos.loop.mistakes import Rate
from vos.models import ClassifierFeaturizer
from vos.simulation.batch_by_oracle import BatchByOracle
from vos.storage.run_directory import RunDirectory


def oracle_view(
    config: DictConfig, data: TextData, records: Sequence[BoundaryRecord], featurizer: ClassifierFeaturizer
) -> list[tuple[str, str]]:
    """Rows of a table of counts; none if the pool has no stored answers."""
    source = instantiate(saved_settings(RunDirectory(config.run).config_path).data)
    if config.pool.path is not None or not isinstance(source, EmbeddedData):
        return []
    classifier = featurizer.classifier
    names = [classifier.data_classes[c] for c in classifier.class_of_output]
    found = BatchByOracle.of(records, data, featurizer, source.stored_answers(), source.stored_levels(), names)
    rows = {
        "wrong near the boundary": found.near,
        "wrong in the random share": found.random,
        "wrong in the whole pool": found.pool,
        "subtle near the boundary": found.subtle_near,
        "subtle in the whole pool": found.subtle_pool,
    }
    return [(name, in_share(rate)) for name, rate in rows.items() if rate.n]


def in_share(rate: Rate) -> str:
    """`k of n`, with the share and its 95 % interval."""
    low, high = rate.interval
    return f"{rate.k} of {rate.n}: {rate.k / rate.n:.0%} ({low:.0%} to {high:.0%})"
