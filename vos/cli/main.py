"""From a Hydra configuration to a finished job: the only package that knows Hydra.

Importing it stays cheap, so that `train.py --help` answers at once; torch and the rest come in when a job runs.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from vos.errors import ConfigError, RunError, VosError

__all__ = ["SweepComparison", "register_resolvers", "synthesize", "train"]

logger = logging.getLogger(__name__)

MISMATCH = 3
"""Exit code when a checked file holds a value that is not what it should be."""


def register_resolvers() -> None:
    """Teach OmegaConf `${run_directory:GIVEN,ROOT}`: GIVEN where it exists, else a new dated folder under ROOT."""
    OmegaConf.register_new_resolver("run_directory", _run_directory, replace=True, use_cache=True)


def _run_directory(given: str | None, root: str) -> str:
    if given and Path(given).is_dir():
        return given
    return str(Path(root) / time.strftime("%Y-%m-%d") / time.strftime("%H-%M-%S"))


@contextmanager
def _clear_errors(advice: str) -> Iterator[None]:
    """Turn the package's own errors into one line and exit code 2, an interruption into advice and 130."""
    try:
        yield
    except VosError as error:
        _exit(str(error), error)
    except InstantiationException as error:
        # Hydra wraps what a constructor raised, and knows which setting named the constructor.
        if not isinstance(error.__cause__, VosError):
            raise
        _exit(f"{str(error).rsplit('full_key: ', 1)[-1].strip()}: {error.__cause__}", error)
    except KeyboardInterrupt as error:
        sys.stderr.write(f"\ninterrupted; {advice}\n")
        raise SystemExit(130) from error


def _exit(message: str, error: Exception) -> NoReturn:
    sys.stderr.write(f"\nerror: {message}\n")
    raise SystemExit(2) from error


def train(config: DictConfig) -> float:
    """Run one training job; returns the metric named by `optimized_metric`, for sweepers."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    with _clear_errors(f"go on with: python train.py resume={directory}"):
        from vos.cli.simulate import run_simulation
        from vos.cli.train import run_training

        overrides = list(HydraConfig.get().overrides.task)
        config, overrides = with_history(config, overrides)
        final = (run_simulation if config.simulation else run_training)(config, overrides, directory)
        name = str(config.optimized_metric)
        if name not in final:
            raise ConfigError(f"optimized_metric: {name!r} is not measured; expected one of {sorted(final)}")
        return final[name]


def synthesize(config: DictConfig) -> None:
    """Run one synthesis job, or check the file that `verify` names."""
    with _clear_errors("the same command goes on; features computed and texts made so far are kept"):
        if config.verify is not None:
            from vos.cli.verify import run_verification

            if run_verification(config, list(HydraConfig.get().overrides.task)).mismatches:
                raise SystemExit(MISMATCH)
            return
        from vos.cli.synthesize import run_synthesis

        run_synthesis(config)


def with_history(config: DictConfig, overrides: list[str]) -> tuple[DictConfig, list[str]]:
    """Compose again on top of the overrides of an earlier run, when `resume` or `run` names one.

    Returns: the configuration, and the overrides that reproduce it.

    Raises:
        RunError: the directory is not one that train.py wrote.
        ConfigError: both are given.
    """
    if config.resume and config.run and "run=" in " ".join(overrides):
        raise ConfigError("give resume=RUN to finish a run, or run=RUN to start from a finished one, not both")
    earlier = config.resume or config.run
    if not earlier:
        return config, overrides
    path = Path(earlier) / "overrides.yaml"
    if not path.exists():
        raise RunError(f"{earlier}: no overrides.yaml here; expected a directory that train.py wrote")
    saved = [str(each) for each in OmegaConf.load(path)]
    if config.run:
        saved = [each for each in saved if not each.startswith("run=")]
    both = saved + [each for each in overrides if not each.startswith("resume=")]
    both = [each for each in both if not each.startswith(("hydra.", "sweep=", "+sweep="))]
    composed = compose("train", overrides=[*both, *([f"resume={config.resume}"] if config.resume else [])])
    return composed, both


class SweepComparison(Callback):
    """Hydra callback: when a sweep ends, compare its runs in one table and one picture."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002 - Hydra's signature
        """Write `comparison.csv` and `comparison.png` into the sweep's folder and print the table."""
        from vos.cli.comparison import compare_sweep

        compare_sweep(Path(config.hydra.sweep.dir))
