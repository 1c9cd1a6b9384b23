"""A campaign: files of every format, in blocks that are stored and not repeated."""

from __future__ import annotations

import hashlib
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.fuzz.outcome import Outcome
from vos.storage.json_files import read_json, write_json

Check = Callable[[Any, Path], tuple[str, Outcome]]

BLOCK = 500
"""Files of one block."""


@dataclass
class Counts:
    """What became of the files of a block, or of several.

    Attributes:
        files: how many.
        rows_loaded: rows that were loaded.
        rows_named: rows that were turned away, each by its line.
        files_refused: files that were refused as a whole, by name.
        differences: in words, each a file on which package and reference differ, or an error of the package's own.
        seconds: wall time.
    """

    files: int = 0
    rows_loaded: int = 0
    rows_named: int = 0
    files_refused: int = 0
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: Counts) -> None:
        """Add those of another block."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def note(self, found: Outcome) -> None:
        """Count one file."""
        self.files += 1
        self.rows_loaded += len(found.rows)
        self.rows_named += len(found.rejected)
        self.files_refused += bool(found.refused)


def run_block(name: str, strategy: st.SearchStrategy[Any], check: Check, n: int, seed_of: int, kept: Path) -> Counts:
    """Check `n` files; a file that shows a difference is kept in the folder `kept`."""
    counts = Counts()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:

        @seed(seed_of)
        @settings(max_examples=n, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(strategy)
        def each(case: Any) -> None:
            try:
                told, found = check(case, Path(folder))
            except Exception as error:
                told, found = f"{type(error).__name__}: {str(error)[:300]!a}", Outcome()
                trace = traceback.format_exc()
            else:
                trace = ""
            counts.note(found)
            if told:
                counts.differences.append(told)
                keep(kept, case, f"{told}\n{trace}", name)

        each()
    counts.seconds = round(time.perf_counter() - started, 1)
    return counts


def keep(folder: Path, case: Any, told: str, name: str) -> None:
    """Keep a case and what was said about it."""
    content = getattr(case, "content", None) or ascii(case).encode()
    stem = hashlib.sha256(content).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-{stem}{getattr(case, 'ending', '.txt')}").write_bytes(content)
    (folder / f"{name}-{stem}.told").write_text(
        f"{told}\n{getattr(case, 'layout', '')}\n", "utf-8", errors="backslashreplace"
    )


def run_format(name: str, strategy: st.SearchStrategy[Any], check: Check, n: int, seed_of: int, out: Path) -> Counts:
    """All blocks of a format; those whose counts stand in `out` already are read."""
    total = Counts()
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        file = out / "units" / f"{name}-seed{seed_of}-{start}-{size}.json"
        if file.exists():
            total.add(Counts(**read_json(file)))
            continue
        number = int(hashlib.sha256(f"{seed_of} {name} {start}".encode()).hexdigest()[:12], 16)
        counts = run_block(name, strategy, check, size, number, out / "differences")
        write_json(file, asdict(counts))
        total.add(counts)
    return total
