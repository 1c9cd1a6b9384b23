"""Where the shards of a pool are scored: in one process, in several, or on a Ray cluster, with the same result."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from vos.cli.ray_engine import RayEngine, check_ray
from vos.cli.shard_scorer import GOES_ON, Scorer
from vos.cli.wiring import synthesis_settings
from vos.data.shards import Shard, ShardedPool, is_sharded
from vos.errors import ConfigError, RunError
from vos.mining.acquisition import TargetAcquisition
from vos.storage.workers import PATIENCE, results
from vos.synthesis.pool_pass import Engine, ShardedPass, ShardTask

logger = logging.getLogger(__name__)

WHERE_SCORED = ("engine", "workers")
"""Settings of the pool that do not affect the result."""


def check_engine(config: DictConfig) -> None:
    """Check before any work that the workers or the cluster can be used.

    Raises:
        ConfigError: the pool is one file or part of the data, the acquisition reads it sequentially, Ray is not
            installed, or no cluster answers.
    """
    engine, workers = str(config.pool.engine), int(config.pool.workers)
    if engine == "local" and workers <= 1:
        return
    if config.pool.path is None or not is_sharded(str(config.pool.path)):
        raise ConfigError(
            "pool.workers and pool.engine: expected a pool in several files (pool.path=FOLDER or a pattern), "
            "found one that cannot be dealt out; split it"
        )
    acquisition = synthesis_settings(config).acquisition
    if isinstance(acquisition, TargetAcquisition) and acquisition.index == "none":
        raise ConfigError(
            "pool.workers and pool.engine: acquisition=targets reads the pool from its start to its end; expected "
            "acquisition.index=exact or approximate, or another acquisition"
        )
    if engine == "ray":
        check_ray()


def sharded_pass(config: DictConfig, pool: object) -> ShardedPass | None:
    """How a pool of many files is scored; None for a pool that is read sequentially."""
    if not isinstance(pool, ShardedPool):
        return None
    folder = Path(config.paths.cache) / "shards"
    logger.info("pool: %d shards; those that are scored are kept in %s", len(pool.shards), folder)
    plain, workers = OmegaConf.to_yaml(config, resolve=True), int(config.pool.workers)
    chosen: Engine | None = ProcessEngine(plain, workers) if workers > 1 else None
    if str(config.pool.engine) == "ray":
        chosen = RayEngine(plain, workers, str(config.device))
    reading = OmegaConf.masked_copy(config.pool, [str(key) for key in config.pool if key not in WHERE_SCORED])
    return ShardedPass(pool, folder, chosen, OmegaConf.to_yaml(reading, resolve=True))


_SCORER: list[Scorer] = []
"""The scorer of a worker process."""


def _start(settings: str, threads: int) -> None:
    _SCORER[:] = [Scorer(settings, threads)]


def _do(shard: Shard, task: ShardTask, path: Path) -> int:
    return _SCORER[0].do(shard, task, path)


@dataclass(frozen=True)
class ProcessEngine:
    """Scores shards in processes on this machine.

    Attributes:
        settings: see `vos.cli.shard_scorer.Scorer`.
        workers: number of processes.
        patience: see `results`.
    """

    settings: str
    workers: int
    patience: float = PATIENCE

    def __call__(self, waiting: list[Shard], files: list[Path], task: ShardTask) -> Iterator[int]:
        """See `vos.synthesis.pool_pass.Engine`."""
        if not waiting:
            return
        workers = min(self.workers, len(waiting))
        threads = max(1, (os.cpu_count() or 1) // workers)
        # Not forked: torch's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _start, (self.settings, threads)) as pool:
            futures: list[Future[int]] = [
                pool.submit(_do, shard, task, path) for shard, path in zip(waiting, files, strict=True)
            ]
            try:
                yield from results(futures, f"pool.workers={workers}", self.patience)
            except BrokenProcessPool as error:
                raise RunError(f"a worker of pool.workers ended, perhaps for lack of memory; {GOES_ON}") from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
