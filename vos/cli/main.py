"""Entry points of `train`, `synthesize` and `atlas` under Hydra; every failure is one line and an exit code."""

from __future__ import annotations

import math
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from vos.cli.compose import prepare
from vos.cli.endings import setting
from vos.cli.failures import BUG, FAILED, FAILURE, INTERRUPTED, MISMATCH, discard_start, end, explanation
from vos.cli.groups import with_groups
from vos.cli.history import check_folder_of_resumed, with_history
from vos.cli.overrides import advice, refuse_old_names
from vos.cli.processes import is_first, leave_together, train_together
from vos.console import complain
from vos.errors import ConfigError
from vos.storage.commands import command
from vos.storage.lock import owned

__all__ = ["SweepComparison", "atlas", "main", "synthesize", "train"]

PROGRAM = "VOS_PROGRAM"
"""Environment variable that tells child processes which program they belong to; they receive only its settings."""


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m vos train|synthesize|atlas`: the first argument names the program, the rest is passed to it."""
    programs = {"train": train, "synthesize": synthesize, "atlas": atlas}
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not is_first() and os.environ.get(PROGRAM) in programs:
        given = [os.environ[PROGRAM], *given]
    if not given or given[0] not in programs:
        names = "|".join(programs)
        sys.stderr.write(f"usage: python -m vos {names} [key=value ...]   (--help explains every setting)\n")
        raise SystemExit(0 if given[:1] in (["--help"], ["-h"]) else FAILED)
    sys.argv = [f"python -m vos {given[0]}", *given[1:]]
    os.environ[PROGRAM] = given[0]
    programs[given[0]]()


def train() -> None:
    """Train, refine and measure, or simulate; returns the metric named by `optimized_metric` to sweepers."""
    _run("train", _train)


def synthesize() -> None:
    """Make a batch from a finished run, or check the file that `verify` names."""
    _run("synthesize", _synthesize)


def atlas() -> None:
    """Explain the boundary of a finished run: arrays, and one offline page that shows them."""
    _run("atlas", _atlas)


def _run(name: str, job: Callable[[DictConfig], object]) -> None:
    """Compose the configuration from the command line, run the job with it, and exit."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra re-raises errors instead of exiting
    # Read when torch is imported. Threads that spin while waiting take the core from the thread they wait for: next to
    # other load a training step takes many times as long as with one thread (`python -m benchmarks.speed.threads`).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    prepare()
    try:
        _composed_and_run(name, job)
    except SystemExit as stop:
        leave_together(stop.code if isinstance(stop.code, int) else BUG if stop.code else 0)
        raise
    except Exception:
        if train_together():
            traceback.print_exc()
            leave_together(BUG)
        raise
    leave_together(0)


def _composed_and_run(name: str, job: Callable[[DictConfig], object]) -> None:
    try:
        refuse_old_names(sys.argv[1:])
        sys.argv[1:] = with_groups(name, sys.argv[1:])
        hydra.main(version_base="1.3", config_path=None, config_name=name)(job)()
    except HydraException as error:
        if isinstance(error, InstantiationException):
            raise
        end(advice(error, name, sys.argv[1:]), error)
    except Exception as error:
        message = explanation(error)
        if message is None:
            raise
        end(message, error)


def _train(config: DictConfig) -> float:
    """Run one training; in a sweep a failure is recorded, and the sweep continues."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    overrides = list(HydraConfig.get().overrides.task)
    try:
        final = _trained(config, overrides, directory)
        (directory / FAILURE).unlink(missing_ok=True)  # of an earlier attempt
        return final
    except KeyboardInterrupt as error:
        there = (directory / "manifest.json").exists()
        hint = f"go on with: {command('train')} {setting('resume', directory)}" if there else "nothing was computed yet"
        complain(f"interrupted; {hint}")
        raise SystemExit(INTERRUPTED) from error
    except Exception as error:
        message = explanation(error)
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            from vos.cli.comparison import note_failure

            note_failure(directory, overrides, error, message)
            return math.nan
        if message is None:
            raise
        end(message, error)


def _trained(config: DictConfig, overrides: list[str], directory: Path) -> float:
    """Train in a locked directory; a start that fails leaves no directory behind."""
    with owned(directory) if is_first() else nullcontext():
        fresh = is_first() and not (directory / "manifest.json").exists()
        try:
            check_folder_of_resumed(config, directory)
            config, overrides = with_history(config, overrides)
            from vos.cli.preflight import check_training
            from vos.cli.simulate import run_simulation
            from vos.cli.train import run_training

            check_training(config)
            final = (run_simulation if config.simulation else run_training)(config, overrides, directory)
        except BaseException as error:
            told = isinstance(error, SystemExit | KeyboardInterrupt) or explanation(error) is not None
            if fresh and told:
                discard_start(directory)
            raise
    name = str(config.optimized_metric)
    if name not in final:
        raise ConfigError(f"optimized_metric: {name!r} is not measured; expected one of {sorted(final)}")
    return final[name]


def _synthesize(config: DictConfig) -> None:
    def job() -> None:
        if config.verify is not None:
            from vos.cli.verify import run_verification

            if run_verification(config, list(HydraConfig.get().overrides.task)).mismatches:
                raise SystemExit(MISMATCH)
            return
        from vos.cli.synthesize import run_synthesis

        run_synthesis(config)

    _to_the_end(job, "features and made texts are kept")


def _atlas(config: DictConfig) -> None:
    def job() -> None:
        from vos.cli.atlas import run_atlas_program

        if run_atlas_program(config).bugs:
            raise SystemExit(BUG)

    _to_the_end(job, "arrays that are finished are kept")


def _to_the_end(job: Callable[[], None], kept: str) -> None:
    """Run a job that can be repeated after an interruption; a failure is reported in one line."""
    try:
        job()
    except KeyboardInterrupt as error:
        complain(f"interrupted; the same command goes on; {kept}")
        raise SystemExit(INTERRUPTED) from error
    except Exception as error:
        message = explanation(error)
        if message is None:
            raise
        end(message, error)


class SweepComparison(Callback):
    """Hydra callback: when a sweep ends, compare its runs in one table and one picture."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002 - Hydra's signature
        """Compare the successful runs and list the failed ones; if there are any, exit with their code."""
        from vos.cli.comparison import compare_sweep

        if code := compare_sweep(Path(config.hydra.sweep.dir), OmegaConf.select(config, "logger.wandb")):
            raise SystemExit(code)
