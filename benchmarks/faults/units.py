"""The units of a campaign: each is one fault and its outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults import crowd, damage, disk, kills, machine, servers, storage
from benchmarks.faults.scenarios import SCENARIOS
from vos.storage.json_files import read_json

Run = Callable[[Path, Path, int], dict[str, Any]]
"""Template, folder to work in, seed."""


@dataclass(frozen=True)
class Unit:
    """One fault.

    Attributes:
        group: what it is counted under.
        name: of itself.
        run: see `Run`.
    """

    group: str
    name: str
    run: Run

    def file(self, folder: Path) -> Path:
        """Where what came of it is kept."""
        return folder / "units" / f"{re.sub('[^A-Za-z0-9_.-]+', '-', self.name)}.json"


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Attributes:
        kills: of each program.
        scenarios: programs that are killed.
        writes: kills of each writer of the storage.
        damages: flipped bits of each file, beside one cut.
        files: files damaged of each place, at most; None: all.
        places: places whose files are damaged.
        points: sizes of full disks, and of files, over all programs.
        gone: folders of each program that go away.
        crowds: what many write at once.
        meetings: how two programs meet.
        twos: times that they do so.
        memories: sizes of memory of each program.
        timed: programs that see another time.
        moved: programs whose runs are moved on their way.
        moves: times that they are.
        ways: how a finished run lies elsewhere.
        pushes: kills of a push to Label Studio.
        silent: servers that never answer.
    """

    kills: int = 12
    scenarios: tuple[str, ...] = tuple(SCENARIOS)
    writes: int = 200
    damages: int = 2
    files: int | None = None
    places: tuple[str, ...] = tuple(damage.PLACES)
    points: int = 30
    gone: int = 2
    crowds: tuple[str, ...] = tuple(crowd.CROWDS)
    meetings: tuple[str, ...] = tuple(crowd.MEETINGS)
    twos: int = 2
    memories: int = 2
    timed: tuple[str, ...] = ("import", "page")
    moved: tuple[str, ...] = ("train", "import")
    moves: int = 4
    ways: tuple[str, ...] = ("moved", "linked", "whole path", "other folder")
    pushes: int = 12
    silent: tuple[str, ...] = tuple(servers.SILENT)


SIZES = {
    "quick": Size(
        kills=1, scenarios=("pool",), writes=5, damages=1, files=1, places=("refined run",), points=1, gone=1,
        crowds=("ledger",), meetings=("one run",), twos=1, memories=0, timed=(), moved=("train",), moves=1,
        ways=("moved",), pushes=0, silent=("label_studio",),
    ),
    "normal": Size(),
    "full": Size(kills=50, damages=10, points=90, gone=6, twos=6, memories=6, moves=12, pushes=50),
}  # fmt: skip


def _storage(size: Size, template: Path, folder: Path) -> list[Unit]:  # noqa: ARG001 - as every part
    def unit(kind: str) -> Unit:
        return Unit(
            f"storage: {kind}",
            f"storage {kind} {size.writes}",
            lambda _, place, seed: storage.campaign(kind, place / "storage", size.writes, seed),
        )

    return [unit(kind) for kind in storage.KINDS]


def _kills(size: Size, template: Path, folder: Path) -> list[Unit]:  # noqa: ARG001 - as every part
    def unit(name: str, number: int) -> Unit:
        return Unit(
            f"kill -9: {name}",
            f"kill {name} {number}",
            lambda template, place, seed: kills.kill(name, number, template, place, seed),
        )

    return [unit(name, number) for name in size.scenarios for number in range(size.kills)]


def _damage(size: Size, template: Path, folder: Path) -> list[Unit]:
    def unit(name: str, file: str, way: str, number: int) -> Unit:
        return Unit(
            f"damaged: {name}",
            f"damage {name} {file} {way} {number}",
            lambda template, place, seed: damage.damage(name, file, way, number, template, place, seed),
        )

    return [
        unit(name, file, way, number)
        for name in size.places
        for file in damage.files(name, template, folder / "place")[: size.files]
        for way, number in [("cut", 0), *(("flipped", number) for number in range(size.damages))]
    ]


def _disk(size: Size, template: Path, folder: Path) -> list[Unit]:  # noqa: ARG001 - as every part
    def unit(kind: str, name: str, number: int) -> Unit:
        fault = {"full": disk.full_disk, "file limit": disk.file_limit, "vanished": disk.vanished}[kind]
        return Unit(
            f"disk: {kind}",
            f"disk {kind} {name} {number}",
            lambda template, place, seed: fault(name, number, template, place, seed),
        )

    def read_only(name: str) -> Unit:
        return Unit(
            "disk: read-only",
            f"disk read-only {name}",
            lambda template, place, seed: disk.read_only(name, template, place),  # noqa: ARG005 - as every unit
        )

    points = [(name, number) for number in range(size.points) for name in size.scenarios][: size.points]
    gone = [(name, number) for name in size.scenarios for number in range(size.gone)]
    return [
        *(unit(kind, name, number) for kind in ("full", "file limit") for name, number in points),
        *(read_only(name) for name in size.scenarios),
        *(unit("vanished", name, number) for name, number in gone),
    ]


def _crowd(size: Size, template: Path, folder: Path) -> list[Unit]:  # noqa: ARG001 - as every part
    def unit(kind: str) -> Unit:
        run = lambda template, place, seed: crowd.writers(kind, template, place, seed)  # noqa: E731
        return Unit("crowd: 32 writers", f"crowd {kind}", run)

    two = [
        Unit("crowd: two programs", f"two {name} {number}", crowd.MEETINGS[name])
        for name in size.meetings
        for number in range(size.twos)
    ]
    return [*(unit(kind) for kind in size.crowds), *two]


def _machine(size: Size, template: Path, folder: Path) -> list[Unit]:  # noqa: ARG001 - as every part
    def memory(name: str, number: int) -> Unit:
        run = lambda template, place, seed: machine.short_memory(name, number, template, place, seed)  # noqa: E731
        return Unit("short of memory", f"memory {name} {number}", run)

    def clock(name: str, what: str) -> Unit:
        run = lambda template, place, _: machine.wrong_clock(name, what, template, place)  # noqa: E731
        return Unit("wrong clock", f"clock {what} {name}", run)

    def moved(name: str, number: int) -> Unit:
        run = lambda template, place, seed: machine.moved_on_the_way(name, number, template, place, seed)  # noqa: E731
        return Unit("moved on the way", f"moved {name} {number}", run)

    def elsewhere(way: str) -> Unit:
        run = lambda template, place, seed: machine.elsewhere(way, template, place, seed)  # noqa: E731
        return Unit("run elsewhere", f"elsewhere {way}", run)

    return [
        *(memory(name, number) for name in size.scenarios for number in range(size.memories)),
        *(clock(name, what) for name in size.timed for what in machine.CLOCKS),
        *(moved(name, number) for name in size.moved for number in range(size.moves)),
        *(elsewhere(way) for way in size.ways),
    ]


def _servers(size: Size, template: Path, folder: Path) -> list[Unit]:  # noqa: ARG001 - as every part
    def push(number: int) -> Unit:
        run = lambda template, place, seed: servers.push(number, template, place, seed)  # noqa: E731
        return Unit("kill -9: push to Label Studio", f"push {number}", run)

    def silent(name: str) -> Unit:
        run = lambda template, place, _: servers.silent(name, template, place)  # noqa: E731
        return Unit("silent server", f"silent {name}", run)

    return [*(push(number) for number in range(size.pushes)), *(silent(name) for name in servers.SILENT)]


PARTS: dict[str, Callable[[Size, Path, Path], list[Unit]]] = {
    "storage": _storage,
    "kills": _kills,
    "damage": _damage,
    "disk": _disk,
    "crowd": _crowd,
    "machine": _machine,
    "servers": _servers,
}


def kept_units(folder: Path) -> list[dict[str, Any]]:
    """What came of the units that are done, as their files have it."""
    return [read_json(path) for path in sorted((folder / "units").glob("*.json"))]


def planned(parts: Sequence[str], size: Size, template: Path, folder: Path) -> list[Unit]:
    """The units of some parts."""
    return [unit for part in parts for unit in PARTS[part](size, template, folder)]
