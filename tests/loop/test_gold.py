"""Texts with known answers: their choice, how they are hidden in a batch, and their assignment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.loop.toys import CLASSES, NAMES, Model, record
from vos.errors import ConfigError, DataError
from vos.labeling import Ledger, text_uid
from vos.labeling.assignment import Plan
from vos.labeling.backends import PageExporter, SheetExporter
from vos.loop.gold import Gold, choose_gold, read_gold
from vos.loop.send import export_batch
from vos.types import Example


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


HELD_OUT = [Example(f"v{i}", f"held out {i}", i % 2, level=None if i < 12 else i % 4) for i in range(20)]
BATCH = [record(f"text {i}") for i in range(40)]


def choose(ledger, plan, records=BATCH, round=0):
    return choose_gold(ledger, plan, HELD_OUT, records, Model(), CLASSES, round)


def test_plain_texts_of_all_classes_are_drawn_and_kept_for_the_same_batch(ledger, tmp_path):
    gold = choose(ledger, Plan(gold_share=0.1))
    assert len(gold.records) == len(gold.answers) == 4
    assert sorted(gold.answers.values()) == ["harmful"] * 2 + ["harmless"] * 2
    truth = {text_uid(example.text): (NAMES[example.label], example.level) for example in HELD_OUT}
    for each in gold.records:
        assert truth[each.uid][0] == gold.answers[each.uid]
        assert truth[each.uid][1] in (None, 0, 1)
        assert each.chosen == "gold"
        assert each.margin == pytest.approx(len(each.text))
        assert sum(each.probability.values()) == pytest.approx(1.0)
    sent = export_batch(ledger, BATCH, PageExporter(plan=Plan(gold_share=0.1)), tmp_path, CLASSES, gold=gold)
    assert (sent.asked, sent.gold) == (44, 4)
    assert ledger.gold(sent.batch_id) == gold.answers
    again = choose(ledger, Plan(gold_share=0.5))  # the same command again, even with another share
    assert again.answers == gold.answers
    assert {each.uid for each in again.records} == set(gold.answers)
    assert export_batch(ledger, BATCH, PageExporter(), tmp_path, CLASSES, gold=again) == sent
    later = choose(ledger, Plan(gold_share=0.1), [record(f"more {i}") for i in range(40)], 1)
    assert not set(later.answers) & set(gold.answers)  # nobody sees one twice


def test_the_page_does_not_tell_them_apart(ledger, tmp_path):
    gold = choose(ledger, Plan(gold_share=0.2))
    export_batch(ledger, BATCH, PageExporter(), tmp_path, CLASSES, gold=gold)
    source = (tmp_path / "label.html").read_text(encoding="utf-8").split('id="batch">')[1].split("</script>")[0]
    items = json.loads(source)["items"]
    assert len(items) == 48
    assert {tuple(item) for item in items} == {("uid", "text", "text_hash")}
    places = [i for i, item in enumerate(items) if item["uid"] in gold.answers]
    assert min(places) < 16
    assert max(places) > 32
    assert "gold" not in source


def test_where_there_are_too_few_or_none_it_is_said(ledger, caplog):
    assert choose(ledger, Plan(gold_share=0.0)) == Gold()
    ledger.propose(record(example.text) for example in HELD_OUT[3:])
    gold = choose(ledger, Plan(gold_share=0.5))
    assert len(gold.records) == 3
    assert "20 texts with a known answer wanted, 3 left" in caplog.text
    ledger.propose(record(example.text) for example in HELD_OUT)
    assert choose(ledger, Plan(gold_share=0.5)) == Gold()


def test_two_batches_chosen_at_once_share_no_known_answer(ledger, tmp_path, caplog):
    others = [record(f"more {i}") for i in range(40)]
    few = {"plan": Plan(gold_share=0.4)}  # 16 of 20 texts
    gold, also = choose(ledger, **few), choose(ledger, **few, records=others)
    both = set(gold.answers) & set(also.answers)
    assert both
    first = export_batch(ledger, BATCH, PageExporter(), tmp_path / "a", CLASSES, gold=gold)
    second = export_batch(ledger, others, PageExporter(), tmp_path / "b", CLASSES, gold=also)
    assert ledger.gold(first.batch_id) == gold.answers
    assert set(ledger.gold(second.batch_id)) == set(also.answers) - both
    assert (second.gold, second.asked) == (len(also.answers) - len(both), 40 + len(also.answers) - len(both))
    assert f"{len(both)} known answers are left out" in caplog.text
    again = export_batch(ledger, BATCH, PageExporter(), tmp_path / "a", CLASSES, gold=gold)
    assert again == first  # its own claims do not count


def test_a_list_of_ones_own(ledger, tmp_path):
    path = tmp_path / "gold.csv"
    path.write_text("text,label\nhe was hurt,harmful\nhe was well,harmless\nhe was hurt,harmful\n", encoding="utf-8")
    gold = choose(ledger, Plan(gold_share=0.05, gold_path=str(path)))
    assert sorted(each.text for each in gold.records) == ["he was hurt", "he was well"]
    path.write_text("text,label\nhe was hurt,harmful\nhe was well,safe\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"gold\.csv:3: expected a label of \['harmless', 'harmful'\], got 'safe'"):
        read_gold(path, NAMES)
    path.write_text("text,label\nhe was hurt,harmful\nhe was hurt,harmless\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"gold\.csv:2: the same text stands there with another label"):
        read_gold(path, NAMES)


def test_a_batch_is_given_out_to_named_people(ledger, tmp_path):
    plan = Plan(gold_share=0.1, annotators=("Ann B", "bob"), overlap_share=0.2)
    gold = choose(ledger, plan)
    sent = export_batch(ledger, BATCH, PageExporter(plan=plan), tmp_path, CLASSES, gold=gold)
    assert [place.rsplit("/", 1)[1] for place in sent.places] == ["label-ann_b.html", "label-bob.html"]
    seen = []
    for place in sent.places:
        content = Path(place).read_text(encoding="utf-8").split('id="batch">')[1].split("</script>")[0]
        seen.append({item["uid"] for item in json.loads(content)["items"]})
    assert len(seen[0] & seen[1]) == 4 + 8  # known answers, and 20 % of the batch
    assert len(seen[0] | seen[1]) == 44
    assert abs(len(seen[0]) - len(seen[1])) <= 1
    people = {event.uid: event.payload["people"] for event in ledger.events("exported")}
    assert {uid for uid, names in people.items() if "Ann B" in names} == seen[0]
    assert export_batch(ledger, BATCH, PageExporter(plan=plan), tmp_path, CLASSES, gold=gold) == sent
    with pytest.raises(ConfigError, match=r"was given to \['Ann B', 'bob'\] before"):
        export_batch(ledger, BATCH, PageExporter(plan=Plan()), tmp_path, CLASSES, gold=gold)


def test_sheets_carry_the_name(ledger, tmp_path):
    plan = Plan(annotators=("ann", "=bob"), overlap_share=0.0)
    sent = export_batch(ledger, BATCH, SheetExporter(plan), tmp_path, CLASSES)
    sheets = [Path(place) for place in sent.places if place.endswith(".csv")]
    lines = [line for sheet in sheets for line in sheet.read_text(encoding="utf-8").splitlines()[1:]]
    assert len(lines) == 40
    assert sorted({line.rsplit(",", 1)[1] for line in lines}) == ["'=bob", "ann"]
