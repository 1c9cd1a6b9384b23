"""Dreams of the atlas: texts that strongly activate the margin, the directions and the most important units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vos.atlas.dream_writer import DreamWriter
from vos.atlas.graph_work import GraphWork
from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld
from vos.errors import ModelError
from vos.generation.language_model import LanguageModel
from vos.interpret.activations import Row, both_ends, both_sides, feature_activations, unit_activations
from vos.interpret.dreams import Dream, exciting, written
from vos.interpret.token_graphs import MARGIN_SIDES, Target, TokenGraphSettings, direction_ends, token_rows

UNITS = 24
"""Number of units with dreams; people read a text for each."""

MADE = "made"
"""Split of texts that a language model wrote for the run."""

Read = Callable[[Sequence[Row]], NDArray[np.float32]]


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:
    """The texts that activate each target most, the run's own generated texts first; new ones if requested."""
    made = np.array([split == MADE for split in world.texts.split], dtype=np.bool_)
    work = GraphWork(world, TokenGraphSettings())
    readers = _readers(work, settings)
    device = world.featurizer.device.type
    model = LanguageModel.load(cache=world.language_models, device=device) if settings.dreams else None
    targets: list[dict[str, Any]] = []
    refused: dict[str, int] = {}
    total = sum(len(names) for names, _ in readers)
    for names, read in readers:
        values = read(work.texts.rows)
        for k, target in enumerate(names):
            dreams = exciting(values[:, k], made)
            if model is not None:
                writer = DreamWriter(model, world.texts.text, _draws(world, target))
                dreams = [*_new(work, writer, read, k, dreams), *dreams]
                for reason, n in writer.refused.items():
                    refused[reason] = refused.get(reason, 0) + n
            targets.append({"target": target.as_dict(), "texts": [_written(dream) for dream in dreams]})
            world.progress(len(targets), total)
    return {
        "settings": {"dreams": settings.dreams, "made": int(made.sum())},
        "targets": targets,
        "refused": refused,
        "checks": [],
    }


def _readers(work: GraphWork, settings: AtlasSettings) -> list[tuple[Sequence[Target], Read]]:
    """Targets, grouped by the reader of their values."""
    world, classifier = work.world, work.world.classifier
    readers: list[tuple[Sequence[Target], Read]] = []
    if world.harmful:
        readers.append((MARGIN_SIDES, feature_activations(classifier, both_sides(classifier))))
    if (directions := work.direction_rows()) is not None:
        rows, centre = directions
        readers.append((direction_ends(len(rows)), feature_activations(classifier, both_ends(rows, centre))))
    n = UNITS if settings.n_units == "all" else min(UNITS, settings.n_units)
    try:
        units = work.ranked_units()[:n]
    except ModelError:
        units = []
    for layer in sorted({layer for layer, _ in units}):
        places = [place for here, place in units if here == layer]
        targets = [Target("unit", layer=layer, unit=place) for place in places]
        readers.append((targets, unit_activations(classifier, layer, places)))
    return readers


def _new(work: GraphWork, writer: DreamWriter, read: Read, k: int, dreams: Sequence[Dream]) -> list[Dream]:
    classifier, known = work.world.classifier, work.world.texts.text

    def values(texts: Sequence[str]) -> NDArray[np.float32]:
        return read(token_rows(classifier.tokenizer, texts, classifier.max_length))[:, k]

    starts = [known[dream.index] for dream in dreams if dream.index is not None]
    return written(writer, values, list(dict.fromkeys(starts)))


def _draws(world: AtlasWorld, target: Target) -> Callable[[int], torch.Generator]:
    name = " ".join(str(value) for value in target.as_dict().values())
    return lambda number: world.generator(f"dreams {name} {number}")


def _written(dream: Dream) -> dict[str, Any]:
    place = {"text": dream.text} if dream.index is None else {"i": dream.index}
    return {**place, "value": dream.value}
