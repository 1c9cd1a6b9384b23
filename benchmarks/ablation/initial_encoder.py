"""Is the encoder before training the better detector? `python benchmarks/initial_encoder.py [--quick] [--seeds N]`.

Reads the start points that `ablation.py` has kept. For every task and kind of OOD texts: AUROC by the distance to the
k-th nearest training text in the features of the initial encoder and in those of the fine-tuned one, k alike, by the
energy, and by the sum of energy and initial distance, each standardised on the test texts; with 95 % t-intervals over
seeds, and paired. Prints a Markdown table in percent; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.ablation import data
import torch
from benchmarks.ablation.__main__ import Starts
from benchmarks.ablation.report import shown, table
from benchmarks.ablation.start import Start
from benchmarks.intervals import interval, paired
from torch import Tensor

from vos.metrics import auroc
from vos.scores import energy, knn, standardized_sum

NEIGHBOURS = (1, 10)


def found(task: data.Task, start: Start) -> dict[tuple[str, str], float]:
    """AUROC in percent by kind of OOD texts and score."""
    scores = {"energy": {name: energy(start.head.logits(h)).double() for name, h in start.features.items()}}
    for k in NEIGHBOURS:
        for name, features in (("initial", start.pretrained), ("fine-tuned", start.features)):
            scores[f"{name}, k = {k}"] = {
                kind: knn(features[kind], features["train"], k).double() for kind in ("test", *task.ood)
            }
        scores[f"sum, k = {k}"] = total(scores["energy"], scores[f"initial, k = {k}"])
    return {
        (kind, name): 100.0 * float(auroc(values["test"], values[kind]))
        for name, values in scores.items()
        for kind in task.ood
    }


def total(energies: dict[str, Tensor], far: dict[str, Tensor]) -> dict[str, Tensor]:
    """Energy plus distance, each standardised on the test texts."""
    return {kind: standardized_sum([energies[kind], far[kind]], [energies["test"], far["test"]]) for kind in far}


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="after ablation.py --quick: its sizes, one seed")
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 1")
    parser.add_argument("--tasks", nargs="+", choices=data.TASKS, default=data.TASKS)
    parser.add_argument("--output", type=Path, help="that of ablation.py")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = arguments.output or data.ROOT / f"outputs/benchmarks/ablation{'-quick' if arguments.quick else ''}"
    starts = Starts(folder / "starts", data.QUICK if arguments.quick else data.FULL)
    rows, figures = [], {}
    for name in arguments.tasks:
        by_seed: dict[tuple[str, str], dict[int, float]] = {}
        for seed in range(arguments.seeds or (1 if arguments.quick else 5)):
            if not (folder / "starts" / f"{name}-{seed}.safetensors").is_file():
                raise SystemExit(f"{folder}: expected the start point of {name}, seed {seed}; run ablation.py first")
            task, start = starts.get(name, seed)
            for key, value in found(task, start).items():
                by_seed.setdefault(key, {})[seed] = value
        for kind in task.ood:
            of = {score: values for (k, score), values in by_seed.items() if k == kind}
            cells = [shown(interval(list(values.values()))) for values in of.values()]
            gains = [
                shown(paired(of[f"initial, k = {k}"], of[f"fine-tuned, k = {k}"]), signed=True) for k in NEIGHBOURS
            ]
            rows.append([f"{name}: {kind}", *cells, *gains])
            for score, values in of.items():
                figures[f"{name}/{kind}/{score}"] = round(interval(list(values.values())).mean, 3)
    print(table(["OOD texts", *of, *(f"initial less fine-tuned, k = {k}" for k in NEIGHBOURS)], rows))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
