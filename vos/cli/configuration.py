"""The configuration as Hydra reads it: the files of conf/, completed with default values from signatures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from vos.cli.signatures import PACKAGE, REQUIRED, node_parameters, parameters

KEY = re.compile(r"^(\s*)([\w-]+):(?:(?:[^#\"']|\"[^\"]*\"|'[^']*')*?\s#\s*(.*)$)?")
"""A line of YAML: indentation, key, and its trailing comment, if any."""

DEFAULT = re.compile(r"\$\{default:([\w.]+)\.(\w+)\}")
"""Refers to the default of a class's argument, for a setting that is passed to the class by other code."""

SCHEME = "vos"

SPREAD = "_global_"
"""Hydra package of the presets, whose keys are at the root."""


def folder() -> Path:
    """Folder of the configuration: within the installed package, or beside it in a checkout."""
    inside = PACKAGE / "conf"
    return inside if inside.is_dir() else PACKAGE.parent / "conf"


class CompletedConfigSource(FileConfigSource):
    """Hydra's configuration files, completed with defaults when read."""

    @staticmethod
    def scheme() -> str:
        """URL scheme of this source in Hydra's search path."""
        return SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        """Read one file and complete it."""
        result = super().load_config(config_path)
        result.config = OmegaConf.create(with_defaults(OmegaConf.to_container(result.config)))
        return result


class ProjectSearchPath(SearchPathPlugin):
    """Puts the configuration of this package on Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Insert it after the program's own folder and before folders added by the user."""
        search_path.append(provider="vos", path=f"{SCHEME}://{folder()}")


def register() -> None:
    """Register the configuration with Hydra; needed once per process, and safe to repeat."""
    for plugin in (CompletedConfigSource, ProjectSearchPath):
        Plugins.instance().register(plugin)


def with_defaults(node: Any) -> Any:
    """Return a node with the default arguments of its `_target_` filled in, recursively.

    An argument without a default, or with one that YAML cannot represent, is left out. `${default:CLASS.ARGUMENT}` is
    replaced by the default of that argument.

    Example:
        >>> with_defaults({"_target_": "vos.outliers.NoiseSampler"})
        {'_target_': 'vos.outliers.NoiseSampler', 'scale': 1.0}
    """
    if isinstance(node, list):
        return [with_defaults(each) for each in node]
    if isinstance(node, str) and (named := DEFAULT.fullmatch(node)):
        return parameters(named[1])[named[2]].default
    if not isinstance(node, dict):
        return node
    defaults = {name: each.default for name, each in node_parameters(node).items() if each.default is not REQUIRED}
    missing = {name: default for name, default in defaults.items() if name not in node}
    return {name: with_defaults(value) for name, value in (node | missing).items()}


def explanations(choices: dict[str, str], program: str) -> dict[str, str]:
    """Return the explanation of each setting by dotted name: the comments of the chosen files.

    Args:
        choices: option by group, as `group`, or `group@package` if the package differs.
        program: name of the primary file.
    """
    found = _comments(folder() / f"{program}.yaml", "")
    for key, option in choices.items():
        group, _, package = key.partition("@")
        path = folder() / group / f"{option}.yaml"
        if option and path.is_file():
            spread = path.read_text("utf-8").startswith(f"# @package {SPREAD}")
            found |= _comments(path, "" if spread else package or group.replace("/", "."))
    return found


def _comments(path: Path, prefix: str) -> dict[str, str]:
    """Comments of one file and of the files of its group that it includes."""
    found: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in path.read_text("utf-8").splitlines():
        base = re.match(r"^ {2}- (\w+)$", line)
        if base and (path.parent / f"{base[1]}.yaml").is_file():
            found |= _comments(path.parent / f"{base[1]}.yaml", prefix)
        if key := KEY.match(line):
            depth = len(key[1])
            stack = [(d, name) for d, name in stack if d < depth] + [(depth, key[2])]
            if key[3] is not None:
                found[".".join(filter(None, [prefix, *(name for _, name in stack)]))] = key[3]
    return found
