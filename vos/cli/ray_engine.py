"""Scores the shards of a pool on a Ray cluster; the shards of a lost node go to the other nodes."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vos.cli.shard_scorer import GOES_ON, Scorer
from vos.data.shards import Shard
from vos.errors import ConfigError, RunError
from vos.storage.atomic import replacing
from vos.storage.extras import optional
from vos.storage.workers import PATIENCE
from vos.synthesis.pool_pass import ShardTask

logger = logging.getLogger(__name__)

ADDRESS = "RAY_ADDRESS"

AT_A_TIME = 2
"""Shards queued at each worker, if there are enough, so that no worker is idle between two."""

TRIES = 3
"""Number of workers that may be lost on one shard, or in a row before any worker is ready."""

Work = tuple[Shard, Path]


@dataclass(frozen=True)
class RayEngine:
    """A Ray cluster: that of RAY_ADDRESS, the one this process is connected to, or a temporary one on this machine.

    Results are sent to this process, which writes the files; run, model and shards must be readable on every node. The
    shards of a lost node are scored by the other nodes.

    Attributes:
        settings: see `vos.cli.shard_scorer.Scorer`.
        workers: number of actors with one CPU each; 1: as many as the cluster has CPUs, minus one.
        device: device of the encoder; with cuda there is one actor per GPU.
        patience: seconds within which at least one worker must be ready.
        scorer: class of the actors, constructed from the settings, see `RayScorer`.
    """

    settings: str
    workers: int
    device: str = "cpu"
    patience: float = 600.0
    scorer: type | None = None

    def __call__(self, waiting: list[Shard], files: list[Path], task: ShardTask) -> Iterator[int]:
        """See `vos.synthesis.pool_pass.Engine`."""
        if not waiting:
            return
        ray = optional("ray", "ray", "pool.engine=ray")
        connected = ray.is_initialized()
        if not connected:
            _connect(ray)
        try:
            kind = "GPU" if self.device.startswith("cuda") else "CPU"
            there = int(ray.cluster_resources().get(kind, 0))
            n = min(self._wanted(there, kind), len(waiting))
            # Lost workers are replaced here, not by Ray: their shards must not wait until a node comes back.
            needs = {"num_cpus": 1, "num_gpus": int(kind == "GPU"), "max_restarts": 0, "max_task_retries": 0}
            actor = ray.remote(**needs)(self.scorer or RayScorer)
            deal = _Deal(ray, lambda: actor.remote(self.settings), task, self.patience)
            yield from deal.run(n, list(zip(waiting, files, strict=True)))
        finally:
            if not connected:
                ray.shutdown()

    def _wanted(self, there: int, kind: str) -> int:
        """Number of workers for a cluster with `there` CPUs or GPUs."""
        if self.workers > there > 0:
            logger.warning("pool.workers=%d: the cluster has %d %ss; as many score", self.workers, there, kind)
            return there
        if self.workers > 1:
            return self.workers
        return max(1, there if kind == "GPU" else there - 1)


class _Deal:
    """Distributes shards to ready workers, and writes their results.

    Args:
        ray: the module `ray`, connected.
        start: starts a worker, see `RayScorer`.
        task: the task to run on each shard.
        patience: see `RayEngine`.
    """

    def __init__(self, ray: Any, start: Callable[[], Any], task: ShardTask, patience: float) -> None:
        self.ray, self.start, self.task, self.patience = ray, start, task, patience
        self.waiting: deque[Work] = deque()
        self.starting: dict[Any, Any] = {}
        self.ready: list[Any] = []
        self.running: dict[Any, tuple[Any, Work]] = {}
        self.losses: Counter[Path] = Counter()
        self.never_ready = 0

    def run(self, n: int, work: list[Work]) -> Iterator[int]:
        """Yield the number of texts of each finished shard."""
        self.waiting.extend(work)
        for _ in range(n):
            self._start()
        quiet = 0.0
        while self.waiting or self.running:
            done, _ = self.ray.wait([*self.running, *self.starting], timeout=self.patience)
            if done and done[0] in self.starting:
                self._welcome(done[0])
            elif done:
                yield from self._take(done[0])
            elif not self.ready:
                raise RunError(self._no_room())
            elif (quiet := quiet + self.patience) >= PATIENCE:
                raise RunError(f"pool.engine=ray: no worker has finished anything for {quiet:.0f} s; {GOES_ON}")
            quiet = 0.0 if done else quiet

    def _start(self) -> None:
        worker = self.start()
        self.starting[worker.load.remote()] = worker

    def _welcome(self, ref: Any) -> None:
        """Register a worker that has loaded run and model: from now on it receives shards."""
        worker = self.starting.pop(ref)
        if self._result(ref) is None:
            self.never_ready += 1
            if self.never_ready >= TRIES:
                raise RunError(
                    f"pool.engine=ray: {TRIES} workers ended before they had read run and model, perhaps for lack of "
                    f"memory; what is scored is kept, {GOES_ON}"
                )
            self._start()
            return
        self.never_ready = 0
        self.ready.append(worker)
        self._give()

    def _give(self) -> None:
        """Distribute shards: first one to each worker, then a second while there are more shards than workers."""
        held = Counter(id(worker) for worker, _ in self.running.values())
        for round_ in range(AT_A_TIME):
            for worker in self.ready:
                enough = round_ == 0 or len(self.waiting) > len(self.ready) + len(self.starting)
                if self.waiting and enough and held[id(worker)] <= round_:
                    work = self.waiting.popleft()
                    held[id(worker)] += 1
                    self.running[worker.do.remote(work[0], self.task)] = (worker, work)

    def _take(self, ref: Any) -> Iterator[int]:
        worker, (_, path) = self.running[ref]
        result = self._result(ref)
        if result is None:
            self._lost(worker)
            return
        del self.running[ref]
        content, n = result
        with replacing(path) as partial:
            partial.write_bytes(content)
        self._give()
        yield n

    def _result(self, ref: Any) -> Any:
        """The result of a worker; None if the worker was lost.

        Raises:
            VosError: what the worker raised.
        """
        errors = self.ray.exceptions
        try:
            return self.ray.get(ref)
        except errors.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except errors.RayError as error:
            logger.debug("a worker was lost: %s", error)
            return None

    def _lost(self, worker: Any) -> None:
        """Give the shards of a lost worker to the others, and start a new worker, which waits for a free CPU."""
        mine = {ref: work for ref, (each, work) in self.running.items() if each is worker}
        for ref in mine:
            del self.running[ref]
        self.ready.remove(worker)
        self.ray.kill(worker)  # it may still be alive although its results are lost
        first, *_ = mine.values()
        self.losses[first[1]] += 1
        if self.losses[first[1]] >= TRIES:
            raise RunError(
                f"{first[0].address}: {TRIES} workers ended over it, perhaps for lack of memory; split it, "
                f"or give a worker more; what is scored is kept, {GOES_ON}"
            )
        logger.warning("a worker of the cluster was lost; others score the %d files that it had in hand", len(mine))
        self.waiting.extendleft(reversed(mine.values()))
        self._start()
        self._give()

    def _no_room(self) -> str:
        total, free = self.ray.cluster_resources().get("CPU", 0), self.ray.available_resources().get("CPU", 0)
        return (
            f"pool.engine=ray: expected a worker that is ready within {self.patience:.0f} s, found none: "
            f"{free:.0f} of the {total:.0f} CPUs of the cluster are free; free some or add a node, {GOES_ON}"
        )


class RayScorer:
    """A `Scorer` that returns its files as bytes."""

    def __init__(self, settings: str) -> None:
        self.settings = settings

    def load(self) -> bool:
        """Read run and model."""
        self.scorer = Scorer(self.settings, threads=1)
        return True

    def do(self, shard: Shard, task: ShardTask) -> tuple[bytes, int]:
        """Run the task on a shard; returns the content of its file and the number of texts."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "shard"
            n = self.scorer.do(shard, task, path)
            return path.read_bytes(), n


def check_ray() -> None:
    """Check that Ray is installed, and that the cluster at RAY_ADDRESS answers.

    Raises:
        ConfigError: what was expected and found.
    """
    optional("ray", "ray", "pool.engine=ray")
    address = os.environ.get(ADDRESS)
    if address in (None, "", "local", "auto"):
        return
    host, _, port = str(address).removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"{ADDRESS}={address}: expected HOST:PORT of a Ray cluster, or ray://HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"{ADDRESS}={address}: expected a Ray cluster there, found nothing that answers ({error}); start one with "
            f"ray start --head, or unset {ADDRESS} for one on this machine"
        ) from error


def _connect(ray: Any) -> None:
    """Connect to the cluster without log output."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get(ADDRESS) or "local"
    options: dict[str, Any] = {}
    if address == "local":
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # a token in the home directory would outlive the run
        options = {"include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray's exceptions have no common base class
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"pool.engine=ray: cannot connect to the cluster at {ADDRESS}={address}: {reason}") from error
