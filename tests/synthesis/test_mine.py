"""`vos.mine` with a tiny random BERT: the same batch as from a run, and an unchanged model."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification

from tests.conftest import tiny_bert, toy_examples
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, DataError, ModelError
from vos.mining.acquisition import TargetAcquisition
from vos.mining.selection import SelectionSettings
from vos.models import PretrainedClassifier, load_classifier
from vos.models.featurizer import ClassifierFeaturizer
from vos.outliers import BoundarySampler
from vos.synthesis.job import SynthesisSettings
from vos.synthesis.mine import mine

SETTINGS = SynthesisSettings(
    acquisition=TargetAcquisition(),
    targets_per_class=6,
    n_directions=4,
    selection=SelectionSettings(max_distance=1e9, max_cosine=None),
)
INDEXED = TargetAcquisition(index="exact")
LABELLED = [(example.text, example.label) for example in toy_examples(30)]
POOL = [example.text for example in toy_examples(40, "p", 100)]


@pytest.fixture
def model(tokenizer):
    labels = {"id2label": {0: "harmless", 1: "harmful"}, "label2id": {"harmless": 0, "harmful": 1}}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # Wide weights, so that texts differ in more than the last digits.
        return BertForSequenceClassification(tiny_bert(tokenizer, initializer_range=0.5, **labels))


@pytest.fixture
def found(model, tokenizer):
    def call(labelled=LABELLED, pool=POOL, n=8, settings=SETTINGS, **options):
        return mine(model, tokenizer, labelled, pool, n, settings=settings, **options)

    return call


def test_texts_near_the_boundary_come_first_and_the_random_share_last(found):
    records = found(n=16)
    assert [record.chosen for record in records] == ["target"] * 14 + ["random"] * 2
    assert len({record.id for record in records}) == 16
    for record in records:
        assert record.text == POOL[int(record.id)]
        assert (record.provenance.source, record.provenance.seed) == ("pool", 0)
        assert (record.target is None) == (record.chosen == "random")


def test_the_numbers_are_those_of_the_model(model, tokenizer, found, tmp_path):
    records = found()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with torch.no_grad():
        logits = model.eval()(**tokenizer([r.text for r in records], padding=True, return_tensors="pt")).logits
    torch.testing.assert_close(torch.tensor([r.margin for r in records]), logits[:, 1] - logits[:, 0])
    featurizer = ClassifierFeaturizer(PretrainedClassifier(str(tmp_path), ("harmless", "harmful")))
    features = featurizer.featurize([text for text, _ in LABELLED]).features
    density = ClassConditionalGaussian(2, 16).fit(features, torch.tensor([label for _, label in LABELLED]))
    expected = density.mahalanobis(featurizer.featurize([r.text for r in records]).features)
    found_distances = torch.tensor([list(r.mahalanobis.values()) for r in records], dtype=torch.float64)
    torch.testing.assert_close(found_distances, expected, rtol=1e-4, atol=1e-4)  # float32 features, other batches


@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_its_tokenizer_stay_as_they_were(model, tokenizer, found, training):
    model.train(training)
    model.bert.embeddings.eval()  # a mode of its own
    model.bert.register_forward_hook(lambda *_: None)
    state, config = copy.deepcopy(model.state_dict()), model.config.to_dict()
    modes, pieces = [m.training for m in model.modules()], [(name, id(m)) for name, m in model.named_modules()]
    rules = tokenizer.backend_tokenizer.to_str()
    found()
    assert [m.training for m in model.modules()] == modes
    assert [(name, id(m)) for name, m in model.named_modules()] == pieces
    assert all(torch.equal(model.state_dict()[name], value) for name, value in state.items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert (model.config.to_dict(), tokenizer.backend_tokenizer.to_str()) == (config, rules)


def test_the_same_seed_gives_the_same_records_whatever_the_state_of_torch(found):
    first = found()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    assert found() == first
    assert torch.equal(torch.get_rng_state(), before)
    assert found(seed=1) != first


def test_labels_are_names_or_any_integers(found):
    named = [(text, ("harmless", "harmful")[label]) for text, label in LABELLED]
    assert found(named) == found() == found([(text, np.int64(label)) for text, label in LABELLED])


def test_the_sampler_is_an_option_and_progress_counts_the_pool(found):
    steps = []
    records = found(sampler=BoundarySampler(margin=0.5, band=0.0, distance=None), progress=steps.append)
    assert {round(r.target.margin, 5) for r in records if r.target} == {0.5}
    assert sum(steps) == len(POOL)


def test_labelled_texts_are_not_proposed_again(found):
    again = [text for text, _ in LABELLED]
    assert {int(record.id) for record in found(pool=again + POOL, n=70)} <= set(range(30, 70))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"pool": []}, DataError, r"^pool: expected at least one text, got none$"),
        ({"labelled": []}, DataError, r"two classes, got 0 of \[\]$"),
        ({"labelled": [("a", 1), ("b", 1)]}, DataError, r"at least two classes, got 2 of \['harmful'\]$"),
        ({"labelled": [("a", 0), ("b", "toxic")]}, DataError, r"^labelled\[1\]: .*'harmful'\], .* got 'toxic'$"),
        ({"labelled": [("a", 0), ("b", 2)]}, DataError, r"or an index below 2, got 2$"),
        ({"labelled": [("a", 0), ("b", None)]}, DataError, r"got None$"),
        ({"settings": replace(SETTINGS, n_directions=99)}, ConfigError, r"^n_directions: expected"),
        (
            {"settings": replace(SETTINGS, acquisition=TargetAcquisition(index="exact"))},
            ConfigError,
            "^mine: .*no index",
        ),
        (
            {"settings": replace(SETTINGS, selection=SelectionSettings(max_distance=1e-9))},
            DataError,
            r"^pool: none of 40 texts was taken; dropped .*max_distance",
        ),
    ],
)
def test_what_cannot_work_is_said_in_one_line(found, changes, error, message):
    with pytest.raises(error, match=message) as raised:
        found(**changes)
    assert "\n" not in str(raised.value)


def test_a_model_with_one_output_is_refused(tokenizer):
    model = BertForSequenceClassification(tiny_bert(tokenizer, num_labels=1))
    with pytest.raises(ModelError, match="expected a model with two classes or more, got 1"):
        mine(model, tokenizer, LABELLED, POOL)


def test_the_harmful_class_is_told_by_its_name_given_or_read_from_the_model(found, model):
    margins = {record.id: record.margin for record in found(n=16)}
    turned = {record.id: record.margin for record in found(n=16, positive="harmless")}
    both = margins.keys() & turned.keys()
    assert both
    assert all(turned[each] == -margins[each] for each in both)
    model.config.id2label = {0: "LABEL_0", 1: "LABEL_1"}
    with pytest.raises(ConfigError, match=r"'LABEL_0', 'LABEL_1'.*data\.positive=none"):
        found()
    assert {record.id: record.margin for record in found(n=16, positive="LABEL_1")} == margins
    model.config.harmful_classes = ["LABEL_1"]  # as this package saves a model
    assert {record.id: record.margin for record in found(n=16)} == margins
    assert all(record.margin >= 0 for record in found(n=16, positive="none"))


def test_what_was_saved_says_which_class_is_harmful(model, tokenizer, found, tmp_path):
    model.save_pretrained(tmp_path / "own")
    tokenizer.save_pretrained(tmp_path / "own")
    names = ("ham", "spam")
    options = {"label_map": {"harmless": "ham", "harmful": "spam"}, "harmful": (0,)}
    PretrainedClassifier(str(tmp_path / "own"), names, **options).save(tmp_path / "saved")
    again = load_classifier(tmp_path / "saved")
    modes = [module.training for module in again.modules()]
    config = tmp_path / "saved/config.json"
    plain = {k: v for k, v in json.loads(config.read_text()).items() if k != "harmful_classes"}
    config.write_text(json.dumps(plain))  # as older versions saved it
    turned = {record.id: record.margin for record in found(n=16, positive="harmless")}
    for each in (again, BertForSequenceClassification.from_pretrained(tmp_path / "saved")):
        records = mine(each, tokenizer, LABELLED, POOL, 16, settings=SETTINGS)
        assert {record.id: record.margin for record in records} == pytest.approx(turned, abs=1e-4)
        assert set(records[0].probability) == set(names)
    assert [module.training for module in again.modules()] == modes
