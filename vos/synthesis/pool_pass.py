"""One pass over a pool: sequentially, or shard by shard with one file per shard, merged at the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from vos.data.shards import Shard, ShardedPool
from vos.mining.candidates import Facts
from vos.mining.pool_features import ENDING, PoolFeatures, ShardedFeatures, write_features
from vos.mining.pool_sample import PoolSample, SampleSizes
from vos.mining.sample_files import count_texts, load_sample, save_sample
from vos.models.base import TextClassifier
from vos.storage.memory import give_back_memory
from vos.storage.seeds import derive_seed
from vos.synthesis.job import PoolFolder, SynthesisJob
from vos.synthesis.pool_check import VERSION as CHECK_VERSION
from vos.synthesis.pool_check import Checking, PoolCheck, check_shard, load_check
from vos.synthesis.surroundings import Surroundings
from vos.types import Example, Featurizer

VERSION = 1
"""Format version of a shard's file."""


def read_texts(
    job: SynthesisJob, featurizer: Featurizer, texts: Iterable[Example], sizes: SampleSizes, surroundings: Surroundings
) -> PoolSample:
    """Score texts, keep samples of them, and add them to `surroundings`."""
    n_classes, n_features = featurizer.head.weight.shape
    sample = PoolSample(sizes, sample_seed(job), n_features, n_classes)
    for examples, batch in featurizer.stream(iter(texts), job.settings.chunk_size):
        facts = Facts.of(examples, batch, job.density, job.data.harmful, job.error_model.of_margins)
        sample.offer(facts)
        surroundings.offer(facts)
        job.progress.pool(len(examples))
    return sample


def sample_seed(job: SynthesisJob) -> int:
    """Seed of the samples of the pool."""
    return derive_seed(job.seed, "pool sample")


@dataclass(frozen=True)
class Scoring:
    """A task that writes samples of a shard, see `PoolSample`.

    Attributes:
        sizes: sizes of the samples.
        fast: whether texts are scored in bfloat16.
    """

    sizes: SampleSizes
    fast: bool


@dataclass(frozen=True)
class Featurizing:
    """A task that writes the features of a shard, see `PoolFeatures`."""


ShardTask = Checking | Scoring | Featurizing

DEAL_FROM = 2**30
"""Total bytes of files from which they are checked by the workers; this process reads a smaller pool in less time than
workers take to start."""


class Engine(Protocol):
    """Runs tasks on shards."""

    def __call__(self, waiting: list[Shard], files: list[Path], task: ShardTask) -> Iterator[int]:
        """Run the task on shards in any order, with one file each; yields the number of texts of each when done."""


@dataclass(frozen=True)
class ShardedPass:
    """A pass over the shards of a pool, each by itself.

    Attributes:
        pool: the shards.
        folder: folder with the samples of each shard; an interrupted pass continues with the missing ones.
        engine: runs tasks in other processes; None: in this process, one after the other.
        reading: how the files are read, such as the column; a different reading is a different pool.
        deal_from: see `DEAL_FROM`.
    """

    pool: ShardedPool
    folder: Path
    engine: Engine | None = None
    reading: str = ""
    deal_from: int = DEAL_FROM

    def check(self, classifier: TextClassifier) -> PoolCheck:
        """Read every row of every file before any is scored; files that were checked before are skipped.

        Raises:
            DataError: a file or a row is invalid; the message names it.
        """
        model = classifier.fingerprint()
        names = [_digest([CHECK_VERSION, *self._of_texts(shard), model]) for shard in self.pool.shards]
        files = [self.folder / f"{name}.json" for name in names]

        def here(shard: Shard, path: Path) -> int:
            return check_shard(self.pool.read(shard), classifier, path)

        found = PoolCheck()
        small = sum(shard.size for shard in self.pool.shards) < self.deal_from
        engine = None if small else self.engine
        self._do(files, Checking(), here, lambda path: load_check(path).truncation.texts, lambda _: None, engine)
        for path in files:
            found.add(load_check(path))
        return found

    def run(
        self, job: SynthesisJob, featurizer: Featurizer, sizes: SampleSizes, surroundings: Surroundings, fast: bool
    ) -> PoolSample:
        """Score the shards without a file, and merge all of them; memory does not grow with their number."""
        names = (self._identity(job, shard, sizes, surroundings, fast) for shard in self.pool.shards)
        files = [self.folder / f"{name}.safetensors" for name in names]

        def here(shard: Shard, path: Path) -> int:
            return score_shard(job, featurizer, self.pool.read(shard), sizes, surroundings.empty(), path)

        self._do(files, Scoring(sizes, fast), here, count_texts, job.progress.pool, self.engine)
        return merged(files, job, sizes, surroundings)

    def features(self, job: SynthesisJob, folder: PoolFolder) -> ShardedFeatures:
        """The features of the pool, in its order, from one file per shard; missing files are computed."""
        d = job.featurizer.head.weight.shape[1]
        files = [
            folder.path / f"{folder.encoder}-{_digest(self._of_texts(shard))}{ENDING}" for shard in self.pool.shards
        ]

        def here(shard: Shard, path: Path) -> int:
            return featurize_shard(job, self.pool.read(shard), path)

        self._do(files, Featurizing(), here, lambda path: PoolFeatures.of(path, d).n, job.progress.pool, self.engine)
        return ShardedFeatures([PoolFeatures.of(path, d) for path in files])

    def _do(
        self,
        files: list[Path],
        task: ShardTask,
        here: Callable[[Shard, Path], int],
        count: Callable[[Path], int],
        tell: Callable[[int], None],
        engine: Engine | None,
    ) -> None:
        """Run a task on the shards without a file; `count` returns the number of texts of an existing file."""
        waiting, paths = [], []
        for shard, path in zip(self.pool.shards, files, strict=True):
            if path.exists():
                tell(count(path))
            else:
                waiting.append(shard)
                paths.append(path)
        if engine is None:
            for shard, path in zip(waiting, paths, strict=True):
                here(shard, path)
            return
        for n in engine(waiting, paths, task):
            tell(n)

    def _of_texts(self, shard: Shard) -> list[object]:
        return [shard.address, shard.version, self.reading]

    def _identity(
        self, job: SynthesisJob, shard: Shard, sizes: SampleSizes, surroundings: Surroundings, fast: bool
    ) -> str:
        """Hash of everything that the file of a shard depends on."""
        of_job = [job.model_hash, job.run_hash, job.seed, asdict(sizes), surroundings.band, job.settings.n_directions]
        outliers = surroundings.outliers.features.contiguous().numpy().tobytes()
        return _digest([[VERSION, *self._of_texts(shard), job.scoring if fast else False], of_job], outliers)


def _digest(of: object, more: bytes = b"") -> str:
    digest = hashlib.sha256(json.dumps(of, allow_nan=False, sort_keys=True).encode())
    digest.update(more)
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


def featurize_shard(job: SynthesisJob, texts: Iterable[Example], path: Path) -> int:
    """Write the features of one shard into its file; returns the number of its texts."""
    return write_features(path, texts, job.featurizer, job.settings.chunk_size, job.progress.pool)


def merged(files: Iterable[Path], job: SynthesisJob, sizes: SampleSizes, surroundings: Surroundings) -> PoolSample:
    """Merge the samples of all files; the order of the files does not matter."""
    n_classes, n_features = job.featurizer.head.weight.shape
    sample = PoolSample(sizes, sample_seed(job), n_features, n_classes)
    for path in files:
        part, nearest = load_sample(path, sizes, sample_seed(job))
        sample.merge(part)
        surroundings.merge(nearest)
        give_back_memory()
    return sample
