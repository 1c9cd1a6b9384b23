"""Runs a benchmark as users do: `python -m benchmarks.NAME`, from the root of the repository."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import ROOT


def run(name, *options, **environment):
    """The finished process; the environment variables come on top of those of the tests."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *(str(option) for option in options)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment)
