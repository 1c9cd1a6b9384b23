"""The two commands in their own processes, to be killed or waited for."""

import os
import subprocess
import sys

from tests.conftest import ROOT


def started(*command, cwd, **environment):
    """Start `python COMMAND` from the repository root's modules; what it prints is kept."""
    surroundings = os.environ | {"WANDB_MODE": "offline", "PYTHONPATH": str(ROOT)} | environment
    return subprocess.Popen(
        [sys.executable, *map(str, command)], cwd=cwd, env=surroundings, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finished(process):
    """What a process printed, once it has ended well."""
    output, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, output
    return output
