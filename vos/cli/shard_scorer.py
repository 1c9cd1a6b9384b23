"""Scores shards of a pool in a separate process, on this machine or another."""

from __future__ import annotations

import traceback
from functools import cached_property, partial
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vos.cli.compose import prepare
from vos.cli.scoring import fast_scores
from vos.data.shards import Shard, ShardedPool
from vos.errors import RunError, VosError
from vos.models import ClassifierFeaturizer
from vos.synthesis.job import SynthesisJob, draw_outliers
from vos.synthesis.pool_check import Checking, check_shard
from vos.synthesis.pool_pass import Featurizing, ShardTask, featurize_shard, score_shard
from vos.synthesis.surroundings import Surroundings

GOES_ON = "the same command goes on with the files that are missing"


class Scorer:
    """Scores shards in a separate process, which loads run and classifier once.

    Args:
        settings: the configuration of the synthesis, as YAML.
        threads: number of torch threads.
    """

    def __init__(self, settings: str, threads: int) -> None:
        # Imported here because `vos.cli.synthesize` imports this module.
        from vos.cli.quiet import quiet_libraries
        from vos.cli.synthesize import build_job, open_run

        prepare()
        quiet_libraries()
        torch.set_num_threads(threads)
        config = OmegaConf.create(settings)
        assert isinstance(config, DictConfig)  # noqa: S101 - a mapping was written
        run, data, self.classifier = open_run(config)
        self.settings, self.threads, self._build = config, threads, partial(build_job, config, run, data)

    @cached_property
    def job(self) -> SynthesisJob:
        """The same synthesis job as in the main process."""
        return self._build(ClassifierFeaturizer(self.classifier, device=self.settings.device))

    @cached_property
    def fast(self) -> ClassifierFeaturizer:
        """The featurizer for fast scores of a large pool."""
        return fast_scores(self.settings, self.classifier, self.threads)

    @cached_property
    def surroundings(self) -> Surroundings:
        """Surroundings of the virtual outliers, which are drawn again with the same seed."""
        _, space, outliers = draw_outliers(self.job)
        return Surroundings(space, outliers, self.job.settings.potential.delta)

    def do(self, shard: Shard, task: ShardTask, path: Path) -> int:
        """Run a task on a shard and write its result to a file; returns the number of texts.

        Raises:
            RunError: an unexpected error; the message names the shard and the code location in one line.
            VosError: raised by the task.
        """
        try:
            return self._do(shard, task, path)
        except VosError:
            raise
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
            raise RunError(
                f"{shard.address}: it could not be worked on: {reason}; what is scored is kept, {GOES_ON}"
            ) from error

    def _do(self, shard: Shard, task: ShardTask, path: Path) -> int:
        texts = ShardedPool([shard], lambda each: instantiate(self.settings.pool, path=each).open()).read(shard)
        if isinstance(task, Checking):
            return check_shard(texts, self.classifier, path)
        if isinstance(task, Featurizing):
            return featurize_shard(self.job, texts, path)
        featurizer = self.fast if task.fast else self.job.featurizer
        return score_shard(self.job, featurizer, texts, task.sizes, self.surroundings.empty(), path)
