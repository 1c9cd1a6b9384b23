"""The cost of a sweep over distances relative to one run: `python -m benchmarks.speed.sweep [--quick] [--distances N]`.

Trains on the everyday corpus, once alone and once as a sweep over N distances in one process, each with an empty cache:
with a frozen encoder (`experiment=frozen` with the default loss: features are computed once) and with a fine-tuned one
(round 0 is trained once; each distance refines it separately). The last line is one JSON object: processor seconds,
so that other load on the machine does not count, and the ratio of the sweep's seconds to those of one run.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks._common import ROOT, command_line, finish, machine, print_figures

KINDS = {
    "frozen": ("experiment=frozen", "loss=flattening", "refine.rounds=1"),
    "trained": ("refine.rounds=1",),
}
QUICK = ("experiment=smoke",)


def main() -> None:
    """Print the table and the JSON line."""
    parser = command_line(__doc__, quick="the smoke preset and 3 distances, a minute")
    parser.add_argument("--distances", type=int, default=20)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()
    n = 3 if options.quick else options.distances
    distances = ",".join(f"{0.5 + 0.49 * i / (n - 1):.3f}" for i in range(n))
    kinds = (
        {"frozen": (*QUICK, "model.freeze=true")} if options.quick else {name: KINDS[name] for name in options.kinds}
    )
    figures: dict[str, float] = {"distances": n}
    for name, overrides in kinds.items():
        figures[f"{name}_one_s"] = seconds(*overrides, "outliers.distance=0.9")
        figures[f"{name}_sweep_s"] = seconds("-m", *overrides, f"outliers.distance={distances}")
        figures[f"{name}_factor"] = figures[f"{name}_sweep_s"] / figures[f"{name}_one_s"]
    print_figures(figures)
    finish(figures | {"machine": machine()})


def seconds(*arguments: str) -> float:
    """Processor seconds of the command, with a cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        places = (f"paths.cache={folder}/cache", f"hydra.run.dir={folder}/run", f"hydra.sweep.dir={folder}/runs")
        command = [
            sys.executable,
            str(ROOT / "train.py"),
            *arguments,
            *places,
            "logger=none",
            "callbacks.progress=false",
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=Path(folder), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
