"""The parts and settings of a synthesis, and its steps: targets, search, choice, records."""

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
        targets_per_class: virtual outliers drawn per class; acquisition=targets searches the texts nearest to them, the
            other methods report those without a text.
        n_directions: r, number of coordinates of the space in which the distance to virtual outliers is measured.
        chunk_size: number of texts in memory at a time.
        potential: see `Potential`.
        selection: see `SelectionSettings`.
        generation: see `GenerationSettings`; None: only texts of the pool.
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
    """Callbacks for the progress of a synthesis.

    Attributes:
        pool: called with the number of further texts of the pool that are done.
        made: called with the number of targets and counterfactuals that are done, and their total.
    """

    pool: Callable[[int], None] = lambda _: None
    made: Callable[[int, int], None] = lambda _done, _total: None


class PoolFolder(NamedTuple):
    """The folder with the features of pools for an index.

    Attributes:
        path: path of the folder.
        encoder: fingerprint of the encoder that computes the features.
    """

    path: Path
    encoder: str


class ShardScan(Protocol):
    """Reads a pool shard by shard, see `vos.synthesis.pool_pass`."""

    def run(
        self, job: SynthesisJob, featurizer: Featurizer, sizes: SampleSizes, surroundings: Surroundings, fast: bool
    ) -> PoolSample:
        """Samples of the whole pool; its texts are added to `surroundings`."""

    def features(self, job: SynthesisJob, folder: PoolFolder) -> FeatureStore:
        """Features of the whole pool, stored in a folder."""


@dataclass(frozen=True)
class SynthesisJob:
    """All objects that a synthesis needs.

    Attributes:
        featurizer: the frozen classifier.
        density: fitted on the features of the training texts.
        sampler: draws the targets.
        data: the pool and the known texts: the training texts define the unit of distance, and no training, validation
            or test text is proposed again.
        settings: see `SynthesisSettings`.
        seed: seed of the draws, the random share and the order of the batch.
        run_hash: hash of the run, stored in every record.
        asked: texts that people were already asked to label.
        pools: features of pools on disk; needed by an index.
        progress: see `Progress`.
        fast: a faster, less exact featurizer of the same classifier, for the pass over the pool; None: `featurizer`.
        scoring: name of the arithmetic of `fast`, for the report and for files of shards; "float32" without it.
        shards: how a pool of many files is scored; None: `data.pool` is read sequentially.
        ids_repeat: whether different texts of the pool have the same id, see `vos.synthesis.repeated_ids`.
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
    ids_repeat: bool = False

    @cached_property
    def model_hash(self) -> str:
        """Hash of the classifier, computed once."""
        return self.featurizer.model_hash

    @cached_property
    def error_model(self) -> ErrorModel:
        """The model of the probability that a prediction is wrong, fitted once."""
        return ErrorModel.of(self.featurizer, self.density, self.data)

    def expected_errors(self, batch: FeatureBatch) -> Tensor:
        """Probability (n,) float64 that each prediction is wrong; see `ErrorModel`."""
        return self.error_model(batch)


def draw_outliers(job: SynthesisJob) -> tuple[torch.Generator, TargetSpace, VirtualOutliers]:
    """Draw the virtual outliers of a job; returns the generator's state after it, and the space for distances."""
    generator = torch.Generator().manual_seed(derive_seed(job.seed, "synthesize"))
    outliers = job.sampler(job.density, job.featurizer.head, job.settings.targets_per_class, generator)
    train_features = job.featurizer.featurize([example.text for example in job.data.train]).features
    head, harmful = job.featurizer.head, job.data.harmful
    return generator, TargetSpace.fit(train_features, job.density, head, harmful, job.settings.n_directions), outliers


def draw_targets(job: SynthesisJob) -> tuple[torch.Generator, TargetSpace, Targets]:
    """Draw the targets of a job; the generator is then in the state for the search of the pool."""
    generator, space, outliers = draw_outliers(job)
    return generator, space, space.targets(outliers)


def repeat_filter(job: SynthesisJob) -> RepeatFilter:
    """The filter that recognises repetitions of known texts."""
    data, selection = job.data, job.settings.selection
    everything = (*data.train, *data.val, *data.test, *job.asked)
    known = {str(place): example.text for place, example in enumerate(everything)}  # splits may use the same ids
    return RepeatFilter(
        known,
        selection.near_duplicate,
        selection.max_cosine,
        lambda texts: job.featurizer.featurize(texts).features,
    )


def records_of(candidates: Sequence[Candidate], targets: Targets, job: SynthesisJob) -> tuple[BoundaryRecord, ...]:
    """The records of candidates, in their order."""
    if not candidates:
        return ()
    batch = job.featurizer.featurize([candidate.example.text for candidate in candidates])
    errors = job.expected_errors(batch).tolist()
    return tuple(
        replace(record_of(candidate, targets, job), expected_error=error)
        for candidate, error in zip(candidates, errors, strict=True)
    )


def record_of(candidate: Candidate, targets: Targets, job: SynthesisJob) -> BoundaryRecord:
    """The record of a candidate."""
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
    """Largest D that a chosen text can have; made texts are checked twice."""
    largest = settings.selection.max_distance
    if made and settings.generation is not None:
        largest = min(largest, settings.generation.text_generator.stages.max_distance)
    return largest
