"""Simulates the whole loop with a declared oracle; writes a table, a picture and metrics.json."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from vos.cli.classes import load_data
from vos.cli.precision import with_precision
from vos.cli.quiet import quiet_libraries
from vos.cli.train import begin
from vos.cli.train_builders import build_featurizers, build_job, new_classifier
from vos.cli.wiring import build_sampler
from vos.console import print_paths, print_table, say
from vos.data import TextData
from vos.errors import ConfigError
from vos.labeling.backends.oracle import StoredAnswers
from vos.simulation.error_rates import METRICS, compare, measurable, values_by_labels
from vos.simulation.fits import FrozenEncoderFit, JobBuilder, PipelineFit
from vos.simulation.settings import Fit, Oracle, Row, SimulationSettings
from vos.simulation.simulate import Simulation
from vos.storage.json_files import numbers, read_json, write_json
from vos.storage.run_directory import RunDirectory
from vos.training.comparison_plots import learning_curves
from vos.training.job import TrainingJob
from vos.training.reporters import write_table

Rows = Sequence[Row]

HEADS = {
    "error": "error",
    "error_hard": "of subtle\ntexts",
    "error_easy": "of plain\ntexts",
    "error_band": "near the\nboundary",
}
"""Column heads of the table, by the name of the error rate."""


def run_simulation(config: DictConfig, overrides: Sequence[str], directory: Path) -> dict[str, float]:
    """Choose, label, retrain and measure for every seed and strategy under `directory`; returns the final metrics.

    A finished simulation is not run again; an interrupted one continues with the strategy and seed it had started.
    """
    config, overrides = with_precision(config, list(overrides))
    started = time.monotonic()
    quiet_libraries()
    if OmegaConf.select(config, "exposure"):
        raise ConfigError("simulation: expected exposure=null, as every one of its many fits would gather its own")
    data = load_data(config)
    settings: SimulationSettings = instantiate(config.simulation)
    _check_optimized(str(config.optimized_metric), settings, measurable(data.test))
    oracle = _oracle(config, data) if settings.pool == "pool" else {}
    run = RunDirectory(directory)
    begin(run, config, overrides, data)
    if not run.is_finished:
        simulation = Simulation(
            data=data,
            oracle=oracle,
            fit=_fit(config, settings, data, run.path / "fits"),
            density=instantiate(config.density.model),
            sampler=build_sampler(config.outliers, data.harmful, _no_texts),
            folder=run.path / "simulation",
            settings=settings,
        )
        rows = simulation.run()
        write_table(run.path / "simulation.csv", rows)
        _picture(run.path / "simulation.png", rows, settings.strategies)
        write_json(run.metrics_path, {"rows": rows, "final": _final(rows, settings)})
        run.finish(time.monotonic() - started, {"simulation": True})
    content = read_json(run.metrics_path)
    _print(content["rows"], run.path, settings)
    return numbers(content["final"])


def _check_optimized(name: str, settings: SimulationSettings, metrics: Sequence[str]) -> None:
    """Check that the metric for sweepers is one that the simulation measures."""
    strategy, _, metric = name.partition("/")
    if strategy not in settings.strategies or metric.partition("/")[0] not in metrics:
        raise ConfigError(
            f"optimized_metric: expected STRATEGY/METRIC of {', '.join(settings.strategies)} and {', '.join(metrics)}, "
            f"got {name!r}"
        )


def _no_texts() -> tuple[Tensor, Tensor]:
    raise ConfigError(
        "simulation: the strategy boundary draws its targets from the density alone; expected a sampler that needs no "
        "texts, such as outliers=boundary"
    )


def _oracle(config: DictConfig, data: TextData) -> Oracle:
    """The stored answers of the pool, if the data include them."""
    source = instantiate(config.data)
    if not isinstance(source, StoredAnswers) or data.pool.size == 0:
        raise ConfigError(
            "simulation: expected a pool whose answers are stored (data=embedded), found "
            f"{type(source).__name__} with a pool of {data.pool.size} texts; other labelled data: simulation.pool=train"
        )
    return source.stored_answers()


def _fit(config: DictConfig, settings: SimulationSettings, data: TextData, folder: Path) -> Fit:
    """The pipeline's own training; with a frozen encoder, logistic regression, which takes seconds."""
    if not config.model.freeze:
        return PipelineFit(data, job_builder(config, folder), bool(config.warm_start))
    featurizers = build_featurizers(config, data, new_classifier(config, data))
    return FrozenEncoderFit(featurizers.current(), len(data.label_names), settings.l2, settings.balanced)


def job_builder(config: DictConfig, folder: Path) -> JobBuilder:
    """Return a function that builds jobs without refinement, reports or shared state, in one directory."""

    def build(data: TextData, seed: int, warm: bool) -> TrainingJob:
        changed = config.copy()
        changed.seed = seed % 2**31
        changed.refine.rounds = 0
        changed.logger.wandb = None
        if warm:
            changed.trainer.max_epochs = config.refine.epochs
        job = build_job(changed, data, RunDirectory(folder / "job"))
        if job.data.label_names != data.label_names:
            raise ConfigError(
                f"simulation: expected a model with an output for each class of {list(data.label_names)}, found the "
                f"outputs {list(job.data.label_names)}; use another model, or data with these classes"
            )
        return replace(job, reporters=[], cache=None)

    return build


def _measured(rows: Rows) -> list[str]:
    """The error rates that all rows have; texts without levels have none by level."""
    return [metric for metric in METRICS if all(metric in row for row in rows)]


def _mean(rows: Rows, metric: str) -> float:
    return sum(float(row[metric]) for row in rows) / len(rows)


def _picture(path: Path, rows: Rows, strategies: Sequence[str]) -> None:
    labels = sorted({float(row["labels"]) for row in rows})
    curves = {m: {s: values_by_labels(rows, m, s, labels) for s in strategies} for m in _measured(rows)}
    learning_curves(path, labels, curves)


def _final(rows: Rows, settings: SimulationSettings) -> dict[str, float]:
    """Relative reductions against random choice in the last round, if random choice was simulated."""
    last = settings.rounds
    final: dict[str, float] = {}
    for strategy in settings.strategies:
        own = [row for row in rows if row["strategy"] == strategy and row["round"] == last]
        final |= {f"{strategy}/{metric}": _mean(own, metric) for metric in _measured(rows)}
        if strategy != "random" and "random" in settings.strategies:
            for metric in _measured(rows):
                found = compare(rows, metric, last, strategy)
                final |= {f"{strategy}/{metric}/{key}": found[key] for key in ("reduction", "low", "high")}
    return final


def _print(rows: Rows, directory: Path, settings: SimulationSettings) -> None:
    metrics = _measured(rows)
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["strategy"]), int(row["labels"])), []).append(row)
    cells = [
        [strategy, str(labels), *(f"{_mean(own, metric):.4f}" for metric in metrics)]
        for (strategy, labels), own in groups.items()
    ]
    heads = ["strategy", "labels", *(HEADS[metric] for metric in metrics)]
    print_table("Simulated rounds, answered by a declared oracle: mean test errors over seeds", heads, cells)
    print_paths({name: directory / name for name in ("simulation.csv", "simulation.png")})
    last = {strategy: own for (strategy, labels), own in groups.items() if labels == max(n for _, n in groups)}
    best = min(last, key=lambda strategy: _mean(last[strategy], metrics[0]))
    first = _mean([row for row in rows if row["strategy"] == best and row["round"] == 0], metrics[0])
    told = f"After {settings.rounds} rounds {best} has the lowest error of the test texts: {first:.4f} at the start, "
    say(f"{told}{_mean(last[best], metrics[0]):.4f} now, mean of {len(last[best])} seeds.")
    say("The picture shows every strategy with its 95 % interval; where intervals overlap, the order is open.")
