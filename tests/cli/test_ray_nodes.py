"""A pool on a Ray cluster of two nodes, one of which is killed during scoring, gives the same batch as one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import synthesize
from tests.cli.commands import call
from tests.cli.pool_commands import batch, settings, write_shards
from tests.conftest import ROOT, toy_examples
from tests.ray_nodes import QUIET, Node, wait_for

ALONE = "candidates.chunk_size=1"
"""One text at a time: the same floats wherever a shard is scored."""

SHARDS = 6
DRIVER = Path(__file__).with_name("ray_nodes_driver.py")


@pytest.fixture
def nodes(tmp_path):
    """A head and another node, with a CPU each; a worker of the other never ends its first shard, see the driver."""
    with ExitStack() as stack:
        head = Node(1, AWAITS=str(tmp_path / "held"))
        stack.callback(head.kill)
        other = Node(1, head.address, HOLDS=str(tmp_path / "held"))
        stack.callback(other.kill)
        yield head, other


@pytest.mark.slow
def test_a_node_that_is_killed_in_the_middle_changes_nothing(nodes, run, tmp_path, monkeypatch):
    head, other = nodes
    texts = [example.text for example in toy_examples(10 * SHARDS, "p", 500)]
    pool = write_shards(tmp_path / "pool", texts, SHARDS)
    one = tmp_path / "one"
    call(synthesize.main, monkeypatch, *settings(run, pool, one, ALONE))
    two = tmp_path / "two"
    asked = [sys.executable, DRIVER, *settings(run, pool, two, ALONE, "pool.engine=ray", "pool.workers=3")]
    surroundings = {**os.environ, **QUIET, "PYTHONPATH": str(ROOT), "RAY_ADDRESS": head.address}
    log = tmp_path / "log.txt"

    def told():
        return log.read_text("utf-8") + head.said() + other.said()

    def in_the_middle():
        """Whether the other node has a shard in hand, and the head has done one."""
        assert driver.poll() is None, told()
        return (tmp_path / "held").exists() and list((two / "cache/shards").glob("*.safetensors"))

    with log.open("w") as said:
        driver = subprocess.Popen(list(map(str, asked)), env=surroundings, stdout=said, stderr=subprocess.STDOUT)
        try:
            wait_for(in_the_middle, 600, told)
            other.kill()
            assert driver.wait(600) == 0, told()
        finally:
            driver.kill()
            driver.wait()
    assert "pool.workers=3: the cluster has 2 CPUs; as many score" in told()
    assert "a worker of the cluster was lost; others score the" in told()
    assert len(list((two / "cache/shards").glob("*.safetensors"))) == SHARDS
    assert batch(two) == batch(one)
    reports = [json.loads((each / "synthesis.json").read_text("utf-8")) for each in (one, two)]
    assert reports[0] == reports[1]
    assert reports[1]["pool_scored"] == len(texts)
