"""Reliability of an atlas: all checks of all views, the control, times and versions, in one artefact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import vos
from vos.atlas.artefacts import plain, read_artefact, write_artefact
from vos.atlas.producers import CONTROL, PRODUCERS
from vos.atlas.settings import AtlasSettings
from vos.storage.environment import PACKAGES

NAME = "trust"

EXPLAINS = (
    "This page explains the model, not the truth: it says what moves this classifier, and neither why people judge as "
    "they do nor what is harmful."
)

TESTS = {
    "method": "the method works on this model; a model that has learnt nothing passes too",
    "model": "the model has learnt what is shown; a model of random weights must fail",
}
"""What it means if a check of the method, or of the model, passes."""


def write_trust(
    folder: Path, settings: AtlasSettings, seed: int, refused: Mapping[str, Any], identity: Mapping[str, str]
) -> None:
    """Write the artefact `trust` from the others; equal artefacts give equal bytes.

    Args:
        folder: folder of the artefacts.
        settings: settings of the atlas; an artefact that was made with another value is shown with that one.
        seed: seed of the atlas.
        refused: artefacts that could not be made: the "reason" of each, and the "identity" that it would have had.
        identity: what the artefacts depend on.
    """
    made = {each.name: found for each in PRODUCERS if (found := read_artefact(folder, each.name)) is not None}
    control, texts = read_artefact(folder, CONTROL.name), read_artefact(folder, "texts") or {}
    views = {producer.name: producer.view for producer in PRODUCERS}
    everything = {**made, **({} if control is None else {CONTROL.name: control}), "texts": texts}
    write_artefact(
        folder,
        NAME,
        {
            "producer": NAME,
            "seconds": 0.0,
            "explains": EXPLAINS,
            "tests": TESTS,
            "checks": [
                {"producer": name, "view": views[name], **check}
                for name, found in made.items()
                for check in found.get("checks") or []
            ],
            "control": None if control is None else _facts(control),
            "times": {name: found.get("seconds") for name, found in everything.items()},
            "peak_memory_mib": max((found.get("peak_memory_mib") or 0 for found in everything.values()), default=0),
            "dropped": {name: each["reason"] for name, each in refused.items()},
            "refused": dict(refused),
            "settings": {**plain(asdict(settings)), **_used(made), "seed": seed},
            "identity": dict(identity),
            "versions": {"vos": vos.__version__, **{name: metadata.version(name) for name in PACKAGES}},
        },
        {},
    )


def _used(made: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that artefacts were made with; where two differ in one, its value by artefact."""
    by_name: dict[str, dict[str, Any]] = {}
    for artefact, found in made.items():
        for name, value in found["identity"].get("settings", {}).items():
            by_name.setdefault(name, {})[artefact] = value
    first = {name: next(iter(values.values())) for name, values in by_name.items()}
    return {
        name: first[name] if all(value == first[name] for value in values.values()) else values
        for name, values in by_name.items()
    }


def _facts(control: Mapping[str, Any]) -> dict[str, Any]:
    names = ("n_texts", "n_labelled", "n_train", "accuracy", "model_accuracy", "band")
    return {name: control.get(name) for name in names}
