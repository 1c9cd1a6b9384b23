"""Producers of importance, vocabulary and shortcuts on small inputs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM, BertModel

from tests.atlas.worlds import tiny_world, toy_data, toy_world
from tests.conftest import tiny_bert
from vos.atlas import produce_importance, produce_shortcuts, produce_vocabulary
from vos.atlas.artefacts import json_text, plain, write_artefact
from vos.atlas.settings import AtlasSettings
from vos.errors import DataError
from vos.interpret.importance import ablate_singly
from vos.interpret.units import UnitReader
from vos.models import EncoderClassifier

SETTINGS = AtlasSettings(n_texts=120, n_outliers=4)


@pytest.fixture(scope="module")
def world(tiny_encoder):
    return tiny_world(tiny_encoder, data=toy_data(n_val=40, n_test=40, n_pool=60), settings=SETTINGS)


def strict(found):
    """As it is read back: strict JSON, its arrays apart."""
    values = dict(found)
    arrays = values.pop("arrays", {})
    return json.loads(json_text(plain(values))), arrays


@pytest.fixture(scope="module")
def importance(world):
    seen = []
    told = world.told(lambda done, total: seen.append((done, total)))
    found = strict(produce_importance.produce(told, SETTINGS))
    assert seen == [(i, 5) for i in range(1, 6)]
    return found


def test_the_strongest_units_are_those_that_ablation_says(world, importance):
    found, arrays = importance
    assert (found["layers"], found["units"]) == (2, 32)
    assert np.shape(found["score"]) == (2, 32)
    effects = [each["ablation"] for each in found["top"]]
    assert effects == sorted(effects, reverse=True)
    assert len(found["top"]) == 40
    _, _, held = produce_importance.text_rows(world, produce_importance.SIZES)
    reader, first = UnitReader(world.classifier), found["top"][0]
    unit, texts = (first["layer"], first["unit"]), [world.texts.text[i] for i in held]
    alone = np.abs(ablate_singly(reader, texts, [unit], arrays["means"])).mean()
    assert first["ablation"] == pytest.approx(alone, rel=1e-3)
    assert first["score"] == pytest.approx(arrays["score"][unit], rel=1e-3)
    assert all(len(each["tokens"]) <= 8 and 0 <= each["near_share"] <= 1 for each in found["top"])


def test_checks_of_importance_have_a_control(importance):
    found, _ = importance
    causal, agreement = found["checks"]
    assert causal["value"] == pytest.approx(found["sets"]["top_percent"] / max(found["sets"]["random"]), rel=1e-2)
    assert causal["passed"] == (causal["value"] > 1)
    assert agreement["value"] > 0.9  # an encoder of small random weights is nearly linear
    assert all(check["tests"] == "method" and check["control"] is not None for check in found["checks"])
    assert -1 <= found["conductance"]["spearman"] <= 1


def test_texts_near_the_boundary_are_not_those_that_a_model_wrote(world):
    split = tuple("made" if i % 3 == 0 else each for i, each in enumerate(world.texts.split))
    other = replace(world, texts=replace(world.texts, split=split))
    near, core, held = produce_importance.text_rows(other, produce_importance.SIZES)
    assert all(split[i] != "made" for i in [*near, *core, *held])
    assert world.texts.near[near].all()
    assert not set(near) & set(core)


def test_vocabulary_of_random_weights_passes_no_layer(world):
    found, arrays = strict(produce_vocabulary.produce(world, SETTINGS))
    assert [each["layer"] for each in found["layers"]] == [0, 1]
    assert found["units"] == []
    (check,) = found["checks"]
    assert check["tests"] == "model"
    assert not check["passed"]
    assert check["value"] == sum(each["passed"] for each in found["layers"]) == 0
    assert found["logit_lens"] is None
    assert arrays["writes_0"].shape == (32, 10)


def test_units_that_write_what_they_fire_at_are_shown_with_their_words(tokenizer, tmp_path):
    config = tiny_bert(tokenizer)
    config.intermediate_size = 256  # of 32 units the smallest p of one is 1 / 32
    bert = BertModel(config)
    with torch.no_grad():  # the first layer's units read a direction of the embeddings and write it
        table = bert.embeddings.word_embeddings.weight
        generator = torch.Generator().manual_seed(0)
        table.copy_(torch.randn(table.shape, generator=generator))
        for name in ("position_embeddings", "token_type_embeddings"):
            getattr(bert.embeddings, name).weight.zero_()
        directions = torch.randn(256, 16, generator=generator)
        block = bert.encoder.layer[0]
        block.intermediate.dense.weight.copy_(directions)
        block.output.dense.weight.copy_(directions.T)
    bert.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    classifier = EncoderClassifier(str(tmp_path / "model"), ("harmless", "harmful"), max_length=32, harmful=(1,))
    planted = toy_world(classifier, data=toy_data(n_val=40, n_test=40, n_pool=60), settings=SETTINGS)
    write_artefact(tmp_path, "importance", {"score": [[1.0] * 256, [2.0] * 256]}, {})
    found, _ = strict(produce_vocabulary.produce(replace(planted, folder=tmp_path), SETTINGS))
    assert [each["passed"] for each in found["layers"]] == [True, False]
    assert found["checks"][0]["passed"]
    assert found["checks"][0]["control"] == 0
    assert {each["layer"] for each in found["units"]} == {0}
    assert all(len(set(each["words"]) & set(each["activating"])) >= 3 for each in found["units"])


def test_the_logit_lens_is_there_where_the_encoder_came_with_a_head(world, tokenizer, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(tiny_bert(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    found, _ = strict(produce_vocabulary.produce(replace(world, run={"encoder": str(tmp_path)}), SETTINGS))
    lens = found["logit_lens"]
    assert [each["layer"] for each in lens["layers"]] == [0, 1]
    text = lens["texts"][0]
    assert world.texts.text[text["i"]].split()[0] == text["tokens"][1]
    assert np.shape(text["top"]) == (2, len(text["tokens"]), 3)
    gone = replace(world, run={"encoder": str(tmp_path / "nowhere")})
    assert produce_vocabulary.produce(gone, SETTINGS)["logit_lens"] is None


def test_shortcuts_have_rows_and_a_sweep(world, monkeypatch):
    monkeypatch.setattr(produce_shortcuts, "SWEPT", 300)
    seen = []
    told = world.told(lambda done, total: seen.append((done, total)))
    found, arrays = strict(produce_shortcuts.produce(told, SETTINGS))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    rows = found["rows"]
    surprises = [abs(row["surprise"]) for row in rows]
    assert surprises == sorted(surprises, reverse=True)
    words = {row["word"]: row for row in rows}
    assert "ladder" in words
    row = words["ladder"]
    assert row["kind"] == "word"
    assert row["flag"] == (abs(row["surprise"]) > 5)
    assert row["count"] == sum("ladder" in text for text in world.texts.text)
    assert all("ladder" in world.texts.text[i] for i in row["texts"])
    sizes = np.abs(world.texts.margin)[row["texts"]]
    assert (np.diff(sizes) >= 0).all()
    assert arrays["moves"].shape[1] == 8
    assert all(abs(each["z"]) > 5 and each["alarm"] == (abs(each["z"]) > 8) for each in found["sweep"])
    assert found["checks"][0]["tests"] == "method"


def test_shortcuts_need_a_side_and_a_text(world, tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, ("one", "other"), max_length=32)
    with pytest.raises(DataError, match="no class is harmful"):
        produce_shortcuts.produce(toy_world(classifier, data=toy_data(harmful=()), settings=SETTINGS), SETTINGS)
    made = replace(world, texts=replace(world.texts, split=("made",) * len(world.texts)))
    with pytest.raises(DataError, match="no language model wrote"):
        produce_shortcuts.produce(made, SETTINGS)


def test_few_texts_drop_the_views(world, monkeypatch):
    monkeypatch.setattr(produce_shortcuts, "SWEPT", 20)
    few = replace(world, texts=world.texts.at(np.arange(1)), features=world.features[:1])
    for producer in (produce_importance, produce_vocabulary):
        with pytest.raises(DataError, match="or more, found 1"):
            producer.produce(few, SETTINGS)
    assert strict(produce_shortcuts.produce(few, SETTINGS))[0]["rows"] == []
