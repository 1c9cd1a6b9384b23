"""Classes whose names equal answer values: distinguished in export, ledger and import."""

from __future__ import annotations

import pytest

from vos.harmful import Classes
from vos.labeling import Ledger, consensus, import_labels, text_uid
from vos.labeling.answers import LabelRow
from vos.labeling.backends.page import PageBatch, PageSettings
from vos.labeling.instructions import Instructions
from vos.labeling.label import answer_of, class_of
from vos.labeling.quality import gold_scores
from vos.loop.send import shown_classes

ODD = ("unsure", "skip", "withdrawn", "hate", "class:unsure", "class:hate", "answer:skip", "", "Unsure")


def test_answers_and_class_names_are_told_apart():
    answers = [answer_of(name) for name in ODD]
    assert answers == [
        "class:unsure", "class:skip", "class:withdrawn", "hate", "class:class:unsure", "class:hate", "answer:skip", "",
        "Unsure",
    ]  # fmt: skip
    assert [class_of(answer) for answer in answers] == list(ODD)
    assert not {"unsure", "skip", "withdrawn"} & set(answers)


def rows(label_of, texts, answers, tool):
    return [
        LabelRow("answers", i, label_of(text, answer, tool=tool))
        for i, (text, answer) in enumerate(zip(texts, answers, strict=False), 1)
    ]


def test_an_answer_and_a_class_of_one_name_settle_apart(ledger, texts, label_of):
    given = rows(label_of, texts, ("class:unsure", "unsure", "harm", "answer:unsure", "skip"), "page")
    report = import_labels(ledger, given, ("unsure", "harm"))
    assert (report.counts["new"], report.exit_code) == (5, 0)
    found = consensus(ledger)
    assert found.labels == {text_uid(texts[0]): "unsure", text_uid(texts[2]): "harm"}
    assert found.open == {text_uid(texts[1]): "unsure", text_uid(texts[3]): "unsure"}


def test_a_bare_word_of_a_sheet_that_could_mean_both_is_turned_away(ledger, texts, label_of):
    given = rows(label_of, texts, ("unsure", "class:unsure", "answer:unsure", "skip"), "file")
    report = import_labels(ledger, given, ("unsure", "harm"))
    assert (report.counts["rejected"], report.counts["new"]) == (1, 3)
    (finding,) = report.findings
    assert finding.line == 1
    assert "expected 'class:unsure' for the class or 'answer:unsure' for the answer" in finding.reason
    assert import_labels(ledger, given[:1], ("safe", "harm")).counts["new"] == 1  # here it can only mean the answer


def test_a_known_answer_may_be_called_like_an_answer(tmp_path, record_of, label_of):
    with Ledger(tmp_path / "gold.sqlite") as ledger:
        ledger.propose([record_of("a text"), record_of("another")])
        uids = [text_uid("a text"), text_uid("another")]
        ledger.export("b0", "page", uids, "gold", {uid: {"answer": "unsure"} for uid in uids})
        ledger.record_label(label_of("a text", "class:unsure"))
        ledger.record_label(label_of("another", "unsure"))
        (score,) = gold_scores(ledger).values()
        assert (score.right, score.judged, score.undecided) == (1, 1, 1)


@pytest.mark.parametrize(
    ("classes", "titles", "question"),
    [
        (Classes(("safe", "harm"), (1,)), {"harm": "Harm", "safe": "Safe"}, "“Harm” or “Safe”"),
        (Classes(("harm", "unsure"), (0,)), {"harm": "Harm", "class:unsure": "Unsure"}, "“Harm” or “Unsure”"),
        (
            Classes(("hate", "neither", "offensive"), (0, 2)),
            {"hate": "Hate", "offensive": "Offensive", "neither": "Neither"},
            "“Hate”, “Offensive” or “Neither”",
        ),
        (Classes(("b", "a", "A"), ()), {"b": "b", "a": "a", "A": "A"}, "“b”, “a” or “A”"),
    ],
)
def test_people_see_the_harmful_classes_first(classes, titles, question, record_of):
    found = shown_classes(classes)
    assert found == titles
    assert list(found) == list(titles)
    asked = PageBatch("b0", [record_of("x")], found).instructions(PageSettings())
    assert asked == Instructions(f"Which fits this text best: {question}?", "")


def test_no_two_buttons_have_one_title(record_of):
    plain = PageBatch("b0", [record_of("x")], {"harm": "Harm", "safe": "Safe"})
    assert plain.choices == {"harm": "Harm", "safe": "Safe", "unsure": "Unsure"}
    odd = PageBatch("b0", [record_of("x")], {"harm": "Harm", "class:unsure": "Unsure"})
    assert odd.choices == {"harm": "Harm", "class:unsure": "Unsure", "unsure": "I cannot decide"}
