"""A training set of 10^5 texts read, checked and split; with `--train` also used for training with a frozen encoder.

`python -m benchmarks.load.training_set [--quick] [--train]`. The last line is one JSON object: processor seconds of
reading and of splitting, their ratio to a tenth of the texts (10 is linear), the peak memory, and, with `--train`, the
seconds of `train.py model.freeze=true` with the bundled encoder on the same file.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._common import command_line, finish
from benchmarks.fuzz.commands import call
from vos.cli.main import train
from vos.data import load_files
from vos.storage.environment import peak_memory_mib
from vos.storage.json_files import read_json

HARMLESS = ("ladder", "kitchen", "baker", "roof", "oil", "road", "river", "night", "dog", "book")
HARMFUL = ("hurt", "burned", "fell", "bled", "crushed")


def main() -> None:
    """Measure both sizes; train where asked; print the JSON line."""
    parser = command_line(__doc__, "2,000 texts")
    parser.add_argument("--train", action="store_true", help="train with a frozen encoder, too: minutes of a core")
    options = parser.parse_args()
    n = 2_000 if options.quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        few = loaded(Path(folder) / "few.csv", n // 10)
        figures: dict[str, Any] = {"texts": n, "load_cpu_s": loaded(Path(folder) / "all.csv", n)}
        figures |= {"ratio_to_a_tenth": figures["load_cpu_s"] / few, "load_peak_mib": peak_memory_mib()}
        print(json.dumps(figures, allow_nan=False), flush=True)
        if options.train:
            figures |= trained(Path(folder), Path(folder) / "all.csv")
    finish(figures)


def write(path: Path, n: int) -> None:
    """`n` different texts of two classes, a group for every four of them."""
    draw = random.Random(0)  # noqa: S311
    rows = ["text,label,author"]
    for i in range(n):
        words = draw.choices(HARMLESS, k=8) + (draw.choices(HARMFUL, k=2) if i % 2 else [])
        rows.append(f"On day {i} the {' '.join(words)}.,{('no', 'yes')[i % 2]},a{i // 4}")
    path.write_text("\n".join(rows) + "\n", "utf-8")


def loaded(path: Path, n: int) -> float:
    """Processor-seconds of reading, checking and cutting `n` texts."""
    write(path, n)
    before = time.process_time()
    data = load_files(path, group="author", positive="yes", pool_share=0.1)
    seconds = time.process_time() - before
    splits = [len(data.train), len(data.val), len(data.test), sum(1 for _ in data.pool)]
    assert sum(splits) == n
    assert min(splits) >= 0.09 * n
    return seconds


def trained(folder: Path, path: Path) -> dict[str, Any]:
    """Seconds of a training with a frozen encoder, and its test accuracy."""
    before, own = time.perf_counter(), time.process_time()
    code, said = call(
        train, "data=files", f"data.train={path}", "data.group=author", "data.positive=yes", "model.freeze=true",
        "model.max_length=32", "trainer.max_epochs=1", "refine.rounds=1", "logger=none", "callbacks=quiet",
        f"hydra.run.dir={folder / 'run'}", f"paths.cache={folder / 'cache'}",
    )  # fmt: skip
    if code:
        raise SystemExit(said[-2000:])
    final = read_json(folder / "run/metrics.json")["final"]
    return {
        "train_s": time.perf_counter() - before,
        "train_cpu_s": time.process_time() - own,
        "train_peak_mib": peak_memory_mib(),
        "test_accuracy": final["boundary/test/accuracy"],
    }


if __name__ == "__main__":
    main()
