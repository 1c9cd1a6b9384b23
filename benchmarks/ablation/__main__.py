"""What shapes the decision boundary of a text classifier: `python -m benchmarks.ablation [--quick] [--output DIR]`.

For each task and seed the bundled encoder is fine-tuned with cross-entropy to a start point. From there every arm of
`arms.ARMS` trains the head, or all layers, for the same number of steps on the same batches: with cross-entropy alone,
or also with the outliers of a sampler and a loss. Arms "from the start" repeat the whole training with auxiliary
outlier texts that pass through the encoder; the bundled language model writes these texts (`make generate`).

Each finished (task, seed, arm) is one JSON file in the output folder, so that an interrupted run can be resumed; each
size needs its own folder. Public data are read from the folder in VOS_DATA. The last line is one JSON object.
`python -m benchmarks.ablation.report` makes the tables and pages from the finished units.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks._common import add_seeds, command_line, finish, n_seeds, output_folder, skip_without_public_data
from benchmarks.ablation import branch, data, texts
from benchmarks.ablation.arms import ARMS, Arm
from benchmarks.ablation.figures import DEPTHS, Units, best_score, boundary, column, kinds, ood, read_units
from benchmarks.ablation.start import BATCH_SIZE, Starts
from benchmarks.intervals import interval
from vos.storage.json_files import finite

STAGES = tuple((tier, task) for tier in range(1, 6) for task in data.TASKS)
"""Tiers of arms and tasks in the order in which they are finished, for all seeds each."""


def plan(seeds: int, tasks: Sequence[str], arms: Sequence[Arm]) -> Iterator[tuple[str, int, Arm]]:
    """Units in the order they are run: by stage, seed, task and arm."""
    for tier, name in STAGES:
        for seed in range(seeds if name in tasks else 0):
            yield from ((name, seed, arm) for arm in arms if arm.tier == tier and name in (arm.tasks or data.TASKS))


def run(folder: Path, quick: bool, seeds: int, tasks: Sequence[str], arms: Sequence[Arm]) -> int:
    """Every unit that is not there yet; returns how many were run."""
    data.data_folder()
    sizes = data.QUICK if quick else data.FULL
    efforts = branch.QUICK if quick else branch.FULL
    starts = Starts(folder / "starts", sizes)
    done = 0
    for name, seed, arm in plan(seeds, tasks, arms):
        path = folder / "units" / name / str(seed) / arm.depth / f"{arm.name.replace(' ', '_')}.json"
        settings = settings_of(sizes[name], efforts[name])
        if arm.depth == "start":
            settings = texts.settings_of(sizes[name], name)
        if path.exists():
            kept = json.loads(path.read_text("utf-8"))["settings"]
            if kept != settings:
                raise SystemExit(f"{path}: made with {kept}, this run has {settings}; choose another --output")
            continue
        task, start = starts.get(name, seed)
        unit = {"task": name, "seed": seed, "arm": arm.name, "settings": settings}
        unit |= {"depth": arm.depth, "sampler": arm.sampler, "loss": arm.loss, "weight": arm.weight}
        unit |= branch.run_arm(task, start, arm, efforts[name], seed, folder / "texts")
        write(path, unit)
        done += 1
        label = f"{name} seed {seed}: {arm.name} ({arm.depth})"
        note = unit.get("infeasible") or f"{unit['cpu_s']:.0f} s of CPU, {unit['wall_s']:.0f} s"
        print(f"{label}: {note}", flush=True)
    return done


def settings_of(sizes: data.Sizes, effort: branch.Effort) -> dict[str, Any]:
    """What must be equal for two units to compare."""
    fixed = {"batch_size": BATCH_SIZE, "optimizer": asdict(branch.OPTIMIZER)}
    return asdict(sizes) | asdict(effort) | fixed


def write(path: Path, unit: dict[str, Any]) -> None:
    """Write a unit whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(finite(unit), indent=1, allow_nan=False) + "\n", "utf-8")
    part.rename(path)


def figures(units: Units) -> dict[str, float | int]:
    """The flat summary of the last line."""
    result: dict[str, float | int] = {"units": sum(len(by) for arms in units.values() for by in arms.values())}
    for task, arms in units.items():
        for arm, by_seed in arms.items():
            result[f"{task}/{arm}/accuracy"] = interval(list(column(by_seed, boundary("accuracy")).values())).mean
            for kind in kinds(arms):
                best = best_score(by_seed, kind)
                values = list(column(by_seed, ood(kind, best)).values())
                result[f"{task}/{arm}/{kind}/best_auroc"] = interval(values).mean
    return {name: round(value, 4) for name, value in result.items()}


def main() -> None:
    """Run what is missing; print the JSON line."""
    parser = command_line(__doc__, quick="1 seed, 3 steps, a few texts: a minute or two")
    add_seeds(parser)
    parser.add_argument("--tasks", nargs="+", choices=data.TASKS, default=data.TASKS)
    parser.add_argument("--tier", type=int, default=max(arm.tier for arm in ARMS), help="arms up to this tier")
    parser.add_argument("--depths", nargs="+", choices=DEPTHS, default=tuple(DEPTHS), help="see `arms.Arm`")
    parser.add_argument("--arms", nargs="+", choices=sorted({arm.name for arm in ARMS}), help="only these, by name")
    parser.add_argument("--output", type=Path, help="default outputs/benchmarks/ablation, with --quick ...-quick")
    options = parser.parse_args()
    skip_without_public_data()
    torch.set_num_threads(1)
    arms = [arm for arm in ARMS if arm.tier <= options.tier and arm.depth in options.depths]
    arms = [arm for arm in arms if not options.arms or arm.name in options.arms]
    folder = output_folder(options, "ablation")
    done = run(folder, options.quick, n_seeds(options), options.tasks, arms)
    finish({"run": done} | figures(read_units(folder, [arm.name for arm in ARMS])))


if __name__ == "__main__":
    main()
