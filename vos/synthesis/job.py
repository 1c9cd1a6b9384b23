"""What a synthesis is built from, and its steps: targets, search, choice, records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vos.data import TextData
from vos.density import GaussianDensity
from vos.errors import ConfigError
from vos.labeling import BoundaryRecord, RecordCoverage, RecordTarget, text_uid
from vos.mining.acquisition import Acquisition, MarginAcquisition, RandomAcquisition
from vos.mining.candidates import Candidate
from vos.mining.coverage import CoverageSettings
from vos.mining.near_duplicates import RepeatFilter
from vos.mining.pool_features import FeatureStore
from vos.mining.pool_sample import PoolSample, SampleSizes
from vos.mining.selection import SelectionSettings
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.storage.seeds import derive_seed
from vos.synthesis.error_model import ErrorModel
from vos.synthesis.settings import GenerationSettings
from vos.synthesis.surroundings import Surroundings
from vos.types import Example, FeatureBatch, Featurizer, OutlierSampler, VirtualOutliers


@dataclass(frozen=True)
class SynthesisSettings:
    """How targets are drawn and the pool is searched.

    Attributes:
        acquisition: how near-boundary texts of the pool are chosen, see `vos.mining.acquisition`.
        targets_per_class: virtual outliers drawn for every class; acquisition=targets looks for their nearest texts,
            the other ways report those without a text.
        n_directions: r, coordinates of the space in which a text is near a virtual outlier.
        chunk_size: texts in memory at a time.
        potential: see `Potential`.
        selection: see `SelectionSettings`.
        generation: see `GenerationSettings`; None takes texts of the pool alone.
    """

    acquisition: Acquisition = field(default_factory=CoverageSettings)
    targets_per_class: int = 64
    n_directions: int = 24
    chunk_size: int = 1024
    potential: Potential = field(default_factory=Potential)
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    generation: GenerationSettings | None = None

    def __post_init__(self) -> None:
        if min(self.targets_per_class, self.n_directions, self.chunk_size) < 1:
            raise ConfigError(
                f"candidates: expected targets_per_class, n_directions and chunk_size of at least 1, got {self}"
            )
        if self.generation is not None and isinstance(self.acquisition, MarginAcquisition | RandomAcquisition):
            raise ConfigError(
                "candidates: texts are written for what the pool leaves uncovered; expected acquisition=coverage or "
                "acquisition=targets, or candidates=pool"
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


class ShardScan(Protocol):
    """Reads a pool shard by shard, see `vos.synthesis.pool_pass`."""

    def run(
        self, job: SynthesisJob, featurizer: Featurizer, sizes: SampleSizes, surroundings: Surroundings, fast: bool
    ) -> PoolSample:
        """Samples of the whole pool; `surroundings` takes its texts into account."""

    def features(self, job: SynthesisJob, folder: PoolFolder) -> FeatureStore:
        """Features of the whole pool, kept in a folder."""


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
        fast: the same classifier, faster and a little off, for the pass over the pool; None: the featurizer.
        scoring: how `fast` computes, for the report and for what is kept of shards; "float32" where it is None.
        shards: how a pool of many files is scored; None: `data.pool` is read from its start to its end.
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
    fast: Featurizer | None = None
    scoring: str = "float32"
    shards: ShardScan | None = None

    @cached_property
    def model_hash(self) -> str:
        """Of the classifier, computed once."""
        return self.featurizer.model_hash

    @cached_property
    def error_model(self) -> ErrorModel:
        """What tells the chance that a prediction is wrong, computed once."""
        return ErrorModel.of(self.featurizer, self.density, self.data)

    def expected_errors(self, batch: FeatureBatch) -> Tensor:
        """The chance (n,) float64 that each prediction is wrong; see `ErrorModel`."""
        return self.error_model(batch)


def draw_outliers(job: SynthesisJob) -> tuple[torch.Generator, TargetSpace, VirtualOutliers]:
    """Draw the virtual outliers of a job, and the space in which texts are near them; the generator stands after."""
    generator = torch.Generator().manual_seed(derive_seed(job.seed, "synthesize"))
    outliers = job.sampler(job.density, job.featurizer.head, job.settings.targets_per_class, generator)
    train_features = job.featurizer.featurize([example.text for example in job.data.train]).features
    head, harmful = job.featurizer.head, job.data.harmful
    return generator, TargetSpace.fit(train_features, job.density, head, harmful, job.settings.n_directions), outliers


def draw_targets(job: SynthesisJob) -> tuple[torch.Generator, TargetSpace, Targets]:
    """Draw the targets of a job; the generator then stands where the search of the pool begins."""
    generator, space, outliers = draw_outliers(job)
    return generator, space, space.targets(outliers)


def repeat_filter(job: SynthesisJob) -> RepeatFilter:
    """What tells a text apart from those that are known."""
    data, selection = job.data, job.settings.selection
    known = {example.id: example.text for example in (*data.train, *data.val, *data.test, *job.asked)}
    return RepeatFilter(
        known,
        selection.near_duplicate,
        selection.max_cosine,
        lambda texts: job.featurizer.featurize(texts).features,
    )


def records_of(candidates: Sequence[Candidate], targets: Targets, job: SynthesisJob) -> tuple[BoundaryRecord, ...]:
    """What is kept of candidates, in their order."""
    if not candidates:
        return ()
    batch = job.featurizer.featurize([candidate.example.text for candidate in candidates])
    errors = job.expected_errors(batch).tolist()
    return tuple(
        replace(record_of(candidate, targets, job), expected_error=error)
        for candidate, error in zip(candidates, errors, strict=True)
    )


def record_of(candidate: Candidate, targets: Targets, job: SynthesisJob) -> BoundaryRecord:
    """What is kept of a candidate."""
    names, made, covers = job.data.label_names, candidate.provenance.is_made, candidate.covers
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
        chosen=candidate.chosen,
        margin=candidate.margin,
        probability=dict(zip(names, candidate.probability, strict=True)),
        mahalanobis=dict(zip(names, candidate.mahalanobis, strict=True)),
        target=target,
        coverage=None if covers is None else RecordCoverage(covers.share, covers.neighbours),
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
