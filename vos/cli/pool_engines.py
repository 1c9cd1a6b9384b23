"""Where the shards of a pool are scored: here, in processes of this machine, or on a Ray cluster. One result."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vos.cli.compose import prepare
from vos.data.shards import Shard, ShardedPool
from vos.errors import ConfigError, RunError
from vos.mining.pool_sample import SampleSizes
from vos.models import ClassifierFeaturizer
from vos.storage.atomic import replacing
from vos.storage.extras import optional
from vos.synthesis.job import SynthesisJob, draw_outliers
from vos.synthesis.pool_pass import Engine, ShardedPass, score_shard
from vos.synthesis.surroundings import Surroundings

logger = logging.getLogger(__name__)

WHERE_SCORED = ("engine", "workers")
"""Settings of the pool that change nothing that is computed."""

AT_A_TIME = 2
"""Shards that wait at each worker, so that none is idle between two."""


def sharded_pass(config: DictConfig, pool: object) -> ShardedPass | None:
    """How a pool of many files is scored; None for one that is read from its start to its end.

    Raises:
        ConfigError: workers or Ray are asked for, and the pool is one file or comes with the data.
    """
    engine, workers = str(config.pool.engine), int(config.pool.workers)
    if not isinstance(pool, ShardedPool):
        if engine != "local" or workers > 1:
            raise ConfigError(
                "pool.workers and pool.engine: expected a pool in several files (pool.path=FOLDER or a pattern), "
                "found one that cannot be dealt out; split it"
            )
        return None
    folder = Path(config.paths.cache) / "shards"
    logger.info("pool: %d shards; those that are scored are kept in %s", len(pool.shards), folder)
    plain = OmegaConf.to_yaml(config, resolve=True)
    chosen: Engine | None = ProcessEngine(plain, workers) if workers > 1 else None
    if engine == "ray":
        chosen = RayEngine(plain, workers)
    reading = OmegaConf.masked_copy(config.pool, [str(key) for key in config.pool if key not in WHERE_SCORED])
    return ShardedPass(pool, folder, chosen, OmegaConf.to_yaml(reading, resolve=True))


class Scorer:
    """Scores shards in a process of its own: reads run, classifier and density once.

    Args:
        settings: the configuration of the synthesis, as YAML.
        threads: of torch.
    """

    def __init__(self, settings: str, threads: int) -> None:
        # Here, as `vos.cli.synthesize` imports this module.
        from vos.cli.synthesize import build_job, open_run
        from vos.cli.train import quiet_libraries

        prepare()
        quiet_libraries()
        torch.set_num_threads(threads)
        config = OmegaConf.create(settings)
        assert isinstance(config, DictConfig)  # noqa: S101 - a mapping was written
        run, data, classifier = open_run(config)
        self.settings = config
        self.job: SynthesisJob = build_job(config, run, data, ClassifierFeaturizer(classifier, device=config.device))
        self.fast = ClassifierFeaturizer(classifier, device=config.device, bfloat16=True)
        _, space, outliers = draw_outliers(self.job)
        self.surroundings = Surroundings(space, outliers, self.job.settings.potential.delta)

    def score(self, shard: Shard, sizes: SampleSizes, fast: bool, path: Path) -> int:
        """Score one shard into a file; returns the number of its texts."""
        pool = ShardedPool([shard], lambda each: instantiate(self.settings.pool, path=each).open())
        featurizer = self.fast if fast else self.job.featurizer
        return score_shard(self.job, featurizer, pool, sizes, self.surroundings.empty(), path)


_SCORER: list[Scorer] = []
"""That of a worker process."""


def _start(settings: str, threads: int) -> None:
    _SCORER[:] = [Scorer(settings, threads)]


def _score(shard: Shard, sizes: SampleSizes, fast: bool, path: Path) -> int:
    return _SCORER[0].score(shard, sizes, fast, path)


@dataclass(frozen=True)
class ProcessEngine:
    """Processes of this machine.

    Attributes:
        settings: see `Scorer`.
        workers: processes.
    """

    settings: str
    workers: int

    def __call__(self, waiting: list[Shard], files: list[Path], sizes: SampleSizes, fast: bool) -> Iterator[int]:
        """See `vos.synthesis.pool_pass.Engine`."""
        if not waiting:
            return
        workers = min(self.workers, len(waiting))
        threads = max(1, (os.cpu_count() or 1) // workers)
        # Not forked: torch's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _start, (self.settings, threads)) as pool:
            futures: list[Future[int]] = [
                pool.submit(_score, shard, sizes, fast, path) for shard, path in zip(waiting, files, strict=True)
            ]
            try:
                for done in as_completed(futures):
                    yield done.result()
            except BrokenProcessPool as error:
                raise RunError(
                    "a worker of pool.workers ended, for want of memory perhaps; the same command goes on with the "
                    "shards that are missing"
                ) from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class RayEngine:
    """A Ray cluster: that of RAY_ADDRESS, or one on this machine for the time being.

    Results come back to this process, which writes the files; run, model and shards must be readable on every node. A
    node that is lost has its shards scored by others.

    Attributes:
        settings: see `Scorer`.
        workers: actors with one CPU each; 1: as many as the cluster has CPUs, less one that reads.
    """

    settings: str
    workers: int

    def __call__(self, waiting: list[Shard], files: list[Path], sizes: SampleSizes, fast: bool) -> Iterator[int]:
        """See `vos.synthesis.pool_pass.Engine`."""
        if not waiting:
            return
        ray = _ray()
        try:
            n = self.workers if self.workers > 1 else max(1, int(ray.cluster_resources().get("CPU", 2)) - 1)
            actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(_RayScorer)
            scorers = [actor.remote(self.settings) for _ in range(min(n, len(waiting)))]
            yield from self._dealt(ray, scorers, list(zip(waiting, files, strict=True)), sizes, fast)
        finally:
            ray.shutdown()

    @staticmethod
    def _dealt(
        ray: Any, scorers: list[Any], work: list[tuple[Shard, Path]], sizes: SampleSizes, fast: bool
    ) -> Iterator[int]:
        """Deal shards to whoever is free, write what comes back."""
        running: dict[Any, tuple[Any, Path]] = {}

        def give(scorer: Any) -> None:
            if work:
                shard, path = work.pop(0)
                running[scorer.score.remote(shard, sizes, fast)] = (scorer, path)

        for scorer in scorers * AT_A_TIME:
            give(scorer)
        while running:
            (done,), _ = ray.wait(list(running))
            scorer, path = running.pop(done)
            content, n = ray.get(done)
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial:
                partial.write_bytes(content)
            give(scorer)
            yield n


class _RayScorer:
    """A `Scorer` whose files travel as bytes."""

    def __init__(self, settings: str) -> None:
        self.scorer = Scorer(settings, threads=1)

    def score(self, shard: Shard, sizes: SampleSizes, fast: bool) -> tuple[bytes, int]:
        """The file of a shard, and the number of its texts."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "shard.safetensors"
            n = self.scorer.score(shard, sizes, fast, path)
            return path.read_bytes(), n


def _ray() -> Any:
    """Ray, connected and quiet."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # a token in the home directory would outlive the run
    ray = optional("ray", "ray", "pool.engine=ray")
    options = {"include_dashboard": False} if address is None else {}
    ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    return ray
