"""Groups on the command line: `GROUP=null` as Hydra understands it, and what cannot be an option, in one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf

from vos.cli.configuration import folder
from vos.errors import ConfigError

CHOICE = re.compile(r"\+{0,2}(?P<group>[\w-]+(?:/[\w-]+)*)(?:@[^=]*)?=(?P<value>.*)", re.DOTALL)
"""An override that may choose an option of a group: no dot in its name."""

NULL = re.compile(r"(?<![\w.-])null(?![\w.-])")
"""The word as a whole value, or as one of several in a sweep."""

NO_OPTION = "[]"
"""An empty list of options, which Hydra accepts where it refuses null."""


def group_of(override: Override) -> str | None:
    """The group that a parsed override chooses an option of, or deletes; None if it sets a value."""
    name = str(override.key_or_group)
    return name if "/" in name or (folder() / name).is_dir() else None


def with_groups(program: str, overrides: Sequence[str]) -> list[str]:
    """Return overrides that Hydra composes: `GROUP=null`, which it refuses, becomes `GROUP=[]`, which means the same.

    Args:
        program: "train", "synthesize" or "atlas".
        overrides: as on its command line; what is no override is returned as it is.

    Raises:
        ConfigError: null for a group that needs an option, or a value that is no name of an option.

    Example:
        >>> with_groups("train", ["labels=null", "run=null", "-m", "exposure=packaged,null"])
        ['labels=[]', 'run=null', '-m', 'exposure=packaged,[]']
    """
    return [_with_group(program, override) for override in overrides]


def _with_group(program: str, text: str) -> str:
    found = CHOICE.fullmatch(text)
    if found is None or not ("/" in found["group"] or (folder() / found["group"]).is_dir()):
        return text
    try:
        override = OverridesParser.create().parse_override(text)
        values = list(override.sweep_string_iterator()) if override.is_sweep_override() else [override.value()]
    except HydraException:
        return text  # Hydra says what is wrong
    for value in values:
        absent = value is None or value == "null"
        if not (_may_be_absent(program, found["group"]) if absent else isinstance(value, str | list | dict)):
            given = "null" if absent else str(value)
            raise ConfigError(f"{found['group']}: expected {_known(found['group'])}, got {given}")
    if not any(value is None or value == "null" for value in values):
        return text
    return text[: found.start("value")] + NULL.sub(NO_OPTION, found["value"])


@cache
def _may_be_absent(program: str, group: str) -> bool:
    """Whether a group of a program is null if nothing is chosen."""
    path = folder() / f"{program}.yaml"
    plain = OmegaConf.to_container(OmegaConf.load(path)) if path.is_file() else None
    defaults = plain.get("defaults", []) if isinstance(plain, dict) else []
    return any(isinstance(each, dict) and each.get(group, group) is None for each in defaults)


def _known(group: str) -> str:
    names = sorted(path.stem for path in (folder() / group).glob("*.yaml"))
    return f"one of {', '.join(names)}" if names and not group.startswith("hydra/") else "the name of an option"
