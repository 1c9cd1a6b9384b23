"""Settings of the classifier in a run that starts from the weights of another run: applied, or refused."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from vos.cli.saved_settings import saved_settings
from vos.errors import ConfigError
from vos.storage.run_directory import RunDirectory

APPLIED = ("max_length", "truncation_side", "dropout")
"""Settings of the group `model` that a trained classifier can change."""


def starts_warm(config: DictConfig) -> bool:
    """Whether round 0 is the classifier of another run."""
    return config.run is not None and bool(config.warm_start)


def model_changes(config: DictConfig) -> dict[str, Any]:
    """Return the settings among `APPLIED` that differ from those of the run that this one continues.

    `model.freeze` is not among them: every run has its own. `model.seed` follows `seed`, and has no effect on weights
    that exist.

    Raises:
        ConfigError: another setting of the group `model` differs, which trained weights cannot follow.
    """
    path = RunDirectory(config.run).config_path
    before: Any = OmegaConf.to_container(saved_settings(path).get("model", OmegaConf.create()))
    now: Any = OmegaConf.to_container(config.model, resolve=True)
    changed = {name: value for name, value in now.items() if name != "freeze" and value != before.get(name, value)}
    if changed.get("seed") == config.seed:
        del changed["seed"]
    for name in changed:
        if name not in APPLIED:
            setting = "model" if name == "_target_" else f"model.{name}"
            raise ConfigError(
                f"{setting}: expected {before[name]} as in run={config.run}, whose trained classifier goes on, got "
                f"{changed[name]}; another one needs warm_start=false"
            )
    return changed
