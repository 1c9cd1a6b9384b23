"""Producers of saliency and flips on small inputs: the time limit, priority of near texts, and JSON output."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from tests.atlas.worlds import NAMES, toy_data, toy_world
from vos.atlas import produce_flips, produce_saliency
from vos.atlas.artefacts import json_text, plain
from vos.atlas.reading_order import affordable, reading_order
from vos.atlas.settings import AtlasSettings
from vos.errors import ModelError
from vos.interpret.margins import MarginReader
from vos.interpret.words import replaced, split_words, without
from vos.models import EncoderClassifier

SETTINGS = AtlasSettings(n_texts=60, n_outliers=4)


@pytest.fixture(scope="module")
def world(tiny_encoder):
    """Of a classifier whose boundary runs amid the texts."""
    data = toy_data(n_train=24, n_val=12, n_test=12, n_pool=12)
    classifier = EncoderClassifier(tiny_encoder, NAMES, max_length=32, harmful=(1,))
    margins = MarginReader(classifier, bfloat16=False)([example.text for example in (*data.val, *data.test)])
    with torch.no_grad():
        classifier.head.bias[0] += float(np.median(margins))
    return toy_world(classifier, data=data, settings=SETTINGS)


def made(module, world):
    values = module.produce(world, SETTINGS)
    return json.loads(json_text(plain(values)))


@pytest.fixture(scope="module")
def saliency(world):
    return made(produce_saliency, world)


@pytest.fixture(scope="module")
def flips(world):
    return made(produce_flips, world)


def test_what_people_look_at_comes_first_and_then_what_is_near(world):
    batch = np.zeros(len(world.texts), dtype=bool)
    batch[[5, 9]] = True
    answers = tuple(1 if i == 7 else None for i in range(len(world.texts)))
    texts = dataclasses.replace(world.texts, batch=batch, answer=answers)
    order = reading_order(texts)
    assert sorted(order) == list(range(len(texts)))
    assert set(order[:3]) == {5, 7, 9}
    assert (np.diff(np.abs(texts.margin)[order[3:]]) >= 0).all()
    assert affordable(order, np.ones(len(order)), 4.0).tolist() == order[:4].tolist()
    assert affordable(order[:0], np.zeros(0), 4.0).tolist() == []


def test_saliency_is_the_margin_less_the_margin_without_the_word(world, saliency):
    assert saliency["method"] == ["deletion"] * len(world.texts)
    read = MarginReader(world.classifier, bfloat16=False)
    for i in (0, 7):
        text = world.texts.text[i]
        words = split_words(text)
        assert [[start, end] for start, end, _ in saliency["words"][i]] == [[w.start, w.end] for w in words]
        for word, (_, _, value) in zip(words, saliency["words"][i], strict=True):
            copies = [(w.start, w.end) for w in words if w.text == word.text]
            expected = world.texts.margin[i] - read([without(text, copies)])[0]
            assert value == pytest.approx(expected, abs=0.004)


def test_the_checks_of_saliency_have_numbers_and_their_control(saliency):
    first, second = saliency["checks"]
    assert (first["threshold"], second["threshold"]) == (2.0, 0.6)
    for check in (first, second):
        assert check["passed"] == (check["value"] >= check["threshold"])
        assert check["tests"] == "method"
        assert np.isfinite(check["control"])
    assert 0 <= saliency["random_deletion"] <= 1


def test_saliency_ends_with_its_time(world, monkeypatch):
    words = [len(split_words(world.texts.text[i])) for i in reading_order(world.texts)]
    monkeypatch.setattr(produce_saliency, "MOST_WORDS", 3 * (max(words) + 1) * max(words))
    told = []
    found = made(produce_saliency, dataclasses.replace(world, progress=lambda done, total: told.append((done, total))))
    known = [i for i, each in enumerate(found["words"]) if each is not None]
    assert 3 <= len(known) <= 10
    assert set(known) == set(reading_order(world.texts)[: len(known)])
    assert [method is None for method in found["method"]] == [each is None for each in found["words"]]
    assert told[-1] == (len(known) + 1, len(known) + 1)


def test_long_texts_have_integrated_gradients_and_their_gap(world):
    texts = dataclasses.replace(world.texts, text=("so it goes " * 40, *world.texts.text[1:]))
    found = made(produce_saliency, dataclasses.replace(world, texts=texts))
    assert found["method"][0] == "integrated_gradients"
    assert found["gap"][0] >= 0.0
    assert found["gap"][1] is None
    assert len(found["words"][0]) == world.classifier.max_length - 2


def test_a_flip_crosses_and_stands_where_it_says(world, flips):
    read = MarginReader(world.classifier, bfloat16=False)
    found = {i: flip for i, flip in zip(flips["index"], flips["flip"], strict=True) if flip is not None}
    assert found
    for i, flip in found.items():
        text = world.texts.text[i]
        for edit in sorted(flip["edits"], key=lambda edit: -edit["start"]):
            text = replaced(text, edit["start"], edit["end"], edit["word"])
        after = read([text])[0]
        assert after == pytest.approx(flip["margin"], rel=1e-3, abs=1e-6)
        assert np.signbit(after) != np.signbit(world.texts.margin[i])
        assert flip["start"] == flip["edits"][0]["start"]
        assert flip["similarity"] <= min(edit["similarity"] for edit in flip["edits"]) + 1e-9


def test_flips_are_of_near_texts_first_and_a_few_far_ones(world, flips):
    near = np.flatnonzero(world.texts.near)
    assert set(near) <= set(flips["index"])
    assert len(set(flips["index"])) == len(flips["index"]) == len(flips["tried"]) == len(flips["random"])
    assert all(len(flip["edits"]) == 1 for flip in flips["flip"][: len(near)] if flip)
    assert 0 <= flips["random_rate"] <= 1
    (check,) = flips["checks"]
    assert (check["value"], check["threshold"]) == (flips["near_flipped"], flips["random_rate"])


def test_two_productions_are_the_same_and_nothing_is_drawn_from_the_global_state(world, saliency, flips):
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert made(produce_saliency, world) == saliency
    assert made(produce_flips, world) == flips
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


@pytest.mark.parametrize(("n_classes", "harmful"), [(3, (1, 2)), (3, ())])
def test_other_classes_are_fine(tiny_encoder, n_classes, harmful):
    names = tuple(f"class {i}" for i in range(n_classes))
    classifier = EncoderClassifier(tiny_encoder, names, max_length=32, harmful=harmful)
    data = dataclasses.replace(toy_data(n_train=24, n_val=6, n_test=6, n_pool=4), harmful=harmful)
    other = dataclasses.replace(toy_world(classifier, data=data, settings=SETTINGS), is_control=True)
    assert all(each is not None for each in made(produce_saliency, other)["words"])
    found = made(produce_flips, other)
    assert len(found["index"]) == len(found["flip"])


@pytest.mark.parametrize("n", [0, 1])
def test_worlds_of_no_text_and_of_one(world, n):
    few = dataclasses.replace(world, texts=world.texts.at(np.arange(n)), features=world.features[:n], is_control=True)
    found = made(produce_saliency, few)
    assert len(found["words"]) == n
    assert not any(check["passed"] for check in found["checks"] if check["value"] is None)
    assert len(made(produce_flips, few)["index"]) == n


def test_a_model_without_gradients_has_deletion_and_no_flips(world, monkeypatch):
    def refuse(*_, **__):
        raise ModelError("no gradients")

    monkeypatch.setattr("vos.interpret.gradients.GradientReader.__init__", refuse)
    texts = dataclasses.replace(world.texts, text=("so it goes " * 40, *world.texts.text[1:]))
    found = made(produce_saliency, dataclasses.replace(world, texts=texts))
    assert found["method"][:2] == [None, "deletion"]
    assert len(found["checks"]) == 1
    with pytest.raises(ModelError, match="no gradients"):
        produce_flips.produce(world, SETTINGS)
