"""Word differences between sets of the atlas's texts: near and core, mistakes, neighbours of virtual outliers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from vos.atlas.known import known_labels
from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld
from vos.interpret.describe import DescribeSettings, describe_difference
from vos.interpret.differences import DifferenceSettings, difference
from vos.interpret.terms import term_matrix
from vos.interpret.text_sets import (
    TextPair,
    balanced,
    mistakes_against_right,
    near_against_core,
    neighbours_against_rest,
)

JUDGED = 40
"""Held-out texts of each set judged per sentence: about 400 questions per pair of sets."""


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:  # noqa: ARG001 - a producer's signature
    """Terms that differ between each pair of sets. They describe the texts, not the model, so no check needs the model.

    Texts written by a language model are left out: they are near the boundary by construction.
    """
    texts, rule = world.texts, DifferenceSettings()
    matrix = term_matrix(texts.text)
    natural = np.array([split != "made" for split in texts.split], dtype=bool)
    source = texts.held_out.astype(np.int64)
    pairs = []
    candidates = text_pairs(world, natural)
    for done, candidate in enumerate(candidates):
        draw = world.rng(f"differences {candidate.name}")
        pair = balanced(candidate, source, draw)
        found = asdict(difference(matrix, pair.in_a, pair.in_b, draw, rule))
        said = sentences(world, pair) if found["reliable"] else []
        pairs.append({"name": pair.name, "a": pair.a, "b": pair.b, **found, "sentences": said})
        world.progress(done + 1, len(candidates))
    return {"settings": asdict(rule), "pairs": pairs, "about": "the texts, not the model"}


def sentences(world: AtlasWorld, pair: TextPair) -> list[dict[str, Any]]:
    """The describer's sentences about a pair, validated on held-out texts; empty without a describer."""
    if world.describer is None:
        return []
    found = describe_difference(
        world.describer, world.describer, world.texts.text, (pair.in_a, pair.in_b),
        world.rng(f"sentences {pair.name}"), DescribeSettings(judged=JUDGED),
    )  # fmt: skip
    return [asdict(each) for each in found]


def text_pairs(world: AtlasWorld, among: np.ndarray[Any, np.dtype[np.bool_]]) -> list[TextPair]:
    """The pairs of sets that are compared, among the texts of a mask (n,)."""
    texts = world.texts
    size = np.abs(texts.margin)
    typical = size[texts.held_out & among] if (texts.held_out & among).any() else size[among]
    core = (size > np.median(typical)) & ~texts.near & among if len(typical) else np.zeros(len(texts), dtype=bool)
    pairs = near_against_core(texts.near & among, core, texts.prediction, world.classes)
    known = np.where(among, known_labels(texts), -1)
    pairs += mistakes_against_right(known, texts.prediction, len(world.classes), world.harmful)
    outliers = world.read("outliers") or {}
    nearest = np.array([row for row in outliers.get("nearest", []) if row], dtype=np.int64)
    if nearest.size:
        pairs.append(neighbours_against_rest(nearest, among))
    return pairs
