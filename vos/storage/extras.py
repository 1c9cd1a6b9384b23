"""How to install what only some options need."""

from __future__ import annotations

from pathlib import Path

import vos


def install_command(extra: str) -> str:
    """The command that installs an extra: of the checkout that the package runs from, or of the installed package.

    Example:
        >>> "demo" in install_command("demo")
        True
    """
    checkout = (Path(vos.__file__).parent.parent / "pyproject.toml").is_file()
    return f"pip install -e '.[{extra}]'" if checkout else f"pip install 'vos-text[{extra}]'"
