"""Writers of one kind of file each, forked and killed at random times; everything they acknowledged must be stored."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vos.storage.seeds import derive_seed

LONGEST = 0.2
"""Seconds after which a writer is killed at the latest."""

FRESH = 20
"""Every so many kills the folder is emptied, so that the making of a file is killed too."""

GROUP = 3
"""Answers in one transaction."""

Key = tuple[int, int]
"""Generation of a writer, and number of what it wrote."""

Writer = Callable[[Path, int], Iterator[int]]
"""Yields a number as soon as it is acknowledged: folder, generation."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        write: see `Writer`.
        read: folder and what was acknowledged to what can be read back; how often each (generation, number) is there.
            Raises where something is there in part.
        replaced: each takes the place of the one before, which may be gone as soon as the next is written.
    """

    write: Writer
    read: Callable[[Path, set[Key]], dict[Key, int]]
    replaced: bool = False


def campaign(name: str, folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill a writer of a kind so many times; counts of what was acknowledged, lost, doubled, and there in part."""
    kind, draw = KINDS[name], random.Random(derive_seed(seed, "storage", name))  # noqa: S311 - instants, no secrets
    counts: dict[str, Any] = {"kills": kills, "acknowledged": 0, "lost": 0, "doubled": 0, "damaged": 0, "why": []}
    known: set[Key] = set()
    for generation in range(kills):
        if generation % FRESH == 0:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            known = set()
        done = _killed(kind, folder, generation, draw.uniform(0.0, LONGEST))
        counts["acknowledged"] += len(done)
        known = {max(done)} if kind.replaced and done else known | done
        try:
            found = kind.read(folder, known)
        except Exception as error:  # whatever a reader raises is the finding
            counts["damaged"] += 1
            counts["why"].append(f"generation {generation}: {type(error).__name__}: {error}"[:300])
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            known = set()
            continue
        gone = known - found.keys()
        counts["lost"] += sum(any(each < key for each in found) for key in gone) if kind.replaced else len(gone)
        counts["doubled"] += sum(n > 1 for n in found.values())
    shutil.rmtree(folder, ignore_errors=True)
    return counts


def _killed(kind: Kind, folder: Path, generation: int, seconds: float) -> set[Key]:
    """What a writer acknowledged before it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            for number in kind.write(folder, generation):
                os.write(writer, f"{number}\n".encode())
        finally:
            os._exit(1)
    os.close(writer)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        done = {(generation, int(line)) for line in pipe.read().split("\n")[:-1]}
    if os.waitstatus_to_exitcode(status) >= 0:
        raise RuntimeError(f"the writer ended by itself after {len(done)} steps")
    return done


def _ledger(folder: Path, generation: int) -> Iterator[int]:
    from vos.labeling import Ledger
    from vos.labeling.item import Item
    from vos.labeling.label import Label

    with Ledger(folder / "ledger.sqlite") as ledger:
        item = Item("a text")
        ledger.propose([item])
        for number in range(10**9):
            with ledger.transaction():
                for part in range(GROUP):
                    ledger.record_label(Label(item.uid, f"{generation}/{number}/{part}", "a", "2027-01-01T10:00:00Z"))
            yield number


def _read_ledger(folder: Path, _: set[Key]) -> dict[Key, int]:
    from vos.labeling import Ledger

    found: dict[Key, int] = {}
    with Ledger(folder / "ledger.sqlite") as ledger:
        for _, label in ledger.labels():
            generation, number, _ = map(int, label.annotator.split("/"))
            found[generation, number] = found.get((generation, number), 0) + 1
    return {key: _whole(n, GROUP) for key, n in found.items()}


def _whole(n: int, parts: int) -> int:
    if n % parts:
        raise ValueError(f"{n} of {parts} answers of a transaction are there")
    return n // parts


def _journal(folder: Path, generation: int) -> Iterator[int]:
    from vos.generation.particles import Cost
    from vos.generation.reach import Outcome
    from vos.synthesis.journal import Journal

    journal = Journal(folder / "made.jsonl", "one")
    known = len(journal.read().outcomes)
    for number in range(10**9):
        journal.add(Outcome(known + number, float(generation), False, (), Cost(), {"number": number}))
        yield number


def _read_journal(folder: Path, _: set[Key]) -> dict[Key, int]:
    from vos.synthesis.journal import read_journal

    path = folder / "made.jsonl"
    found: dict[Key, int] = {}
    for each in read_journal(path).outcomes.values() if path.exists() else ():
        key = (int(each.reach or 0), each.refused["number"])
        found[key] = found.get(key, 0) + 1
    return found


def _caches(folder: Path, generation: int) -> Iterator[int]:
    import torch

    from vos.generation.server.replies import Reply
    from vos.generation.server.request_cache import RequestCache
    from vos.models import FeatureCache

    features, replies = FeatureCache(folder / "features", "encoder", 8), RequestCache(folder / "server", "http://a")
    for number in range(10**9):
        value = float(generation * 10_000 + number)
        features.put([f"{generation} {number}"], torch.full((1, 8), value))
        replies.put("/completions", {"asked": [generation, number]}, Reply((), 0, 0))
        yield number


def _read_caches(folder: Path, known: set[Key]) -> dict[Key, int]:
    from vos.generation.server.request_cache import RequestCache
    from vos.models import FeatureCache

    found, replies = {}, RequestCache(folder / "server", "http://a")
    with FeatureCache(folder / "features", "encoder", 8) as features:
        keys = sorted(known)
        values, hit = features.get([f"{a} {b}" for a, b in keys])
    for key, value, there in zip(keys, values, hit.tolist(), strict=True):
        if there and replies.get("/completions", {"asked": list(key)}) is not None:
            if not bool((value == float(key[0] * 10_000 + key[1])).all()):
                raise ValueError(f"features of {key} are those of another text")
            found[key] = 1
    replies.close()
    return found


def _checkpoint(folder: Path, generation: int) -> Iterator[int]:
    import torch

    from vos.storage.run_directory import RunDirectory
    from vos.training.checkpoint import RoundCheckpoint, save_state

    run, module = RunDirectory(folder / str(generation)), torch.nn.Linear(200, 50)
    for number in range(10**9):
        with torch.no_grad():
            module.weight.fill_(float(number))
        save_state(module, run.checkpoints / f"round-{number}.safetensors")
        RoundCheckpoint(number, {"a": float(number)}, torch.full((100, 2), float(number))).write(run)
        yield number


def _read_checkpoint(folder: Path, _: set[Key]) -> dict[Key, int]:
    import torch

    from vos.storage.run_directory import RunDirectory
    from vos.training.checkpoint import load_state, read_round

    found: dict[Key, int] = {}
    for each in folder.iterdir():
        run, module = RunDirectory(each), torch.nn.Linear(200, 50)
        for path in run.rounds.glob("*.json"):
            number = int(path.stem)
            kept = read_round(run, number)
            if kept is None:
                continue
            load_state(module, run.checkpoints / f"round-{number}.safetensors")
            if not bool((module.weight == number).all() and (kept.val_logits == number).all()):
                raise ValueError(f"{path} is not of its weights and logits")
            found[int(each.name), number] = 1
    return found


def _arrays(folder: Path, generation: int) -> Iterator[int]:
    from vos.atlas.artefacts import write_artefact

    for number in range(10**9):
        values = {"generation": generation, "number": number}
        write_artefact(folder, "map", values, {"place": np.full(2000, generation * 10_000 + number)})
        yield number


def _read_arrays(folder: Path, _: set[Key]) -> dict[Key, int]:
    from vos.atlas.artefacts import read_arrays, read_artefact

    there = (folder / "map.json").exists()
    values = read_artefact(folder, "map")
    if values is None:
        if there:
            raise ValueError("half an artefact")
        return {}
    key = (int(values["generation"]), int(values["number"]))
    if not (read_arrays(folder, "map")["place"] == key[0] * 10_000 + key[1]).all():
        raise ValueError("the arrays are of another artefact")
    return {key: 1}


KINDS = {
    "ledger": Kind(_ledger, _read_ledger),
    "journal": Kind(_journal, _read_journal),
    "caches": Kind(_caches, _read_caches),
    "checkpoint": Kind(_checkpoint, _read_checkpoint),
    "atlas arrays": Kind(_arrays, _read_arrays, replaced=True),
}
