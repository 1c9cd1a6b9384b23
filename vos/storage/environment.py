"""Facts about machine and code for the manifest of a run."""

from __future__ import annotations

import platform
import re
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import vos

PACKAGES = ("torch", "transformers", "pytorch-lightning", "hydra-core", "wandb", "numpy", "scipy", "scikit-learn")


def environment(device: str) -> dict[str, Any]:
    """Facts about machine and code, for the manifest."""
    return {
        "git_commit": git_commit(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device,
        "threads": torch.get_num_threads(),
        "command": sys.argv,
    }


def git_commit() -> str | None:
    """Commit of the checkout that the package runs from, with "+changes" if files differ; None outside git."""
    root = Path(vos.__file__).parent.parent
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    # Without a lock on the index: if the process were killed, the lock would remain and block the user's git.
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()  # noqa: S603


def peak_memory_mib() -> int:
    """Peak resident set size of this process, in MiB.

    Read from Linux's `VmHWM` if available: `ru_maxrss` starts at the size of the parent that forked the process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text("ascii"), re.MULTILINE)
        if found:
            return int(found[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
