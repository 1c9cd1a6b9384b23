"""The whole loop repeated in one process: `python -m benchmarks.load.soak [--quick]`, `SOAK_MINUTES` (60).

Each iteration selects a batch from its own pool, writes the page and the ledger, imports answers and trains the next
round on them, all at a small scale. After each, the memory, open handles, threads and temporary files of the process
are counted. Memory is measured in two ways: what the C library has allocated and not freed, Python's objects included,
and the resident set, which also includes fragmentation. Kernels that torch and oneDNN cache, one for each batch shape,
are excluded: they grow by some 3 MiB per iteration up to a bound of 1,024 each, and would hide unbounded growth. The
slope of each count over the iterations after the first third is printed with its 95 % interval; a count that grows has
an interval above 0. The last line is one JSON object. Linux with glibc only.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy import stats

from benchmarks._common import command_line, finish, without_warnings
from benchmarks.fuzz.commands import HARMFUL, call, small_synthesis, small_training, write_texts
from vos.cli.main import synthesize, train
from vos.storage.memory import give_back_memory

COUNTED = ("used_mib", "memory_mib", "handles", "threads", "temporary_files")
QUICK_TURNS = 3
ENVIRONMENT = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "1", "LRU_CACHE_CAPACITY": "1", "PYTHONMALLOC": "malloc"}
"""With it oneDNN and torch keep one kernel each, and Python's objects are counted; it is read when a process starts."""


class _MallInfo(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


@without_warnings()
def main() -> None:
    """Turn until the time is over; print the slopes; end with the JSON line."""
    options = command_line(__doc__, f"{QUICK_TURNS} turns").parse_args()
    if not ENVIRONMENT.keys() <= os.environ.keys():
        again = [sys.executable, "-m", "benchmarks.load.soak", *sys.argv[1:]]
        os.execve(sys.executable, again, ENVIRONMENT | os.environ)  # noqa: S606 - this program, again
    minutes = float(os.environ.get("SOAK_MINUTES", "60"))
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = f"{folder}/temporary"
        Path(tempfile.tempdir).mkdir()
        counts = soak(Path(folder), QUICK_TURNS if options.quick else None, minutes * 60)
        tempfile.tempdir = None
    figures: dict[str, Any] = {"turns": len(counts), "minutes": minutes}
    for name in COUNTED:
        slope, half = slope_of([count[name] for count in counts])
        figures |= {f"{name}/last": counts[-1][name], f"{name}/slope": slope, f"{name}/slope_half": half}
        figures[f"{name}/grows"] = bool(slope - half > 0)
        print(f"{name:16} {counts[-1][name]:10,.1f}, a turn {slope:+.4f} ± {half:.4f}")
    finish(figures)


def soak(folder: Path, turns: int | None, seconds: float) -> list[dict[str, float]]:
    """Counts after each turn."""
    first = folder / "run-0"
    _succeed(train, *small_training(folder / "data"), f"hydra.run.dir={first}")
    counts: list[dict[str, float]] = []
    until, run = time.monotonic() + seconds, first
    while len(counts) < turns if turns else time.monotonic() < until:
        before, run = run, turn(folder, run, len(counts) + 1)
        shutil.rmtree(before)
        counts.append(count())
        print(json.dumps(counts[-1], allow_nan=False), flush=True)
    return counts


def turn(folder: Path, run: Path, number: int) -> Path:
    """From a run to the next: a batch, its answers, a round of training."""
    ledger, output, following = folder / "ledger.sqlite", folder / "batch", folder / f"run-{number}"
    pool = write_texts(folder / "pool.csv", 60, 1_000 * number)
    cache = f"paths.cache={folder / 'data/cache'}"
    asked = [each for each in small_synthesis(run) if not each.startswith("labeling=")]
    _succeed(synthesize, *asked, "labeling=page", f"pool.path={pool}", f"ledger={ledger}", f"output={output}", cache)
    rows = [json.loads(line) for line in (output / "near_boundary.jsonl").read_text("utf-8").split("\n") if line]
    answers = folder / "answers.jsonl"
    answers.write_text("".join(json.dumps(_answer(row), allow_nan=False) + "\n" for row in rows), "utf-8")
    _succeed(train, f"run={run}", "labels=files", f"labels.path={answers}", f"ledger={ledger}",
             f"hydra.run.dir={following}", cache)  # fmt: skip
    shutil.rmtree(output)
    return following


def _answer(row: dict[str, Any]) -> dict[str, str]:
    label = "yes" if any(words in row["text"] for words in HARMFUL) else "no"
    return {"uid": row["uid"], "annotator": "ann", "label": label}


def _succeed(program: Any, *arguments: object) -> None:
    code, said = call(program, *arguments)
    if code:
        raise SystemExit(f"exit code {code}: {said[-2000:]}")


def count() -> dict[str, float]:
    """What this process holds now, after it has given back to the system what it does not use."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _MallInfo
    gc.collect()
    give_back_memory()
    status = Path("/proc/self/status").read_text("utf-8")
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident is not None
    handed_out = mallinfo2()
    return {
        "used_mib": (handed_out.uordblks + handed_out.hblkhd) / 2**20,
        "memory_mib": int(resident[1]) / 1024,
        "handles": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "temporary_files": sum(len(files) for _, _, files in os.walk(tempfile.gettempdir())),
    }


def slope_of(values: Sequence[float]) -> tuple[float, float]:
    """Growth a turn after the first third, by least squares, and half of its 95 % interval.

    Example:
        >>> slope_of([9, 9, 1, 2, 3, 4, 5])
        (1.0, 0.0)
    """
    kept = list(values)[len(values) // 3 :]
    if len(kept) < 3 or len(set(kept)) == 1:
        return 0.0, 0.0
    line = stats.linregress(range(len(kept)), kept)
    half = stats.t.ppf(0.975, len(kept) - 2) * line.stderr
    return round(float(line.slope), 6), round(float(half), 6)


if __name__ == "__main__":
    main()
