"""Directions of the atlas: the margin split exactly into the parts of a few directions, with checks."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any, Literal

import numpy as np

from vos.atlas.artefacts import Check
from vos.atlas.direction_cards import FittedDirections, cards, compare
from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld
from vos.errors import DataError
from vos.interpret.direction_quality import stability
from vos.interpret.directions import ComponentSettings, LinearCode, decompose, independent_components
from vos.interpret.linear_margin import Array, LinearMargin

FEWEST = 30
"""Smallest number of texts for fitting directions."""

NUMBERS = (8, 6, 4)
"""Numbers of components, tried in turn until the share `STABLE` is found again on other texts."""

STABLE = 0.7
"""Share of the components that must be found again."""

RESAMPLES = 3
"""Number of resamples of the texts for the stability; each needs four fits."""


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:  # noqa: ARG001 - a producer's signature
    """The parts of each text's margin, a card per direction, the same test of other directions, and the checks.

    Raises:
        DataError: fewer than 30 texts.
    """
    if len(world.texts) < FEWEST:
        raise DataError(f"directions: expected {FEWEST} texts or more, found {len(world.texts)}")
    rule, stable, tried = _stable_rule(world)
    own = FittedDirections.of(world, rule)
    split = decompose(own.margin, own.code)
    world.progress(2, 4)
    compared = compare(world, own)
    world.progress(3, 4)
    constant = float(split.constant[own.margin.pair == 0][0])
    found = {
        "settings": asdict(rule) | {"fitted": len(own.fitted), "held_out": len(own.held)},
        "method": "independent components",
        "n": len(own.code.atoms),
        "parts": split.parts,
        "positive": positive_bits(split.codes),
        "pair": own.margin.pairs[0],
        "n_pairs": len(own.margin.pairs),
        # The page has one constant; what another pair of classes adds to it belongs to no direction.
        "residual": split.residual + (split.constant - constant),
        "constant": constant,
        "cards": cards(world, own, split, compared.ends),
        "compared": compared.table,
        "stability": stable | {"tried": tried},
        "checks": _checks(own, stable["bootstrap"], None if world.is_control else _control(world, rule)),
        "arrays": {name: getattr(split, name) for name in ("parts", "residual", "constant", "margins", "codes")}
        | {name: getattr(own.code, name) for name in ("atoms", "readers", "centre")},
    }
    world.progress(4, 4)
    return found


def positive_bits(codes: Array) -> list[int]:
    """The directions whose code is positive, for each row of codes (n, k): direction j is bit j.

    An end of a direction is the sign of the code; with several pairs of classes, a part may have the other sign.

    Example:
        >>> positive_bits(np.array([[0.5, -1.0, 2.0], [-1.0, 1.0, 0.0]]))
        [5, 2]
    """
    return [sum(1 << j for j in np.flatnonzero(row > 0).tolist()) for row in codes]


def _stable_rule(world: AtlasWorld) -> tuple[ComponentSettings, dict[str, float], dict[str, float]]:
    """The number of components that are stable on other texts (8 or fewer), their stability, and that of each number.

    If no number passes, the most stable one is used.
    """
    margin = LinearMargin.of(world.features, world.head, world.harmful)
    found: dict[int, tuple[ComponentSettings, dict[str, float]]] = {}
    for n in NUMBERS:
        rule = ComponentSettings(n)
        fit = partial(_fit, margin.normals, rule)
        found[n] = rule, stability(fit, margin.features, world.rng(f"directions stability {n}"), RESAMPLES)
        if found[n][1]["bootstrap"] >= STABLE:
            break
    tried = {n: stable["bootstrap"] for n, (_, stable) in found.items()}
    best = max(found, key=lambda n: (tried[n] >= STABLE, tried[n], n))
    return *found[best], {str(n): value for n, value in tried.items()}


def _fit(normals: Array, rule: ComponentSettings, rows: Array, seed: int) -> LinearCode:
    return independent_components(rows, normals, seed, rule)


def _control(world: AtlasWorld, rule: ComponentSettings) -> FittedDirections | None:
    control = world.control()
    return FittedDirections.of(control, rule) if len(control.texts) >= FEWEST else None


def _checks(own: FittedDirections, bootstrap: float, control: FittedDirections | None) -> list[Check]:
    here, there = own.fidelity(), None if control is None else control.fidelity()
    along = None if control is None else control.along
    return [
        _check(
            "same decision near the boundary",
            (here.same_decision, None if there is None else there.same_decision, 0.95),
            "of held-out texts near the boundary the directions alone decide as the model does",
        ),
        _check(
            "margin explained near the boundary (R²)",
            (here.r_squared, None if there is None else there.r_squared, 0.9),
            "of the variance of the margin near the boundary is the directions' own",
        ),
        _check(
            "variance along the boundary's normal",
            (own.along, along, 0.05),
            "of the variance of the features lies along the normal: the classes are a main direction",
        ),
        _check(
            "directions that come back on other texts",
            (bootstrap, None, STABLE),
            "of the directions are found again in texts drawn anew; this tests the method alone",
            "method",
        ),
    ]


def _check(
    name: str,
    numbers: tuple[float | None, float | None, float],
    meaning: str,
    tests: Literal["method", "model"] = "model",
) -> Check:
    value, control, threshold = numbers
    share = "" if value is None else f"{value:.0%}" if value >= 0 else "nothing"  # R² has no lower bound
    said = "too few texts to measure it" if value is None else f"{share} {meaning}"
    return Check(name, value, threshold, value is not None and value >= threshold, said, tests, control)
