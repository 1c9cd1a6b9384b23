"""Packages that only some options need."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import vos
from vos.errors import ConfigError
from vos.storage.machine import out_of_memory


def optional(module: str, extra: str, option: str) -> Any:
    """Import a module that an extra of this package installs.

    Args:
        module: name of the module.
        extra: name of the extra.
        option: the option that needs it, for the message.

    Raises:
        ConfigError: the module cannot be imported; the message names the extra.
        MemoryError: the module exists, but memory ran out during the import.

    Example:
        >>> optional("json", "none", "nothing").loads("1")
        1
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if out_of_memory(error):
            raise MemoryError(f"{option}: {error}") from error
        package = module.partition(".")[0]
        raise ConfigError(f"{option} needs the package {package} ({error}); {install_command(extra)}") from error


def install_command(extra: str) -> str:
    """The command that installs an extra, for the checkout that the package runs from, or the installed package.

    Example:
        >>> "demo" in install_command("demo")
        True
    """
    checkout = (Path(vos.__file__).parent.parent / "pyproject.toml").is_file()
    return f"pip install -e '.[{extra}]'" if checkout else f"pip install 'vos-text[{extra}]'"
