"""Which units of the encoder affect the margins near the boundary, checked by mean ablation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.atlas.artefacts import Check
from vos.atlas.page_data import PIECE_ROWS
from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld
from vos.errors import DataError
from vos.interpret.conductance import conductance
from vos.interpret.importance import (
    SetAblation,
    UnitScreen,
    ablate_set,
    ablate_singly,
    rank_agreement,
    screen_units,
    spread_of_ranks,
)
from vos.interpret.units import Unit, UnitReader

FEWEST = 8
"""Smallest number of texts for ranking units."""

TOP_SHARE = 0.01
"""Share of all units that are ablated together."""

CAUSAL, AGREEMENT = 1.0, 0.6
"""Thresholds of the checks: top set against the strongest random set, and rank correlation with ablation."""

TOKENS = 8
"""Number of tokens shown per unit."""


@dataclass(frozen=True)
class ImportanceSizes:
    """Numbers of texts and units.

    Attributes:
        near: texts near the boundary for screening units.
        core: texts far from it.
        held: other texts near the boundary, for measuring ablation.
        shown: units that are ablated alone, the strongest of the screen.
        spread: further units of all ranks, to validate the screen.
        random_sets: random sets of the same size as the top set.
        conductance: texts for the conductance.
    """

    near: int = 160
    core: int = 96
    held: int = 32
    shown: int = 40
    spread: int = 24
    random_sets: int = 20
    conductance: int = 8


SIZES = ImportanceSizes()
CONTROL = ImportanceSizes(near=64, core=0, held=16, shown=8, spread=24, random_sets=10, conductance=0)
"""Sizes for the encoder with random weights."""


@dataclass(frozen=True)
class _Found:
    """The measurements on one encoder.

    Attributes:
        screen: of the texts near the boundary, then those far from it.
        n_near: how many of them are near.
        sets: the top set against random sets.
        shown: the units that were ablated alone and are shown, largest effect first.
        effect: (shown,) mean |change of the margin|.
        agreement: rank correlation of screen and ablation over the spread.
    """

    screen: UnitScreen
    n_near: int
    sets: SetAblation
    shown: list[Unit]
    effect: NDArray[np.float64]
    agreement: float


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:  # noqa: ARG001 - a producer's signature
    """Scores of all units, ablation of the strongest, sets against random sets, and conductance for comparison.

    Raises:
        DataError: fewer than 8 texts.
        ModelError: no units were found in the encoder; see `find_layers`.
    """
    if len(world.texts) < FEWEST:
        raise DataError(f"importance: expected {FEWEST} texts or more, found {len(world.texts)}")
    reader = UnitReader(world.classifier)
    near, core, held = text_rows(world, SIZES)
    found = _measure(world, reader, SIZES)
    world.progress(3, 5)
    score = found.screen.score(range(found.n_near))
    few = near[: SIZES.conductance]
    paths = np.abs(conductance(reader, [world.texts.text[i] for i in few])).mean(0)
    world.progress(4, 5)
    control = None if world.is_control else _control(world)
    top = _top(world, found, score)
    world.progress(5, 5)
    return {
        "settings": vars(SIZES) | {"read": {"near": len(near), "core": len(core), "held": len(held)}},
        "layers": reader.n_layers,
        "units": reader.n_units,
        "score": score,
        "top": top,
        PIECE_ROWS: world.tokens.of(token for each in top for token in each["tokens"]),
        "sets": {"top_percent": found.sets.top, "random": found.sets.random},
        "conductance": {"spearman": rank_agreement(paths, score), "texts": len(few)},
        "checks": _checks(found, control),
        "arrays": {"score": score, "means": found.screen.means, "conductance": paths},
    }


def text_rows(world: AtlasWorld, sizes: ImportanceSizes) -> tuple[NDArray[np.int64], ...]:
    """Rows near the boundary, far from it, and near it for ablation; texts written by a language model are left out.

    If few texts are near, those nearest to the boundary are used instead, and ablation is measured on the same texts.
    """
    texts, rng = world.texts, world.rng("importance texts")
    size = np.abs(texts.margin)
    natural = np.flatnonzero([split != "made" for split in texts.split])
    natural = natural if len(natural) >= FEWEST else np.arange(len(texts))
    near = natural[texts.near[natural]]
    if len(near) < FEWEST:
        near = natural[np.argsort(size[natural], kind="stable")[:FEWEST]]
    drawn = rng.permutation(near)
    held = drawn[sizes.near :][: sizes.held]
    held = held if len(held) >= FEWEST else drawn[: sizes.held]
    far = np.setdiff1d(natural[size[natural] > np.median(size[natural])], near)
    return drawn[: sizes.near], rng.permutation(far)[: sizes.core], held


def _measure(world: AtlasWorld, reader: UnitReader, sizes: ImportanceSizes) -> _Found:
    texts = world.texts.text
    near, core, rows = text_rows(world, sizes)
    screen = screen_units(reader, [texts[i] for i in [*near, *core]])
    score, held = screen.score(range(len(near))), [texts[i] for i in rows]
    world.progress(1, 5)
    top = screen.top(max(1, round(TOP_SHARE * score.size)), range(len(near)))
    sets = ablate_set(reader, held, top, screen.means, world.rng("importance sets"), sizes.random_sets)
    world.progress(2, 5)
    first, spread = screen.top(sizes.shown, range(len(near))), spread_of_ranks(score, sizes.spread)
    alone = np.abs(ablate_singly(reader, held, [*first, *spread], screen.means)).mean(1)
    agreement = rank_agreement(np.array([score[unit] for unit in spread]), alone[len(first) :])
    order = np.argsort(-alone[: len(first)], kind="stable")
    return _Found(screen, len(near), sets, [first[i] for i in order], alone[order], agreement)


def _control(world: AtlasWorld) -> _Found | None:
    control = world.control()
    if len(control.texts) < FEWEST:
        return None
    return _measure(control, UnitReader(control.classifier), CONTROL)


def _top(world: AtlasWorld, found: _Found, score: NDArray[np.float64]) -> list[dict[str, Any]]:
    n = len(found.screen.attribution)
    far = found.screen.score(range(found.n_near, n)) if n > found.n_near else None
    return [
        {
            "layer": unit[0],
            "unit": unit[1],
            "score": score[unit],
            "ablation": effect,
            "near_share": None if far is None else score[unit] / max(score[unit] + far[unit], 1e-12),
            "tokens": [world.tokens.name(int(i)) for i in found.screen.tokens.of(unit, TOKENS)],
        }
        for unit, effect in zip(found.shown, found.effect, strict=True)
    ]


def _checks(found: _Found, control: _Found | None) -> list[Check]:
    ratio, n = found.sets.ratio, len(found.sets.random)
    agreement = found.agreement if np.isfinite(found.agreement) else None
    agreed = "could not be ranked" if agreement is None else f"are ranked by the score as by ablation ({agreement:.2f})"
    there = None if control is None or not np.isfinite(control.agreement) else control.agreement
    return [
        Check(
            "the strongest units together, against the strongest random set",
            ratio if np.isfinite(ratio) else None,
            CAUSAL,
            ratio > CAUSAL,
            f"held at their means, the strongest {TOP_SHARE:.0%} of the units move near margins {ratio:.1f} times as "
            f"far as the strongest of {n} random sets of the same layers; random weights may pass too",
            "method",
            None if control is None else control.sets.ratio,
            "above",
        ),
        Check(
            "rank correlation of score and ablation",
            agreement,
            AGREEMENT,
            agreement is not None and agreement >= AGREEMENT,
            f"units of all ranks, held at their mean alone, {agreed}; this tests the method alone",
            "method",
            there,
        ),
    ]
