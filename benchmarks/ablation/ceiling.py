"""Which texts keep CLINC150's AUROC down: `python benchmarks/ceiling.py [--quick] [--seeds N]`.

Reads the start points that `ablation.py` has kept, scores test and out-of-scope queries by energy plus the nearest
neighbour in the initial encoder, and says how many of the missing points the hardest out-of-scope queries account for.
It lists those that are among the hardest for every seed, with the intent that the classifier takes them for; whether
they are out of scope is for the reader to judge. AUROC and FPR95 come with bootstrap intervals over the texts, which
seeds do not vary. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from benchmarks.ablation import data
import torch
from benchmarks.ablation.__main__ import Starts
from benchmarks.ablation.branch import pretrained_scores
from benchmarks.ablation.start import Start
from torch import Tensor

from vos.metrics import auroc, fpr_at_tpr
from vos.scores import energy, standardized_sum

COUNTS = (10, 20, 50)
REPEATS = 1000


def scores(task: data.Task, start: Start) -> dict[str, Tensor]:
    """Energy plus distance in the initial encoder, by set of texts."""
    far = pretrained_scores(task, start.pretrained)["pretrained"]
    energies = {name: energy(start.head.logits(start.features[name])).double() for name in far}
    return {
        name: standardized_sum([energies[name], far[name]], [energies["test"], far["test"]])
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="after ablation.py --quick: its sizes, one seed")
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 1")
    parser.add_argument("--hardest", type=int, default=20)
    parser.add_argument("--output", type=Path, help="that of ablation.py")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = arguments.output or data.ROOT / f"outputs/benchmarks/ablation{'-quick' if arguments.quick else ''}"
    starts = Starts(folder / "starts", data.QUICK if arguments.quick else data.FULL)
    seeds = arguments.seeds or (1 if arguments.quick else 5)
    often: Counter[int] = Counter()
    taken_for: dict[int, Counter[str]] = {}
    missing = 0.0
    shares = dict.fromkeys(COUNTS, 0.0)
    resampled = torch.zeros(REPEATS, 2, dtype=torch.float64)
    for seed in range(seeds):
        if not (folder / "starts" / f"clinc150-{seed}.safetensors").is_file():
            raise SystemExit(f"{folder}: expected the start point of clinc150, seed {seed}; run ablation.py first")
        task, start = starts.get("clinc150", seed)
        lost = below(found := scores(task, start))
        resampled += over_texts(found, 0) / seeds  # the same texts drawn for every seed
        order = lost.argsort(descending=True)
        missing += 100.0 * float(lost.mean()) / seeds
        for n in COUNTS:
            shares[n] += 100.0 * float(lost[order[:n]].sum()) / len(lost) / seeds
        guesses = start.head.logits(start.features["queries"]).argmax(-1)
        for i in order[: arguments.hardest].tolist():
            often[i] += 1
            taken_for.setdefault(i, Counter())[task.label_names[guesses[i]]] += 1
    always = [i for i, n in often.items() if n == seeds]
    for i in always:
        print(f"{task.ood['queries'][i]!r}: taken for {taken_for[i].most_common(1)[0][0]}")
    figures: dict[str, object] = {f"points of AUROC by the {n} hardest": round(share, 3) for n, share in shares.items()}
    low, high = resampled.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64), dim=0).tolist()
    figures["AUROC over texts"], figures["FPR95 over texts"] = (
        [round(each, 2) for each in pair] for pair in zip(low, high, strict=True)
    )
    print(json.dumps({"missing points of AUROC": round(missing, 3), **figures, "hardest for every seed": len(always)}))


if __name__ == "__main__":
    main()
