"""Full disks, limited file sizes, and folders that are read-only or disappear."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.faults.kills import uninterrupted, went_on
from benchmarks.faults.programs import Ended, Instant, program
from benchmarks.faults.scenarios import SCENARIOS, differences, doubled, left, lost
from benchmarks.faults.template import fresh
from vos.storage.seeds import derive_seed

ROOM = 1 << 29
"""Bytes of a disk that has room."""

GONE = ("run", "batch", "cache", "base/atlas")
"""Folders that go away."""

NO_MOUNT = "a small tmpfs could not be mounted: it needs root"


def full_disk(name: str, number: int, template: Path, folder: Path, seed: int) -> dict[str, Any]:
    """A program on a tmpfs that has room for a part of what it writes; then with room, and compared."""
    draw = _draw(seed, "full disk", name, number)
    needed = uninterrupted(name, template, folder)[3]
    with tmpfs(folder / "disk") as disk:
        if disk is None:
            return {"skipped": NO_MOUNT}
        place = fresh(template, disk / name)
        used = shutil.disk_usage(disk).used
        _mount(disk, used + int(draw.uniform(0.0, 1.0) * needed))
        first = program(SCENARIOS[name].arguments, place)
        _mount(disk, ROOM)
        return after(name, first, place, template, folder)


def file_limit(name: str, number: int, template: Path, folder: Path, seed: int) -> dict[str, Any]:
    """A program whose files may not grow beyond a size; then without the limit, and compared."""
    limit = int(2 ** _draw(seed, "file limit", name, number).uniform(8.0, 21.5))

    def before() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    place = fresh(template, folder / "work" / name)
    return after(name, program(SCENARIOS[name].arguments, place, before=before), place, template, folder)


def read_only(name: str, template: Path, folder: Path) -> dict[str, Any]:
    """A program on a disk that cannot be written to; then on one that can, and compared."""
    with tmpfs(folder / "disk") as disk:
        if disk is None:
            return {"skipped": NO_MOUNT}
        place = fresh(template, disk / name)
        _mount(disk, ROOM, "ro")
        first = program(SCENARIOS[name].arguments, place)
        _mount(disk, ROOM, "rw")
        return after(name, first, place, template, folder)


def vanished(name: str, number: int, template: Path, folder: Path, seed: int) -> dict[str, Any]:
    """A program whose folder goes away while it works; then the same in a new one, and compared."""
    reference, steps, *_ = uninterrupted(name, template, folder)
    draw = _draw(seed, "vanished", name, number)
    place = fresh(template, folder / "work" / name)
    gone = place / draw.choice(GONE)

    def action() -> None:
        shutil.rmtree(gone, ignore_errors=True)

    first = program(SCENARIOS[name].arguments, place, at=Instant(step=draw.randrange(steps), action=action))
    said = result(first)
    if first.code == 0:
        said["differences"] = [each for each in differences(left(place), reference) if not each.startswith("base/")]
        return said
    fresh(template, place)
    again = after(name, first, place, template, folder)
    return {**said, "differences": again["differences"], "told": again["told"]}


def after(name: str, first: Ended, place: Path, template: Path, folder: Path) -> dict[str, Any]:
    """What became of a hindered program, and of the way on without the hindrance."""
    reference, *_ = uninterrupted(name, template, folder)
    ended = [first] if first.code == 0 else [first, *went_on(SCENARIOS[name], place)]
    found = left(place)
    return {
        **result(*ended),
        "differences": differences(found, reference),
        "lost": lost(found, reference),
        "doubled": max(0, doubled(found) - doubled(reference)),
    }


def result(*ended: Ended) -> dict[str, Any]:
    """How programs ended, as counts."""
    wrong = [each for each in ended if each.traces or not (each.code == 0 or each.told)]
    return {
        "told": [each.line for each in ended if each.told],
        "tracebacks": sum(each.traces for each in ended),
        "hung": sum(each.hung for each in ended),
        "unexplained": sum(not (each.code == 0 or each.told) for each in ended),
        "codes": [each.code for each in ended],
        "said": wrong[0].said[-2000:] if wrong else "",
    }


@contextmanager
def tmpfs(place: Path) -> Iterator[Path | None]:
    """A disk of memory; None where it cannot be mounted."""
    place.mkdir(parents=True, exist_ok=True)
    _command("umount", "--lazy", str(place))  # of a campaign that was killed
    if os.geteuid() or _command("mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(place)):
        yield None
        return
    try:
        yield place
    finally:
        _command("umount", "--lazy", str(place))


def _mount(place: Path, size: int, *options: str) -> None:
    if _command("mount", "-o", ",".join(["remount", f"size={size}", *options]), str(place)):
        raise OSError(f"{place}: could not be mounted again")


def _command(*command: str) -> int:
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode


def _draw(seed: int, *of: str | int) -> random.Random:
    return random.Random(derive_seed(seed, *of))  # noqa: S311 - places, no secrets
