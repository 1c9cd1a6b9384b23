"""The programs that are killed, and what must be equal afterwards."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.template import BATCH, CACHE, LANGUAGE_MODEL, SETTINGS
from vos.atlas.artefacts import json_text, plain

Found = dict[str, Any]
"""What a program left, by name: hashes of files, rows of the ledger."""


@dataclass(frozen=True)
class Scenario:
    """A program and its way on.

    Attributes:
        arguments: of the command.
        run: folder of the training that `resume` goes on with; None repeats the command.
        first: share of the duration before which nothing of interest happens.
    """

    arguments: tuple[str, ...]
    run: str | None = None
    first: float = 0.0


WITH_TEXTS = tuple(each for each in SETTINGS if not each.startswith("outliers."))

MADE = (
    *("candidates.generation.targets=4", "candidates.generation.text_generator.prefix_value_texts=30"),
    *("candidates.generation.text_generator.max_start=null", "candidates.generation.text_generator.fluency.texts=20"),
    "candidates.generation.text_generator.fluency.lowest=0.02",
    "candidates.generation.text_generator.stages.tokens=60",
    "candidates.generation.text_generator.stages.rounds=1",
    "candidates.generation.text_generator.stages.max_distance=50",
    *("candidates.generation.text_generator.drafts.copies=2", "candidates.generation.counterfactuals.texts=3"),
    *("candidates.generation.counterfactuals.proposals=2", "candidates.generation.counterfactuals.shares=[0.5]"),
)

ATLAS = (
    *("atlas", "run=base", "views=[map,differences,coverage,directions]", "n_texts=80", "n_outliers=8"),
    *("progress=false", "ledger=ledger.sqlite", "outliers.distance=null", CACHE),
)

SCENARIOS: dict[str, Scenario] = {
    "train": Scenario(("train", *SETTINGS, "hydra.run.dir=run"), "run"),
    "refine": Scenario(("train", "run=base", "refine.rounds=2", CACHE, "hydra.run.dir=run"), "run"),
    "outlier_texts": Scenario(
        (
            *("train", *WITH_TEXTS, "experiment=outlier_exposure", "exposure=written", *LANGUAGE_MODEL),
            *(f"exposure.writing.{each}" for each in ("n=40", "shots=4", "per_prompt=16", "min_words=2")),
            *("exposure.writing.sampling.max_tokens=40", "exposure.quantile=0.1", "hydra.run.dir=run"),
        ),
        "run",
    ),
    "pool": Scenario(("synthesize", *BATCH, "labeling=none", "output=batch")),
    "made": Scenario(
        ("synthesize", *BATCH, *LANGUAGE_MODEL, "candidates=pool_then_lm", *MADE, "labeling=none", "output=batch")
    ),
    "page": Scenario(
        (
            *("synthesize", *BATCH, "labeling=page", "ledger=new.sqlite", "output=batch"),
            *("labeling.plan.gold_share=0.2", "labeling.plan.annotators=[ann,bob]"),
        ),
        first=0.5,
    ),
    "import": Scenario(
        (
            *("train", "run=base", "labels=files", "labels.path=answers.jsonl", "ledger=ledger.sqlite", CACHE),
            *("refine.rounds=0", "hydra.run.dir=run"),
        ),
        "run",
    ),
    "atlas": Scenario(ATLAS),
}

SAME = (
    *("config.yaml", "overrides.yaml", "metrics.json", "rounds.csv", "density.safetensors", "train.jsonl"),
    *("outlier_texts.jsonl", "near_boundary.jsonl", "near_boundary.csv", "synthesis.yaml", "synthesis.json"),
    *("made.jsonl", "boundary.png", "labelling_rounds.csv", "labelling_rounds.jsonl", "adjudicate.csv"),
)
TIMES = re.compile(
    rb'"(?:seconds|peak_memory_mib|wall_seconds|started_unix)": ?[-+.\de]+|"times": ?\{[^}]*\}|"seal": ?"\w+"'
)
MANIFEST = ("status", "config_hash", "data_fingerprint", "model_hash", "harmful_classes", "calibration", "seed")
REPORT_DIGITS = 5
"""Of the numbers in the report of a batch that must be the same; of all other files every byte must."""

FOLDERS = ("run", "batch", "base/atlas", "base", ".")


def left(folder: Path) -> Found:
    """What the programs left in a folder of a unit, times and the place of the folder aside."""
    found: Found = {}
    for each in FOLDERS:
        inside = folder / each
        names = [*SAME, *(path.relative_to(inside).as_posix() for path in inside.glob("label*.html"))]
        names += [path.relative_to(inside).as_posix() for path in inside.glob("model/*")]
        if each == "base/atlas":
            names += [path.name for path in inside.glob("*.*")]
        if each == "base":
            names.append("atlas.html")
        for name in names:
            if (inside / name).is_file() and not name.endswith(".partial"):
                found[f"{each}/{name}"] = _digest(inside / name, folder)
        if (inside / "manifest.json").exists():
            manifest = json.loads((inside / "manifest.json").read_text("utf-8"))
            found[f"{each}/manifest.json"] = {key: manifest.get(key) for key in MANIFEST}
    for ledger in sorted(folder.glob("*.sqlite")):
        found[f"ledger {ledger.name}"] = [
            [str(value).replace(str(folder), "") if isinstance(value, str) else value for value in row]
            for row in rows_of(ledger)
        ]
    return found


def rows_of(ledger: Path) -> list[list[Any]]:
    """Events of a ledger in order, times aside."""
    connection = sqlite3.connect(ledger)
    try:
        rows = connection.execute("SELECT kind, uid, batch, who, payload FROM events ORDER BY seq").fetchall()
    finally:
        connection.close()
    return [[*row[:4], json.loads(row[4])] for row in rows]


def _key(row: list[Any]) -> str:
    return json.dumps(row, sort_keys=True, allow_nan=False)


def doubled(found: Found) -> int:
    """Rows that stand in a ledger more than once."""
    n = 0
    for name, rows in found.items():
        if name.startswith("ledger "):
            keys = [_key(row) for row in rows]
            n += len(keys) - len(set(keys))
    return n


def lost(found: Found, reference: Found) -> int:
    """Answers of the reference that a ledger does not hold."""
    n = 0
    for name, rows in reference.items():
        if name.startswith("ledger "):
            here = {_key(row) for row in found.get(name, [])}
            n += sum(row[0] == "labelled" and _key(row) not in here for row in rows)
    return n


def differences(found: Mapping[str, Any], reference: Mapping[str, Any]) -> list[str]:
    """Names of what is not the same."""
    return sorted(name for name in {*found, *reference} if found.get(name) != reference.get(name))


def _digest(path: Path, folder: Path) -> str:
    content = path.read_bytes()
    if path.suffix in (".csv", ".jsonl"):
        content = content.replace(str(folder).encode(), b"")
    if path.suffix in (".json", ".html"):
        content = TIMES.sub(b"", content)
    if path.name == "synthesis.json":  # features that are computed again differ in their last digits
        content = json_text(plain(json.loads(path.read_bytes()), REPORT_DIGITS)).encode()
    if path.suffix == ".npz":
        return _arrays(path)
    return hashlib.sha256(content).hexdigest()[:16]


def _arrays(path: Path) -> str:
    import zipfile

    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as arrays:
        for name in sorted(arrays.namelist()):
            digest.update(name.encode() + arrays.read(name))
    return digest.hexdigest()[:16]
