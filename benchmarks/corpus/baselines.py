"""Errors of baseline classifiers: `python -m benchmarks.corpus.baselines [--quick] [--name NAME]`.

Accuracy on the test split of an embedded corpus by label and level, for a bag of words, the frozen bundled encoder with
a linear head, and the fine-tuned bundled encoder, all trained on the train split (for the ladder corpus: only levels 0
and 1). 5 seeds, mean and 95 % t-interval over seeds (for the bag of words, over bootstrap resamples of the training
texts). Runs `train.py` itself and reads its `metrics.json`. Prints a Markdown table; the last line is one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks._common import ROOT, command_line, finish
from benchmarks.corpus.measures import word_weights
from benchmarks.intervals import interval
from vos.data import EmbeddedData, TextData, load_embedded
from vos.data.embedded import CorpusName

CELLS = [(label, level) for label in (0, 1) for level in range(4)]


def by_cell(data: TextData, predicted: np.ndarray) -> dict[str, float]:
    """Accuracy by cell and overall on the test split."""
    test = data.test
    right = np.array([int(p) == e.label for p, e in zip(predicted, test, strict=True)])
    result = {"all": float(right.mean())}
    for label, level in CELLS:
        rows = np.array([e.label == label and e.level == level for e in test])
        result[f"{label}/{level}"] = float(right[rows].mean())
    return result


def bag_of_words(data: TextData, seed: int) -> dict[str, float]:
    """See `word_weights`; trained on a bootstrap resample."""
    rows = np.random.default_rng(seed).integers(len(data.train), size=len(data.train))
    model = word_weights().fit([data.train[i].text for i in rows], [data.train[i].label for i in rows])
    return by_cell(data, model.predict([e.text for e in data.test]))


def trained(folder: Path, seed: int, *overrides: str) -> dict[str, float]:
    """Train with `train.py` and read accuracy by cell from the run's metrics."""
    command = [
        sys.executable, "train.py", f"seed={seed}", "loss=none", "refine.rounds=0", "logger=none", "callbacks=quiet",
        f"hydra.run.dir={folder}", *overrides,
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    final = json.loads((folder / "metrics.json").read_text())["final"]
    result = {"all": final["boundary/test/accuracy"]}
    for label, level in CELLS:
        result[f"{label}/{level}"] = 1.0 - final[f"boundary/test/error_label{label}_level{level}"]
    return result


def main() -> None:
    """Print the table and the JSON line."""
    parser = command_line(__doc__, quick="1 seed, one epoch")
    parser.add_argument("--name", choices=get_args(CorpusName), default=EmbeddedData.name)
    parser.add_argument("--output", type=Path, help="keep the runs here")
    options = parser.parse_args()
    seeds = range(1 if options.quick else 5)
    settings = [f"data.name={options.name}", *(["trainer.max_epochs=1"] if options.quick else [])]
    data = load_embedded(options.name)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.output or Path(scratch)
        columns = {
            "bag of words": [bag_of_words(data, s) for s in seeds],
            "frozen + linear": [trained(folder / f"frozen-{s}", s, "experiment=frozen", *settings) for s in seeds],
            "fine-tuned": [trained(folder / f"tuned-{s}", s, *settings) for s in seeds],
        }
    figures: dict[str, float] = {}
    print("| label | level | " + " | ".join(columns) + " |\n|---|---|" + "---|" * len(columns))
    for cell in ["all", *(f"{y}/{v}" for y, v in CELLS)]:
        parts = []
        for name, results in columns.items():
            found = interval([result[cell] for result in results])
            figures |= {f"{name} {cell}": round(found.mean, 4), f"{name} {cell} half_width": round(found.half, 4)}
            parts.append(f"{100 * found.mean:.1f} ± {100 * found.half:.1f}")
        print(f"| {cell.replace('/', ' | ') if '/' in cell else 'all | '} | " + " | ".join(parts) + " |")
    finish(figures)


if __name__ == "__main__":
    main()
