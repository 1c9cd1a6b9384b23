"""Types of the JSON files of a run, from which the reference and the JSON Schemas are generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

Metrics = Mapping[str, float | None]
"""Metric names to values; null if a metric could not be measured."""


class Calibration(TypedDict):
    """How the distances of a run were calibrated.

    Attributes:
        held_out_texts: number of texts that neither the encoder nor the density was fitted to.
        largest_measured: distance beyond which radii are extrapolated, the smallest over classes; null without any.
        outliers: whether the radii of the virtual outliers are "measured" or "extrapolated"; null without outliers.
    """

    held_out_texts: int
    largest_measured: float | None
    outliers: str | None


class Manifest(TypedDict):
    """`manifest.json`: the settings, versions and machine of a run, and the hashes of its files.

    Attributes:
        format_version: format version of the files of a run; a run of another version is refused.
        vos_version: version of the package that wrote it.
        status: "running" until everything is written.
        started_unix: start time, seconds since 1970.
        wall_seconds: wall time of all attempts together.
        config_hash: hash of the configuration, which `resume` compares.
        data_fingerprint: hash of classes, labelled texts and their ids, which every program that reads a run compares.
        harmful_classes: names of the harmful classes.
        git_commit: commit of the checkout; ends with "+changes" if files differ; null outside git.
        packages: package name to version.
        python: Python version.
        platform: the operating system.
        device: the device of the run.
        threads: number of torch threads.
        command: the command line.
        seed: seed of the run; absent if the training was called from Python.
        precision: precision of the training; absent if the training was called from Python.
        started_from: the run that this one continues; null for none.
        model_hash: hash of the classifier; absent until it is trained.
        calibration: see `Calibration`; absent until it is measured.
        peak_memory_mib: peak resident memory; absent until the end.
        files: hashes of settings, metrics, density and model, which must not change; absent until the end.
        seal: hash of all other fields.
    """

    format_version: int
    vos_version: str
    status: Literal["running", "finished"]
    started_unix: float
    wall_seconds: float
    config_hash: str
    data_fingerprint: str
    harmful_classes: list[str]
    git_commit: str | None
    packages: Mapping[str, str]
    python: str
    platform: str
    device: str
    threads: int
    command: list[str]
    seed: NotRequired[int]
    precision: NotRequired[str]
    started_from: NotRequired[str | None]
    model_hash: NotRequired[str]
    calibration: NotRequired[Calibration]
    peak_memory_mib: NotRequired[int]
    files: NotRequired[Mapping[str, str]]
    seal: NotRequired[str]


class RunMetrics(TypedDict):
    """`metrics.json`: the metrics of a training.

    Attributes:
        rounds: for each round its number, `round`, and all of its metrics.
        final: metrics of the round that the run keeps.
        kept_round: number of that round.
        kept_because: the reason for keeping it.
        stopped_because: the reason why no further round was trained.
        refine: the settings of refinement.
        calibration: see `Calibration`.
    """

    rounds: Sequence[Metrics]
    final: Metrics
    kept_round: int
    kept_because: str
    stopped_because: str
    refine: Mapping[str, Any]
    calibration: Calibration


class LabellingRound(TypedDict):
    """A line of `labelling_rounds.jsonl`: a labelling round of a project. Every other field is a metric.

    Attributes:
        run: directory of the run that trained with these labels.
        round: number of the round, from 1 on.
        labels: number of labelled texts used in its training.
        labels_of_oracle: number of these that were answered by a declared oracle instead of a person.
    """

    run: str
    round: int
    labels: int
    labels_of_oracle: int
