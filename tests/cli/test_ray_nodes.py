"""A pool on a Ray cluster of two nodes, one of which is killed in the middle: the batch of one process."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack

import psutil
import pytest

import synthesize
from tests.cli.commands import call
from tests.cli.pool_commands import batch, command, settings, write_shards
from tests.conftest import ROOT, toy_examples
from tests.ray_nodes import QUIET, Node, wait_for

ALONE = "candidates.chunk_size=1"
"""One text at a time: the same floats wherever a shard is scored, and time enough to kill a node."""

SHARDS = 12


@pytest.fixture
def nodes():
    """A head and another node, with a CPU each."""
    with ExitStack() as stack:
        head = Node(1)
        stack.callback(head.kill)
        other = Node(1, head.address)
        stack.callback(other.kill)
        yield head, other


@pytest.mark.slow
def test_a_node_that_is_killed_in_the_middle_changes_nothing(nodes, run, tmp_path, monkeypatch):
    head, other = nodes
    texts = [example.text for example in toy_examples(30 * SHARDS, "p", 500)]
    pool = write_shards(tmp_path / "pool", texts, SHARDS)
    one = tmp_path / "one"
    call(synthesize.main, monkeypatch, *settings(run, pool, one, ALONE))
    two = tmp_path / "two"
    asked = command(*settings(run, pool, two, ALONE, "pool.engine=ray", "pool.workers=3"))
    surroundings = {**os.environ, **QUIET, "PYTHONPATH": str(ROOT), "RAY_ADDRESS": head.address}
    log = tmp_path / "log.txt"

    def told():
        return log.read_text("utf-8") + head.said() + other.said()

    def in_the_middle():
        """Whether the other node is at work; a head that is ahead of it waits, so that there is work left."""
        assert driver.poll() is None, told()
        if list((two / "cache/shards").glob("*.safetensors")):
            for each in head.scorers():
                each.suspend()
        return other.scorers(at_work=True)

    with log.open("w") as said:
        driver = subprocess.Popen(asked, env=surroundings, stdout=said, stderr=subprocess.STDOUT)
        try:
            wait_for(in_the_middle, 600, told)
            other.kill()
            for each in head.scorers():
                if each.status() == psutil.STATUS_STOPPED:
                    each.resume()
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
