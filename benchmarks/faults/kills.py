"""Programs killed at random times, and their recovery."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from benchmarks.faults.programs import Ended, Instant, program
from benchmarks.faults.scenarios import SCENARIOS, Found, Scenario, differences, doubled, left, lost
from benchmarks.faults.template import expect, fresh
from vos.storage.json_files import read_json, write_json
from vos.storage.seeds import derive_seed

BY_CLOCK = 3
"""Every so many instants one is a share of the duration; the others are operations of the process itself."""


def uninterrupted(name: str, template: Path, folder: Path) -> tuple[Found, int, float, int]:
    """What a program leaves that nobody hinders, its operations, its seconds and its bytes; kept in the folder."""
    kept = folder / f"{name}.json"
    if not kept.exists():
        place = fresh(template, folder / "work" / name)
        ended = expect(program(SCENARIOS[name].arguments, place), name)
        written = _bytes(place) - _bytes(template)
        facts = {"steps": ended.steps, "seconds": ended.seconds, "bytes": written}
        write_json(kept, {"left": left(place), **facts})
    found = read_json(kept)
    return found["left"], int(found["steps"]), float(found["seconds"]), int(found.get("bytes", 1 << 22))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


TRIES = 8
"""A machine that is quicker than before ends before its instant; then another is drawn."""


def instant(name: str, number: int, steps: int, seconds: float, seed: int, again: int = 0) -> Instant:
    """When a program is killed: drawn from the seed."""
    draw = random.Random(derive_seed(seed, "kill", name, number, again))  # noqa: S311 - instants, no secrets
    share = draw.uniform(SCENARIOS[name].first, 1.0)
    if number % BY_CLOCK == 0:
        return Instant(seconds=share * seconds)
    return Instant(step=min(int(share * steps), steps - 1))


def kill(name: str, number: int, template: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Kill a program once, go on, and compare; counts."""
    reference, steps, seconds, _ = uninterrupted(name, template, folder)
    scenario = SCENARIOS[name]
    for again in range(TRIES):
        at = instant(name, number, steps, seconds, seed, again)
        place = fresh(template, folder / "work" / name)
        first = program(scenario.arguments, place, at=at)
        if first.code is None:
            break
    ended = went_on(scenario, place)
    found = left(place)
    traces = first.traces + sum(each.traces for each in ended)
    return {
        "step": at.step,
        "seconds": None if at.step is not None else round(at.seconds, 3),
        "killed": first.code is None,
        "told": [each.line for each in ended if each.told],
        "tracebacks": traces,
        "hung": sum(each.hung for each in ended),
        "differences": differences(found, reference),
        "lost": lost(found, reference),
        "doubled": max(0, doubled(found) - doubled(reference)),
        "said": ended[-1].said[-2000:] if traces or ended[-1].code else "",
    }


def went_on(scenario: Scenario, place: Path) -> list[Ended]:
    """The way on: `resume`, and where that says what it needs, the command again."""
    if scenario.run is None:
        return [program(scenario.arguments, place)]
    resumed = program(["train", f"resume={scenario.run}"], place)
    return [resumed] if resumed.code == 0 else [resumed, program(scenario.arguments, place)]
