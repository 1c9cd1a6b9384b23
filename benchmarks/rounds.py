"""Rounds of labelling with a declared oracle (the corpus's hidden pool labels): boundary, uncertainty, random.

python benchmarks/rounds.py            5 rounds x 100 labels x 5 seeds; trains the encoder anew for every round
python benchmarks/rounds.py --quick    2 rounds x 40 labels x 2 seeds, a linear head on the frozen encoder: minutes
python benchmarks/rounds.py --frozen   the full size with that head

The last line is one JSON object: relative reductions of test errors against random choice, paired by seed, with their
95 % intervals, after 300 labels (the last round of --quick).
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from hydra import compose, initialize_config_dir

from vos.app import register_resolvers
from vos.app.training import build_job, quiet_libraries
from vos.callbacks import write_table
from vos.candidates import Potential, SelectionSettings
from vos.data import TextData, load_embedded, load_pool_labels
from vos.density import ClassConditionalGaussian
from vos.models import ClassifierFeaturizer, FeatureCache
from vos.models.encoder import EncoderClassifier
from vos.outliers import BoundarySampler
from vos.pipeline.fits import FrozenEncoderFit, PipelineFit
from vos.pipeline.job import TrainingJob
from vos.pipeline.run_directory import RunDirectory
from vos.pipeline.simulation import Simulation, SimulationSettings, compare
from vos.pipeline.synthesis import SynthesisSettings
from vos.plots import metrics_against

METRICS = ("error", "error_hard", "error_easy", "error_band")


def _frozen(data: TextData, stack: ExitStack) -> FrozenEncoderFit:
    encoder = EncoderClassifier("bundled", data.label_names, seed=0)
    cache = FeatureCache(Path(".cache/features"), encoder.encoder_fingerprint(), encoder.n_features)
    return FrozenEncoderFit(ClassifierFeaturizer(encoder, stack.enter_context(cache)), len(data.label_names))


def _job(overrides: list[str], folder: Path, data: TextData, seed: int) -> TrainingJob:
    """The main job's own training, without refinement rounds; every call in a directory of its own."""
    quiet_libraries()
    fixed = [f"seed={seed % 2**31}", "refine.rounds=0", "loss=none", "logger=none", "callbacks=quiet"]
    with initialize_config_dir(str(Path("conf").resolve()), version_base="1.3"):
        config = compose("train", overrides=[*fixed, *overrides])
    job = build_job(config, data, RunDirectory(folder / f"fit-{time.monotonic_ns()}"))
    return replace(job, reporters=[], cache=None)


def main() -> None:
    """Run, print the table, write `rounds.csv` and one picture a strategy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--override", action="append", default=[], help="of conf/train.yaml, e.g. trainer=gpu")
    parser.add_argument("--output", type=Path, default=Path("outputs/benchmarks/rounds"))
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    register_resolvers()
    size = {"rounds": 2, "per_round": 40, "seeds": (0, 1)} if given.quick else {}
    synthesis = SynthesisSettings(64, 24, 20, 1024, Potential(4.0, 0.5, 0.25), SelectionSettings())
    settings = SimulationSettings(synthesis=synthesis, **size)
    started = time.monotonic()
    data = load_embedded()
    given.output.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        frozen = given.quick or given.frozen
        fit = _frozen(data, stack) if frozen else PipelineFit(data, partial(_job, given.override, Path(folder)))
        simulation = Simulation(
            data=data,
            oracle={name: label[0] for name, label in load_pool_labels().items()},
            fit=fit,
            density=partial(ClassConditionalGaussian, covariance="ledoit_wolf", tied=True),
            sampler=BoundarySampler(margin=0.0, band=1.0, distance=0.99),
            folder=Path(folder),
            settings=settings,
        )
        rows = simulation.run()
    write_table(given.output / "rounds.csv", rows)
    for strategy in settings.strategies:
        own = [row for row in rows if row["strategy"] == strategy]
        labels = sorted({float(row["labels"]) for row in own})
        panels = {m: [[float(r[m]) for r in own if r["labels"] == n] for n in labels] for m in METRICS}
        metrics_against(given.output / f"{strategy}.png", "labels", labels, panels)
    at = min(3, settings.rounds)
    for number in range(settings.rounds + 1):
        for strategy in settings.strategies:
            own = [row for row in rows if row["strategy"] == strategy and row["round"] == number]
            means = "  ".join(f"{m} {sum(float(r[m]) for r in own) / len(own):.4f}" for m in METRICS)
            print(f"round {number}  {strategy:12s}{means}")
    result = {
        "labels": at * settings.per_round,
        "seeds": len(settings.seeds),
        "seconds": round(time.monotonic() - started, 1),
        **{f"{s}_{m}": compare(rows, m, at, s) for s in settings.strategies if s != "random" for m in METRICS},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
