"""The two programs, `train` and `synthesize`: Hydra around them, and every failure as one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, InstantiationException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from vos.cli.compose import prepare
from vos.cli.help import program
from vos.cli.history import with_history
from vos.cli.overrides import advice, refuse_old_names
from vos.errors import ConfigError, VosError

__all__ = ["SweepComparison", "main", "synthesize", "train"]

FAILED, MISMATCH, INTERRUPTED = 2, 3, 130
"""Exit codes: settings or data that cannot be used; a checked file with a wrong value; stopped by the user."""


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m vos train|synthesize`: the first argument names the program, the others are its own."""
    programs = {"train": train, "synthesize": synthesize}
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given or given[0] not in programs:
        names = "|".join(programs)
        sys.stderr.write(f"usage: python -m vos {names} [key=value ...]   (--help explains every setting)\n")
        raise SystemExit(0 if given[:1] in (["--help"], ["-h"]) else FAILED)
    sys.argv = [f"python -m vos {given[0]}", *given[1:]]
    programs[given[0]]()


def train() -> None:
    """Train, refine and measure, or simulate; the metric named by `optimized_metric`, for sweepers."""
    _run("train", _train)


def synthesize() -> None:
    """Make the batch of a finished run, or check the file that `verify` names."""
    _run("synthesize", _synthesize)


def _run(name: str, job: Callable[[DictConfig], object]) -> None:
    """Compose the configuration from the command line and run the job with it."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come through to here instead of ending the process
    prepare()
    try:
        refuse_old_names(sys.argv[1:])
        hydra.main(version_base="1.3", config_path=None, config_name=name)(job)()
    except CompactHydraException as error:
        if isinstance(error, InstantiationException):
            raise
        _exit(advice(error, name, sys.argv[1:]), error)
    except ConfigError as error:
        _exit(str(error), error)


def _train(config: DictConfig) -> float:
    directory = Path(HydraConfig.get().runtime.output_dir)
    with _clear_errors(f"go on with: {program('train')} resume={directory}"):
        from vos.cli.simulate import run_simulation
        from vos.cli.train import run_training

        overrides = list(HydraConfig.get().overrides.task)
        config, overrides = with_history(config, overrides)
        final = (run_simulation if config.simulation else run_training)(config, overrides, directory)
        name = str(config.optimized_metric)
        if name not in final:
            raise ConfigError(f"optimized_metric: {name!r} is not measured; expected one of {sorted(final)}")
        return final[name]


def _synthesize(config: DictConfig) -> None:
    with _clear_errors("the same command goes on; features computed and texts made so far are kept"):
        if config.verify is not None:
            from vos.cli.verify import run_verification

            if run_verification(config, list(HydraConfig.get().overrides.task)).mismatches:
                raise SystemExit(MISMATCH)
            return
        from vos.cli.synthesize import run_synthesis

        run_synthesis(config)


@contextmanager
def _clear_errors(next_step: str) -> Iterator[None]:
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
    except OmegaConfBaseException as error:
        wanted = isinstance(error, MissingMandatoryValue)
        what = "expected a value, found none" if wanted else " ".join(str(error).split())
        _exit(f"{error.full_key}: {what}", error)
    except KeyboardInterrupt as error:
        sys.stderr.write(f"\ninterrupted; {next_step}\n")
        raise SystemExit(INTERRUPTED) from error


def _exit(message: str, error: Exception) -> NoReturn:
    sys.stderr.write(f"\nerror: {message}\n")
    raise SystemExit(FAILED) from error


class SweepComparison(Callback):
    """Hydra callback: when a sweep ends, compare its runs in one table and one picture."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002 - Hydra's signature
        """Write `comparison.csv` and `comparison.png` into the sweep's folder and print the table."""
        from vos.cli.comparison import compare_sweep

        compare_sweep(Path(config.hydra.sweep.dir))
