"""How the programs are called where this one was called, for messages that say what to type next."""

from __future__ import annotations

import sys
from pathlib import Path


def command(name: str) -> str:
    """A program as it is typed here: from a checkout, as a module, or as an installed command.

    Args:
        name: "train", "synthesize" or "atlas".

    Returns: in a program of another kind, such as a notebook, the module, which runs everywhere.
    """
    called = Path(sys.argv[0]).name
    if called.startswith("vos-"):
        return f"vos-{name}"
    scripts = ("train.py", "synthesize.py")  # a checkout has these, and no other
    return f"python {name}.py" if called in scripts and f"{name}.py" in scripts else f"python -m vos {name}"
