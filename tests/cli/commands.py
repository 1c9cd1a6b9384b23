"""The two commands called in this process, with a tiny encoder and small files."""

import csv
import hashlib
import json
import sys

import pytest

from tests.conftest import HARMFUL, HARMLESS

CANARIES = {
    name: hashlib.sha1(name.encode()).hexdigest()  # noqa: S324 - forty characters, as keys have
    for name in ("WANDB_API_KEY", "HF_TOKEN", "LABEL_STUDIO_API_KEY", "ARGILLA_API_KEY", "OPENAI_API_KEY", "MODEL_KEY")
}
"""Environment variables of keys, and keys that nobody gave out: they must turn up nowhere."""


def write_texts(path, n, start=0):
    """`n` rows of text, label and key as csv; the path as a string."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["comment", "toxic", "key"])
        for i in range(start, start + n):
            words = (HARMLESS, HARMFUL)[i % 2][(i // 2) % 3]
            writer.writerow([f"on day {i} {words}, said number {i * 7}", ("no", "yes")[i % 2], f"k{i}"])
    return str(path)


def changed_by_hand(run):
    """Take the hashes out of a run's manifest: a test has changed its files on purpose."""
    manifest = json.loads((run / "manifest.json").read_text("utf-8"))
    kept = {key: value for key, value in manifest.items() if key not in ("files", "seal")}
    (run / "manifest.json").write_text(json.dumps(kept, allow_nan=False), "utf-8")


def call(main, monkeypatch, *overrides):
    """Run a command with these overrides."""
    monkeypatch.setattr(sys, "argv", ["vos", *map(str, overrides)])
    return main()


def synthesis(run, *more):
    """Overrides of a synthesis of seconds."""
    return [f"run={run}", "n=10", "outliers.distance=null", "labeling=none", "progress=false",
            f"paths.cache={run.parent / 'cache'}",
            "candidates.targets_per_class=8", "candidates.n_directions=4", "candidates.selection.max_distance=50",
            "candidates.selection.near_duplicate=1.0", "candidates.selection.max_cosine=null",
            "candidates.potential.delta=5", *more]  # fmt: skip


def failing(main, monkeypatch, capsys, *overrides):
    """What a command that ends with exit code 2 says."""
    with pytest.raises(SystemExit) as caught:
        call(main, monkeypatch, *overrides)
    assert caught.value.code == 2
    return capsys.readouterr().err


def steps(run, number):
    """The rows that a run logged in the steps of one round."""
    with (run / f"steps/round-{number}/metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
