"""Token graphs of the atlas: of the margin, the directions and the most important units, or of all units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from vos.atlas.artefacts import Check
from vos.atlas.graph_parts import every_unit, parts_of
from vos.atlas.graph_work import GraphWork
from vos.atlas.page_data import PIECE_ROWS
from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld
from vos.errors import ModelError
from vos.interpret.graph_views import similar_paths
from vos.interpret.layers import find_layers
from vos.interpret.token_graph_score import GRAPH
from vos.interpret.token_graphs import TokenGraphSettings
from vos.interpret.units import Unit

SHOWN = 100
"""Number of unit graphs shown on the page if all units have one; the others are only in the files of their parts."""

READABLE = 0.5
"""F1 from which a graph is a readable description of its unit, if its score is also the best of the four."""

ENOUGH = 0.05
"""Share of the graphs that must be readable for the view to be shown."""

CONTROLS = 12
"""Number of units with a graph for the encoder with random weights."""


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:
    """Graphs with their four scores, pairs of similar ones, and the check."""
    work = GraphWork(world, TokenGraphSettings())
    found = [*work.margin(), *work.directions()]
    graphs = [work.written(graph) for graph in found]
    paths = [graph.trie.paths() for graph in found]
    try:
        ranked = work.ranked_units()
    except ModelError:
        ranked = []  # without readable units there are still graphs of the margin
    whole: dict[str, Any] = {}
    if settings.n_units == "all":
        shown = ranked[:SHOWN]
        whole, units = _every(work, shown)
        shown = [unit for unit in shown if unit in units]
    else:
        shown = ranked[: settings.n_units]
        units = _chosen(work, shown)
    graphs += [units[unit][0] for unit in shown]
    paths += [units[unit][1] for unit in shown]
    control = None if world.is_control else _control(world)
    return {
        "settings": asdict(work.settings) | {"n_units": settings.n_units, "held_out": len(work.texts.test)},
        "graphs": graphs,
        "similar": [list(pair) for pair in similar_paths(paths)],
        "all": whole or None,
        PIECE_ROWS: world.tokens.of(token for graph in graphs for node in graph["nodes"] for token in node["tokens"]),
        "checks": [_check(graphs, control)],
    }


def _chosen(work: GraphWork, units: Sequence[Unit]) -> dict[Unit, tuple[dict[str, Any], Any]]:
    by_layer: dict[int, list[int]] = {}
    for layer, place in units:
        by_layer.setdefault(layer, []).append(place)
    found: dict[Unit, tuple[dict[str, Any], Any]] = {}
    for done, (layer, places) in enumerate(sorted(by_layer.items()), start=1):
        for place, graph in zip(places, work.units(layer, places), strict=True):
            found[layer, place] = work.written(graph), graph.trie.paths()
        work.world.progress(done, len(by_layer))
    return found


def _every(work: GraphWork, shown: Sequence[Unit]) -> tuple[dict[str, Any], dict[Unit, tuple[dict[str, Any], Any]]]:
    """A summary of all graphs, and the graphs that are shown."""
    layers = find_layers(work.world.classifier)
    parts = parts_of(len(layers), layers.output_weight(0).shape[0])
    found: dict[Unit, tuple[dict[str, Any], Any]] = {}
    wanted, every, units = set(shown), [], []
    for part in every_unit(work, parts):
        for graph, path in zip(part["graphs"], part["paths"], strict=True):
            unit = graph["target"]["layer"], graph["target"]["unit"]
            own = {tuple(map(tuple, each)) for each in path}
            every.append(own)
            units.append((unit, graph["winner"], graph["f1"]))
            if unit in wanted:
                found[unit] = graph, own
    summary = [_summary(layer, [each for each in units if each[0][0] == layer]) for layer in range(len(layers))]
    pairs = [[list(units[a][0]), list(units[b][0]), score] for a, b, score in similar_paths(every)]
    return {"units": len(every), "layers": summary, "similar": pairs}, found


def _summary(layer: int, units: Sequence[tuple[Unit, str, dict[str, float]]]) -> dict[str, Any]:
    names = list(units[0][2]) if units else []
    return {
        "layer": layer,
        "f1": {name: sum(f1[name] for _, _, f1 in units) / len(units) for name in names},
        "winners": dict(sorted(Counter(winner for _, winner, _ in units).items())),
    }


def _readable(graphs: Sequence[dict[str, Any]]) -> float | None:
    if not graphs:
        return None
    n: int = sum(graph["winner"] == GRAPH and graph["f1"][GRAPH] >= READABLE for graph in graphs)
    return n / len(graphs)


def _control(world: AtlasWorld) -> float | None:
    work = GraphWork(world.control(), TokenGraphSettings(n_sources=20))
    try:
        units = work.ranked_units()[:CONTROLS]
    except ModelError:
        return None
    return _readable([graph for graph, _ in _chosen(work, units).values()])


def _check(graphs: Sequence[dict[str, Any]], control: float | None) -> Check:
    value = _readable(graphs)
    if value is None:
        sentence = "there is no target to make a graph of"
    else:
        n = round(value * len(graphs))
        sentence = (
            f"{n} of {len(graphs)} graphs predict held-out texts with F1 {READABLE} or more and better than a token, "
            "two tokens or a bag of words do; of the others read the winner's words"
        )
    return Check(
        "graphs that may be read", value, ENOUGH, value is not None and value >= ENOUGH, sentence, "method", control
    )
