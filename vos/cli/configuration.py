"""The configuration as Hydra sees it: the files of conf/, completed with the defaults of the signatures they fill."""

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
"""The start of a line of YAML: indentation, key, and the comment at its end where there is one."""

DEFAULT = re.compile(r"\$\{default:([\w.]+)\.(\w+)\}")
"""The default of an argument of a class, for a setting that the class is given from elsewhere."""

SCHEME = "vos"

SPREAD = "_global_"
"""Package of the presets, whose keys lie at the root."""


def folder() -> Path:
    """Folder of the configuration: within the installed package, or beside it in a checkout."""
    inside = PACKAGE / "conf"
    return inside if inside.is_dir() else PACKAGE.parent / "conf"


class CompletedConfigSource(FileConfigSource):
    """Hydra's files, each completed when it is read."""

    @staticmethod
    def scheme() -> str:
        """Of its addresses in Hydra's search path."""
        return SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        """One file."""
        result = super().load_config(config_path)
        result.config = OmegaConf.create(with_defaults(OmegaConf.to_container(result.config)))
        return result


class ProjectSearchPath(SearchPathPlugin):
    """Puts the configuration of this package on Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Behind the program's own, in front of what the user adds."""
        search_path.append(provider="vos", path=f"{SCHEME}://{folder()}")


def register() -> None:
    """Let Hydra find the configuration; needed once in a process, and safe to repeat."""
    for plugin in (CompletedConfigSource, ProjectSearchPath):
        Plugins.instance().register(plugin)


def with_defaults(node: Any) -> Any:
    """A node with what its `_target_` takes by default written out, and so for every node within.

    An argument without a default, or one that a configuration cannot hold, is left as it is. What is written as
    `${default:CLASS.ARGUMENT}` becomes the default of that argument.

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
    """What each setting means, by its dotted name: the comments of the chosen files.

    Args:
        choices: option by group, with its package where that is another: `group` or `group@package`.
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
    """Comments of one file and of the files of its group that it begins with."""
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
