"""One pass over a pool: of the whole, or shard by shard with a file for each, merged at the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from vos.data.shards import Shard, ShardedPool
from vos.mining.candidates import Facts
from vos.mining.pool_sample import PoolSample, SampleSizes
from vos.mining.sample_files import load_sample, save_sample
from vos.storage.seeds import derive_seed
from vos.synthesis.job import SynthesisJob
from vos.synthesis.surroundings import Surroundings
from vos.types import Example, Featurizer

VERSION = 1
"""Of what stands in a shard's file."""


def read_texts(
    job: SynthesisJob, featurizer: Featurizer, texts: Iterable[Example], sizes: SampleSizes, surroundings: Surroundings
) -> PoolSample:
    """Score texts and keep samples of them; `surroundings` takes them into account."""
    n_classes, n_features = featurizer.head.weight.shape
    sample = PoolSample(sizes, sample_seed(job), n_features, n_classes)
    for examples, batch in featurizer.stream(iter(texts), job.settings.chunk_size):
        facts = Facts.of(examples, batch, job.density, job.data.harmful, job.error_model.of_margins)
        sample.offer(facts)
        surroundings.offer(facts)
        job.progress.pool(len(examples))
    return sample


def sample_seed(job: SynthesisJob) -> int:
    """Of the samples of the pool."""
    return derive_seed(job.seed, "pool sample")


class Engine(Protocol):
    """Where shards are scored."""

    def __call__(self, waiting: list[Shard], files: list[Path], sizes: SampleSizes, fast: bool) -> Iterator[int]:
        """Score shards into files, in any order; yields the number of texts of each as it is done."""


@dataclass(frozen=True)
class ShardedPass:
    """How the shards of a pool are scored.

    Attributes:
        pool: the shards.
        folder: where the file of each is kept: a pass that was interrupted goes on with those that are missing.
        engine: scores them elsewhere; None: here, one after the other.
        reading: how the files are read, such as which column; another reading is another pool.
    """

    pool: ShardedPool
    folder: Path
    engine: Engine | None = None
    reading: str = ""

    def run(
        self, job: SynthesisJob, featurizer: Featurizer, sizes: SampleSizes, surroundings: Surroundings, fast: bool
    ) -> PoolSample:
        """Score the shards whose file is missing, and merge all of them; memory does not grow with their number."""
        names = (self._identity(job, shard, sizes, surroundings, fast) for shard in self.pool.shards)
        files = [self.folder / f"{name}.safetensors" for name in names]
        waiting = [(shard, path) for shard, path in zip(self.pool.shards, files, strict=True) if not path.exists()]
        if self.engine is None:
            for shard, path in waiting:
                score_shard(job, featurizer, self.pool.read(shard), sizes, surroundings.empty(), path)
        else:
            for n in self.engine([shard for shard, _ in waiting], [path for _, path in waiting], sizes, fast):
                job.progress.pool(n)
        return merged(files, job, sizes, surroundings)

    def _identity(
        self, job: SynthesisJob, shard: Shard, sizes: SampleSizes, surroundings: Surroundings, fast: bool
    ) -> str:
        """All that the file of a shard depends on, as a hash."""
        of_texts = [VERSION, shard.address, shard.version, self.reading, fast]
        of_job = [job.model_hash, job.run_hash, job.seed, asdict(sizes), surroundings.band, job.settings.n_directions]
        digest = hashlib.sha256(json.dumps([of_texts, of_job], allow_nan=False, sort_keys=True).encode())
        digest.update(surroundings.outliers.features.contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]


def score_shard(
    job: SynthesisJob,
    featurizer: Featurizer,
    texts: Iterable[Example],
    sizes: SampleSizes,
    surroundings: Surroundings,
    path: Path,
) -> int:
    """Score one shard into its file; returns the number of its texts."""
    sample = read_texts(job, featurizer, texts, sizes, surroundings)
    save_sample(path, sample, surroundings.nearest)
    return sample.n


def merged(files: Iterable[Path], job: SynthesisJob, sizes: SampleSizes, surroundings: Surroundings) -> PoolSample:
    """The samples of the whole pool; the order of the files changes nothing."""
    n_classes, n_features = job.featurizer.head.weight.shape
    sample = PoolSample(sizes, sample_seed(job), n_features, n_classes)
    for path in files:
        part, nearest = load_sample(path, sizes, sample_seed(job))
        sample.merge(part)
        surroundings.merge(nearest)
    return sample
