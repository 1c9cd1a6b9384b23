"""Strategies of the library small-text, which runs in its own environment.

    python3.11 -m venv FOLDER && FOLDER/bin/pip install small-text==2.0.0.dev4 hnswlib
    VOS_SMALL_TEXT=FOLDER/bin/python python -m benchmarks.selection

Its strategies on embeddings that `peers` does not have; without the variable they are skipped, with a message.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

import numpy as np

from benchmarks.selection.state import Array, State

PYTHON = "VOS_SMALL_TEXT"
"""Variable that names the interpreter of that environment."""

HOW = f"it names the interpreter of an environment that has small-text, see {__name__}"

NAMES = ("kmeans", "contrastive", "discriminative", "lightweight_coreset", "anchors", "seals", "class_balancer")
PREFIX = "small_text_"


def choose(state: State, name: str) -> Array:
    """Rows of the pool.

    Raises:
        ValueError: the library failed.
    """
    rows = np.concatenate([state.pool, state.labelled])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.npz"
        np.savez(
            path,
            pool=state.features[state.pool],
            labelled=state.features[state.labelled],
            labels=state.labels,
            probabilities=state.probabilities(rows),
            seed=state.seed,
            n=state.n,
        )
        worker = _worker(os.environ[PYTHON])
        assert worker.stdin is not None and worker.stdout is not None  # noqa: PT018 - both are pipes
        with contextlib.suppress(BrokenPipeError):  # it has ended: then nothing can be read either
            worker.stdin.write(json.dumps([str(path), name], allow_nan=False) + "\n")
            worker.stdin.flush()
        line = worker.stdout.readline()
    if not line:
        _worker.cache_clear()
        raise ValueError(f"small-text, {name}: expected places of the pool, and its process ended")
    return state.pool[json.loads(line)]


@cache
def _worker(python: str) -> subprocess.Popen[str]:
    """One process for all choices, which ends with this one."""
    script = Path(__file__).with_name("small_text_worker.py")
    # -P: or `import small_text` there finds this module.
    worker = subprocess.Popen([python, "-P", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(worker.communicate)
    return worker


def those_that_run(names: Iterable[str], chosen: bool) -> tuple[str, ...]:
    """Without those of small-text where it is not there.

    Args:
        names: of strategies.
        chosen: whether somebody asked for these.

    Raises:
        SystemExit: one that was asked for cannot run.
    """
    named = os.environ.get(PYTHON)
    missing = [] if named else [name for name in names if name in ARMS]
    if missing and chosen:
        raise SystemExit(f"{', '.join(missing)}: the variable {PYTHON} is not set; {HOW}")
    if missing:
        print(f"Without the strategies of small-text: the variable {PYTHON} is not set; {HOW}", flush=True)
    return tuple(name for name in names if name not in missing)


ARMS = {f"{PREFIX}{name}": partial(choose, name=name) for name in NAMES}
