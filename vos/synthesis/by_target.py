"""acquisition=targets: texts of the pool that match virtual outliers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from vos.errors import ConfigError
from vos.mining.acquisition import TargetAcquisition
from vos.mining.indexed import retrieve_indexed
from vos.mining.pool_features import FeatureStore, PoolFeatures
from vos.mining.retrieve import Retrieval, Search, retrieve
from vos.mining.select import select
from vos.mining.selection import lacks_near_boundary
from vos.mining.targets import Targets, TargetSpace
from vos.synthesis.acquired import Acquired
from vos.synthesis.job import SynthesisJob, draw_targets, repeat_filter
from vos.synthesis.made_texts import add_made_texts, load_text_generator, waiting_targets


def search_pool(
    job: SynthesisJob,
    acquisition: TargetAcquisition,
    space: TargetSpace,
    targets: Targets,
    generator: torch.Generator,
) -> Retrieval:
    """Find texts of the pool for every target, and a random sample, with the index `acquisition.index`.

    Raises:
        ConfigError: an index without a folder for the features.
    """
    settings, pool = job.settings, job.data.pool
    n_random = 2 * settings.selection.n_random  # spares replace near-duplicates of labelled texts
    search = Search(
        job.density, space, targets, settings.potential, acquisition.per_target, n_random, settings.chunk_size
    )
    if acquisition.index == "none":
        return retrieve(pool, job.featurizer, search, generator, job.progress.pool)
    if job.pools is None:
        raise ConfigError(f"acquisition.index={acquisition.index}: expected a folder for the pool's features, got none")
    store: FeatureStore
    if job.shards is not None:
        store = job.shards.features(job, job.pools)
    else:
        store = PoolFeatures.build(*job.pools, pool, job.featurizer, settings.chunk_size, job.progress.pool)
    approximate = acquisition.approximate if acquisition.index == "approximate" else None
    return retrieve_indexed(pool, store, search, generator, approximate)


def acquire_by_target(job: SynthesisJob, acquisition: TargetAcquisition, journal: Path) -> Acquired:
    """Draw targets near the boundary, find pool texts that match them, have others written, choose a batch."""
    generator, space, targets = draw_targets(job)
    found = search_pool(job, acquisition, space, targets, generator)
    generation, by_target = job.settings.generation, found.by_target
    made: dict[str, Any] = {}
    if generation is not None:
        waiting = waiting_targets(generation, by_target, targets, job.settings.potential)
        by_target = by_target if generation.pool_first else ((),) * len(targets)
        writer = partial(load_text_generator, job, generation, space)
        by_target, made = add_made_texts(job, generation, writer, targets, by_target, waiting, journal)
    chosen = select(by_target, found.random, repeat_filter(job), job.settings.selection, bool(job.data.harmful))
    near = [candidate for candidate in chosen.chosen if candidate.chosen != "random"]
    distances = sorted(candidate.distance for candidate in near if candidate.distance is not None)
    report = {
        "index": {"kind": acquisition.index, **found.index},
        "targets_drawn": len(targets),
        "targets_hit": len(chosen.targets_hit),
        "targets_missed": len(chosen.targets_missed),
        "target_distance_median": distances[len(distances) // 2] if distances else None,
    }
    return Acquired(
        selection=chosen,
        targets=targets,
        space=space,
        n_scored=found.n_scored,
        counts=found.margin_counts,
        lacks_near_boundary=lacks_near_boundary(chosen, job.settings.selection),
        report=report,
        made=made,
    )
