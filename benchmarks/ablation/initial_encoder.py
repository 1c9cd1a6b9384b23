"""Is the pretrained encoder the better OOD detector? `python -m benchmarks.ablation.initial_encoder [--quick]`.

Reads the start points stored by the ablation. For every task and kind of OOD texts, computes the AUROC of four scores:
the distance to the k-th nearest training text in the features of the initial encoder, the same in the features of the
fine-tuned one, the energy, and the sum of the energy and the initial distance, each standardised on the validation
texts; with 95 % t-intervals over seeds, also for paired differences. Prints a Markdown table in percent; the last line
is one JSON object.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from benchmarks._common import add_seeds, command_line, finish, skip_without_public_data
from benchmarks.ablation.data import TASKS, Task
from benchmarks.ablation.report import markdown, shown
from benchmarks.ablation.results import difference, level
from benchmarks.ablation.start import Start, kept_starts
from benchmarks.intervals import interval, paired
from vos.metrics import auroc
from vos.scores import energy, knn, standardized_sum

NEIGHBOURS = (1, 10)


def found(task: Task, start: Start) -> dict[tuple[str, str], float]:
    """AUROC in percent by kind of OOD texts and score."""
    scores = {"energy": {name: energy(start.head.logits(h)).double() for name, h in start.features.items()}}
    for k in NEIGHBOURS:
        for name, features in (("initial", start.pretrained), ("fine-tuned", start.features)):
            scores[f"{name}, k = {k}"] = {
                kind: knn(features[kind], features["train"], k).double() for kind in ("val", "test", *task.ood)
            }
        scores[f"sum, k = {k}"] = total(scores["energy"], scores[f"initial, k = {k}"])
    return {
        (kind, name): 100.0 * float(auroc(values["test"], values[kind]))
        for name, values in scores.items()
        for kind in task.ood
    }


def total(energies: dict[str, Tensor], far: dict[str, Tensor]) -> dict[str, Tensor]:
    """Energy plus distance, each standardised on the validation texts."""
    return {kind: standardized_sum([energies[kind], far[kind]], [energies["val"], far["val"]]) for kind in far}


def main() -> None:
    """Print the table and the JSON line."""
    parser = command_line(__doc__, quick="after the quick size of the ablation, on its start points")
    add_seeds(parser)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--output", type=Path, help="that of the ablation")
    options = parser.parse_args()
    skip_without_public_data()
    torch.set_num_threads(1)
    by_seed: dict[tuple[str, str, str], dict[int, float]] = {}
    for seed, task, start in kept_starts(options, options.tasks):
        for (kind, score), value in found(task, start).items():
            by_seed.setdefault((task.name, kind, score), {})[seed] = value
    rows = []
    for name, kind in dict.fromkeys(key[:2] for key in by_seed):
        of = {score: values for (n, k, score), values in by_seed.items() if (n, k) == (name, kind)}
        cells = [shown(level(interval(list(values.values())))) for values in of.values()]
        pairs = [paired(of[f"initial, k = {k}"], of[f"fine-tuned, k = {k}"]) for k in NEIGHBOURS]
        rows.append([f"{name}: {kind}", *cells, *(shown(difference(pair), signed=True) for pair in pairs)])
    print(markdown(["OOD texts", *of, *(f"initial less fine-tuned, k = {k}" for k in NEIGHBOURS)], rows))
    finish({"/".join(key): round(interval(list(values.values())).mean, 3) for key, values in by_seed.items()})


if __name__ == "__main__":
    main()
