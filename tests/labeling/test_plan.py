"""Who is asked what, and what is learned from it: known answers, shared texts, answers taken back."""

from __future__ import annotations

from collections import Counter

import pytest

from vos.errors import ConfigError
from vos.labeling import (
    agreement_report,
    consensus,
    current_labels,
    gold_scores,
    import_labels,
    text_uid,
    write_labels,
)
from vos.labeling.plan import Plan, mixed_up, people_of, suffix_for
from vos.labeling.ways import FilesBack
from vos.metrics.calibration import wilson_interval

CLASSES = ("harmless", "harmful")
PEOPLE = ("ann", "bob", "carla")


def test_the_shared_part_is_planned_for_every_source_and_every_pair(record_of):
    records = [record_of(f"t{i}", chosen="random" if i < 6 else "target") for i in range(66)]
    gold = {text_uid("t65"), text_uid("t64")}
    given = Plan(annotators=PEOPLE, overlap_share=0.15).assign("b0", records, gold)
    assert {uid for uid, names in given.items() if len(names) == 3} == gold
    shared = {uid: tuple(names) for uid, names in given.items() if len(names) == 2}
    by_source = Counter(record.chosen for record in records if record.uid in shared)
    assert by_source == {"random": 1, "target": 9}  # 15 % of 6 and of 58, rounded up
    assert max(Counter(shared.values()).values()) - min(Counter(shared.values()).values()) <= 1
    load = Counter(name for names in given.values() for name in names)
    assert max(load.values()) - min(load.values()) <= 1
    assert len(given) == 66
    assert given == Plan(annotators=PEOPLE, overlap_share=0.15).assign("b0", records[::-1], gold)  # always the same
    assert given != Plan(annotators=PEOPLE, overlap_share=0.15).assign("b1", records, gold)
    assert people_of(given) == list(PEOPLE)
    three = Plan(annotators=PEOPLE, overlap_share=1.0, overlap_people=3).assign("b0", records, set())
    assert set(map(len, three.values())) == {3}
    assert set(map(tuple, Plan().assign("b0", records, gold).values())) == {()}


def test_the_order_tells_nothing(record_of):
    records = [record_of(f"t{i}", chosen="gold" if i >= 40 else "target") for i in range(50)]
    places = [i for i, record in enumerate(mixed_up("b0", records)) if record.chosen == "gold"]
    assert min(places) < 25 < max(places)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gold_share": 0.9}, "gold_share in"),
        ({"overlap_share": 1.1}, "overlap_share in"),
        ({"overlap_people": 1}, "overlap_people of at least 2"),
        ({"annotators": ["ann"]}, "there are 1 annotators"),
        ({"annotators": ["a b", "A/b"]}, "different names"),
        ({"annotators": ["ann", " "]}, "none of them empty"),
    ],
)
def test_plans_that_cannot_work_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Plan(**values)


def test_names_are_safe_in_paths():
    assert suffix_for("../../etc/passwd") == "-_etc_passwd"
    assert suffix_for("Łukasz 😀") == "-łukasz_"


def with_gold(ledger, texts, record_of):
    """Batch b1 with four texts whose answer is known: harmful, harmless, harmful, harmless."""
    known = {text_uid(f"known {i}"): CLASSES[(i + 1) % 2] for i in range(4)}
    ledger.propose(record_of(f"known {i}", chosen="gold") for i in range(4))
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


def test_known_answers_never_train_and_do_not_raise_agreement(ledger, texts, record_of, label_of):
    with_gold(ledger, texts, record_of)
    for who in ("ann", "bob"):
        ledger.record_label(label_of("known 0", "harmful", who=who, batch_id="b1"))
        ledger.record_label(label_of("known 1", "harmless" if who == "ann" else "harmful", who=who, batch_id="b1"))
    ledger.record_label(label_of(texts[0], "harmful"))
    ledger.adjudicate(text_uid("known 1"), "harmful", "carla")
    found = consensus(ledger)
    assert found.labels == {text_uid(texts[0]): "harmful"}
    assert found.open == {}
    report = agreement_report(ledger)
    assert report["double/all"] == 0
    assert "alpha/chosen=gold" not in report


def test_files_that_are_complete_take_back_what_they_lack(ledger, texts, label_of, tmp_path):
    path = tmp_path / "labels.jsonl"
    first = [label_of(texts[0]), label_of(texts[1]), label_of(texts[1], repeat=1), label_of(texts[2], who="bob")]
    write_labels(path, first)
    import_labels(ledger, FilesBack(str(path), complete=True).rows(ledger), CLASSES)
    write_labels(path, [label_of(texts[1])])
    partial = import_labels(ledger, FilesBack(str(path)).rows(ledger), CLASSES)
    assert partial.counts["withdrawn"] == 0  # partial files are normal
    path.write_text(path.read_text(encoding="utf-8") + '{"uid": "half', encoding="utf-8")
    damaged = import_labels(ledger, FilesBack(str(path), complete=True).rows(ledger), CLASSES)
    assert (damaged.counts["withdrawn"], damaged.counts["rejected"]) == (0, 1)
    write_labels(path, [label_of(texts[1])])
    report = import_labels(ledger, FilesBack(str(path), complete=True).rows(ledger), CLASSES)
    assert report.counts["withdrawn"] == 2  # ann's first text, and her repeat
    assert set(current_labels(ledger)) == {text_uid(texts[1]), text_uid(texts[2])}  # bob was not in the file
    assert import_labels(ledger, FilesBack(str(path), complete=True).rows(ledger), CLASSES).counts["withdrawn"] == 0
    write_labels(path, first[:2])
    import_labels(ledger, FilesBack(str(path), complete=True).rows(ledger), CLASSES)
    assert text_uid(texts[0]) not in current_labels(ledger)  # the very answer that was taken back
    write_labels(path, [label_of(texts[0], revision=1), label_of(texts[1])])
    import_labels(ledger, FilesBack(str(path), complete=True).rows(ledger), CLASSES)
    assert text_uid(texts[0]) in current_labels(ledger)


def test_taking_back_holds_although_the_clock_of_the_answer_is_ahead(ledger, texts, label_of, tmp_path):
    write_labels(tmp_path / "a.jsonl", [label_of(texts[0], minute=600), label_of(texts[1])])
    import_labels(ledger, FilesBack(str(tmp_path / "a.jsonl")).rows(ledger), CLASSES)
    write_labels(tmp_path / "a.jsonl", [label_of(texts[1])])
    import_labels(ledger, FilesBack(str(tmp_path / "a.jsonl"), complete=True).rows(ledger), CLASSES)
    assert text_uid(texts[0]) not in current_labels(ledger)
