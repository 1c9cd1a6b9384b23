"""The producer of token graphs on a tiny encoder: what it writes, what it stores, and how it resumes."""

import json
import logging

import numpy as np
import pytest

from tests.atlas.worlds import tiny_world
from vos.atlas import graph_parts, graph_work, produce_token_graphs
from vos.atlas.artefacts import json_text, plain, write_artefact
from vos.atlas.graph_parts import every_unit, parts_of
from vos.atlas.graph_work import GraphWork
from vos.atlas.produce_token_graphs import produce
from vos.atlas.settings import AtlasSettings
from vos.interpret.token_graphs import TokenGraphSettings


@pytest.fixture
def world(tiny_encoder, tmp_path, monkeypatch):
    # The tiny encoder has the vocabulary of the bundled one, but its table is far smaller.
    monkeypatch.setattr(graph_work, "BUNDLED", tiny_encoder)
    return tiny_world(tiny_encoder, folder=tmp_path)


def small(world, n_sources=3):
    return GraphWork(world, TokenGraphSettings(n_sources=n_sources))


def test_what_is_written_is_what_the_page_reads(world):
    found = plain(produce(world, AtlasSettings(n_texts=80, n_units=3)))
    json.loads(json_text(found))
    targets = [graph["target"] for graph in found["graphs"]]
    assert [(t["kind"], t["side"]) for t in targets[:2]] == [("margin", "harmful"), ("margin", "harmless")]
    assert [t["kind"] for t in targets[2:]] == ["unit"] * 3
    assert all(set(graph["f1"]) == {"graph", "token", "bigram", "words"} for graph in found["graphs"])
    for graph in found["graphs"]:
        assert all(node["parent"] is None or node["parent"] < node["id"] for node in graph["nodes"])
        for example in graph["examples"]:
            assert 0 <= example["start"] < example["end"] <= len(world.texts.text[example["i"]])
    (check,) = found["checks"]
    assert check["tests"] == "method"
    assert 0.0 <= check["control"] <= 1.0
    assert check["passed"] == (check["value"] >= check["threshold"])


def test_units_are_those_that_matter_most_where_a_producer_has_ranked_them(world):
    score = np.zeros((2, 32))
    score[1, 7], score[0, 3], score[1, 2] = 3, 2, 1
    write_artefact(world.folder, "importance", {"score": score.tolist()}, {})
    assert small(world).ranked_units()[:3] == [(1, 7), (0, 3), (1, 2)]


def test_directions_have_two_ends(world):
    rng = np.random.default_rng(0)
    centre = world.features.mean(0)
    readers = rng.normal(size=(2, 16))
    np.savez(world.folder / "directions.npz", readers=readers, centre=centre)
    graphs = small(world).directions()
    assert [(g.target.direction, g.target.side) for g in graphs] == [(0, "+"), (1, "+"), (0, "-"), (1, "-")]
    codes = (world.features - centre) @ readers.T
    train = np.sort(codes[small(world).texts.train, 1])[-10:]
    assert graphs[1].threshold == pytest.approx(max(train.mean() / 2, 0), rel=0.05, abs=1e-3)


def test_every_unit_in_parts_that_are_kept(world, caplog, monkeypatch):
    work, parts = small(world), parts_of(2, 6, 3)
    assert len(parts) == 4
    with caplog.at_level(logging.INFO, logger="vos"):
        first = next(iter(every_unit(work, parts, processes=1)))
    assert "token graphs of 12 units in 4 parts: about 0.0 hours with 1 processes" in caplog.text
    kept = sorted(world.folder.glob("token_graphs/*.json"))
    assert len(kept) == 1
    before = kept[0].stat().st_mtime_ns
    everything = {part["part"]: part for part in every_unit(work, parts, processes=1)}
    assert kept[0].stat().st_mtime_ns == before
    assert everything[first["part"]] == first
    targets = [graph["target"] for part in sorted(everything) for graph in everything[part]["graphs"]]
    units = [(target["layer"], target["unit"]) for target in targets]
    assert units == [(layer, unit) for layer in range(2) for unit in range(6)]
    with monkeypatch.context() as patch:
        patch.setattr("vos.__version__", "another")
        next(iter(every_unit(work, parts, processes=1)))
    assert kept[0].stat().st_mtime_ns != before  # by another version: made anew
    before = kept[0].stat().st_mtime_ns
    other = GraphWork(world, TokenGraphSettings(n_sources=2))
    next(iter(every_unit(other, parts, processes=1)))
    assert kept[0].stat().st_mtime_ns != before  # of other settings: made anew


def test_all_units_are_summed_up_and_the_first_are_shown(world, monkeypatch):
    monkeypatch.setattr(produce_token_graphs, "parts_of", lambda layers, units: parts_of(layers, units // 8))
    monkeypatch.setattr(produce_token_graphs, "TokenGraphSettings", lambda **_: TokenGraphSettings(n_sources=2))
    monkeypatch.setattr(produce_token_graphs, "SHOWN", 40)
    monkeypatch.setattr(graph_parts, "_processes", lambda _world: 1)
    found = plain(produce(world, AtlasSettings(n_texts=80, n_units="all")))
    assert found["all"]["units"] == 8
    assert [layer["layer"] for layer in found["all"]["layers"]] == [0, 1]
    assert sum(sum(layer["winners"].values()) for layer in found["all"]["layers"]) == 8
    units = [graph["target"] for graph in found["graphs"][2:]]
    assert {(unit["layer"], unit["unit"]) for unit in units} <= {(i, j) for i in range(2) for j in range(4)}
    assert len(list(world.folder.glob("token_graphs/*.json"))) == 2


@pytest.mark.slow
def test_processes_make_the_same(world):
    parts = parts_of(1, 4, 2)
    alone = {part["part"]: part for part in every_unit(small(world), parts, processes=1)}
    for path in world.folder.glob("token_graphs/*"):
        path.unlink()
    together = {part["part"]: part for part in every_unit(small(world), parts, processes=2)}
    assert together == alone
