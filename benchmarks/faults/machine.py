"""Little memory, wrong clocks, and runs that were moved."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks._common import ROOT
from benchmarks.faults.disk import after, result
from benchmarks.faults.kills import instant, uninterrupted, went_on
from benchmarks.faults.programs import Ended, Instant, program
from benchmarks.faults.scenarios import SCENARIOS, differences, doubled, left, lost
from benchmarks.faults.template import BATCH, fresh
from vos.storage.seeds import derive_seed

MIB = 1 << 20
MOST = 250 * MIB
"""Of address space above that of a process that has imported its libraries."""

NO_FAKETIME = "libfaketime was not found: apt-get install faketime"

CLOCKS = {
    "years back": {"FAKETIME": "-3000d"},
    "across midnight": {"FAKETIME": "@2027-01-31 23:59:55", "TZ": "Europe/Berlin"},
    "into summer time": {"FAKETIME": "@2027-03-28 01:59:55", "TZ": "Europe/Berlin"},
    "out of summer time": {"FAKETIME": "@2026-10-25 02:59:55", "TZ": "Europe/Berlin"},
    "back while it works": {"FAKETIME_TIMESTAMP_FILE": "clock", "FAKETIME_NO_CACHE": "1"},
}
"""Environment under which a program sees another time."""


def short_memory(name: str, number: int, template: Path, folder: Path, seed: int) -> dict[str, Any]:
    """A program whose address space is limited; then without the limit, and compared."""
    draw = random.Random(derive_seed(seed, "memory", name, number))  # noqa: S311 - sizes, no secrets
    room = int(draw.uniform(0.0, 1.0) ** 2 * MOST)

    def before() -> None:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + room
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    place = fresh(template, folder / "work" / name)
    found = after(name, program(SCENARIOS[name].arguments, place, before=before), place, template, folder)
    return {**found, "room_mib": room // MIB}


def faketime() -> Path | None:
    """The library that shows a process another time; None where it is not installed."""
    places = [
        *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
        *Path("/usr/lib/faketime").glob("libfaketime.so.1"),
    ]
    return next(iter(places), None)


def wrong_clock(name: str, clock: str, template: Path, folder: Path) -> dict[str, Any]:
    """A program that sees another time: what it leaves is the same, times aside."""
    library = faketime()
    if library is None:
        return {"skipped": NO_FAKETIME}
    reference, *_ = uninterrupted(name, template, folder)
    place = fresh(template, folder / "work" / name)
    environment = {**CLOCKS[clock], "LD_PRELOAD": str(library), "DONT_FAKE_MONOTONIC": "1"}
    if "FAKETIME_TIMESTAMP_FILE" in environment:
        environment["FAKETIME_TIMESTAMP_FILE"] = str(place / "clock")
        (place / "clock").write_text("+0", "ascii")
    ended = _cold(SCENARIOS[name].arguments, place, environment)
    found = left(place)
    return {
        **result(ended),
        "differences": differences(found, reference),
        "lost": lost(found, reference),
        "doubled": max(0, doubled(found) - doubled(reference)),
    }


def _cold(arguments: tuple[str, ...], place: Path, environment: dict[str, str]) -> Ended:
    """The program in an interpreter of its own, which `LD_PRELOAD` needs; a clock file moves back after a while."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    began = time.monotonic()
    command = [sys.executable, "-m", "vos", *arguments]
    with subprocess.Popen(
        command, cwd=place, env=surroundings, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        if (place / "clock").exists():
            time.sleep(8.0)
            (place / "clock").write_text("-2d", "ascii")
        try:
            said, _ = process.communicate(timeout=600)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            return Ended(None, said, 0, time.monotonic() - began, hung=True)
    return Ended(process.returncode, said, 0, time.monotonic() - began)


def elsewhere(way: str, template: Path, folder: Path, seed: int) -> dict[str, Any]:
    """A finished run that was moved, copied, linked, or is read from another folder gives the same batch."""
    reference, *_ = uninterrupted("pool", template, folder)
    place = fresh(template, folder / "work" / "pool")
    command = ["synthesize", *BATCH, "labeling=none", "output=batch"]
    start = place
    if way == "moved":
        (place / "base").rename(place / "another name")
        command[1] = "run=another name"
    elif way == "linked":
        (place / "base").rename(place / "real")
        (place / "base").symlink_to("real")
    elif way == "whole path":
        command[1] = f"run={place / 'base'}"
    else:
        start = place / "inside"
        start.mkdir()
        command = [each.replace("run=base", "run=../base").replace("cache=", "cache=../") for each in command]
        command = [each.replace("output=batch", "output=../batch") for each in command]
    ended = program(command, start)
    found = {name: value for name, value in left(place).items() if name.startswith("batch/near_boundary")}
    wanted = {name: value for name, value in reference.items() if name.startswith("batch/near_boundary")}
    return {**result(ended), "differences": differences(found, wanted) if ended.code == 0 else [], "seed": seed}


def moved_on_the_way(name: str, number: int, template: Path, folder: Path, seed: int) -> dict[str, Any]:
    """A run that was killed, moved, and resumed where it lies now; a copy of it is resumed too."""
    reference, steps, seconds, _ = uninterrupted(name, template, folder)
    at = instant(name, 3 * number + 1, steps, seconds, seed)
    place = fresh(template, folder / "work" / name)
    first = program(SCENARIOS[name].arguments, place, at=Instant(step=at.step))
    if not (place / "run").is_dir():
        ended = went_on(SCENARIOS[name], place)
        return {**result(*ended), "differences": differences(left(place), reference)}
    (place / "run").rename(place / "moved")
    shutil.copytree(place / "moved", place / "copy")
    ended = [program(["train", f"resume={where}"], place) for where in ("copy", "moved")]
    told = [each for each in ended if each.told]
    found = result(*ended, *([first] if first.traces else []))
    shutil.rmtree(place / "copy", ignore_errors=True)  # nothing is left of a run that had computed nothing
    if (place / "moved").exists():
        (place / "moved").rename(place / "run")
    if told:
        ended = went_on(SCENARIOS[name], place)
        found = result(*ended) | {"told": [each.line for each in told]}
    here = left(place)
    return {
        **found,
        "differences": differences(here, reference),
        "doubled": doubled(here),
        "lost": lost(here, reference),
    }
