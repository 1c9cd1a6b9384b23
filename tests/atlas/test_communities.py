"""The producer of communities and senses on small inputs: the content of the artefact, and its reproducibility."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.atlas.worlds import tiny_world, toy_data
from vos.atlas import produce_communities
from vos.atlas.artefacts import json_text, plain, write_artefact
from vos.atlas.produce_communities import sample_rows, view_units
from vos.atlas.settings import AtlasSettings
from vos.atlas.word_senses import candidate_words, distinct
from vos.interpret.community_views import CommunitySettings

SETTINGS = AtlasSettings(n_texts=120, n_outliers=4)


@pytest.fixture(scope="module")
def world(tiny_encoder):
    return tiny_world(tiny_encoder, data=toy_data(n_val=40, n_test=40, n_pool=60), settings=SETTINGS)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Fewer draws than an atlas takes: what is tested here is what stands where."""
    with pytest.MonkeyPatch.context() as patch:
        fewer = CommunitySettings(seeds=2, seeds_each=1, bootstraps=2, shuffles=2)
        patch.setattr(produce_communities, "SETTINGS", fewer)
        yield


@pytest.fixture(scope="module")
def made(world):
    values = dict(produce_communities.produce(world, SETTINGS))
    arrays = values.pop("arrays")
    return json.loads(json_text(plain(values))), arrays


def test_every_layer_has_a_view_of_its_units(made):
    found, arrays = made
    assert [view["name"] for view in found["views"]] == ["across", "layer 0", "layer 1"]
    for view in found["views"]:
        n = len(view["units"])
        assert n == (64 if view["name"] == "across" else 32)
        assert len(view["leiden"]) == len(view["layout"]["x"]) == len(view["layout"]["y"]) == n
        assert arrays[f"labels_{view['name'].replace(' ', '_')}"].tolist() == view["leiden"]
        assert view["spectral"] is None or len(view["spectral"]) == n
        assert len(view["eigengap"]) == len(view["null_gap"])
        assert [group["cluster"] for group in view["groups"]] == list(range(max(view["leiden"]) + 1))
        assert all(0 <= a < b < n and weight > 0 for a, b, weight in view["edges"])
        assert len(view["edges"]) <= 600
        layers = {layer for layer, _ in view["units"]}
        assert layers == ({0, 1} if view["name"] == "across" else {int(view["name"][-1])})


def test_random_weights_fail_the_checks(made):
    """The tiny encoder has learnt nothing, and the control neither; on a few words it may still be steady."""
    found, _ = made
    told, steady = found["checks"]
    assert not told["passed"]
    assert told["value"] < told["threshold"]
    assert -1.0 <= steady["value"] <= 1.0
    assert steady["passed"] == (steady["value"] >= steady["threshold"])
    assert not found["views"][0]["passed"]
    assert all(check["tests"] == "model" and check["control"] is not None for check in found["checks"])
    assert found["views"][0]["control"] == found["control"]
    assert found["control"]["named_share"] < 0.5


def test_the_same_world_gives_the_same_bytes(world, made, tiny_encoder):
    again = tiny_world(tiny_encoder, data=toy_data(n_val=40, n_test=40, n_pool=60), settings=SETTINGS)
    values = dict(produce_communities.produce(again, SETTINGS))
    values.pop("arrays")
    assert json_text(plain(values)) == json_text(made[0])


def test_units_of_an_artefact_of_importance_are_taken(tiny_encoder, tmp_path):
    score = np.zeros((2, 32))
    score[1, 7], score[0, 3] = 2.0, 1.0
    write_artefact(tmp_path, "importance", {"score": score.tolist()}, {})
    world = tiny_world(tiny_encoder, folder=tmp_path)
    found = produce_communities.produce(world, SETTINGS)
    assert found["views"][0]["units"][:3] == [[1, 7], [0, 3], [0, 0]]
    write_artefact(tmp_path, "importance", {"score": [[1.0]]}, {})
    assert produce_communities.produce(world, SETTINGS)["views"][0]["units"][:3] != [[1, 7], [0, 3], [0, 0]]


def test_units_of_a_view_are_the_highest_of_its_layers():
    score = np.array([[0.0, 5.0], [4.0, 4.0]])
    assert view_units("across", score) == [(0, 1), (1, 0), (1, 1), (0, 0)]
    assert view_units("layer 1", score) == [(1, 0), (1, 1)]


def test_a_sample_keeps_texts_near_the_boundary(world, monkeypatch):
    assert sample_rows(world).tolist() == list(range(len(world.texts)))
    monkeypatch.setattr(produce_communities, "MOST_TEXTS", 20)
    rows = sample_rows(world)
    assert len(set(rows.tolist())) == 20
    assert np.array_equal(rows, np.sort(rows))
    assert world.texts.near[rows].sum() >= min(10, world.texts.near.sum())
    assert np.array_equal(rows, sample_rows(world))


def test_words_that_are_tried_are_neither_rare_nor_everywhere():
    texts = [f"the cat{'s'} ran" if i < 12 else "the dog, the 3 men" for i in range(300)]
    assert candidate_words(texts) == ["cats", "ran"]
    assert candidate_words([]) == []


def test_a_text_that_nearly_repeats_another_counts_once():
    texts = ["one two three four", "one two three five", "six seven eight nine", "one two three four"]
    assert distinct(texts, np.array([0, 1, 2, 2, 3])).tolist() == [0, 2]
    assert distinct(texts, np.array([], dtype=np.int64)).tolist() == []


def test_one_text_is_enough_to_make_the_artefact(tiny_encoder):
    world = tiny_world(tiny_encoder, settings=AtlasSettings(n_texts=1, n_outliers=4))
    found = json.loads(
        json_text(plain({k: v for k, v in produce_communities.produce(world, SETTINGS).items() if k != "arrays"}))
    )
    assert found["views"][0]["groups"] == []
    assert found["senses"] == []
    assert not any(check["passed"] for check in found["checks"])
