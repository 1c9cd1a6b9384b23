"""Token graphs of all units of an encoder: in parts stored on disk, by several processes, with an estimated time."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

import vos
from vos.atlas.artefacts import json_text, plain, read_artefact, write_artefact
from vos.atlas.graph_work import GraphWork
from vos.atlas.producers import ENCODER
from vos.atlas.world import AtlasWorld, no_progress
from vos.interpret.activations import TAKEN_OUT, Row, unit_activations
from vos.storage.hashes import text_hash
from vos.storage.workers import results

logger = logging.getLogger(__name__)

PART = 512
"""Units per part: many, because they share the first pass over all texts."""

PROBE_ROWS = 400
"""Number of rows read to estimate the total time."""

ROWS_A_TEXT = 40
"""Mean number of rows read per text and unit after the first pass (measured: 38 to 46)."""

SHORT = 6
"""Mean number of tokens of these rows."""


@dataclass(frozen=True)
class Part:
    """Some units of one layer.

    Attributes:
        layer: counted from 0.
        start: first unit.
        end: one past the last unit.
    """

    layer: int
    start: int
    end: int

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"layer{self.layer:02d}_units{self.start:05d}"


def parts_of(layers: int, units: int, size: int = PART) -> list[Part]:
    """All units of an encoder, layer by layer.

    Example:
        >>> [(part.layer, part.start, part.end) for part in parts_of(1, 5, 2)]
        [(0, 0, 2), (0, 2, 4), (0, 4, 5)]
    """
    return [Part(layer, start, min(start + size, units)) for layer in range(layers) for start in range(0, units, size)]


def estimated_seconds(work: GraphWork, parts: Sequence[Part]) -> float:
    """Seconds that one process needs for these parts, estimated from a few rows at each layer."""
    rows = [work.texts.rows[i] for i in work.texts.train]
    singles = sum(len(row) for row in rows)
    if not singles:
        return 0.0
    probe: list[Row] = [row for row in rows if row][:PROBE_ROWS]
    short: list[Row] = [(*row[:SHORT], TAKEN_OUT) for row in probe]
    single: list[Row] = [(row[0], TAKEN_OUT) for row in probe]
    total = 0.0
    for layer in {part.layer for part in parts}:
        read = unit_activations(work.world.classifier, layer, range(1))
        whole, several, alone = (_seconds(read, each) / len(probe) for each in (probe, short, single))
        for part in (part for part in parts if part.layer == layer):
            pairs = (part.end - part.start) * work.settings.n_sources
            # Every single token and every whole text are read once for all units of the part.
            first = min(1.0, pairs / len(rows))
            total += first * singles * alone + len(work.texts.rows) * whole + pairs * ROWS_A_TEXT * several
    return total


def _seconds(read: Any, rows: Sequence[Row]) -> float:
    start = time.perf_counter()
    read(rows)
    return time.perf_counter() - start


def every_unit(work: GraphWork, parts: Sequence[Part], processes: int | None = None) -> Iterator[dict[str, Any]]:
    """The content of each part, in the order in which they finish; parts on disk are not computed again.

    Args:
        work: if its world has no folder, nothing is stored.
        parts: see `parts_of`.
        processes: number of parallel processes; None: one per core on a CPU, otherwise a single one.
    """
    world, folder = work.world, _folder(work.world)
    wanted, open_parts = _identity(work), []
    for part in parts:
        kept = None if folder is None else read_artefact(folder, part.name)
        if kept is not None and kept.get("identity") == wanted:
            yield kept
        else:
            open_parts.append(part)
    if not open_parts:
        return
    n = min(len(open_parts), _processes(world) if processes is None else processes)
    seconds = estimated_seconds(work, open_parts)
    logger.info(
        "token graphs of %d units in %d parts: about %.1f hours with %d processes; every part is kept, so that it can "
        "be stopped and started again",
        sum(part.end - part.start for part in open_parts), len(open_parts), seconds / n / 3600, n,
    )  # fmt: skip
    for done, found in enumerate(_made(work, open_parts, n), start=1):
        content = {"identity": wanted, **found}
        if folder is not None:
            write_artefact(folder, found["part"], content, {})
        world.progress(len(parts) - len(open_parts) + done, len(parts))
        yield dict(plain(content))


def _made(work: GraphWork, parts: Sequence[Part], processes: int) -> Iterator[dict[str, Any]]:
    if processes < 2:
        for part in parts:
            yield _make(work, part)
        return
    # The other processes do not report progress; only this one does.
    quiet = replace(work, world=replace(work.world, progress=no_progress))
    _ = quiet.texts.baselines, quiet.propose
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_start, initargs=(quiet,)) as pool:
        yield from results([pool.submit(_make_here, part) for part in parts], "token graphs")


_here: list[GraphWork] = []


def _start(work: GraphWork) -> None:
    torch.set_num_threads(1)
    _here.append(work)


def _make_here(part: Part) -> dict[str, Any]:
    return _make(_here[0], part)


def _make(work: GraphWork, part: Part) -> dict[str, Any]:
    graphs = work.units(part.layer, range(part.start, part.end))
    return {
        "part": part.name,
        "graphs": [work.written(graph) for graph in graphs],
        "paths": [sorted(map(list, graph.trie.paths())) for graph in graphs],
    }


def _processes(world: AtlasWorld) -> int:
    return (os.cpu_count() or 1) if world.classifier.head.weight.device.type == "cpu" else 1


def _folder(world: AtlasWorld) -> Path | None:
    if world.folder is None:
        return None
    folder = world.folder / "token_graphs"
    folder.mkdir(exist_ok=True)
    return folder


def _identity(work: GraphWork) -> dict[str, Any]:
    world = work.world
    return dict(
        plain(
            {
                "run_hash": world.run.get("run_hash"),
                "model_hash": world.run.get("model_hash"),
                "texts": text_hash(json_text(plain([world.texts.uid, world.texts.near]))),
                "seed": world.seed,
                "settings": asdict(work.settings),
                "packages": {ENCODER: find_spec(ENCODER) is not None},
                "vos": vos.__version__,
            }
        )
    )
