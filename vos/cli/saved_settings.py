"""Reads the settings stored with a run safely: they may come from somebody else, and must not run arbitrary code.

A file of a run may only build objects that the configuration of this package builds, and may refer to its own values
but not to the environment. The command line comes from the user and may do both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from vos.cli.configuration import folder, with_defaults
from vos.errors import ConfigError
from vos.generation.server.transport import LOCAL

ALLOW = "VOS_ALLOW"
"""Environment variable with further names that files of runs may use, separated by commas: packages or classes,
resolvers, and hosts to which keys may be sent."""

INTERPOLATION = re.compile(r"\$\{\s*([^:}$]*)([:}$]?)")
"""Start of an interpolation; a colon after its name calls a resolver, a dollar sign nests another interpolation."""

OPTION = re.compile(r"\w[\w-]*")
"""Name of an option of a group; a path is not allowed, because Hydra would read any file on the disk."""


def saved_settings(path: Path) -> DictConfig:
    """Read a `config.yaml` or `synthesis.yaml`.

    Raises:
        ConfigError: the file is not of this kind, or names something that files of a run must not name.
    """
    plain = plain_settings(path)
    if not isinstance(plain, dict):
        raise ConfigError(f"{path}: expected settings by name, got {type(plain).__name__}; the file is not of a run")
    _check(path, plain)
    return OmegaConf.create(plain)


def saved_overrides(path: Path, before: Iterable[str] = ()) -> list[str]:
    """Read an `overrides.yaml`; the result begins with the overrides `before`.

    Raises:
        ConfigError: see `saved_settings`; or an override changes Hydra's own settings.
    """
    found = [*before, *plain_overrides(path)]
    try:
        parsed = OverridesParser.create().parse_overrides(found)
    except HydraException as error:
        raise ConfigError(f"{path}: expected overrides, {' '.join(str(error).split())}") from error
    for override in parsed:
        key = str(override.key_or_group)
        if re.split(r"[./]", key)[0] == "hydra":
            raise ConfigError(f"{path}: {override.input_line}: expected a setting of a run, found one of Hydra's own")
        if override.is_sweep_override():
            raise ConfigError(f"{path}: {override.input_line}: expected one value, found several")
        value = override.value()
        options = value if isinstance(value, list) else [value]
        if (folder() / key).is_dir() and not all(each is None or OPTION.fullmatch(str(each)) for each in options):
            raise ConfigError(f"{path}: {override.input_line}: expected the name of an option, found something else")
        _check(path, _nested(key, value))
    return found


def plain_overrides(path: Path) -> list[str]:
    """Read an `overrides.yaml` without checks, only to show the overrides.

    Raises:
        ConfigError: the file is not of this kind.
    """
    plain = plain_settings(path)
    if not isinstance(plain, list):
        raise ConfigError(f"{path}: expected a list of overrides, got {type(plain).__name__}; the file is not of a run")
    return [str(each) for each in plain]


def check_addresses(path: Path, config: DictConfig, given: Sequence[str] | None) -> None:
    """Refuse to send a key from the environment to a remote server that only a file of a run names.

    Args:
        path: path of the file.
        config: its settings, composed.
        given: overrides of the command line, whose addresses come from the user; None if there cannot be any.

    Raises:
        ConfigError: see above.
    """
    own = {each.partition("=")[2].strip("'\"") for each in given or ()}
    for at, key, value in _leaves(OmegaConf.to_container(config, resolve=True), ""):
        if key != "url" or str(value) in own:
            continue
        host, beside = _host(str(value)), OmegaConf.select(config, at.rpartition(".")[0])
        variables = [str(beside[name]) for name in ("key_variable", "token_variable") if beside.get(name)]
        if host not in {*LOCAL, *_allowed()} and any(os.environ.get(name) for name in variables):
            again = "" if given is None else f"give {at}=... on the command line, or "
            raise ConfigError(
                f"{path}: {at}={value}: the key in {', '.join(variables)} would be sent to this server, which a file "
                f"of a run names; {again}trust it with: export {ALLOW}={host}"
            )


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def plain_settings(path: Path) -> Any:
    """Read a YAML file without resolving interpolations.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: expected settings in YAML, cannot be read: {reason}") from error


def _check(path: Path, node: Any) -> None:
    for at, key, value in _leaves(node, ""):
        if key == "_target_" and value is not None and not _may_build(str(value)):
            raise ConfigError(
                f"{path}: {at}={value}: expected a class that the configuration of this package names; a file of a "
                f"run may run no other code. If you trust it: export {ALLOW}={str(value).partition('.')[0]}"
            )
        for name, sign in INTERPOLATION.findall(str(value)):
            if sign != "}" and not (sign == ":" and name.strip() in _allowed()):
                raise ConfigError(
                    f"{path}: {at}={value}: expected values, or references to them such as ${{seed}}; a file of a run "
                    f"may read nothing else. If you trust it: export {ALLOW}={name.strip() or 'NAME'}"
                )


def _may_build(target: str) -> bool:
    return target in _targets() or any(target == each or target.startswith(f"{each}.") for each in _allowed())


def _allowed() -> frozenset[str]:
    return frozenset(filter(None, (each.strip() for each in os.environ.get(ALLOW, "").split(","))))


@cache
def _targets() -> frozenset[str]:
    """The targets of the files in conf/, including those of default arguments.

    Names are compared whole, not by prefix: `vos.storage.environment.subprocess.run` starts like one of ours.
    """
    files = [path for path in folder().rglob("*.yaml") if "hydra" not in path.relative_to(folder()).parts]
    nodes = [with_defaults(OmegaConf.to_container(OmegaConf.load(path))) for path in files]
    return frozenset(str(value) for node in nodes for _, key, value in _leaves(node, "") if key == "_target_" and value)


def _leaves(node: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    """Dotted name, last key and value of every leaf."""
    if isinstance(node, Mapping | list):
        pairs = node.items() if isinstance(node, Mapping) else enumerate(node)
        for key, value in pairs:
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, path.rpartition(".")[2], node


def _nested(name: str, value: Any) -> dict[str, Any]:
    """A value under its dotted name.

    Example:
        >>> _nested("a.b", 1)
        {'a': {'b': 1}}
    """
    first, _, rest = name.partition(".")
    return {first: _nested(rest, value) if rest else value}
