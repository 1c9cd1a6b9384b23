"""A comparison of 500 folders of finished runs: `python -m benchmarks.load.sweep [--quick]`.

The folders are generated: 100 settings with 5 seeds each, and one run in a hundred failed. The last line is one JSON
object: rows compared, settings in the table over seeds, processor seconds, and their ratio to a tenth of the runs.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks._common import command_line, finish, without_warnings
from vos.cli.comparison import compare_sweep
from vos.cli.failures import FAILURE
from vos.storage.run_directory import FORMAT_VERSION
from vos.training.comparison import COMPARISON, OVER_SEEDS, PLOTTED

SEEDS = 5


@without_warnings()
def main() -> None:
    """Write the folders, compare them, print the JSON line."""
    options = command_line(__doc__, "50 folders").parse_args()
    n = 50 if options.quick else 500
    few, _ = compared(n // 10)
    seconds, counts = compared(n)
    finish({**counts, "cpu_s": seconds, "ratio_to_a_tenth": seconds / few})


def compared(n: int) -> tuple[float, dict[str, int]]:
    """Processor-seconds of comparing `n` runs, and what was compared."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder)
        failed = write_runs(sweep, n)
        before = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            code = compare_sweep(sweep)
        seconds = time.process_time() - before
        rows, settings = (_rows(sweep / f"{name}.csv") for name in (COMPARISON, OVER_SEEDS))
        assert (rows, bool(code)) == (n - failed, failed > 0)
        return seconds, {"runs": n, "failed": failed, "rows": rows, "settings": settings}


def write_runs(sweep: Path, n: int) -> int:
    """Folders as a sweep leaves them; returns how many failed."""
    draw, failed = random.Random(0), 0  # noqa: S311
    for i in range(n):
        run = sweep / str(i)
        run.mkdir()
        overrides = [f"outliers.distance={i // SEEDS / 1000}", f"seed={i % SEEDS}", "data=files"]
        if i % 100 == 99:
            failed += 1
            (run / FAILURE).write_text(
                json.dumps({"overrides": overrides, "error": "out of range", "exit_code": 2}, allow_nan=False)
            )
            continue
        final = {name: draw.random() for name in PLOTTED}
        (run / "overrides.yaml").write_text(yaml.safe_dump(overrides), "utf-8")
        (run / "manifest.json").write_text(
            json.dumps({"format_version": FORMAT_VERSION, "status": "finished"}, allow_nan=False)
        )
        (run / "metrics.json").write_text(json.dumps({"final": final, "kept_round": 1}, allow_nan=False))
    return failed


def _rows(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines()) - 1 if path.exists() else 0


if __name__ == "__main__":
    main()
