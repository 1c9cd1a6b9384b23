"""Makes the artefacts of an atlas, one after the other; existing ones for the same texts and model are reused."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vos.atlas.artefacts import ARRAYS, json_text, plain, read_artefact, remove_artefact, write_artefact
from vos.atlas.describe import texts_artefact
from vos.atlas.producers import CONTROL, PRODUCERS, Producer, identity
from vos.atlas.trust import NAME as TRUST
from vos.atlas.trust import write_trust
from vos.atlas.world import AtlasWorld, Progress, no_progress
from vos.errors import VosError
from vos.storage.environment import peak_memory_mib
from vos.storage.hashes import text_hash
from vos.storage.machine import machine_lacks

logger = logging.getLogger(__name__)

FOLDER = "atlas"
"""Within a run: its artefacts."""


@dataclass(frozen=True)
class Watcher:
    """Callbacks for the progress of an atlas.

    Attributes:
        begin: called with the name of a producer; returns a callback for its progress.
        end: called with its name and its outcome: "kept", "dropped", or the time it took.
    """

    begin: Callable[[str], Progress] = lambda _: no_progress
    end: Callable[[str, str], None] = lambda _name, _state: None


@dataclass
class AtlasResult:
    """The result of making an atlas.

    Attributes:
        seconds: time of each artefact that was made now.
        kept: artefacts that existed already.
        dropped: artefacts that could not be made, with the reason; their views are missing.
        bugs: those of them that failed because of a bug in this package; the log has the traceback.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    bugs: list[str] = field(default_factory=list)


def run_atlas(
    world: AtlasWorld,
    folder: Path,
    producers: Sequence[Producer] = PRODUCERS,
    *,
    overwrite: bool = False,
    seconds: float = 0.0,
    watcher: Watcher | None = None,
) -> AtlasResult:
    """Write the artefacts of some producers, and the artefact `trust` from all existing ones.

    If a producer does not support this model or lacks a package, its view is dropped, with the artefact that it made
    before under other settings. Artefacts of other texts or another model are removed first, so that the page never
    mixes them.

    Args:
        world: see `AtlasWorld`.
        folder: of the artefacts.
        producers: those to run.
        overwrite: whether up-to-date artefacts are computed again.
        seconds: time taken by the choice of the texts.
        watcher: see `Watcher`.
    """
    watcher, result = watcher or Watcher(), AtlasResult()
    texts = _write_texts(world, folder, seconds)
    made = _remove_others(world, folder, texts)
    before, refused = (read_artefact(folder, TRUST) or {}).get("refused", {}), {}
    for producer in [*([CONTROL] if producers else []), *producers]:
        who = identity(producer, world, world.settings, texts, made)
        if not overwrite and made.get(producer.name) == plain(who):
            result.kept.append(producer.name)
            watcher.end(producer.name, "kept")
            continue
        told = watcher.begin(producer.name)
        reason = _make(producer, world.told(told), folder, who, result)
        if reason is None:
            made[producer.name] = plain(who)
            watcher.end(producer.name, f"{result.seconds[producer.name]:.0f} s")
        else:
            made.pop(producer.name, None)
            remove_artefact(folder, producer.name)
            result.dropped[producer.name] = reason
            refused[producer.name] = {"reason": reason, "identity": plain(who)}
            watcher.end(producer.name, "dropped")
    for producer in PRODUCERS:
        who = identity(producer, world, world.settings, texts, made)
        if producer.name not in made and before.get(producer.name, {}).get("identity") == plain(who):
            refused.setdefault(producer.name, before[producer.name])  # not tried now, and nothing has changed
    write_trust(folder, world.settings, world.seed, refused, {"texts": texts})
    return result


def _make(
    producer: Producer, world: AtlasWorld, folder: Path, who: Mapping[str, Any], result: AtlasResult
) -> str | None:
    """Make one artefact; returns the reason if it could not be made, otherwise None."""
    if reason := producer.lacking():
        return reason
    began = time.monotonic()
    try:
        values = dict(producer.load()(world, world.settings))
    except VosError as error:
        return str(error)
    except Exception as error:
        if machine_lacks(error) is not None:
            raise
        logger.exception("%s failed; its view is left out", producer.name)
        result.bugs.append(producer.name)
        return f"{producer.name} failed by a fault of this package ({type(error).__name__})"
    arrays = values.pop(ARRAYS, {})
    result.seconds[producer.name] = time.monotonic() - began
    head = {"producer": producer.name, "seconds": round(result.seconds[producer.name], 2)}
    tail = {"peak_memory_mib": peak_memory_mib(), "identity": who}
    write_artefact(folder, producer.name, {"settings": {}, "checks": [], **values, **head, **tail}, arrays)
    return None


def _write_texts(world: AtlasWorld, folder: Path, seconds: float) -> str:
    """Write the artefact `texts` unless it is up to date; returns its hash."""
    values = plain(texts_artefact(world))
    digest = text_hash(json_text(values))
    there = read_artefact(folder, "texts")
    if there is None or there.get("identity") != {"texts": digest}:
        head = {"producer": "texts", "seconds": round(seconds, 2), "settings": {}, "checks": []}
        tail = {"peak_memory_mib": peak_memory_mib(), "identity": {"texts": digest}}
        write_artefact(folder, "texts", {**head, **values, **tail}, {"features": world.features})
    return digest


def _remove_others(world: AtlasWorld, folder: Path, texts: str) -> dict[str, Any]:
    """Identity of each existing artefact, by name; those of other texts or another model are removed."""
    made: dict[str, Any] = {}
    removed = []
    if (read_artefact(folder, TRUST) or {}).get("identity") != {"texts": texts}:
        (folder / f"{TRUST}.json").unlink(missing_ok=True)
    for producer in (CONTROL, *PRODUCERS):
        found = read_artefact(folder, producer.name)
        if found is None:
            continue
        who = found.get("identity") or {}
        if (who.get("texts"), who.get("model_hash")) == (texts, world.run.get("model_hash")):
            made[producer.name] = who
        else:
            removed.append(producer.name)
            remove_artefact(folder, producer.name)
    if removed:
        logger.info("removed, since they are of other texts or another model: %s", ", ".join(removed))
    return made
