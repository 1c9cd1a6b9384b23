"""What a synthesis is built from, and what follows from that alone: its targets, its search of the pool, its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError
from vos.mining.index import ApproximateSettings, check_index
from vos.mining.indexed import retrieve_indexed
from vos.mining.pool_features import PoolFeatures
from vos.mining.retrieve import Retrieval, retrieve
from vos.mining.select import SelectionSettings
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.models.featurizer import ClassifierFeaturizer
from vos.storage.seeds import derive_seed
from vos.synthesis.settings import GenerationSettings
from vos.types import Example, OutlierSampler


@dataclass(frozen=True)
class SynthesisSettings:
    """How targets are drawn and the pool is searched.

    Attributes:
        targets_per_class: virtual outliers drawn for every class.
        n_directions: r, coordinates of the target space.
        per_target: texts kept for each target while the pool streams by.
        chunk_size: texts in memory at a time.
        potential: see `Potential`.
        selection: see `SelectionSettings`.
        index: how the pool is searched: "none" compares every text with every target as the pool streams by; "exact"
            and "approximate" keep its features on the disk and search them with faiss, see `vos.mining.index`.
        approximate: see `ApproximateSettings`.
        generation: see `GenerationSettings`; None takes texts of the pool alone.
    """

    targets_per_class: int = 64
    n_directions: int = 24
    per_target: int = 20
    chunk_size: int = 1024
    potential: Potential = field(default_factory=Potential)
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    index: str = "none"
    approximate: ApproximateSettings = field(default_factory=ApproximateSettings)
    generation: GenerationSettings | None = None

    def __post_init__(self) -> None:
        check_index(self.index)
        if min(self.targets_per_class, self.n_directions, self.per_target, self.chunk_size) < 1:
            raise ConfigError(
                "candidates: expected targets_per_class, n_directions, per_target and chunk_size of at least 1, "
                f"got {self}"
            )


@dataclass
class SynthesisJob:
    """Everything that a synthesis needs, built.

    Attributes:
        featurizer: over the run's classifier.
        density: the run's.
        sampler: draws the targets.
        train: the run's training texts; they fix the unit of distance and are never proposed again.
        known: further texts that must not be proposed (validation and test texts).
        pool: unlabelled texts, in any number.
        label_names: names of the C classes.
        settings: see `SynthesisSettings`.
        output: directory of the files.
        run_hash: goes into every record.
        seed: of the draws, the random share and the order of the batch.
        pools: directory of the pools' features; needed by an index.
        progress: called with the number of pool texts done after each chunk.
        generation_progress: called with how many targets and counterfactuals are done, and how many there are, after
            each.
    """

    featurizer: ClassifierFeaturizer
    density: ClassConditionalGaussian
    sampler: OutlierSampler
    train: Sequence[Example]
    known: Sequence[Example]
    pool: Iterable[Example]
    label_names: tuple[str, ...]
    settings: SynthesisSettings
    output: Path
    run_hash: str
    seed: int
    pools: Path | None = None
    progress: Callable[[int], None] = lambda _: None
    generation_progress: Callable[[int, int], None] = lambda _done, _total: None


def draw_targets(job: SynthesisJob) -> tuple[torch.Generator, TargetSpace, Targets]:
    """Draw the targets of a job; the generator then stands where the search of the pool begins."""
    generator = torch.Generator().manual_seed(derive_seed(job.seed, "synthesize"))
    outliers = job.sampler(job.density, job.featurizer.head, job.settings.targets_per_class, generator)
    train_features = job.featurizer.featurize([example.text for example in job.train]).features
    space = TargetSpace.fit(train_features, job.density, job.featurizer.head, job.settings.n_directions)
    return generator, space, space.targets(outliers)


def search_pool(job: SynthesisJob, space: TargetSpace, targets: Targets, generator: torch.Generator) -> Retrieval:
    """Texts of the pool for every target, and a random sample, the way that `settings.index` names.

    Raises:
        ConfigError: an index without a directory for the features.
    """
    settings = job.settings
    n_random = 2 * settings.selection.n_random  # spare ones replace near-duplicates of labelled texts
    limits = {"per_target": settings.per_target, "n_random": n_random, "chunk_size": settings.chunk_size}
    if settings.index == "none":
        return retrieve(
            job.pool, job.featurizer, job.density, space, targets, settings.potential, **limits,
            generator=generator, progress=job.progress,
        )  # fmt: skip
    if job.pools is None:
        raise ConfigError(f"candidates.index={settings.index}: expected a directory for the pool's features, got none")
    encoder = job.featurizer.classifier.encoder_fingerprint()
    store = PoolFeatures.build(job.pools, encoder, job.pool, job.featurizer, settings.chunk_size, job.progress)
    approximate = settings.approximate if settings.index == "approximate" else None
    return retrieve_indexed(
        job.pool, store, job.density, space, targets, settings.potential, **limits,
        generator=generator, approximate=approximate,
    )  # fmt: skip


def largest_distance(settings: SynthesisSettings, *, made: bool) -> float:
    """Largest D that a chosen text can have; made texts are judged twice."""
    largest = settings.selection.max_distance
    if made and settings.generation is not None:
        largest = min(largest, settings.generation.text_generator.stages.max_distance)
    return largest
