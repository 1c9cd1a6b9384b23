"""Processor seconds and memory for selecting 100 texts: `python -m benchmarks.selection.scaling`.

Pools of 10^4, 10^5 and 10^6.

The scored texts are synthetic: features of d = 384 around 200 centres, 500 labelled texts, two classes. Each strategy
and size runs in its own process, which is stopped after ten minutes of processor time and may use 8 GB; stopped cases
are reported as such, and larger pools are then not tried. Other load on the machine does not count.
Results are stored in scaling.json in the output folder and not measured again. The last line is that JSON object:
`STRATEGY/SIZE: [seconds, peak MiB]`, null where it was stopped.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks._common import ROOT, command_line, finish, machine, output_folder
from benchmarks.selection.arms import ARMS, PEERS
from benchmarks.selection.state import State
from vos.storage.json_files import read_json, write_json

SIZES = (10_000, 100_000, 1_000_000)
D, CENTRES, LABELLED = 384, 200, 500
SECONDS, BYTES = 600, 8 * 2**30
STOPPED = (-signal.SIGXCPU, -signal.SIGKILL)
NO_MEMORY = ("MemoryError", "Unable to allocate", "not enough memory", "allocate memory")
NAMES = ("coverage", *(name for name in PEERS if name not in ("random", "entropy")))


def made_up(n: int) -> State:
    """A pool of n texts."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(CENTRES, D)).astype(np.float32)
    total = n + LABELLED
    features = draw.standard_normal(size=(total, D), dtype=np.float32)
    for start in range(0, total, 65_536):  # in place and in parts: the largest pool fills 1.5 GB
        part = features[start : start + 65_536]
        part *= 0.7
        part += centres[draw.integers(CENTRES, size=len(part))]
    normal = draw.normal(size=D).astype(np.float32) / D**0.5
    labelled = np.arange(n, total)
    labels = (features[labelled] @ normal + draw.normal(size=LABELLED) > 0).astype(np.int64)
    ids = tuple(f"t{i}" for i in range(total))
    weight = np.stack([-normal, normal])
    nothing = (features[:0], labels[:0])
    return State(features, ids, np.arange(n), labelled, labels, weight, np.zeros(2, np.float32), (1,), 100, 0, nothing)


def measure(name: str, n: int) -> list[float]:
    """Processor seconds of one choice and the peak memory of this process, in MiB, the pool itself included."""
    torch.set_num_threads(1)
    state = made_up(n)
    started = time.process_time()
    chosen = ARMS[name](state)
    spent = time.process_time() - started
    if len(set(np.asarray(chosen).tolist())) != state.n:
        raise ValueError(f"{name}: expected {state.n} different texts, got {len(chosen)}")
    return [round(spent, 2), round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)]


def main() -> None:
    """Run each pair in a process of its own; print the JSON line."""
    parser = command_line(__doc__, quick="10^4 texts alone")
    parser.add_argument("--arms", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--one", nargs=2, metavar=("NAME", "N"), help="measure here, for the process of its own")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.one:
        resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        print(json.dumps(measure(options.one[0], int(options.one[1])), allow_nan=False))
        return
    print(machine())
    path = output_folder(options, "selection") / "scaling.json"
    result: dict[str, object] = read_json(path) if path.exists() else {}
    for smaller, n in [(None, SIZES[0])] if options.quick else zip((None, *SIZES), SIZES, strict=False):
        for name in options.arms:
            if f"{name}/{n}" in result:
                continue
            stopped = smaller is not None and result[f"{name}/{smaller}"] is None
            result[f"{name}/{n}"] = None if stopped else in_a_process(name, n)
            write_json(path, result)
            print(f"{name} {n}: {result[f'{name}/{n}'] or 'stopped'}", flush=True)
    finish(result)


def in_a_process(name: str, n: int) -> list[float] | None:
    """What `measure` says in a fresh process; None where it took too long or too much."""
    command = [sys.executable, "-m", "benchmarks.selection.scaling", "--one", name, str(n)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode in STOPPED or any(words in done.stderr for words in NO_MEMORY):
        return None
    done.check_returncode()
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
