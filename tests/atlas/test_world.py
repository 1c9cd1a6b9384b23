"""The texts of an atlas, their columns, and the control with random weights."""

import json

import numpy as np
import pytest
import torch

from tests.atlas.worlds import NAMES, tiny_world, toy_data, toy_world
from tests.conftest import toy_examples
from vos.atlas.artefacts import VERSION, plain, read_arrays, read_artefact, write_artefact
from vos.atlas.control import random_weights, with_logistic_head
from vos.atlas.describe import texts_artefact
from vos.atlas.settings import AtlasSettings
from vos.atlas.texts import choose_texts
from vos.atlas.world import sides
from vos.data import ListPool
from vos.errors import ConfigError, DataError
from vos.models import ClassifierFeaturizer, EncoderClassifier, PretrainedClassifier
from vos.storage.text_ids import text_uid


@pytest.fixture(scope="module")
def world(tiny_encoder):
    return tiny_world(tiny_encoder, settings=AtlasSettings(n_texts=80, n_outliers=4))


@pytest.fixture
def featurizer(tiny_encoder):
    return ClassifierFeaturizer(EncoderClassifier(tiny_encoder, NAMES, max_length=32, harmful=(1,)))


def test_what_is_said_of_a_text_is_what_the_classifier_says(world):
    texts = world.texts
    batch = world.featurizer.featurize(texts.text)
    assert torch.equal(batch.features.double(), torch.from_numpy(world.features))
    logits = batch.logits.double()
    assert np.allclose(texts.margin, logits[:, 1] - logits[:, 0], atol=1e-6)
    assert np.allclose(texts.probability, logits.softmax(-1)[:, 1], atol=1e-6)
    assert np.array_equal(texts.prediction, (texts.margin > 0).astype(int))
    assert np.array_equal(texts.near, np.abs(texts.margin) <= world.band)
    squared = world.density.own_mahalanobis(batch.features, torch.from_numpy(texts.prediction))
    beyond = world.density.share_beyond(squared, torch.from_numpy(texts.prediction))
    assert np.allclose(texts.distance, 1 - beyond)


def test_held_out_texts_and_the_pool_are_shown_and_training_texts_never(world):
    data = toy_data()
    assert world.texts.split.count("validation") == len(data.val)
    assert world.texts.split.count("test") == len(data.test)
    assert world.texts.split.count("pool") == 80 - len(data.val) - len(data.test)
    trained = {text_uid(e.text) for e in data.train}
    assert not trained & set(world.texts.uid)
    assert len(set(world.texts.uid)) == len(world.texts)
    of_pool = np.array(world.texts.split) == "pool"
    assert np.array_equal(world.texts.labelled, ~of_pool)
    assert world.texts.weight[of_pool].sum() == pytest.approx(60)


def test_near_texts_come_first_where_not_all_have_room(featurizer):
    data = toy_data(n_val=30, n_test=60, n_pool=300)
    chosen = choose_texts(data, featurizer, AtlasSettings(n_texts=120, near_share=0.1))
    logits = featurizer.head.logits(chosen.features)
    near = ((logits[:, 1] - logits[:, 0]).abs() <= chosen.band).numpy()
    everything = featurizer.featurize([e.text for e in (*data.val, *data.test)])
    inside = ((everything.logits[:, 1] - everything.logits[:, 0]).abs() <= chosen.band).numpy()
    held = np.array(chosen.splits) != "pool"
    assert len(chosen.examples) == 120
    assert (~held).sum() == 40
    assert near[held].sum() == inside.sum()
    assert chosen.weight.sum() == pytest.approx(30 + 60 + 300)


def test_the_order_of_the_pool_changes_nothing_and_the_seed_does(featurizer):
    data, settings = toy_data(n_pool=200), AtlasSettings(n_texts=80)
    first = choose_texts(data, featurizer, settings)
    data.pool = ListPool(list(data.pool)[::-1])
    assert [e.id for e in choose_texts(data, featurizer, settings).examples] == [e.id for e in first.examples]
    assert [e.id for e in choose_texts(data, featurizer, settings, seed=1).examples] != [e.id for e in first.examples]


def test_the_batch_and_answered_texts_are_shown_whatever_else_is(tiny_encoder, featurizer):
    data = toy_data()
    first = toy_examples(5, "b", 900)
    made = {text_uid(first[0].text)}
    settings = AtlasSettings(n_texts=20)
    chosen = choose_texts(data, featurizer, settings, first=[*first, data.train[0]], made=made)
    assert {e.id for e in first} <= {e.id for e in chosen.examples}
    assert data.train[0].id not in {e.id for e in chosen.examples}
    assert chosen.splits.count("made") == 1
    assert len(chosen.examples) == 20


def test_answers_count_as_the_class_they_name(tiny_encoder):
    data = toy_data()
    uid = text_uid(next(iter(data.pool)).text)
    world = tiny_world(tiny_encoder, data=data, answers={uid: "harmful", "unknown": "harmful"}, batch={uid})
    row = world.texts.uid.index(uid)
    assert world.texts.answer[row] == 1
    assert [i for i, given in enumerate(world.texts.answer) if given is not None] == [row]
    assert np.flatnonzero(world.texts.batch).tolist() == [row]


@pytest.mark.parametrize("n_texts", [0, 20_001])
def test_a_number_of_texts_that_no_page_holds_is_refused(n_texts):
    with pytest.raises(ConfigError, match=r"n_texts: expected 1 to 20,000"):
        AtlasSettings(n_texts=n_texts)


def test_data_without_a_pool_and_of_one_side_has_an_atlas(tiny_encoder):
    data = toy_data(n_pool=0)
    data.val = [e for e in data.val if e.label == 1]
    world = tiny_world(tiny_encoder, data=data)
    assert "pool" not in world.texts.split
    assert texts_artefact(world)["run"]["band"] == world.band


def test_the_artefact_names_the_nearest_training_texts_of_both_sides(world):
    found = json.loads(json.dumps(plain(texts_artefact(world)), allow_nan=False))
    assert found["run"]["created"] is None
    assert found["run"]["classes"] == list(NAMES)
    for side, label in (("harmful", 1), ("harmless", 0)):
        for row, places in enumerate(found["neighbours"][side]):
            assert {found["train"]["label"][place] for place in places} == {label}
            rows = np.flatnonzero(world.train.labels == label)
            gaps = np.linalg.norm(world.train.features[rows] - world.features[row], axis=1)
            expected = {world.train.examples[rows[i]].text for i in np.argsort(gaps)[:3]}
            assert {found["train"]["text"][place] for place in places} == expected
    assert len(found["text"]) == len(found["margin"]) == len(world.texts)


def test_the_control_has_the_architecture_and_none_of_the_weights(world):
    control = world.control()
    assert control is world.control()
    assert control.is_control
    assert set(control.texts.uid) <= set(world.texts.uid)
    ours, theirs = (each.classifier.encoder.state_dict() for each in (world, control))
    weights = [name for name, value in ours.items() if value.ndim == 2 and "LayerNorm" not in name]
    assert len(weights) > 10
    assert all(ours[name].shape == theirs[name].shape and not torch.equal(ours[name], theirs[name]) for name in weights)
    batch = control.featurizer.featurize(control.texts.text)
    assert np.allclose(control.texts.margin, (batch.logits[:, 1] - batch.logits[:, 0]).double())
    assert control.texts.near.mean() == pytest.approx(world.settings.near_share, abs=0.05)


def test_the_head_of_the_control_is_the_logistic_fit(world):
    from sklearn.linear_model import LogisticRegression

    control = world.control()
    x = control.train.features
    z = (x - x.mean(0)) / x.std(0)
    expected = LogisticRegression(C=0.1, max_iter=500).fit(z, control.train.labels).decision_function(z)
    logits = control.head.logits(torch.from_numpy(x)).numpy()
    assert np.allclose(logits[:, 1] - logits[:, 0], expected, atol=1e-3)


def test_a_pretrained_classifier_has_a_control(tiny_classifier):
    classifier = PretrainedClassifier(tiny_classifier, NAMES, harmful=(1,))
    world = toy_world(classifier)
    control = world.control().classifier
    assert not torch.equal(
        control.body.bert.embeddings.word_embeddings.weight, classifier.body.bert.embeddings.word_embeddings.weight
    )
    assert torch.isfinite(torch.from_numpy(world.control().features)).all()


def test_the_first_weights_depend_on_the_seed_and_leave_the_global_state(world):
    before = torch.random.get_rng_state()
    one, same, other = (random_weights(world.classifier, seed).encoder for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    weights = [each.embeddings.word_embeddings.weight for each in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_outliers_and_draws_are_the_same_for_a_seed(world):
    assert len(world.outliers) == 8
    assert world.rng("a").random() == world.rng("a").random() != world.rng("b").random()


def test_artefacts_are_whole_rounded_and_without_objects(tmp_path):
    assert read_artefact(tmp_path, "x") is None
    write_artefact(tmp_path, "x", {"a": [1.23456789, float("nan")], "b": -0.0}, {"big": np.arange(3.0)})
    assert (
        (tmp_path / "x.json").read_text().startswith(f'{{"version":{VERSION},"a":[1.235,null],"b":-0.0,"arrays_hash":')
    )
    assert read_arrays(tmp_path, "x")["big"].tolist() == [0, 1, 2]
    write_artefact(tmp_path, "x", {"a": 1}, {})
    assert read_arrays(tmp_path, "x") == {}
    with pytest.raises(DataError, match="found objects in"):
        write_artefact(tmp_path, "y", {}, {"o": np.array([None])})
    assert not (tmp_path / "y.json").exists()


def test_sides_of_labels():
    assert np.array_equal(sides([0, 2, None], (2,)), [0, 1, np.nan], equal_nan=True)


def test_a_dead_coordinate_does_not_blow_up_the_head_of_the_control(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, NAMES, max_length=32, harmful=(1,))
    features = torch.randn(60, classifier.n_features, generator=torch.Generator().manual_seed(0))
    labels = (features[:, 0] > 0).long().numpy()
    features[:, 3] = 0.5 + 1e-9 * torch.randn(60, generator=torch.Generator().manual_seed(1))
    head = with_logistic_head(classifier, features, labels).head
    assert head.weight.abs().max() < 10.0
    predicted = head(features).argmax(-1).numpy()
    assert (predicted == labels).mean() > 0.9
