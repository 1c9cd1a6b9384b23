"""Every producer on every kind of model and data: what does not apply is left out with a message, and nothing fails."""

from dataclasses import replace

import pytest
import torch
from transformers import GPT2Config, GPT2ForSequenceClassification

from tests.atlas.worlds import NAMES, THREE, of_three_classes, toy_data, toy_world
from vos.atlas.artefacts import read_artefact
from vos.atlas.build import build_atlas
from vos.atlas.job import run_atlas
from vos.atlas.producers import PRODUCERS
from vos.atlas.settings import AtlasSettings
from vos.data import ListPool
from vos.models import EncoderClassifier, PretrainedClassifier

pytestmark = pytest.mark.slow

SETTINGS = AtlasSettings(n_texts=48, n_outliers=4, n_units=2)


def holds(check):
    """Whether the value is where it must be; a check may want more than that."""
    value, threshold = check["value"], check["threshold"]
    return {"at least": value >= threshold, "above": value > threshold, "at most": value <= threshold}[check["bound"]]


@pytest.fixture(params=["encoder", "pretrained", "three classes", "no harm", "decoder", "one side", "few", "no pool"])
def world(request, tiny_encoder, tiny_classifier, tokenizer, tmp_path):
    kind = request.param
    data, names, harmful = toy_data(), NAMES, (1,)
    if kind == "three classes":
        data, names, harmful = of_three_classes((1, 2)), THREE, (1, 2)
    if kind == "no harm":
        data, names, harmful = of_three_classes(()), THREE, ()
    if kind == "one side":
        data.val, data.test = ([e for e in examples if e.label == 1] for examples in (data.val, data.test))
        data.pool = ListPool([])
    if kind == "few":
        data = toy_data(n_val=1, n_test=0, n_pool=0)
    if kind == "no pool":
        data.pool = ListPool([])
    if kind in ("pretrained", "decoder"):
        folder = tiny_classifier
        if kind == "decoder":
            folder = tmp_path / "decoder"
            tokenizer.save_pretrained(folder)
            config = GPT2Config(
                vocab_size=len(tokenizer), n_positions=64, n_embd=16, n_layer=2, n_head=2, num_labels=2,
                pad_token_id=tokenizer.pad_token_id, id2label={0: "harmless", 1: "harmful"},
                label2id={"harmless": 0, "harmful": 1},
            )  # fmt: skip
            with torch.random.fork_rng():
                torch.manual_seed(0)
                GPT2ForSequenceClassification(config).save_pretrained(folder)
        classifier = PretrainedClassifier(str(folder), names, max_length=32, harmful=harmful)
    else:
        classifier = EncoderClassifier(tiny_encoder, names, max_length=32, harmful=harmful)
    return toy_world(classifier, data=data, settings=SETTINGS)


def test_every_producer_works_or_says_why_not(world, tmp_path, monkeypatch):
    monkeypatch.setattr("vos.atlas.produce_shortcuts.SWEPT", 200)
    folder = tmp_path / "atlas"
    result = run_atlas(replace(world, folder=folder), folder, PRODUCERS)
    assert result.bugs == [], result.dropped
    for producer in PRODUCERS:
        found = read_artefact(folder, producer.name)
        assert (found is None) == (producer.name in result.dropped)
        if found is not None:
            for check in found["checks"]:
                assert {"name", "value", "threshold", "passed", "sentence", "tests", "control", "bound"} == set(check)
                assert check["value"] is None or check["passed"] <= holds(check)
                assert check["tests"] in ("method", "model")
                assert "\n" not in check["sentence"]
    assert all("\n" not in reason for reason in result.dropped.values())
    page = build_atlas(folder, tmp_path / "atlas.html")
    assert page.stat().st_size < 4_000_000
