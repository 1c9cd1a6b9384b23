"""Communities of units, across layers and within each, compared with those of the control; senses of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.atlas.artefacts import Check
from vos.atlas.page_data import PIECE_ROWS
from vos.atlas.settings import AtlasSettings
from vos.atlas.word_senses import parts_of_speech, senses_dict, words_with_senses
from vos.atlas.world import AtlasWorld
from vos.interpret.community_views import (
    NAMED_SHARE,
    NAMED_TOKENS,
    STABLE,
    CommunitySettings,
    CommunityView,
    community_view,
)
from vos.interpret.importance import screen_units
from vos.interpret.spectral import SpectralClusters
from vos.interpret.topics import text_activity, topic_tags
from vos.interpret.unit_token_graph import Occurrences, read_occurrences
from vos.interpret.units import Unit, UnitReader

ACROSS = "across"

ACROSS_UNITS = 512
"""Number of units of the view across layers: those with the largest effect on the margin."""

LAYER_UNITS = 256
"""Number of units of the view of one layer."""

MOST_TEXTS = 600
"""Largest number of texts that are read, the same as for the control."""

SCREEN_TEXTS = 192
"""Number of texts for screening units if the artefact `importance` is missing."""

MOST_EDGES = 600
MOST_TOKENS = 40
MOST_TAGS = 6

SHOWN_P = 0.05
"""p-value of the eigengap under its null distribution above which spectral clusters are not shown."""

SETTINGS = CommunitySettings()


@dataclass(frozen=True)
class _Read:
    """The texts at `rows`, and the values on them of all `units` that a view shows."""

    world: AtlasWorld
    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    units: list[Unit]
    occurrences: Occurrences

    def view(self, name: str) -> tuple[CommunityView, Occurrences]:
        chosen = view_units(name, self.score)
        place = {unit: column for column, unit in enumerate(self.units)}
        own = self.occurrences.of_units(np.array([place[unit] for unit in chosen], dtype=np.intp))
        rng = self.world.rng(f"communities {name}")
        return community_view(name, own, tuple(chosen), SETTINGS, rng), own


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:  # noqa: ARG001 - a producer's signature
    """See the artefact `communities`; for the control only the numbers of the view across layers are included."""
    layers = UnitReader(world.classifier).n_layers
    names = [ACROSS, *(f"layer {layer}" for layer in range(layers))]
    steps = len(names) + 3
    read = _read(world, names)
    world.progress(1, steps)
    views, made = [], []
    for step, name in enumerate(names, start=2):
        view, occurrences = read.view(name)
        made.append(view)
        views.append(_view_dict(view, read, occurrences))
        world.progress(step, steps)
    parted = words_with_senses(world, read.rows)
    world.progress(steps - 1, steps)
    control = None if world.is_control else _control_numbers(world.control())
    views[0]["control"] = control
    world.progress(steps, steps)
    return {
        "settings": asdict(SETTINGS)
        | {"texts": len(read.rows), "across_units": ACROSS_UNITS, "layer_units": LAYER_UNITS},
        "views": views,
        "control": control,
        "senses": [senses_dict(each, world, read.rows) for each in parted],
        "pos": parts_of_speech(parted, world, read.rows),
        PIECE_ROWS: world.tokens.of(
            each["token"] for view in views for group in view["groups"] for each in group["tokens"]
        ),
        "checks": _checks(made[0], control),
        "arrays": {f"labels_{view.name.replace(' ', '_')}": view.found.labels for view in made}
        | {f"agreements_{view.name.replace(' ', '_')}": view.agreements for view in made},
    }


def _read(world: AtlasWorld, names: Sequence[str]) -> _Read:
    rows = sample_rows(world)
    texts = [world.texts.text[row] for row in rows]
    reader = UnitReader(world.classifier)
    score = _unit_scores(world, reader, texts)
    units = sorted({unit for name in names for unit in view_units(name, score)})
    return _Read(world, rows, score, units, read_occurrences(reader, texts, units))


def sample_rows(world: AtlasWorld) -> NDArray[np.int64]:
    """Rows of the texts that are read, ascending; half of them near the boundary if there are enough."""
    n = len(world.texts)
    if n <= MOST_TEXTS:
        return np.arange(n, dtype=np.int64)
    rng = world.rng("communities texts")
    near = rng.permutation(np.flatnonzero(world.texts.near))[: MOST_TEXTS // 2]
    rest = rng.permutation(np.setdiff1d(np.arange(n), near))[: MOST_TEXTS - len(near)]
    return np.sort(np.concatenate([near, rest])).astype(np.int64)


def _unit_scores(world: AtlasWorld, reader: UnitReader, texts: Sequence[str]) -> NDArray[np.float64]:
    """Effect of each unit on the margin: (L, u); taken from the artefact `importance` if it exists and fits."""
    found = np.array((world.read("importance") or {}).get("score", []), dtype=np.float64)
    if found.shape == (reader.n_layers, reader.n_units) and np.isfinite(found).all():
        return found
    return screen_units(reader, texts[:: max(1, len(texts) // SCREEN_TEXTS)][:SCREEN_TEXTS]).score()


def view_units(name: str, score: NDArray[np.float64]) -> list[Unit]:
    """The units of a view, those with the largest score (L, u) first.

    Example:
        >>> view_units("layer 1", np.array([[9.0, 9.0], [1.0, 2.0]]))
        [(1, 1), (1, 0)]
    """
    layers, most = range(len(score)), ACROSS_UNITS
    if name != ACROSS:
        layer = int(name.removeprefix("layer "))
        layers, most = range(layer, layer + 1), LAYER_UNITS
    own = [(layer, place) for layer in layers for place in range(score.shape[1])]
    return sorted(own, key=lambda unit: (-score[unit], unit))[:most]


def _control_numbers(control: AtlasWorld) -> dict[str, Any]:
    read = _read(control, [ACROSS])
    view, _ = read.view(ACROSS)
    return _summary(view) | {"senses": len(words_with_senses(control, read.rows))}


def _summary(view: CommunityView) -> dict[str, Any]:
    """The numbers of a view that are compared with those of the control."""
    return {
        "k": None if view.spectral is None else view.spectral.k,
        "communities": view.found.n,
        "ncut": None if view.spectral is None else view.spectral.cut,
        "ncut_null": None if view.spectral is None else view.spectral.null_cuts,
        "ncut_p": None if view.spectral is None else view.spectral.cut_p,
        "gap_p": None if view.spectral is None else view.spectral.gap_p,
        "stability": view.stability,
        "seeds": view.found.agreement,
        "modularity": view.found.modularity,
        "ami_layer": view.ami_layer,
        "token_groups": view.n_tokens,
        "named_share": view.named_share,
    }


def _view_dict(view: CommunityView, read: _Read, occurrences: Occurrences) -> dict[str, Any]:
    """A view in the form of the artefact `communities`."""
    return {
        "name": view.name,
        "units": [list(unit) for unit in view.units],
        "leiden": view.found.labels,
        "spectral": _shown(view.spectral),
        "eigengap": [] if view.spectral is None else view.spectral.gaps,
        "null_gap": [] if view.spectral is None else view.spectral.null_gaps,
        **_summary(view),
        "passed": view.passed,
        "groups": _groups(view, read, occurrences),
        "merged": [each for each in view.merged if len(each) > 1],
        "layout": {"x": view.layout[:, 0], "y": view.layout[:, 1]},
        "edges": [list(edge) for edge in view.strongest_edges(MOST_EDGES)],
    }


def _shown(spectral: SpectralClusters | None) -> NDArray[np.int64] | None:
    """Spectral clusters, unless graphs with shuffled weights have an eigengap as large."""
    return None if spectral is None or spectral.gap_p >= SHOWN_P else spectral.labels


def _groups(view: CommunityView, read: _Read, occurrences: Occurrences) -> list[dict[str, Any]]:
    tokens = [read.world.tokens.name(token) for token in view.tokens.tolist()]
    activity = text_activity(occurrences, view.found.labels)
    tags: list[list[dict[str, Any]]] = [[] for _ in view.groups]
    for column, values in read.world.texts.columns.items():
        known: list[str | None] = [values[row] for row in read.rows]
        found = topic_tags(activity, known, read.world.rng(f"topics {view.name} {column}"))
        for own, more in zip(tags, found, strict=True):
            own += [{"column": column, "value": tag.value, "z": tag.z, "n": tag.n} for tag in more]
    groups = []
    for c, (group, own) in enumerate(zip(view.groups, tags, strict=True)):
        shown: list[dict[str, Any]] = [
            {"token": tokens[share.token], "share": share.share, "ratio": share.ratio, "p": share.p} for share in group
        ]
        groups.append(
            {
                "cluster": c,
                "name": " · ".join(each["token"] for each in shown[:NAMED_TOKENS]),
                "n_tokens": len(group),
                "tokens": shown[:MOST_TOKENS],
                "tags": sorted(own, key=lambda tag: -abs(tag["z"]))[:MOST_TAGS],
            }
        )
    return groups


def _checks(view: CommunityView, control: Mapping[str, Any] | None) -> list[Check]:
    """Checks of the view across layers, which an encoder of random weights should fail."""
    beside = control or {}
    told = f"{view.named_share:.0%} of the {view.found.n} communities have {NAMED_TOKENS} tokens of their own or more"
    steady = f"drawn anew from the texts the communities agree with themselves by {view.stability:.2f}"
    return [
        Check(
            "communities that tokens tell",
            view.named_share,
            NAMED_SHARE,
            view.named_share >= NAMED_SHARE,
            f"{told}; {NAMED_SHARE:.0%} are wanted, and random weights have next to none",
            "model",
            beside.get("named_share"),
        ),
        Check(
            "stability under other texts (adjusted Rand index)",
            view.stability,
            STABLE,
            view.stability >= STABLE,
            f"{steady}; {STABLE} is wanted, and 0 is chance",
            "model",
            beside.get("stability"),
        ),
    ]
