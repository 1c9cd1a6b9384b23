"""Agreement against published numbers and a literal oracle; accuracy on known answers against hand counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vos.labeling import Label, consensus, text_uid
from vos.labeling.quality import agreement_report, gold_scores, krippendorff_alpha
from vos.metrics.calibration import wilson_interval

CLASSES = ("harmless", "harmful")

# Krippendorff 2011, section C: four observers, twelve units, missing values.
PUBLISHED = (
    "1233214 12....".replace(" ", ""),
    "123322412 5.3".replace(" ", ""),
    ".33323422 51.".replace(" ", ""),
    "123324412 51.".replace(" ", ""),
)


def literal_alpha(units):
    """Observed and expected disagreement over all ordered pairs, term by term (no coincidence counts)."""
    units = [unit for unit in units if len(unit) >= 2]
    values = [value for unit in units for value in unit]
    n = len(values)
    observed = sum(sum(a != b for a, b in itertools.permutations(unit, 2)) / (len(unit) - 1) for unit in units) / n
    expected = sum(a != b for a, b in itertools.permutations(values, 2)) / (n * (n - 1))
    return 1 - observed / expected


def test_alpha_is_the_published_one():
    units = [[row[i] for row in PUBLISHED if row[i] != "."] for i in range(12)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_alpha_equals_the_literal_oracle_on_random_tables():
    rng = np.random.default_rng(0)
    for _ in range(20):
        units = [rng.integers(0, 3, size=rng.integers(0, 5)).tolist() for _ in range(30)]
        assert krippendorff_alpha(units) == pytest.approx(literal_alpha(units))


def test_alpha_limits():
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([["a"], ["b"]]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) == 1.0
    assert krippendorff_alpha([["a", "a"], ["b", "b"]]) == 1.0


def test_agreement_is_reported_by_source_and_with_oneself(ledger, texts, label_of, record_of):
    ledger.propose([record_of("random one", chosen="random"), record_of("random two", chosen="random")])
    answers = {texts[0]: "harmful", texts[1]: "harmless", "random one": "harmful", "random two": "harmless"}
    for text, answer in answers.items():
        ledger.record_label(label_of(text, answer))
        ledger.record_label(label_of(text, "harmless" if text == texts[0] else answer, who="bob"))
    ledger.record_label(label_of(texts[2], "unsure"))
    ledger.record_label(label_of(texts[0], "harmful", repeat=1))
    ledger.record_label(label_of(texts[1], "harmful", repeat=1))
    report = agreement_report(ledger)
    assert report["double/all"] == 4
    assert report["alpha/chosen=random"] == 1.0
    assert report["alpha/chosen=target"] == pytest.approx(literal_alpha([["harmful", "harmless"], ["harmless"] * 2]))
    assert (report["self_agreement"], report["self_repeats"]) == (0.5, 2)


def with_gold(ledger, texts, record_of):
    """Batch b1 with four texts whose answer is known: harmful, harmless, harmful, harmless."""
    known = {text_uid(f"known {i}"): CLASSES[(i + 1) % 2] for i in range(4)}
    ledger.propose(record_of(f"known {i}", chosen="gold", source="labelled") for i in range(4))
    ledger.export("b1", "page", list(known), "gold", {uid: {"answer": answer} for uid, answer in known.items()})
    return known


def test_accuracy_on_known_answers_by_person(ledger, texts, record_of, label_of):
    known = with_gold(ledger, texts, record_of)
    assert ledger.gold() == known
    assert ledger.gold("b0") == {}
    said = {"ann": ["harmful", "harmless", "harmful", "harmful"], "bob": ["harmless", "skip", "unsure"]}
    for who, answers in said.items():
        for i, answer in enumerate(answers):
            ledger.record_label(label_of(f"known {i}", answer, who=who, batch_id="b1"))
    ledger.record_label(label_of("known 2", "harmful", who="eve", batch_id="b1", repeat=1))  # repeats do not count
    ledger.record_label(label_of("known 3", "skip", who="dan", batch_id="b1"))
    ledger.record_label(label_of(texts[0], "harmful", who="fay"))  # not a known one
    scores = gold_scores(ledger)
    assert list(scores) == ["ann", "bob", "dan"]
    assert (scores["ann"].right, scores["ann"].judged, scores["ann"].undecided) == (3, 4, 0)
    assert scores["ann"].interval == wilson_interval(3, 4)
    assert (scores["bob"].right, scores["bob"].judged, scores["bob"].undecided) == (0, 1, 2)
    assert scores["dan"].interval is None


def test_a_known_answer_that_nobody_saw_leaves_its_text_free_to_be_asked(ledger, record_of, label_of):
    uid = text_uid("known")
    ledger.propose([record_of("known")])
    ledger.export("never sent", "page", [uid], "gold", {uid: {"answer": "harmful", "pending": True}})
    assert ledger.gold("never sent") == {uid: "harmful"}  # what the batch has when it is sent after all
    assert ledger.export("b2", "page", [uid]).uids == (uid,)
    ledger.record_label(label_of("known", "harmless", batch_id="b2"))
    assert gold_scores(ledger) == {}
    assert consensus(ledger).labels == {uid: "harmless"}
    ledger.mark_sent("never sent", "page", "label.html", [uid])
    assert ledger.gold() == {uid: "harmful"}


def test_known_answers_never_train_and_do_not_raise_agreement(ledger, texts, record_of, label_of):
    with_gold(ledger, texts, record_of)
    for who in ("ann", "bob"):
        ledger.record_label(label_of("known 0", "harmful", who=who, batch_id="b1"))
        ledger.record_label(label_of("known 1", "harmless" if who == "ann" else "harmful", who=who, batch_id="b1"))
    ledger.record_label(label_of(texts[0], "harmful"))
    ledger.adjudicate(Label(text_uid("known 1"), "carla", "harmful"))
    found = consensus(ledger)
    assert found.labels == {text_uid(texts[0]): "harmful"}
    assert found.open == {}
    report = agreement_report(ledger)
    assert report["double/all"] == 0
    assert "alpha/chosen=gold" not in report
