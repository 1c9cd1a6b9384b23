"""Labelling rounds with an oracle (the hidden pool labels of the corpus): boundary, uncertainty, random.

python -m benchmarks.selection.rounds            5 rounds x 100 labels x 5 seeds: experiment=simulated_rounds
python -m benchmarks.selection.rounds --quick    2 rounds x 40 labels x 2 seeds, a linear head on the frozen encoder
python -m benchmarks.selection.rounds simulation.rounds=3 simulation.start=300     any setting of conf/train.yaml

The same command resumes an interrupted run. The last line is one JSON object: mean test errors and their relative
reductions against random choice, paired by seed, with 95 % intervals, after 300 labels (or after the last round, if
there are fewer labels).
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from benchmarks._common import command_line, finish, output_folder
from vos.cli.compose import composed
from vos.cli.simulate import run_simulation
from vos.simulation.error_rates import METRICS, compare
from vos.storage.json_files import read_json

QUICK = ("model.freeze=true", "simulation.rounds=2", "simulation.per_round=40", "simulation.seeds=[0,1]")
AT_LABELS = 300


def main() -> None:
    """Run or go on, print the table, end with the JSON line."""
    parser = command_line(__doc__)
    parser.add_argument("overrides", nargs="*", help="of conf/train.yaml, e.g. trainer=gpu")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("vos.simulation.strategies").setLevel(logging.INFO)
    overrides = ["experiment=simulated_rounds", *(QUICK if given.quick else ()), *given.overrides]
    output = output_folder(given, "selection_rounds")
    started = time.monotonic()
    config = composed("train", overrides)
    run_simulation(config, overrides, output)
    rows = read_json(output / "metrics.json")["rows"]
    settings = config.simulation
    number = min(AT_LABELS // settings.per_round, settings.rounds)
    measured = [metric for metric in METRICS if all(metric in row for row in rows)]
    others = [name for name in settings.strategies if name != "random"]
    result = {
        "labels": number * settings.per_round,
        "seeds": len(settings.seeds),
        "seconds": round(time.monotonic() - started, 1),
        **{f"{name}_{metric}": compare(rows, metric, number, name) for name in others for metric in measured},
    }
    finish(result)


if __name__ == "__main__":
    main()
