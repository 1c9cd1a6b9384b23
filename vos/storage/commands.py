"""How the programs are called where this one was called, for messages that say what to type next."""

from __future__ import annotations

import sys
from pathlib import Path


def command(name: str) -> str:
    """A program as it is typed here: from a checkout, as a module, or as an installed command.

    Args:
        name: "train" or "synthesize".

    Returns: in a program of another kind, such as a notebook, the module, which runs everywhere.
    """
    called = Path(sys.argv[0]).name
    if called.startswith("vos-"):
        return f"vos-{name}"
    return f"python {name}.py" if called in ("train.py", "synthesize.py") else f"python -m vos {name}"
