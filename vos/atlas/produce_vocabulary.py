"""Words that units promote, for layers and units that pass their checks, and the logit lens if it is available."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.atlas.artefacts import Check
from vos.atlas.page_data import PIECE_ROWS
from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld
from vos.errors import DataError, ModelError
from vos.interpret.importance import screen_units, token_activations
from vos.interpret.logit_lens import LensText, MaskedHead, logit_lens
from vos.interpret.units import UnitReader
from vos.interpret.vocabulary import LEVEL, LayerVocabulary, layer_vocabulary

logger = logging.getLogger(__name__)

TEXTS = 800
"""Number of texts whose tokens are read; with fewer, too few tokens occur often enough."""

SCREENED = 128
"""Number of texts for screening units if the artefact `importance` is missing."""

BOUNDARY_UNITS = 128
"""Number of units tested per layer, those with the largest score."""

SHOWN = 60
"""Number of units that are shown."""

KEPT = ("writes", "fires", "unit_p")
"""Arrays with a value for every unit of a layer, stored next to the artefact."""

LENS_TEXTS, LENS_TOKENS = 12, 3
"""Number of texts near the boundary for the logit lens, and number of tokens per position."""


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:  # noqa: ARG001 - a producer's signature
    """The two checks of every layer, the units that pass, and the lens.

    Raises:
        DataError: fewer than two texts.
        ModelError: no units, too few tokens, or embeddings of another size than the residual stream.
    """
    if len(world.texts) < 2:
        raise DataError(f"vocabulary: expected two texts or more, found {len(world.texts)}")
    reader = UnitReader(world.classifier)
    found = layers_of(world, reader, _scores(world, reader))
    world.progress(1, 3)
    passed = sum(each.passed for each in found)
    n_control = None if world.is_control else _control(world)
    world.progress(2, 3)
    units = _units(world, found)
    lens = None if world.is_control else _lens(world, reader)
    world.progress(3, 3)
    return {
        "settings": {"texts": TEXTS, "units": BOUNDARY_UNITS, "level": LEVEL},
        "layers": [_layer(place, each) for place, each in enumerate(found)],
        "units": units,
        PIECE_ROWS: world.tokens.of(token for each in units for token in (*each["words"], *each["activating"])),
        "logit_lens": lens,
        "checks": [_check(passed, len(found), n_control)],
        "arrays": {
            f"{name}_{i}": getattr(v, name) for i, v in enumerate(found) for name in ("writes", "fires", "unit_p")
        },
    }


def layers_of(world: AtlasWorld, reader: UnitReader, score: NDArray[np.float64]) -> list[LayerVocabulary]:
    """Test every layer, on its units with the largest score."""
    rng = world.rng("vocabulary")
    rows = np.sort(rng.permutation(len(world.texts))[:TEXTS])
    tokens = token_activations(reader, [world.texts.text[i] for i in rows])
    n_units = min(BOUNDARY_UNITS, reader.n_units // 2)
    return [
        layer_vocabulary(reader, tokens, layer, np.argsort(-score[layer], kind="stable")[:n_units], rng)
        for layer in range(reader.n_layers)
    ]


def _scores(world: AtlasWorld, reader: UnitReader) -> NDArray[np.float64]:
    """Effect of each unit on margins near the boundary: (L, u); from the artefact `importance` if it is usable."""
    score = np.array((world.read("importance") or {}).get("score", []), dtype=np.float64)
    if score.shape == (reader.n_layers, reader.n_units) and np.isfinite(score).all():
        return score
    nearest = np.argsort(np.abs(world.texts.margin), kind="stable")[:SCREENED]
    return screen_units(reader, [world.texts.text[i] for i in nearest]).score()


def _control(world: AtlasWorld) -> int | None:
    """Number of layers that pass for the encoder with random weights; None if it cannot be measured."""
    control = world.control()
    reader = UnitReader(control.classifier)
    try:
        return sum(each.passed for each in layers_of(control, reader, _scores(control, reader)))
    except ModelError:
        return None


def _layer(layer: int, found: LayerVocabulary) -> dict[str, Any]:
    asked, others = found.means
    return {
        "layer": layer,
        "overlap": asked,
        "random": others,
        "chance": found.chance,
        "p": found.p,
        "passed": found.passed,
        "units_passed": len(found.shown),
    }


def _units(world: AtlasWorld, layers: list[LayerVocabulary]) -> list[dict[str, Any]]:
    units = [
        {
            "layer": layer,
            "unit": unit,
            "p": found.unit_p[unit],
            "words": [world.tokens.name(int(i)) for i in found.writes[unit]],
            "activating": [world.tokens.name(int(i)) for i in found.fires[unit]],
        }
        for layer, found in enumerate(layers)
        for unit in found.shown
    ]
    return sorted(units, key=lambda each: float(each["p"]))[:SHOWN]


def _check(passed: int, n_layers: int, control: int | None) -> Check:
    beside = "" if control is None else f", and more than the {control} of random weights are wanted"
    return Check(
        "layers whose units write towards the words they fire at",
        passed,
        1,
        passed >= 1 and (control is None or passed > control),
        f"{passed} of {n_layers} layers pass at p < {LEVEL}{beside}; only units that pass on their own are shown",
        "model",
        control,
    )


def _lens(world: AtlasWorld, reader: UnitReader) -> dict[str, Any] | None:
    """Readings of the masked-LM head of the run's initial encoder; None if it has no such head."""
    name = world.run.get("encoder")
    if not name:
        return None
    nearest = np.argsort(np.abs(world.texts.margin), kind="stable")[:LENS_TEXTS]
    try:
        head = MaskedHead.load(str(name))
        if head is None:
            return None
        texts = [world.texts.text[i] for i in nearest]
        found = list(logit_lens(reader, head, texts, LENS_TOKENS))
    except (ModelError, RuntimeError) as error:  # a head of another size, or a hub that cannot be reached
        logger.warning("logit lens: left out (%s)", error)
        return None
    return lens_dict(world, found, nearest)


def lens_dict(world: AtlasWorld, found: list[LensText], rows: NDArray[np.int64]) -> dict[str, Any]:
    """For each token, the tokens read after every block; by layer, the mean log-probability of the actual token."""
    own = np.concatenate([each.own for each in found], axis=1)
    return {
        "layers": [
            {"layer": layer, "own token, mean log-probability": float(values.mean())}
            for layer, values in enumerate(own)
        ],
        "texts": [
            {
                "i": int(rows[each.row]),
                "tokens": [world.tokens.name(int(i)) for i in each.token_ids],
                "top": [[[world.tokens.name(int(i)) for i in place] for place in layer] for layer in each.top],
            }
            for each in found
        ],
    }
