"""Two CPU processes train together, repeatedly: how often does one of them exit with a code other than 0?

    python -m benchmarks.speed.two_processes --runs 50

Each run is the smoke experiment with `trainer=ddp` in two processes; `--busy` processes run at the same time, as on a
machine under load. The last line is one JSON object; the exit code is 1 if a run failed.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks._common import ROOT, command_line, finish

SETTINGS = (
    "experiment=smoke",
    "trainer=ddp",
    "trainer.lightning.accelerator=cpu",
    "refine.rounds=0",
    "logger=none",
)


def count_for_ever() -> None:
    """Keep one core busy."""
    while True:
        sum(range(10_000))


def run(folder: Path, number: int) -> tuple[int, str]:
    """One training; its exit code and the end of what it said."""
    command = [
        sys.executable, str(ROOT / "train.py"), *SETTINGS, f"seed={number}", f"paths.cache={folder / 'cache'}",
        f"hydra.run.dir={folder / str(number)}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout[-1000:] + done.stderr[-4000:]


def main() -> None:
    """Print a line for each run, and the JSON line."""
    parser = command_line(__doc__, quick="one run")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--busy", type=int, default=1, help="processes that count beside the runs")
    options = parser.parse_args()
    codes, started = [], time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for _ in range(options.busy):
            other = multiprocessing.Process(target=count_for_ever, daemon=True)
            other.start()
            stack.callback(other.kill)
        for number in range(1 if options.quick else options.runs):
            code, said = run(folder, number)
            codes.append(code)
            print(f"run {number}: exit code {code}, {time.monotonic() - started:.0f} s", flush=True)
            if code:
                print(said, flush=True)
    finish({"runs": len(codes), "failed": sum(map(bool, codes)), "seconds": time.monotonic() - started})
    raise SystemExit(int(any(codes)))


if __name__ == "__main__":
    main()
