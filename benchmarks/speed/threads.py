"""A training step with one thread and with all threads, on an idle machine and under load.

    python -m benchmarks.speed.threads [--quick]

OpenMP threads that wait for each other spin before they sleep (`OMP_WAIT_POLICY`). If other processes compete for the
cores, the thread that the others wait for gets no core, while the others keep spinning. Each arm is its own process;
turns of the arms alternate, and the smallest of the medians per turn counts. Under load, `--busy` processes run a busy
loop. Run it on a machine that is otherwise idle. The last line is one JSON object: seconds per step by arm.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from benchmarks._common import ROOT, command_line, finish, print_figures
from benchmarks.speed.two_processes import count_for_ever
from vos.models import EncoderClassifier

TEXT = "she left the pan on the stove while the children were playing in the kitchen beside it"
ARMS: dict[str, tuple[int, dict[str, str]]] = {
    "one_thread": (1, {}),
    "spinning": (0, {"OMP_WAIT_POLICY": "ACTIVE"}),
    "default": (0, {}),
    "passive": (0, {"OMP_WAIT_POLICY": "PASSIVE"}),
}
"""Threads (0: as many as cores) and the environment of each arm."""

SAFE = ("one_thread", "passive")
"""Arms of the quick size: the others may take minutes beside other work."""

LONGEST = 60.0
"""Seconds after which an arm takes no further step."""


def main() -> None:
    """Print a line for each arm, and the JSON line."""
    parser = command_line(__doc__)
    parser.add_argument("--busy", type=int, default=os.cpu_count() or 1, help="processes that count beside it")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    steps, turns, arms = (1, 1, SAFE) if options.quick else (options.steps, options.turns, tuple(ARMS))
    if options.child is not None:
        print(step_seconds(options.child, steps))
        return
    figures = {}
    for name, busy in (("quiet", 0), ("busy", options.busy)):
        with others(busy):
            figures |= {f"{name}_{arm}": seconds for arm, seconds in compared(arms, steps, turns).items()}
    print_figures(figures)
    finish(figures)


def compared(arms: Sequence[str], steps: int, turns: int) -> dict[str, float]:
    """Seconds of a step by arm: the fastest turn."""
    taken: dict[str, list[float]] = {arm: [] for arm in arms}
    for _ in range(turns):
        for arm in arms:
            threads, more = ARMS[arm]
            kept = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
            command = [sys.executable, "-m", "benchmarks.speed.threads", "--child", str(threads), "--steps", str(steps)]
            done = subprocess.run(command, cwd=ROOT, env=kept | more, check=True, capture_output=True, text=True)
            taken[arm].append(float(done.stdout.splitlines()[-1]))
    return {arm: min(seconds) for arm, seconds in taken.items()}


def step_seconds(threads: int, steps: int) -> float:
    """Median seconds of a training step of the bundled encoder, 32 texts in float32, after one that does not count."""
    if threads:
        torch.set_num_threads(threads)
    classifier = EncoderClassifier("bundled", ("harmless", "harmful"), max_length=32)
    batch = classifier.tokenizer([TEXT] * 32, return_tensors="pt")
    labels = torch.arange(32) % 2
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=1e-5)
    seconds: list[float] = []
    started = time.perf_counter()
    for _ in range(1 + steps):
        before = time.perf_counter()
        torch.nn.functional.cross_entropy(classifier(batch)[1], labels).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - before)
        if len(seconds) > 1 and time.perf_counter() - started > LONGEST:
            break
    return statistics.median(seconds[1:])


@contextmanager
def others(n: int) -> Iterator[None]:
    """So many processes that keep a core busy, while the block lasts."""
    started = [multiprocessing.Process(target=count_for_ever, daemon=True) for _ in range(n)]
    for each in started:
        each.start()
    try:
        yield
    finally:
        for each in started:
            each.kill()


if __name__ == "__main__":
    main()
