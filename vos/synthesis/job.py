"""What a synthesis is built from, and its steps: targets, search, choice, records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch

from vos.data import TextData
from vos.density import GaussianDensity
from vos.errors import ConfigError
from vos.labeling import BoundaryRecord, RecordTarget, text_uid
from vos.mining.candidates import Candidate
from vos.mining.index import ApproximateSettings, check_index
from vos.mining.indexed import retrieve_indexed
from vos.mining.pool_features import PoolFeatures
from vos.mining.retrieve import Retrieval, Search, retrieve
from vos.mining.select import Selection, SelectionSettings, select
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.storage.seeds import derive_seed
from vos.synthesis.settings import GenerationSettings
from vos.types import Example, Featurizer, OutlierSampler


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


@dataclass(frozen=True)
class Progress:
    """Who is told how far a synthesis is.

    Attributes:
        pool: called with how many more texts of the pool are done.
        made: called with how many targets and counterfactuals are done, and how many there are.
    """

    pool: Callable[[int], None] = lambda _: None
    made: Callable[[int, int], None] = lambda _done, _total: None


class PoolFolder(NamedTuple):
    """Where the features of pools are kept for an index.

    Attributes:
        path: of the folder.
        encoder: fingerprint of the encoder that gives them.
    """

    path: Path
    encoder: str


@dataclass(frozen=True)
class SynthesisJob:
    """Everything that a synthesis needs, built.

    Attributes:
        featurizer: the frozen classifier.
        density: fitted on the features of the training texts.
        sampler: draws the targets.
        data: the pool and the texts known already: the training texts fix the unit of distance, and neither they nor
            the validation and test texts are proposed again.
        settings: see `SynthesisSettings`.
        seed: of the draws, the random share and the order of the batch.
        run_hash: goes into every record.
        asked: texts that people were asked about already.
        pools: features of pools on the disk; needed by an index.
        progress: see `Progress`.
    """

    featurizer: Featurizer
    density: GaussianDensity
    sampler: OutlierSampler
    data: TextData
    settings: SynthesisSettings
    seed: int = 0
    run_hash: str = ""
    asked: Sequence[Example] = ()
    pools: PoolFolder | None = None
    progress: Progress = field(default_factory=Progress)

    @cached_property
    def model_hash(self) -> str:
        """Of the classifier, computed once."""
        return self.featurizer.model_hash


def draw_targets(job: SynthesisJob) -> tuple[torch.Generator, TargetSpace, Targets]:
    """Draw the targets of a job; the generator then stands where the search of the pool begins."""
    generator = torch.Generator().manual_seed(derive_seed(job.seed, "synthesize"))
    outliers = job.sampler(job.density, job.featurizer.head, job.settings.targets_per_class, generator)
    train_features = job.featurizer.featurize([example.text for example in job.data.train]).features
    head, harmful = job.featurizer.head, job.data.harmful
    space = TargetSpace.fit(train_features, job.density, head, harmful, job.settings.n_directions)
    return generator, space, space.targets(outliers)


def search_pool(job: SynthesisJob, space: TargetSpace, targets: Targets, generator: torch.Generator) -> Retrieval:
    """Texts of the pool for every target, and a random sample, the way that `settings.index` names.

    Raises:
        ConfigError: an index without a folder for the features.
    """
    settings, pool = job.settings, job.data.pool
    n_random = 2 * settings.selection.n_random  # spare ones replace near-duplicates of labelled texts
    search = Search(job.density, space, targets, settings.potential, settings.per_target, n_random, settings.chunk_size)
    if settings.index == "none":
        return retrieve(pool, job.featurizer, search, generator, job.progress.pool)
    if job.pools is None:
        raise ConfigError(f"candidates.index={settings.index}: expected a folder for the pool's features, got none")
    store = PoolFeatures.build(*job.pools, pool, job.featurizer, settings.chunk_size, job.progress.pool)
    approximate = settings.approximate if settings.index == "approximate" else None
    return retrieve_indexed(pool, store, search, generator, approximate)


def choose(job: SynthesisJob, found: Retrieval) -> Selection:
    """Compose the batch from what was found."""
    data = job.data
    known = {example.id: example.text for example in (*data.train, *data.val, *data.test, *job.asked)}
    return select(
        found,
        known,
        job.settings.selection,
        lambda texts: job.featurizer.featurize(texts).features,
        has_sides=bool(data.harmful),
    )


def record_of(candidate: Candidate, targets: Targets, job: SynthesisJob) -> BoundaryRecord:
    """What is kept of a candidate."""
    names, made = job.data.label_names, candidate.provenance.is_made
    target: RecordTarget | None = None
    if candidate.target is not None:
        target = RecordTarget(
            id=f"z{candidate.target:04d}",
            class_name=names[int(targets.labels[candidate.target])],
            margin=float(targets.margins[candidate.target]),
            mahalanobis=float(targets.mahalanobis[candidate.target]),
            distance=candidate.distance,
            max_distance=_largest_distance(job.settings, made=made),
            pair=tuple(names[c] for c in targets.pairs[candidate.target].tolist()),
        )
    return BoundaryRecord(
        uid=text_uid(candidate.example.text),
        id=candidate.example.id,
        text=candidate.example.text,
        chosen="random" if target is None else "target",
        margin=candidate.margin,
        probability=dict(zip(names, candidate.probability, strict=True)),
        mahalanobis=dict(zip(names, candidate.mahalanobis, strict=True)),
        target=target,
        provenance=candidate.provenance if made else replace(candidate.provenance, seed=job.seed),
        model_hash=job.model_hash,
        run_hash=job.run_hash,
        group=candidate.example.group,
    )


def _largest_distance(settings: SynthesisSettings, *, made: bool) -> float:
    """Largest D that a chosen text can have; made texts are judged twice."""
    largest = settings.selection.max_distance
    if made and settings.generation is not None:
        largest = min(largest, settings.generation.text_generator.stages.max_distance)
    return largest
