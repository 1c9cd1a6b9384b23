"""`make demo` and `make demo-more` over several seeds: `python -m benchmarks.selection.demo_story [--quick]`.

Runs the commands of the demo for every seed: train on the everyday corpus, select 100 texts, import the stored answers
and train on them (`labels=oracle`), once plainly and once with the packaged outlier texts. Measured with the stored
answers (an oracle): mistakes near the boundary against the whole pool (the random share of one batch is twelve texts,
too few for a ratio; it is a sample of the pool, and is reported as well), and subtle texts against the pool. Each
finished seed is one JSON file, so that an interrupted run can be resumed. The last line is one JSON object: means with
their 95 % intervals over seeds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._common import ROOT, add_seeds, command_line, finish, n_seeds, output_folder
from benchmarks.intervals import interval
from vos.data import EmbeddedData
from vos.labeling import read_jsonl
from vos.loop.mistakes import Rate
from vos.models import ClassifierFeaturizer, load_classifier
from vos.simulation.batch_by_oracle import BatchByOracle
from vos.storage.json_files import read_json, write_json

MORE = ("experiment=outlier_exposure", "data.ood=packaged")
"""What `make demo-more` adds to the answers."""

QUICK = ("experiment=smoke", "model.max_length=24")
OUTCOMES = (
    "boundary/test/accuracy",
    "boundary/test/brier",
    "boundary/test/average_precision",
    "boundary/test/recall_at_fpr05",
    "ood/energy/auroc",
    "ood/called_harmful/film_reviews",
    "ood/called_harmful/queries",
)


def main() -> None:
    """Run the missing seeds, end with the JSON line."""
    parser = command_line(__doc__)
    add_seeds(parser)
    parser.add_argument("overrides", nargs="*", help="of conf/train.yaml, for every training")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    folder = output_folder(options, "demo_story")
    overrides = [*(QUICK if options.quick else ()), *options.overrides]
    n = 20 if options.quick else 100
    seeds = []
    for seed in range(n_seeds(options)):
        kept = folder / f"{seed}.json"
        if not kept.exists():
            write_json(kept, story(seed, n, folder / f"seed-{seed}", overrides))
        seeds.append(read_json(kept))
    finish(summary(seeds))


def story(seed: int, n: int, folder: Path, overrides: Sequence[str]) -> dict[str, float]:
    """The demo's commands for one seed, and what came of them."""
    run, ledger = folder / "run", f"ledger={folder / 'ledger.sqlite'}"
    _program("train.py", f"hydra.run.dir={run}", f"seed={seed}", "logger=csv", *overrides)
    if not (run / "near_boundary.jsonl").exists():
        _program("synthesize.py", f"run={run}", f"n={n}", ledger, f"seed={seed}")
    answers = ("labels=oracle", ledger, f"run={run}")
    found = _counted(run) | _outcomes(run, "first") | _refined(run)
    for name, more in (("answers", ()), ("answers_and_outlier_texts", MORE)):
        _program("train.py", f"hydra.run.dir={folder / name}", *answers, *more)
    found |= _outcomes(folder / "answers", "answers")
    found |= _outcomes(folder / "answers_and_outlier_texts", "answers_and_outlier_texts", number=-1)
    return found | _outcomes(folder / "answers_and_outlier_texts", "first", number=0, only="ood/")


def _program(name: str, *arguments: str) -> None:
    subprocess.run([sys.executable, str(ROOT / name), *arguments], check=True, stdout=subprocess.DEVNULL)


def _outcomes(run: Path, name: str, number: int | None = None, only: str = "") -> dict[str, float]:
    """Metrics of a round, or of the one that the run kept, under a name."""
    metrics = read_json(run / "metrics.json")
    values = metrics["final"] if number is None else metrics["rounds"][number]
    wanted = [each for each in OUTCOMES if each.startswith(only)]
    return {f"{name}/{each}": float(values[each]) for each in wanted if each in values}


def _refined(run: Path) -> dict[str, float]:
    """What the rounds of refinement did to the first classifier: Brier scores of the validation and test texts."""
    metrics = read_json(run / "metrics.json")
    rounds, kept = metrics["rounds"], metrics["kept_round"]
    val = [each["boundary/val/brier"] for each in rounds]
    changed = metrics["final"]["boundary/test/brier"] - rounds[0]["boundary/test/brier"]
    return {
        "refined/better_than_round_0": float(kept > 0), "refined/test_brier_change": changed,
        "refined/val_brier_round_0": val[0], "refined/val_brier_round_1": val[1], "refined/val_brier_last": val[-1],
    }  # fmt: skip


def _counted(run: Path) -> dict[str, float]:
    """The batch by the stored answers."""
    source = EmbeddedData()
    featurizer = ClassifierFeaturizer(load_classifier(run / "model"))
    batch = BatchByOracle.of(
        read_jsonl(run / "near_boundary.jsonl"), source.load(), featurizer, source.stored_answers(),
        source.stored_levels(),
    )  # fmt: skip
    shares: Mapping[str, Rate] = {
        "wrong_near": batch.near, "wrong_random": batch.random, "wrong_pool": batch.pool,
        "subtle_near": batch.subtle_near, "subtle_pool": batch.subtle_pool,
    }  # fmt: skip
    found = {name: rate.k / rate.n for name, rate in shares.items()}
    return found | {
        "mistakes_ratio": found["wrong_near"] / found["wrong_pool"],
        "subtle_ratio": found["subtle_near"] / found["subtle_pool"],
    }


def summary(seeds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """[mean, low, high] of every figure, and of what the answers changed."""
    gained = [
        {
            f"{name}/gain_of_accuracy": each[f"{name}/boundary/test/accuracy"] - each["first/boundary/test/accuracy"]
            for name in ("answers", "answers_and_outlier_texts")
        }
        for each in seeds
    ]
    rows = [dict(each) | gain for each, gain in zip(seeds, gained, strict=True)]
    table: dict[str, Any] = {"seeds": len(rows)}
    for name in rows[0]:
        found = interval([row[name] for row in rows])
        table[name] = [found.mean, found.mean - found.half, found.mean + found.half]
    return table


if __name__ == "__main__":
    main()
