"""The classifiers on which the checks are measured: trained once by the programs themselves, and stored."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks._common import ROOT, public_data
from vos.storage.run_directory import RunDirectory

TOXIGEN, DAVIDSON = "toxigen/toxigen.json", "davidson/labeled_data.csv"

ROUND_0 = ("refine.rounds=0", "trainer.max_epochs=3", "logger=none")
"""The checks ask about a trained classifier; what rounds of regularised training add is another question."""

SHARED = ("data.unescape=true", "data.pool_share=0.3", "data.on_bad_row=skip")
"""Of public texts, some of which stand there twice with two labels."""

EMBEDDED = {"demo": (), "demo_seed_1": ("seed=1",)}
"""Classifiers of texts in this package: the demo's, which the checks were chosen on, and another seed."""

PUBLIC = {"toxigen": TOXIGEN, "davidson": DAVIDSON}
"""Classifiers of public texts: ToxiGen, which the checks were chosen on, and Davidson (three classes)."""

TASKS = (*EMBEDDED, *PUBLIC)

QUICK = {"training": ("experiment=smoke", "logger=none"), "atlas": ("n_texts=200", "n_units=2", "n_outliers=8")}
"""Overrides of the smallest size that makes everything once."""


def training(task: str) -> tuple[str, ...]:
    """Overrides of the training of a task."""
    if task in EMBEDDED:
        return (*EMBEDDED[task], *ROUND_0)
    path = public_data(PUBLIC[task]) / PUBLIC[task]
    columns = {
        "toxigen": ("data.text=text", "data.label=label", "data.positive=hate"),
        "davidson": (
            *("data.text=tweet", "data.label=class", "data.limit=6000"),
            *("data.label_map={0:hate,1:offensive,2:neither}", "data.positive=[hate,offensive]"),
        ),
    }
    return ("data=files", f"data.train={path}", *columns[task], *SHARED, *ROUND_0)


def make(task: str, folder: Path, quick: bool, atlas: Sequence[str] = ()) -> Path:
    """The folder of a run with its atlas; what is there already is kept, so that the same command goes on.

    Args:
        task: one of `TASKS`.
        folder: of all runs of the benchmark.
        quick: the smallest size.
        atlas: further overrides of the atlas.
    """
    run = folder / task
    overrides = (*EMBEDDED[task], *QUICK["training"]) if quick else training(task)
    if not RunDirectory(run).is_finished:
        program("train", *overrides, f"hydra.run.dir={run}")
    ledger = f"ledger={folder / 'none.sqlite'}"
    program("atlas", f"run={run}", ledger, "progress=false", *(QUICK["atlas"] if quick else ()), *atlas)
    return run


def program(name: str, *overrides: str) -> None:
    """Run one of the programs to its end; what it says goes to this one's error output.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "vos", name, *overrides]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
