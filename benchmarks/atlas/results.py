"""Gates of finished atlases, as figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vos.atlas.artefacts import read_artefact
from vos.atlas.job import FOLDER

Task = Mapping[str, Any]
"""Figures of a task: its `gates` by name, its `control`, and `times` in seconds."""

KEYS = ("value", "control", "threshold", "passed", "tests")


def task_figures(run: Path) -> dict[str, Any]:
    """Figures of the atlas of a run.

    Args:
        run: its folder.
    """
    trust = read_artefact(run / FOLDER, "trust") or {}
    texts = read_artefact(run / FOLDER, "texts") or {"text": [], "near": []}
    return {
        "n_texts": len(texts["text"]),
        "n_near": sum(texts["near"]),
        "control": trust.get("control"),
        "gates": {
            f"{gate['producer']}: {gate['name']}": {key: gate.get(key) for key in KEYS}
            for gate in trust.get("gates", [])
        },
        "dropped": trust.get("dropped", {}),
        "times": trust.get("times", {}),
        "peak_memory_mib": trust.get("peak_memory_mib"),
    }


def flat(tasks: Mapping[str, Task]) -> dict[str, Any]:
    """One level of names for the closing line: value and control of every gate, and seconds of all producers."""
    found: dict[str, Any] = {}
    for task, figures in tasks.items():
        for gate, values in figures["gates"].items():
            found[f"{task}/{gate}"] = [values["value"], values["control"]]
        found[f"{task}/gates_passed"] = [sum(g["passed"] for g in figures["gates"].values()), len(figures["gates"])]
        found[f"{task}/seconds"] = sum(seconds or 0 for seconds in figures["times"].values())
        found[f"{task}/dropped"] = sorted(figures["dropped"])
    return found
