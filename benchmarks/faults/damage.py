"""Truncated files and files with a flipped bit: the program reports or rebuilds them, and its results are never wrong.

Each unit damages one output file of a program in one way, and runs the command that reads it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.programs import Instant, program
from benchmarks.faults.scenarios import ATLAS, SCENARIOS, differences, left
from benchmarks.faults.template import BATCH, SETTINGS, SetupError, expect, fresh
from vos.storage.json_files import read_json, write_json
from vos.storage.seeds import derive_seed


@dataclass(frozen=True)
class Place:
    """What programs have left, and who reads it.

    Attributes:
        before: commands that leave it.
        until: the last of them is killed as soon as this file is there; None lets it end.
        files: patterns of the files that are damaged, each by itself.
        reader: the command that reads them.
    """

    before: tuple[tuple[str, ...], ...]
    until: str | None
    files: tuple[str, ...]
    reader: tuple[str, ...]


POOLS = (*BATCH, "acquisition=targets", "acquisition.index=exact", "labeling=none", "output=batch")
AGAIN = ("train", "resume=run")

PLACES: dict[str, Place] = {
    "interrupted run": Place(
        (("train", *SETTINGS, "hydra.run.dir=run"),),
        "run/checkpoints/round-1/last.ckpt",
        (
            *("run/checkpoints/round-0.safetensors", "run/rounds/0.json", "run/rounds/0.safetensors"),
            *("run/checkpoints/round-1/last.ckpt", "run/checkpoints/round-1/best.ckpt"),
            *("run/manifest.json", "run/config.yaml", "run/overrides.yaml"),
        ),
        AGAIN,
    ),
    "kept weights": Place(
        (("train", *SETTINGS, "hydra.run.dir=other"),),
        None,
        ("cache/round-0/*.safetensors",),
        SCENARIOS["train"].arguments,
    ),
    "finished run": Place(
        (),
        None,
        (
            *("base/model/model.safetensors", "base/model/head.safetensors", "base/model/vos.json"),
            *("base/model/config.json", "base/model/tokenizer.json", "base/model/tokenizer_config.json"),
            *("base/density.safetensors", "base/manifest.json", "base/config.yaml", "cache/features/*.sqlite"),
        ),
        SCENARIOS["pool"].arguments,
    ),
    "refined run": Place(
        (),
        None,
        ("base/metrics.json", "base/overrides.yaml", "base/model/model.safetensors", "base/density.safetensors"),
        SCENARIOS["refine"].arguments,
    ),
    "pool features": Place(
        (("synthesize", *POOLS), ("rm", "batch")), None, ("cache/pools/*.f32",), ("synthesize", *POOLS)
    ),
    "journal": Place(
        ((*SCENARIOS["made"].arguments,), ("rm", "batch/near_boundary.jsonl")),
        None,
        ("batch/made.jsonl", "batch/writing_targets.safetensors"),
        SCENARIOS["made"].arguments,
    ),
    "batch to be sent": Place(
        (("synthesize", *BATCH, "labeling=none", "output=batch"),),
        None,
        ("batch/near_boundary.jsonl", "batch/synthesis.yaml", "batch/synthesis.json"),
        ("synthesize", *BATCH, "labeling=page", "ledger=new.sqlite", "output=batch"),
    ),
    "ledger": Place((), None, ("ledger.sqlite",), SCENARIOS["import"].arguments),
    "atlas": Place((ATLAS,), None, ("base/atlas/*.json", "base/atlas/*.npz"), ATLAS),
}


def prepared(name: str, template: Path, folder: Path) -> tuple[Path, Path]:
    """What the programs left, and the same after the reader found it whole; kept in the folder."""
    kept, whole = folder / f"{name}-left", folder / f"{name}-whole.json"
    if whole.exists():
        return kept, whole
    place, work = PLACES[name], folder / "work" / "place"
    fresh(template, work)
    for number, command in enumerate(place.before):
        if command[0] == "rm":
            _remove(work / command[1])
        elif place.until is not None and number == len(place.before) - 1:
            program(command, work, at=Instant(there=work / place.until))
        else:
            expect(program(command, work), name)
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(work, kept)
    expect(program(place.reader, work), f"{name}, not damaged")
    write_json(whole, left(work))
    return kept, whole


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def files(name: str, template: Path, folder: Path) -> list[str]:
    """Names of the files of a place, those of a pattern one by one."""
    kept, _ = prepared(name, template, folder)
    found = [path for pattern in PLACES[name].files for path in sorted(kept.glob(pattern))]
    missing = [pattern for pattern in PLACES[name].files if not any(kept.glob(pattern))]
    if missing:
        raise SetupError(f"{name}: expected {missing}, found none")
    return [path.relative_to(kept).as_posix() for path in found]


def cut(content: bytes, draw: random.Random) -> bytes:
    """The beginning of a file."""
    return content[: draw.choice((0, 1, len(content) - 1, draw.randrange(len(content))))]


def flipped(content: bytes, draw: random.Random) -> bytes:
    """A file with one bit that is another."""
    place = draw.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << draw.randrange(8))]) + content[place + 1 :]


WAYS: dict[str, Callable[[bytes, random.Random], bytes]] = {"cut": cut, "flipped": flipped}


def damage(name: str, file: str, way: str, number: int, template: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Damage one file once, run its reader, and compare; counts."""
    kept, whole = prepared(name, template, folder)
    place = fresh(kept, folder / "work" / "place")
    draw = random.Random(derive_seed(seed, "damage", name, file, way, number))  # noqa: S311 - places, no secrets
    (place / file).write_bytes(WAYS[way]((place / file).read_bytes(), draw))
    ended = program(PLACES[name].reader, place)
    found = left(place) if ended.code == 0 else {}
    different = [each for each in differences(found, read_json(whole)) if each != file] if ended.code == 0 else []
    return {
        "code": ended.code,
        "told": [ended.line] if ended.told else [],
        "tracebacks": ended.traces,
        "unexplained": int(ended.code not in (0, 2) or (ended.code == 2 and not ended.told)),
        "hung": int(ended.hung),
        "differences": different,
        "said": ended.said[-2000:] if ended.traces or ended.code not in (0, 2) else "",
    }
