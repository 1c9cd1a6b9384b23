"""The settings that a run takes over from an earlier one."""

from __future__ import annotations

from pathlib import Path

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from vos.cli.overrides import refuse_old_names
from vos.cli.saved_settings import check_addresses, saved_overrides, saved_settings
from vos.cli.taken_over import without_one_shot, without_replaced, without_study
from vos.errors import ConfigError, RunError
from vos.storage.commands import command

NOT_KEPT = ("resume=", "hydra.", "sweep=", "+sweep=")
"""Beginnings of overrides that are about a call of the program, not about its run."""


def with_history(config: DictConfig, overrides: list[str]) -> tuple[DictConfig, list[str]]:
    """Compose again on top of the overrides of an earlier run, if `resume` or `run` names one.

    Returns: the configuration, and the overrides that reproduce it.

    Raises:
        RunError: the directory was not written by a training, or the run to resume has no manifest.
        ConfigError: both are given, the earlier run used a setting that has been renamed, or its files name something
            that files of a run must not name.
    """
    if config.resume and config.run and "run=" in " ".join(overrides):
        raise ConfigError("give resume=RUN to finish a run, or run=RUN to start from a finished one, not both")
    earlier = config.resume or config.run
    if not earlier:
        return config, overrides
    path = Path(earlier) / "overrides.yaml"
    if not path.exists():
        raise RunError(
            f"{earlier}: no overrides.yaml here; expected a directory that {command('train')} wrote; "
            "one that was ended before it had begun starts with its whole command again"
        )
    if config.resume and (path.parent / "rounds").exists() and not path.with_name("manifest.json").exists():
        raise RunError(f"{earlier}: no manifest.json here, which says what its rounds were made of; train again")
    saved = saved_overrides(path, _precision_before(path.with_name("config.yaml")))
    refuse_old_names(saved, where=f"{path}: ")
    saved, given = ([each for each in part if not each.startswith(NOT_KEPT)] for part in (saved, overrides))
    if config.run:
        saved = without_study(without_one_shot(saved), given)
    both = [*without_replaced(saved, given, start=bool(config.run)), *given]
    composed = compose("train", overrides=[*both, *([f"resume={config.resume}"] if config.resume else [])])
    check_addresses(path, composed, overrides)
    return composed, both


def check_folder_of_resumed(config: DictConfig, directory: Path) -> None:
    """Refuse to finish a run in a folder that is not its own.

    Raises:
        ConfigError: see above.
    """
    own = Path(config.resume) if config.resume else directory
    if own.is_dir() and own.resolve() != directory.resolve():
        raise ConfigError(
            f"resume={own}: expected no other folder, as a run goes on where it lies, got hydra.run.dir={directory}; "
            "run=RUN starts another run from a finished one"
        )


def _precision_before(path: Path) -> list[str]:
    """The precision of a run from a version without the setting `precision`, which is kept."""
    config = saved_settings(path) if path.exists() else OmegaConf.create()
    before = OmegaConf.select(config, "trainer.lightning.precision")
    return [] if before is None or "precision" in config else [f"precision={before}"]
