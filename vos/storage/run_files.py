"""What stands in the JSON files of a run: their types, which the reference and its JSON Schemas are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

Metrics = Mapping[str, float | None]
"""Names of metrics to their values; null where one could not be measured."""


class Calibration(TypedDict):
    """How the distances of a run were calibrated.

    Attributes:
        held_out_texts: texts that neither the encoder nor the density has seen.
        largest_measured: distance beyond which radii are extrapolated, the least over the classes; null without any.
        outliers: what the radii of the virtual outliers are, "measured" or "extrapolated"; null where there are none.
    """

    held_out_texts: int
    largest_measured: float | None
    outliers: str | None


class Manifest(TypedDict):
    """What ran where: `manifest.json`.

    Attributes:
        format_version: of the files of a run; a run of another version is refused.
        vos_version: of the package that wrote it.
        status: "running" until everything is written.
        started_unix: seconds since 1970.
        wall_seconds: of all attempts together.
        config_hash: of the configuration, which `resume` compares.
        data_fingerprint: of classes, labelled texts and their ids, which every program that reads a run compares.
        harmful_classes: names of the classes that count as harm.
        git_commit: of the checkout; ends with "+changes" where files differ; null outside of git.
        packages: name to version.
        python: its version.
        platform: the operating system.
        device: what it ran on.
        threads: of torch.
        command: how it was called.
        seed: of the run; absent where the training was called from Python.
        precision: of the training; absent where the training was called from Python.
        started_from: the run that this one goes on from; null for none.
        model_hash: of the classifier; absent until it is there.
        calibration: see there; absent until it is there.
        peak_memory_mib: largest resident memory; absent until the end.
        files: hashes of settings, metrics, density and model, one of which may not change; absent until the end.
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
    """What a training measured: `metrics.json`.

    Attributes:
        rounds: of each round its number, `round`, and every metric of it.
        final: metrics of the round that the run ends with.
        kept_round: which round that is.
        kept_because: why.
        stopped_because: why no further round was trained.
        refine: the settings of refinement.
        calibration: see there.
    """

    rounds: Sequence[Metrics]
    final: Metrics
    kept_round: int
    kept_because: str
    stopped_because: str
    refine: Mapping[str, Any]
    calibration: Calibration


class LabellingRound(TypedDict):
    """A round of labels in a project: a line of `labelling_rounds.jsonl`. Every other field is a metric.

    Attributes:
        run: directory of the run that trained with these labels.
        round: its number, from 1 on.
        labels: labelled texts that went into its training.
        labels_of_oracle: those of them that a declared oracle answered, no person.
    """

    run: str
    round: int
    labels: int
    labels_of_oracle: int
