"""`synthesize.py` on two Ray nodes: one stops inside its first shard, and the other waits for that after its own.

An environment variable of each node names the file that signals that the first node has a shard: HOLDS on the first,
AWAITS on the other.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import ray

from vos.cli import ray_engine
from vos.cli.main import synthesize

FREE = ray_engine.RayScorer


class Staged(FREE):
    """A scorer that plays its node's part."""

    def do(self, shard, task):
        if held := os.environ.get("HOLDS"):
            Path(held).touch()
            time.sleep(3600)
        while getattr(self, "has_done_one", False) and not Path(os.environ["AWAITS"]).exists():
            time.sleep(0.05)
        self.has_done_one = True
        return FREE.do(self, shard, task)


if __name__ == "__main__":
    ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False)
    while ray.cluster_resources().get("CPU", 0) < 2:  # the other node may take its time to join
        time.sleep(0.1)
    ray_engine.RayScorer = Staged
    synthesize()
