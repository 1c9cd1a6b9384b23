"""Producers of directions, differences, coverage and virtual outliers on small inputs."""

from __future__ import annotations

import dataclasses
import json
from functools import partial

import numpy as np
import pytest
import torch

from tests.atlas.worlds import tiny_world, toy_data
from vos.atlas import produce_coverage, produce_differences, produce_directions, produce_outliers
from vos.atlas.artefacts import json_text, plain, write_artefact
from vos.atlas.known import known_labels
from vos.atlas.settings import AtlasSettings
from vos.errors import DataError, InfeasibleError
from vos.interpret.text_sets import TextPair
from vos.metrics.margins import margin

SETTINGS = AtlasSettings(n_texts=120, n_outliers=4)


@pytest.fixture(scope="module")
def world(tiny_encoder):
    return tiny_world(tiny_encoder, data=toy_data(n_val=40, n_test=40, n_pool=60), settings=SETTINGS)


@pytest.fixture(scope="module")
def directions(world):
    """What is made where texts hang together that share their first words."""

    def features(texts, rows, generator):
        vectors = np.array([[hash_of(word) for word in text.split()[3:6]] for text in texts])
        return vectors, vectors.mean(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vos.atlas.direction_cards.untuned_features", features)
        return strict(produce_directions.produce(world, SETTINGS))


def hash_of(word):
    return sum(ord(c) * 31**i for i, c in enumerate(word)) % 101 - 50


def strict(found):
    """As it is read back: strict JSON, its arrays apart."""
    values = dict(found)
    arrays = values.pop("arrays", {})
    return json.loads(json_text(plain(values))), arrays


def test_parts_residual_and_constant_are_the_margins(world, directions):
    found, arrays = directions
    total = arrays["parts"].sum(1) + arrays["residual"] + arrays["constant"]
    exact = margin(
        torch.from_numpy(world.features) @ world.head.weight.double().T + world.head.bias.double(), (1,)
    ).numpy()
    np.testing.assert_allclose(total, exact, rtol=0, atol=1e-9)
    np.testing.assert_allclose(exact, world.texts.margin, atol=1e-4)
    shown = np.sum(found["parts"], 1) + found["residual"] + found["constant"]
    np.testing.assert_allclose(shown, exact, atol=2e-3 * np.abs(found["parts"]).max())
    tried = found["stability"]["tried"]
    assert str(found["n"]) in tried
    assert tried[str(found["n"])] == max(tried.values())
    assert len(found["cards"]) == found["n"]


def test_cards_show_held_out_texts_and_names_only_where_they_hang_together(world, directions):
    found, _ = directions
    assert found["settings"]["fitted"] + found["settings"]["held_out"] == len(world.texts)
    for card in found["cards"]:
        assert [end["sign"] for end in card["ends"]] == [1, -1]
        for end in card["ends"]:
            assert len(end["texts"]) <= 15
            assert set(end["texts"]) <= set(range(len(world.texts)))
            assert end["named"] or end["words"] == []
            assert not end["named"] or end["coherence"] >= 0.2
    assert sum(card["share"] for card in found["cards"]) <= 1.0


def test_other_directions_stand_beside_and_every_check_has_its_number(directions):
    found, _ = directions
    assert set(found["compared"]) == {
        "independent components",
        "principal components",
        "single units",
        "random directions",
        "random texts as atoms",
    }
    own = found["compared"]["independent components"]
    checks = {check["name"]: check for check in found["checks"]}
    assert checks["same decision near the boundary"]["value"] == own["near"]
    assert checks["margin explained near the boundary (R²)"]["value"] == own["r2"]
    assert [check["tests"] for check in found["checks"]] == ["model", "model", "model", "method"]
    assert all(check["passed"] == (check["value"] >= check["threshold"]) for check in found["checks"])
    assert all(check["control"] is not None for check in found["checks"][:3])


def test_without_the_untuned_encoder_no_end_has_a_name(world, monkeypatch):
    monkeypatch.setattr("vos.atlas.direction_cards.untuned_features", lambda *_: None)
    monkeypatch.setattr(produce_directions, "RESAMPLES", 1)
    monkeypatch.setattr(produce_directions, "NUMBERS", (4,))
    found, _ = strict(produce_directions.produce(world, SETTINGS))
    assert not any(end["named"] for card in found["cards"] for end in card["ends"])
    assert "coherence" not in found["compared"]["independent components"]


def test_a_world_of_few_texts_has_no_directions(tiny_encoder):
    few = tiny_world(tiny_encoder, data=toy_data(n_val=4, n_test=4, n_pool=4), settings=AtlasSettings(n_texts=10))
    with pytest.raises(DataError, match="30 texts or more"):
        produce_directions.produce(few, SETTINGS)


def test_outliers_have_their_margin_distance_and_nearest_texts(world):
    found, arrays = strict(produce_outliers.produce(world, SETTINGS))
    m = len(world.outliers)
    assert [len(found[name]) for name in ("margin", "distance", "class", "nearest", "nearest_distance")] == [m] * 5
    logits = world.head.logits(world.outliers.features.float())
    np.testing.assert_allclose(found["margin"], (logits[:, 1] - logits[:, 0]).detach(), atol=1e-3)
    assert all(0 <= q <= 1 for q in found["distance"])
    assert all(len(set(row)) == 5 and max(row) < len(world.texts) for row in found["nearest"])
    assert all(np.diff(row).min() >= 0 for row in found["nearest_distance"])
    assert found["tenth"] > 0
    assert found["lens"]["shown"] == any(found["lens"]["words"])
    np.testing.assert_array_equal(arrays["features"], world.outliers.features.double())


def test_a_sampler_that_can_draw_nothing_says_so(world, monkeypatch):
    monkeypatch.setattr(type(world), "outliers", None)
    with pytest.raises(InfeasibleError, match="no class"):
        produce_outliers.produce(world, SETTINGS)


def test_coverage_adds_up_to_the_texts(world):
    found, _ = strict(produce_coverage.produce(world, SETTINGS))
    assert found["totals"]["n"] == len(world.texts) == sum(cell["n"] for cell in found["cells"])
    known = known_labels(world.texts)
    assert found["totals"]["known"] == int((known >= 0).sum())
    assert found["totals"]["errors"] == int(((known >= 0) & (known != world.texts.prediction)).sum())
    assert [cluster["id"] for cluster in found["clusters"]] == list(range(int(world.texts.cluster.max()) + 1))


def test_answers_count_before_labels(world):
    texts = dataclasses.replace(world.texts, answer=(1, 0, *[None] * (len(world.texts) - 2)))
    known = known_labels(texts)
    assert known[:2].tolist() == [1, 0]
    assert known[2:].tolist() == [-1 if label is None else label for label in texts.label[2:]]


def test_differences_compare_the_sets_of_the_atlas(world, tmp_path):
    found, _ = strict(produce_differences.produce(world, SETTINGS))
    names = [pair["name"] for pair in found["pairs"]]
    assert "misses against hits" in names
    assert not any("outlier" in name for name in names)
    write_artefact(tmp_path, "outliers", produce_outliers.produce(world, SETTINGS) | {"arrays": {}}, {})
    kept = dataclasses.replace(world, folder=tmp_path)
    found, _ = strict(produce_differences.produce(kept, SETTINGS))
    assert found["pairs"][-1]["name"] == "outlier neighbours against the rest"
    for pair in found["pairs"]:
        assert pair["reliable"] == (sum(term["confirmed"] for term in pair["terms"]) >= 3)
        for term in pair["terms"]:
            assert len(term["texts"]) <= 3
            assert all(term["term"].split()[0] in world.texts.text[i].lower() for i in term["texts"])


class Writer:
    """Says two things of every pair, of which one is true."""

    def __init__(self):
        self.read = 0

    def describe(self, texts_a, texts_b):
        return ["The text is of the first set.", "The text has letters."]

    def holds(self, sentence, texts):
        self.read += len(texts)
        return [float("letters" in sentence or text.startswith("first")) for text in texts]


def test_a_describer_says_differences_and_is_held_to_other_texts(world, monkeypatch):
    n = len(world.texts)
    in_a = np.arange(n) % 2 == 0
    words = tuple(f"{'first' if a else 'second'} {text}" for a, text in zip(in_a, world.texts.text, strict=True))
    writer = Writer()
    told = dataclasses.replace(world, texts=dataclasses.replace(world.texts, text=words), describer=writer)
    pair = TextPair("halves", "a", "b", in_a, ~in_a)
    found = json.loads(json_text(plain(produce_differences.sentences(told, pair))))
    assert [(each["sentence"], each["v"]) for each in found] == [
        ("The text is of the first set.", 1.0), ("The text has letters.", 0.0)
    ]  # fmt: skip
    assert found[0]["q"] < 0.01 < found[1]["q"]
    assert writer.read == 2 * 2 * min(produce_differences.JUDGED, n // 4)
    assert produce_differences.sentences(world, pair) == []
    found = produce_differences.difference
    for reliable in (True, False):
        sure = partial(lambda reliable, *given: dataclasses.replace(found(*given), reliable=reliable), reliable)
        monkeypatch.setattr(produce_differences, "difference", sure)
        pairs = produce_differences.produce(told, SETTINGS)["pairs"]
        assert all(bool(each["sentences"]) == reliable for each in pairs if min(each["n_a"], each["n_b"]) >= 4)


def test_texts_that_a_model_wrote_are_in_no_set(world):
    made = dataclasses.replace(world.texts, split=("made",) * len(world.texts))
    pairs = produce_differences.text_pairs(dataclasses.replace(world, texts=made), np.zeros(len(made), dtype=bool))
    assert not any(pair.in_a.any() or pair.in_b.any() for pair in pairs)


@pytest.mark.slow
def test_the_untuned_encoder_knows_what_hangs_together():
    from vos.atlas.untuned import untuned_features
    from vos.interpret.direction_quality import coherence

    texts = [
        "the cat sleeps",
        "a cat is asleep",
        "cats nap all day",
        "tax rates rose",
        "the bus is late",
        "two plus two",
    ]
    vectors, centre = untuned_features(texts, np.arange(4), np.random.default_rng(0))
    assert coherence(vectors[:3] - centre) > 0.3 > coherence(vectors[3:] - centre)
