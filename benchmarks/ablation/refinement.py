"""Does refinement improve the classifier that it starts from? `python -m benchmarks.ablation.refinement [--quick]`.

Every arm is the configuration that `train.py` composes, with the overrides of `ARMS`: four epochs of cross-entropy
(round 0, trained once per task and seed), then rounds of refinement. No round is skipped: the tolerance is off. The
control trains for the same time without outliers. Reported are the Brier score of the validation texts, by which a run
chooses its final round, and that of the test texts at this round, each minus its value at round 0.

Tasks: the embedded corpus, and ToxiGen (from the folder in VOS_DATA), sampled by seed. Depths: `encoder` trains all
layers, and `head` trains the head on a frozen encoder. Each finished unit is one JSON file in the output folder, so
that an interrupted run can be resumed. The last line is one JSON object.
"""

from __future__ import annotations

import contextlib
import io
import random
import shutil
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import torch

from benchmarks._common import add_seeds, command_line, finish, n_seeds, output_folder, skip_without_public_data
from benchmarks.ablation import data
from benchmarks.ablation.refinement_page import METRICS, Rounds, chosen, collect
from benchmarks.intervals import interval
from vos.cli.compose import composed
from vos.cli.train import run_training
from vos.storage.json_files import read_json, write_json, write_json_lines
from vos.storage.run_directory import RunDirectory

ARMS: dict[str, tuple[str, ...]] = {
    "default": (),
    "control": ("loss=none",),
    "distance 0.99": ("outliers.distance=0.99",),
    "energy_flattening": ("loss=energy_flattening", "outliers=boundary"),
    "distance 0.5": ("outliers.distance=0.5",),
    "distance 0.9": ("outliers.distance=0.9",),
    "distance 0.999": ("outliers.distance=0.999",),
    "tail 0.5": ("outliers=tail", "outliers.distance=0.5"),
    "tail 0.99": ("outliers=tail", "outliers.distance=0.99"),
    "weight 10, lr 0.1": ("loss.settings.weight=10", "refine.lr_factor=0.1"),
    "band 1": ("outliers=boundary",),
    "text margin 2": ("loss.module.id_margin=2.0",),
    "smoothing 0.3": ("loss=none", "loss.label_smoothing=0.3"),
}
"""Overrides by arm; the control has no outliers and trains as long."""

DEPTHS = {
    "encoder": (),
    "head": ("model.freeze=true", "trainer.max_epochs=20", "optimizer.head_lr=0.01", "callbacks.patience=-1"),
}
"""Overrides by depth; those of the head are those of `experiment=frozen`, which has no loss on outliers."""

TASKS = ("embedded", "toxigen")
SIZES = {"train": 800, "val": 300, "test": 600}
"""Texts of ToxiGen in each split."""

QUICK_SIZES = {"train": 48, "val": 24, "test": 24}


def task_overrides(task: str, folder: Path, seed: int, quick: bool) -> tuple[str, ...]:
    """Which texts a task has, as overrides; those of ToxiGen are written to files."""
    if task == "embedded":
        return ("data=embedded", "data.name=ladder")
    sizes = QUICK_SIZES if quick else SIZES
    folder = folder / "texts" / str(seed)
    texts = data.load_task("toxigen", data.FULL["toxigen"], seed)
    train = random.Random(seed).sample(texts.train, sizes["train"] + sizes["val"])  # noqa: S311 - no secret
    splits = {"train": train[: sizes["train"]], "val": train[sizes["train"] :], "test": texts.test[: sizes["test"]]}
    for name, examples in splits.items():
        folder.mkdir(parents=True, exist_ok=True)
        rows = [{"text": e.text, "label": texts.label_names[e.label or 0]} for e in examples]
        write_json_lines(folder / f"{name}.jsonl", rows)
    files = (f"data.{name}={folder / name}.jsonl" for name in splits)
    return ("data=files", *files, f"data.positive={texts.label_names[1]}", "data.on_bad_row=skip")


def run_unit(overrides: Sequence[str], directory: Path) -> list[dict[str, float]]:
    """Metrics of every round of one run, whose folder is removed."""
    with contextlib.redirect_stdout(io.StringIO()):
        run_training(composed("train", overrides), overrides, directory)
    rounds: list[dict[str, float]] = read_json(RunDirectory(directory).metrics_path)["rounds"]
    shutil.rmtree(directory)
    return rounds


def figures(arms: Mapping[str, Mapping[str, Rounds]]) -> dict[str, object]:
    """By arm: in how many seeds a round beats round 0 on validation, and what the kept one changes."""
    result: dict[str, object] = {}
    for arm, by_seed in arms.items():
        kept = {seed: chosen(rounds) for seed, rounds in by_seed.items()}
        result |= {f"{arm}/seeds": len(kept), f"{arm}/better_than_round_0": sum(number > 0 for number in kept.values())}
        for name in METRICS:
            found = interval([rounds[kept[seed]][name] - rounds[0][name] for seed, rounds in by_seed.items()])
            result |= {f"{arm}/{name}": round(found.mean, 4), f"{arm}/{name}/half_width": round(found.half, 4)}
    return result


def main() -> None:
    """Run what is missing; print the JSON line."""
    parser = command_line(__doc__, quick="1 seed, tiny sets, one round: a minute or two")
    add_seeds(parser)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--depths", nargs="+", choices=DEPTHS, default=tuple(DEPTHS))
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=tuple(ARMS))
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="overrides of every arm")
    parser.add_argument("--output", type=Path, help="default outputs/benchmarks/refinement, with --quick ...-quick")
    options = parser.parse_args()
    if "toxigen" in options.tasks:
        skip_without_public_data()
    torch.set_num_threads(1)
    folder = output_folder(options, "refinement").resolve()
    quick = ("trainer.max_epochs=1", "refine.rounds=1", "model.max_length=24") if options.quick else ()
    for task, depth, seed in product(options.tasks, options.depths, range(n_seeds(options))):
        texts = (*task_overrides(task, folder, seed, options.quick), f"seed={seed}", "refine.tolerance=-1")
        common = [*DEPTHS[depth], *texts, "logger=none", "callbacks=quiet", f"paths.cache={folder / 'cache'}", *quick]
        for arm in options.arms:
            path = folder / "units" / task / depth / str(seed) / f"{arm}.json"
            if path.exists():
                continue
            overrides = [*common, *ARMS[arm], *options.set]
            rounds = run_unit(overrides, folder / "runs" / f"{task}-{depth}-{seed}-{arm}")
            write_json(path, {"overrides": overrides, "rounds": rounds})
            briers = " ".join(f"{each['boundary/val/brier']:.4f}" for each in rounds)
            print(f"{task} {depth} seed {seed} {arm}: {briers}", flush=True)
    kept = collect(folder).items()
    results = {f"{task}/{depth}": figures(arms) for task, by_depth in kept for depth, arms in by_depth.items()}
    finish({f"{name}/{key}": value for name, result in results.items() for key, value in result.items()})


if __name__ == "__main__":
    main()
