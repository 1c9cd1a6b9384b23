"""Which texts limit the AUROC on CLINC150: `python -m benchmarks.ablation.ceiling [--quick] [--seeds N]`.

Reads the start points stored by the ablation, scores test and out-of-scope queries by the energy plus the distance to
the nearest neighbour in the initial encoder, and computes how many of the missing points are due to the hardest
out-of-scope queries. Lists the queries that are among the hardest for every seed, with the predicted intent; whether
they are out of scope is left to the reader. AUROC and FPR95 have bootstrap intervals over the texts, which do not vary
with the seed. The last line is one JSON object.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from torch import Tensor

from benchmarks._common import add_seeds, command_line, finish, n_seeds, skip_without_public_data
from benchmarks.ablation.branch import pretrained_scores
from benchmarks.ablation.data import Task
from benchmarks.ablation.start import Start, kept_starts
from vos.metrics import auroc, fpr_at_tpr
from vos.scores import energy, standardized_sum

COUNTS = (10, 20, 50)
REPEATS = 1000


def scores(task: Task, start: Start) -> dict[str, Tensor]:
    """Energy plus distance in the initial encoder, by set of texts."""
    far = pretrained_scores(task, start.pretrained)["pretrained"]
    energies = {name: energy(start.head.logits(start.features[name])).double() for name in far}
    return {
        name: standardized_sum([energies[name], far[name]], [energies["val"], far["val"]])
        for name in ("test", "queries")
    }


def below(found: dict[str, Tensor]) -> Tensor:
    """For each out-of-scope query the share of test queries that look at least as far out: (n,)."""
    ordered = found["test"].sort().values
    return 1.0 - torch.searchsorted(ordered, found["queries"]).double() / len(ordered)


def over_texts(found: dict[str, Tensor], seed: int) -> Tensor:
    """AUROC and FPR95 in percent of `REPEATS` draws of the test texts and of the queries with replacement: (R, 2)."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for _ in range(REPEATS):
        drawn = [v[torch.randint(len(v), (len(v),), generator=generator)] for v in (found["test"], found["queries"])]
        rows.append([100.0 * float(auroc(*drawn)), 100.0 * float(fpr_at_tpr(*drawn))])
    return torch.tensor(rows, dtype=torch.float64)


def main() -> None:
    """Print the list and the JSON line."""
    parser = command_line(__doc__, quick="after the quick size of the ablation, on its start point")
    add_seeds(parser)
    parser.add_argument("--hardest", type=int, default=20)
    parser.add_argument("--output", type=Path, help="that of the ablation")
    options = parser.parse_args()
    skip_without_public_data()
    torch.set_num_threads(1)
    seeds = n_seeds(options)
    often: Counter[int] = Counter()
    taken_for: dict[int, Counter[str]] = {}
    missing = 0.0
    shares = dict.fromkeys(COUNTS, 0.0)
    resampled = torch.zeros(REPEATS, 2, dtype=torch.float64)
    for _, task, start in kept_starts(options, ["clinc150"]):
        lost = below(found := scores(task, start))
        resampled += over_texts(found, 0) / seeds  # the same texts drawn for every seed
        order = lost.argsort(descending=True)
        missing += 100.0 * float(lost.mean()) / seeds
        for n in COUNTS:
            shares[n] += 100.0 * float(lost[order[:n]].sum()) / len(lost) / seeds
        guesses = start.head.logits(start.features["queries"]).argmax(-1)
        for i in order[: options.hardest].tolist():
            often[i] += 1
            taken_for.setdefault(i, Counter())[task.label_names[guesses[i]]] += 1
    always = [i for i, n in often.items() if n == seeds]
    for i in always:
        print(f"{task.ood['queries'][i]!r}: taken for {taken_for[i].most_common(1)[0][0]}")
    figures: dict[str, object] = {"missing points of AUROC": round(missing, 3)}
    figures |= {f"points of AUROC by the {n} hardest": round(share, 3) for n, share in shares.items()}
    ends = resampled.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64), dim=0).T.tolist()
    for name, pair in zip(("AUROC over texts", "FPR95 over texts"), ends, strict=True):
        figures[name] = [round(each, 2) for each in pair]
    finish(figures | {"hardest for every seed": len(always)})


if __name__ == "__main__":
    main()
