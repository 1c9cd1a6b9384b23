"""A large ledger: texts proposed and exported, answers read and imported, consensus and states: `--texts N`.

Measures one size in this process; `python -m benchmarks.load` calls it in a fresh process for each size. The last line
is one JSON object: processor time and elapsed time of each step, its rate, file sizes, and the peak memory.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks._common import finish
from vos.labeling import Item, Ledger, consensus, exact_hash
from vos.labeling.answers import import_labels
from vos.labeling.backends.files import read_labels
from vos.labeling.state import state_counts
from vos.storage.environment import peak_memory_mib

PEOPLE = ("ann", "bob", "cid")
CLASSES = ("harmless", "harmful")
BATCH = 1_000
"""Texts of one batch."""

FILE = 300_000
"""Answers in one file."""


class Clock:
    """Seconds of named steps."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, n: int) -> Iterator[None]:
        """Time a step that handles `n` things."""
        wall, own = time.perf_counter(), time.process_time()
        yield
        wall, own = time.perf_counter() - wall, time.process_time() - own
        self.figures |= {
            f"{name}_s": wall,
            f"{name}_cpu_s": own,
            f"{name}_per_cpu_s": n / own,
            f"{name}_per_s": n / wall,
        }
        print(
            f"{name:12} {own:8.1f} s of the processor, {wall:8.1f} s, {n / own:10,.0f} a processor-second", flush=True
        )


def texts(n: int) -> Iterator[Item]:
    """Short texts, each different."""
    draw = random.Random(0)  # noqa: S311 - texts, no secret
    words = ("ladder", "kitchen", "baker", "roof", "oil", "gas", "road", "river", "night", "child", "dog", "knife")
    for i in range(n):
        yield Item(f"On day {i} the {' '.join(draw.choices(words, k=12))} was there.", {"chosen": "coverage"})


def write_answers(path: Path, items: list[Item], batch_of: dict[str, str]) -> None:
    """Three answers to each text, as the labelling page writes them; one in ten differs."""
    draw = random.Random(1)  # noqa: S311
    with path.open("w", encoding="utf-8") as file:
        for item in items:
            for person in PEOPLE:
                row: dict[str, Any] = {
                    "uid": item.uid,
                    "annotator": person,
                    "label": CLASSES[draw.random() < 0.1],
                    "labelled_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "tool": "page",
                    "batch_id": batch_of[item.uid],
                    "text_hash": exact_hash(item.text),
                    "spans": [],
                    "comment": "",
                    "seconds": round(draw.uniform(1, 9), 1),
                    "raw_seconds": 10.0,
                    "shown_prediction": False,
                    "changed_from_suggestion": None,
                    "neighbours_opened": False,
                    "repeat": 0,
                    "revision": 0,
                    "schema_version": 1,
                }
                file.write(json.dumps(row, allow_nan=False) + "\n")


def measure(n: int, folder: Path) -> dict[str, Any]:
    """All steps for a ledger of `n` texts and `3 n` answers."""
    clock, items = Clock(), list(texts(n))
    with Ledger(folder / "ledger.sqlite") as ledger:
        with clock.step("propose", n):
            ledger.propose(items)
        batches = {f"b{i // BATCH}": [item.uid for item in items[i : i + BATCH]] for i in range(0, n, BATCH)}
        with clock.step("export", n):
            for batch, uids in batches.items():
                ledger.export(batch, "page", uids)
        batch_of = {uid: batch for batch, uids in batches.items() for uid in uids}
        per_file = FILE // len(PEOPLE)
        files = []
        for i in range(0, n, per_file):
            files.append(folder / f"answers-{i}.jsonl")
            write_answers(files[-1], items[i : i + per_file], batch_of)
        del items, batch_of, batches
        new = 0
        with clock.step("import", 3 * n):
            for file in files:
                new += import_labels(ledger, read_labels(file), CLASSES).counts["new"]
        with clock.step("import_again", min(3 * n, FILE)):
            again = import_labels(ledger, read_labels(files[0]), CLASSES).counts
        with clock.step("consensus", n):
            settled = len(consensus(ledger).labels)
        with clock.step("state", n):
            states = state_counts(ledger)
    size = sum(path.stat().st_size for path in folder.glob("ledger.sqlite*"))
    assert (new, again["duplicate"], settled, states["labelled"]) == (3 * n, min(3 * n, FILE), n, n)
    return {"texts": n, "labels": 3 * n, **clock.figures, "file_mib": size / 2**20, "bytes_a_label": size / (3 * n),
            "peak_mib": peak_memory_mib()}  # fmt: skip


def main() -> None:
    """Measure one size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=10_000)
    with tempfile.TemporaryDirectory() as folder:
        finish(measure(parser.parse_args().texts, Path(folder)))


if __name__ == "__main__":
    main()
