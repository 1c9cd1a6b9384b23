"""Blind pages: what is asked where a classifier has more outputs than classes, and what is counted of sealed texts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.atlas.artefacts import write_artefacts
from tests.atlas.worlds import THREE, of_three_classes, toy_world
from vos.atlas.describe import texts_artefact
from vos.atlas.page_data import read_artefacts, slim
from vos.atlas.sealing import seal
from vos.labeling import read_labels
from vos.models import EncoderClassifier

SEVERAL = {"classes": ("safe", "insult", "threat"), "harmful": (1, 2), "data_classes": ("harmless", "harmful")}


def test_an_answer_means_the_likeliest_output_of_its_class(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, THREE, max_length=32, harmful=(1, 2))
    world = toy_world(classifier, data=of_three_classes((1, 2)))
    assert texts_artefact(world)["outputs"] is None
    classifier.count_as(("yes", "no"), (1, 0, 0))
    found = texts_artefact(world)
    assert found["run"]["data_classes"] == ("yes", "no")
    logits = world.features @ world.head.weight.double().numpy().T + world.head.bias.double().numpy()
    assert found["outputs"] == [[1 if row[1] >= row[2] else 2, 0] for row in logits]


@pytest.mark.parametrize(("classes", "harmful"), [(("a", "b", "c"), ()), (("a", "b", "c"), (1, 2)), (("a", "b"), (1,))])
def test_open_texts_are_counted_as_in_the_open_page_and_sealed_ones_by_topic(tmp_path, classes, harmful):
    made = write_artefacts(tmp_path, 120, classes=classes, harmful=harmful)
    texts, before = made["texts"], made["coverage"]["totals"]
    found = seal(slim(read_artefacts(tmp_path)))[0]["coverage"]
    truth = [label if answer is None else answer for label, answer in zip(texts["label"], texts["answer"], strict=True)]
    topics = np.bincount([c for c, t in zip(texts["cluster"], truth, strict=True) if t is None], minlength=4)
    assert [cell["n"] for cell in found["hidden"]] == topics.tolist()
    assert found["totals"]["errors"] == before["errors"] > 0
    assert found["totals"]["known"] == found["totals"]["labelled"] == before["known"]
    known = [i for i in range(120) if truth[i] is not None]
    asked = sum(texts["batch"][i] or texts["answer"][i] is not None for i in known)
    assert found["totals"]["asked"] == asked > sum(texts["answer"][i] is not None for i in known)
    assert sum(cell["asked"] for cell in found["hidden"]) == sum(texts["batch"]) - sum(texts["batch"][i] for i in known)
    for cell in found["hidden"]:
        own = [i for i in known if texts["cluster"][i] == cell["cluster"]]
        wrong = sum(truth[i] != texts["prediction"][i] for i in own)
        rate = (wrong + 10 * before["errors"] / before["known"]) / (len(own) + 10)
        assert cell["expected_errors"] == pytest.approx(cell["n"] * rate, abs=1e-3)


def test_a_cell_that_only_sealed_texts_fill_is_not_told(tmp_path):
    made = write_artefacts(tmp_path, 40)
    for text in ("label", "answer"):
        made["texts"][text] = [None] * 39 + [1]
    (tmp_path / "texts.json").write_text(json.dumps(made["texts"], allow_nan=False), "utf-8")
    found = seal(slim(read_artefacts(tmp_path)))[0]["coverage"]
    assert [(cell["cluster"], cell["n"]) for cell in found["cells"]] == [(made["texts"]["cluster"][39], 1)]


@pytest.mark.slow  # a real Chromium
def test_the_page_asks_for_classes_of_the_data_and_counts_what_is_hidden(reader, tmp_path):
    at = reader(80, blind=True, **SEVERAL)
    texts = at.made["texts"]
    hidden = [i for i in range(80) if texts["label"][i] is None and texts["answer"][i] is None]
    at.show("coverage")
    said = at.page.inner_text("#view-coverage")
    assert "Every text has been judged" not in said
    assert f"{len(hidden)} texts that nobody had judged" in said
    assert f"{80 - len(hidden)} texts that somebody has judged" in said
    rows = at.page.locator("#view-coverage tbody tr")
    assert rows.last.locator("td").all_inner_texts() == ["–", "–", "–", str(len(hidden)), str(len(hidden))]
    cells = [each.split(",")[0].strip() for each in rows.nth(0).locator("td").all_inner_texts()]
    own = sum(texts["cluster"][i] == 0 for i in hidden)
    assert cells == ["–", "–", "–", str(own), str(own)]
    at.page.select_option("#measure", "n")
    assert rows.last.locator("td").all_inner_texts()[-2:] == [str(len(hidden)), "80"]
    at.page.locator("#list").focus()
    at.page.keyboard.press("j")
    asked = at.page.locator("[aria-label='Your answer'] button").all_inner_texts()
    assert [each.split()[0] for each in asked] == ["harmless", "harmful", "Unsure"]
    uid = at.page.evaluate("location.hash").split("text=")[1].split("&")[0]
    i = next(i for i in hidden if texts["uid"][i].startswith(uid))
    at.page.keyboard.press("2")
    at.page.wait_for_selector("#panel .numbers")
    assert f"people say {SEVERAL['classes'][texts['outputs'][i][1]]}" in at.page.inner_text("#panel")
    with at.page.expect_download() as waiting:
        at.page.click("#save-answers")
    waiting.value.save_as(tmp_path / "answers.jsonl")
    assert [row.label.label for row in read_labels(tmp_path / "answers.jsonl")] == ["harmful"]
