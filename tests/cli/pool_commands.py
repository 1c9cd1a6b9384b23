"""Pools in several files for the command: their texts, settings and batch, and the command in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import synthesize
from tests.cli.commands import call, synthesis
from tests.conftest import ROOT, toy_examples

TEXTS = [example.text for example in toy_examples(90, "p", 500)]


def write_shards(folder, texts, n):
    """`n` files of `texts`."""
    folder.mkdir()
    for k in range(n):
        rows = "\n".join(json.dumps({"comment": text}) for text in texts[k::n])
        (folder / f"part-{k}.jsonl").write_text(f"{rows}\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """A folder of six files."""
    return write_shards(tmp_path_factory.mktemp("pools") / "pool", TEXTS, 6)


@pytest.fixture(scope="module")
def here(run, pool, tmp_path_factory):
    """The batch of that pool, scored in this process."""
    output = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        call(synthesize.main, patch, *settings(run, pool, output))
    return batch(output)


def settings(run, pool, output, *more):
    """Overrides of a synthesis of seconds, with a cache of its own."""
    own = [each for each in synthesis(run, f"output={output}") if not each.startswith("paths.cache")]
    return [
        *own,
        f"paths.cache={output}/cache",
        f"pool.path={pool}",
        "pool.text=comment",
        *([] if "acquisition=targets" in more else ["acquisition.supply=12"]),
        *more,
    ]


def batch(output):
    """What was chosen, without the digits that another batch of the encoder may change."""
    rows = [json.loads(line) for line in (output / "near_boundary.jsonl").read_text("utf-8").splitlines()]
    return [(row["text"], row["chosen"], round(row["margin"], 4)) for row in rows]


def command(*overrides):
    """The command line of a process of its own."""
    return [sys.executable, str(ROOT / "synthesize.py"), *overrides]


def process(run, pool, output, *more, **environment):
    """The command as a process of its own; Ray and spawned workers want a main module that can be imported."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        command(*settings(run, pool, output, *more)),
        env=surroundings, check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
