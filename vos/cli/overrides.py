"""Error messages for unusable overrides: misspelt or renamed ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vos.cli.compose import composed
from vos.cli.configuration import folder
from vos.cli.kinds import nearest
from vos.errors import ConfigError

SWEEP_PLUGINS = ("joblib", "submitit", "optuna")
"""Prefixes of the options that the extra `sweep` installs."""

RENAMED = {
    "callbacks.monitor": "refine.monitor",
    "candidates=retrieval": "candidates=pool",
    "candidates=ladder": "candidates=pool_then_lm",
    "candidates=generate": "candidates=lm",
    "experiment=outlier_texts": "experiment=outlier_exposure",
    "outlier_texts.language_model": "language_model",
    "outlier_texts": "exposure",
    "exposure.language_model": "language_model",
    "candidates.making.language_model": "language_model",
    "candidates.generation.language_model": "language_model",
    "optimizer.warmup_share": "schedule.warmup_share",
    "candidates.making.settings.steering": "candidates.generation.text_generator.smc",
    "candidates.making.settings.stages.chains": "candidates.generation.text_generator.stages.mcmc_chains",
    "candidates.making.settings.stages.moves": "candidates.generation.text_generator.stages.mcmc_moves",
    "candidates.making.settings.stages.steer": "candidates.generation.text_generator.stages.smc",
    "candidates.making.settings.outlook_texts": "candidates.generation.text_generator.prefix_value_texts",
    "candidates.making.settings": "candidates.generation.text_generator",
    "candidates.making.edits": "candidates.generation.counterfactuals",
    "candidates.making.ladder": "candidates.generation.pool_first",
    "candidates.making": "candidates.generation",
    "candidates.index": "acquisition.index",
    "candidates.per_target": "acquisition.per_target",
    "candidates.approximate": "acquisition.approximate",
    "candidates.selection.max_source_share.seeded": "candidates.selection.max_source_share.prefix_conditioned",
    "candidates.selection.max_source_share.steered": "candidates.selection.max_source_share.smc",
    "candidates.selection.max_source_share.edited": "candidates.selection.max_source_share.counterfactual",
}
"""Options and settings of earlier versions and their current names.

A setting also stands for everything below it; the first match counts.
"""


def quoted_path(path: str | Path) -> str:
    """A path with any characters, quoted for Hydra's override grammar."""
    escaped = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def refuse_old_names(overrides: Iterable[str], where: str = "") -> None:
    """Refuse an override with its name of version 0.1, and one without a name.

    Args:
        overrides: as on the command line.
        where: prefix of the message.

    Raises:
        ConfigError: names what to write instead.
    """
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if not key:
            raise ConfigError(f"{where}{override}: expected NAME=VALUE, found no name; --help lists every setting")
        for old, new in RENAMED.items():
            given = f"{key}={value}" if "=" in old else key
            if given == old or given.startswith(f"{old}."):
                raise ConfigError(f"{where}{given}: this is called {new}{given.removeprefix(old)} now")


def advice(error: Exception, program: str, overrides: Sequence[str]) -> str:
    """Hydra's error about the overrides, in one line with the nearest existing setting or option."""
    cause = error.__cause__
    why = f": {cause}" if isinstance(cause, OmegaConfBaseException) else ""
    message = " ".join(f"{error}{why}".split())
    key = re.search(r"Could not override '([^']+)'", message)
    if key:
        return f"{key[1]}: no such setting{nearest(key[1], _settings(program, overrides))}; --help lists every setting"
    option = re.search(
        r"Could not find '([^']+)/([^'/]+)' Available options in '[^']+': (.*?)(?: Config search path|$)", message
    )
    if option:
        group, name, known = option[1], option[2], re.findall(r"[\w-]+", option[3])
        if group.startswith("hydra/") and name.startswith(SWEEP_PLUGINS):
            return f"{group}={name}: needs another package; pip install 'vos-text[sweep]'"
        return f"{group}={name}: no such option{nearest(name, known)}; expected one of {', '.join(known)}"
    return message


def _settings(program: str, overrides: Sequence[str]) -> list[str]:
    """All settings that exist with the options chosen on the command line."""
    chosen = [each for each in overrides if (folder() / re.split("[=@]", each.lstrip("+~"))[0]).is_dir()]
    plain = OmegaConf.to_container(composed(program, chosen), resolve=False)
    return list(_names(plain)) if isinstance(plain, dict) else []


def _names(config: dict[Any, Any], prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        if not str(key).startswith("_"):
            yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _names(value, f"{prefix}{key}.")
