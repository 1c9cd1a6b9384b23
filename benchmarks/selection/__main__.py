"""Which texts to label: our acquisition compared with others, `python -m benchmarks.selection [--quick]`.

All strategies start from the same labels, and use the same frozen features and the same classifier, a logistic
regression. After each round the selected texts get their labels, and the error is measured on test texts. No
near-duplicates are removed and no random share is added: each round consists of the strategy's selection alone.

Strategies of the library small-text take part if the variable VOS_SMALL_TEXT names the Python interpreter of an
environment that has it (see `benchmarks.selection.small_text`). Sets: everyday and ladder (in this package), ToxiGen,
Davidson and CLINC150 (from the folder in VOS_DATA). Encoders: the bundled one, and all-mpnet-base-v2 (from the folder
in VOS_MPNET). 20 seeds, 100 labels at the start (CLINC150: 2 of each class), 4 rounds of 100. Each unit is one JSON
file in the output folder, so that the same command resumes an interrupted run. `python -m benchmarks.selection.page`
writes the tables. The last line is one JSON object: differences of the error in percentage points after the last round,
coverage minus each other strategy, paired by seed, with 95 % t-intervals.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from benchmarks._common import command_line, finish, output_folder, skip_without_public_data
from benchmarks.selection import small_text
from benchmarks.selection.arms import ARMS, ENTROPY_FROM
from benchmarks.selection.features import ENCODERS, features_of
from benchmarks.selection.results import collect, differences
from benchmarks.selection.sets import EMBEDDED, SETS, load_set
from benchmarks.selection.unit import Plan, Problem, path_of, run_units

ALL = ARMS | small_text.ARMS


def main() -> None:
    """Run what is missing, tell how long it will take, print the JSON line."""
    parser = command_line(__doc__, quick="2 seeds, 2 rounds of 20, a tenth of two sets: a minute or two")
    parser.add_argument("--sets", nargs="+", choices=SETS)
    parser.add_argument("--encoders", nargs="+", choices=ENCODERS)
    parser.add_argument("--arms", nargs="+", choices=ALL, help="all, those of small-text where it is there")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    arms = small_text.those_that_run(options.arms or ALL, chosen=bool(options.arms))
    sets = options.sets or (quick_sets() if options.quick else SETS)
    encoders = options.encoders or (("minilm",) if options.quick else ENCODERS)
    if set(sets) - set(EMBEDDED):
        skip_without_public_data()
    folder = output_folder(options, "selection").resolve()
    for name in sets:
        data = load_set(name, options.quick)
        for encoder in encoders:
            plan = plan_of(data.n_classes, options.quick)
            seeds = range(options.seeds or (2 if options.quick else 20))
            units = [(name, encoder, seed, arm) for seed in seeds for arm in arms
                     if arm != "entropy" or data.n_classes >= ENTROPY_FROM]  # fmt: skip
            missing = [unit for unit in units if not path_of(folder, unit).exists()]
            if missing:
                features = features_of(load_set(name), encoder, folder / "features")
                run_units(Problem.of(data, features, plan), missing, ALL, folder)
    finish(differences(collect(folder, sets, encoders)))


def quick_sets() -> tuple[str, ...]:
    """A set of this package, and one that is not where it is there."""
    return ("ladder", "toxigen") if os.environ.get("VOS_DATA") else ("ladder",)


def plan_of(n_classes: int, quick: bool) -> Plan:
    """See the module."""
    start = 100 if n_classes == 2 else 2
    return Plan(start, 2, 20) if quick else Plan(start, 4, 100)


if __name__ == "__main__":
    main()
