"""The checks of finished atlases, as figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vos.atlas.artefacts import read_artefact
from vos.atlas.job import FOLDER

Task = Mapping[str, Any]
"""Figures of a task: its `checks` by name, its `control`, and `times` in seconds."""

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
        "checks": {
            f"{check['producer']}: {check['name']}": {key: check.get(key) for key in KEYS}
            for check in trust.get("checks", [])
        },
        "dropped": trust.get("dropped", {}),
        "times": trust.get("times", {}),
        "peak_memory_mib": trust.get("peak_memory_mib"),
    }


def flat(tasks: Mapping[str, Task]) -> dict[str, Any]:
    """One level of names for the closing line: value and control of every check, and seconds of all producers."""
    found: dict[str, Any] = {}
    for task, figures in tasks.items():
        for check, values in figures["checks"].items():
            found[f"{task}/{check}"] = [values["value"], values["control"]]
        found[f"{task}/checks_passed"] = [sum(g["passed"] for g in figures["checks"].values()), len(figures["checks"])]
        found[f"{task}/seconds"] = sum(seconds or 0 for seconds in figures["times"].values())
        found[f"{task}/dropped"] = sorted(figures["dropped"])
    return found
