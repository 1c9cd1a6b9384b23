"""Blind pages: before it is answered, nothing about an unlabelled text is in the page except in its sealed chunk."""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from tests.atlas.artefacts import write_artefacts
from vos.atlas.build import AtlasPageSettings, page_bytes
from vos.atlas.page_data import COLUMNS, read_artefacts
from vos.labeling import read_labels


def parts_of(content):
    """Data, sealed chunks, and the rest of a page."""
    head, rest = content.decode().split('id="sealed">')
    sealed, rest = rest.split("</script>", 1)
    before, rest = rest.split('id="data">')
    data, after = rest.split("</script>", 1)
    return json.loads(data), sealed.split("\n"), head + before + after


def unpacked(chunk):
    return json.loads(zlib.decompress(base64.b64decode(chunk), -15))


@pytest.fixture
def blind(tmp_path):
    made = write_artefacts(tmp_path, 80)
    return made, *parts_of(page_bytes(read_artefacts(tmp_path), AtlasPageSettings(blind=True)))


def test_margin_side_and_saliency_of_unjudged_texts_lie_in_the_sealed_element_alone(blind):
    made, data, chunks, rest = blind
    texts, old = data["texts"], made["texts"]
    place = {uid: i for i, uid in enumerate(old["uid"])}
    hidden = [
        i
        for i, uid in enumerate(texts["uid"])
        if old["label"][place[uid]] is None and old["answer"][place[uid]] is None
    ]
    assert 10 < len(hidden) == len(chunks) == sum(texts["sealed"])
    assert data["sealed"] == hidden
    for i, chunk in zip(hidden, chunks, strict=True):
        told, was = unpacked(chunk), place[texts["uid"][i]]
        for name in ("margin", "prediction", "probability", "distance", "near", "cluster"):
            assert texts[name][i] is None
            assert told[name] == old[name][was]
        assert told["parts"] == made["directions"]["parts"][was]
        assert data["views"]["saliency"]["words"][i] is None
        assert data["views"]["directions"]["parts"][i] is None
        assert len(told["words"]) == 3 * len(made["saliency"]["words"][was])
        assert texts["neighbours"]["harmful"][i] == []
    for i, uid in enumerate(texts["uid"]):
        assert texts["text"][i] == old["text"][place[uid]]
        if i not in hidden:
            assert texts["margin"][i] == old["margin"][place[uid]]
            assert data["views"]["saliency"]["words"][i] is not None
    assert "margin" not in rest.split("<script>")[0].split("</style>")[1]


def test_no_view_names_an_unjudged_text_and_counts_leave_them_out(blind):
    _, data, chunks, _ = blind
    hidden, views = set(data["sealed"]), data["views"]
    named = [
        *(i for row in views["shortcuts"]["rows"] for i in row["texts"]),
        *(i for pair in views["differences"]["pairs"] for term in pair["terms"] for i in term["texts"]),
        *(i for card in views["directions"]["cards"] for end in card["ends"] for i in end["texts"]),
        *(i for sense in views["communities"]["senses"] for group in sense["groups"] for i in group["texts"]),
        *(each["i"] for graph in views["token_graphs"]["graphs"] for each in graph["examples"]),
        *(each["i"] for target in views["dreams"]["targets"] for each in target["texts"] if "i" in each),
        *(each["i"] for each in views["vocabulary"]["logit_lens"]["texts"]),
        *(i for row in views["outliers"]["nearest"] for i in row),
        *views["flips"]["index"],
    ]
    assert len(named) > 100
    assert not hidden & set(named)
    texts = data["texts"]
    for graph in views["token_graphs"]["graphs"]:  # what was moved points at the same text
        for each in graph["examples"]:
            assert texts["text"][each["i"]][each["start"] : each["end"]].lower() in ("shoved", "picnic", "night")
    assert views["coverage"]["totals"]["n"] == 80 - len(chunks)
    assert sum(cell["n"] for cell in views["coverage"]["cells"]) == 80 - len(chunks)


def test_the_order_of_the_texts_does_not_tell(tmp_path):
    made = write_artefacts(tmp_path, 200)
    order = sorted(range(200), key=lambda i: made["texts"]["margin"][i])
    for name in COLUMNS:
        made["texts"][name] = [made["texts"][name][i] for i in order]
    (tmp_path / "texts.json").write_text(json.dumps(made["texts"]), encoding="utf-8")
    data, chunks, _ = parts_of(page_bytes(read_artefacts(tmp_path), AtlasPageSettings(blind=True)))
    margins = [unpacked(chunk)["margin"] for chunk in chunks]
    later = sum(a < b for k, a in enumerate(margins) for b in margins[k + 1 :])
    pairs = len(margins) * (len(margins) - 1) / 2
    assert abs(later / pairs - 0.5) < 0.15  # Kendall's tau of some 60 texts: 0.3 is more than three deviations
    assert data["texts"]["uid"] != made["texts"]["uid"]


@pytest.mark.slow  # a real Chromium
def test_the_page_tells_nothing_before_the_answer_and_everything_after(reader, tmp_path):
    at = reader(80, blind=True)
    texts = at.made["texts"]
    hidden = [i for i in range(80) if texts["label"][i] is None and texts["answer"][i] is None]
    at.page.keyboard.press("b")
    for view in at.page.evaluate("[...document.querySelectorAll('#tabs [data-view]')].map((tab) => tab.dataset.view)"):
        at.show(view)
    assert at.page.locator("#sealed").count() == 0
    drawn = at.page.evaluate("document.documentElement.outerHTML").replace("−", "-").split("<script>")[0]
    for i in hidden:  # as they are; with two decimals, numbers of other things would be taken for them
        told = {str(texts[name][i]) for name in ("margin", "distance", "probability")}
        assert [each for each in told if len(each) >= 5 and each in drawn] == []
    rows = at.page.evaluate(
        "[...document.querySelectorAll('.list-row')].map((row) => row.querySelector('.num').textContent)"
    )
    assert len(rows) > 5
    assert set(rows[: len(hidden)]) == {"?"}
    at.show("map")
    assert f"{len(hidden)} texts wait for an answer" in at.page.inner_text(".readout")
    at.page.keyboard.press("j")
    uid = at.page.evaluate("location.hash").split("text=")[1].split("&")[0]
    i = next(i for i in hidden if texts["uid"][i].startswith(uid))
    assert at.text == texts["text"][i]
    before = at.page.inner_text("#panel")
    assert "margin" not in before
    assert "Directions" not in before
    at.page.fill("#m-from", "-99")
    at.page.press("#m-from", "Tab")
    assert at.count == 80 - len(hidden)  # a range never holds what is sealed
    at.page.keyboard.press("Escape")
    at.page.locator("#list").focus()
    at.page.keyboard.press("Escape")
    at.page.keyboard.press("2")
    at.page.wait_for_selector("#panel .numbers")
    shown = at.page.inner_text("#panel .numbers").replace("−", "-")
    assert f"{texts['margin'][i]:+.2f}".rstrip("0").rstrip(".") in shown
    at.page.keyboard.press("1")
    at.page.wait_for_selector("[aria-pressed=true].answer >> text=harmless")
    at.page.keyboard.press("j")
    at.page.keyboard.press("3")
    at.page.wait_for_function("() => document.getElementById('save-answers').textContent.includes('(2 of')")
    at.page.reload()
    at.wait()
    assert at.page.locator("#list .list-row").count() > 0
    with at.page.expect_download() as waiting:
        at.page.click("#save-answers")
    waiting.value.save_as(tmp_path / "answers.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text("utf-8").splitlines()]
    assert [(row["label"], row["seen_explanation"]) for row in rows] == [("harmless", True), ("unsure", False)]
    assert rows[0]["uid"] == texts["uid"][i]
    read = read_labels(tmp_path / "answers.jsonl")
    assert [row.error for row in read] == ["", ""]
    assert [row.label.shown_prediction for row in read] == [True, False]
