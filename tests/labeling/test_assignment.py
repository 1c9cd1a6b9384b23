"""Assignment of texts to people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from vos.errors import ConfigError
from vos.labeling import Ledger, text_uid
from vos.labeling.assignment import Plan, mixed_up, people_of, suffix_for
from vos.labeling.backends import PageExporter, SheetExporter
from vos.labeling.backends.page import PageBatch

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
        ({"annotators": ["ann", "ﬀ" * 70]}, "longer than 200 bytes"),
    ],
)
def test_plans_that_cannot_work_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Plan(**values)


def test_names_are_safe_in_paths():
    assert suffix_for("../../etc/passwd") == "-_etc_passwd"
    assert suffix_for("Łukasz 😀") == "-łukasz_"


@pytest.mark.parametrize("name", ["..", "/", "/etc/passwd", "../" * 60, "a\0b", "C:\\x", "~root", "a\nb", "<b>"])
def test_a_person_s_files_lie_in_the_folder_whatever_the_name(tmp_path, record_of, name):
    batch = PageBatch("b0", [record_of("x")], {"a": "A", "b": "B"}, annotator=name)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.propose(batch.records)
        ledger.export("b0", "page", [record.uid for record in batch.records])
        (tmp_path / "out").mkdir()
        for exporter in (PageExporter(), SheetExporter()):
            places = exporter.export(ledger, batch, tmp_path / "out")
            assert {Path(place).parent for place in places} == {tmp_path / "out"}
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"out", "ledger.sqlite"}
