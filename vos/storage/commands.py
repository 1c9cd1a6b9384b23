"""How the programs are called in this environment, for messages with the next command."""

from __future__ import annotations

import sys
from pathlib import Path


def command(name: str) -> str:
    """The command for a program: a script of the checkout, a module, or an installed command.

    Args:
        name: "train", "synthesize" or "atlas".

    Returns: in any other program, such as a notebook, the module, which works everywhere.
    """
    called = Path(sys.argv[0]).name
    if called.startswith("vos-"):
        return f"vos-{name}"
    scripts = ("train.py", "synthesize.py")  # the only scripts of a checkout
    return f"python {name}.py" if called in scripts and f"{name}.py" in scripts else f"python -m vos {name}"
