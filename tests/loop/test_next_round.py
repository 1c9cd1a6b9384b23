"""From labels to the next round: sent batches, the texts of the next round, the random share."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.conftest import toy_examples
from tests.loop.toys import CLASSES, NAMES, record
from vos.data import ListPool, TextData
from vos.errors import ConfigError
from vos.labeling import Label, Ledger, text_uid, write_labels
from vos.labeling.answers import import_labels
from vos.labeling.backends import ArgillaBackend, FileImporter, LabelStudioBackend, PageExporter, SheetExporter, secret
from vos.loop.next_round import MixSettings, NextRound, keep_round, nearest_labelled, next_round, with_earlier_labels
from vos.loop.send import export_batch
from vos.storage.run_directory import RunDirectory
from vos.types import Example, FeatureBatch


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


@pytest.fixture
def data():
    return TextData(
        toy_examples(6), toy_examples(2, "v", 100), toy_examples(2, "x", 200), ListPool([]), NAMES, [], harmful=(1,)
    )


def answer(ledger, text, label, who="ann"):
    ledger.record_label(Label(text_uid(text), who, label, "2026-11-21T10:00:00Z"))


@pytest.mark.parametrize(
    ("backend", "names"), [(PageExporter(), ["label.html"]), (SheetExporter(), ["to_label.csv", "to_label.txt"])]
)
def test_a_batch_is_sent_once_and_continued_under_its_name(ledger, tmp_path, backend, names):
    records = [record(f"text {i}") for i in range(3)]
    sent = export_batch(ledger, records, backend, tmp_path, CLASSES)
    assert (sent.asked, sent.places, dict(sent.held_back)) == (3, [str(tmp_path / name) for name in names], {})
    assert sent.batch_id.startswith("r00-")
    assert export_batch(ledger, records, backend, tmp_path, CLASSES) == sent  # the same command again
    other = export_batch(ledger, [*records[:2], record("new")], backend, tmp_path, CLASSES, round=1)
    assert (other.asked, len(other.held_back)) == (1, 2)
    none = export_batch(ledger, records[:2], backend, tmp_path, CLASSES, round=1)
    assert (none.asked, none.places) == (0, ())


def test_labels_come_back_from_a_folder_of_files(ledger, tmp_path):
    records = [record(f"text {i}") for i in range(3)]
    sent = export_batch(ledger, records, PageExporter(), tmp_path, CLASSES)
    labels = [Label(r.uid, "ann", "harmful", "2026-11-21T10:00:00Z", batch_id=sent.batch_id) for r in records]
    folder = tmp_path / "answers"
    write_labels(folder / "a.jsonl", labels[:2])
    write_labels(folder / "b.csv", labels[2:])
    assert import_labels(ledger, FileImporter(str(folder)).rows(ledger), NAMES).counts["new"] == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"expected a folder of answers in files that end in .*, found none"):
        FileImporter([str(tmp_path / "empty")]).rows(ledger)


def test_tokens_come_from_the_environment(ledger, monkeypatch):
    monkeypatch.setenv("VOS_TEST_TOKEN", " abc ")
    assert secret("VOS_TEST_TOKEN") == "abc"
    monkeypatch.delenv("VOS_TEST_TOKEN")
    name = "VOS_TEST_TOKEN"
    for backend in (LabelStudioBackend("http://x", name), ArgillaBackend("http://x", token_variable=name)):
        with pytest.raises(ConfigError, match="environment variable VOS_TEST_TOKEN"):
            backend.rows(ledger)


def test_old_and_new_labels_are_mixed_with_the_stated_weight(ledger, data):
    old = data.train[0]  # label 0
    for text in ("new harmful", "new harmless", old.text, data.val[0].text, "tie", "skipped"):
        ledger.propose([record(text)])
    answer(ledger, "new harmful", "harmful")
    answer(ledger, "new harmless", "harmless")
    answer(ledger, old.text, "harmful")
    answer(ledger, data.val[0].text, "harmful")
    answer(ledger, "tie", "harmful")
    answer(ledger, "tie", "harmless", "bob")
    answer(ledger, "skipped", "skip")
    mixed = next_round(data, ledger, MixSettings(new_weight=2))
    assert mixed.counts == {
        "settled": 4,
        "open": 1,
        "held out": 1,
        "held-out group": 0,
        "unsettled": 0,
        "relabelled": 1,
        "old": 6,
        "new": 2,
        "new_weight": 2,
    }
    train = mixed.data.train
    assert [e.label for e in train if e.text == "new harmful"] == [1, 1]
    assert [e.label for e in train if e.text == "new harmless"] == [0, 0]
    assert [e.label for e in train if e.text == old.text] == [1]
    assert len({e.id for e in train}) == len(train) == 10
    assert (mixed.data.val, mixed.data.test) == (data.val, data.test)
    assert mixed.labels[text_uid("new harmful")] == "harmful"
    assert ledger.mark_trained("run", 1, mixed.labels) == 3
    assert next_round(data, ledger, MixSettings(min_quality=1.0)).counts["unsettled"] == 0


def test_classes_of_another_project_are_refused(ledger, data):
    ledger.propose([record("x")])
    answer(ledger, "x", "toxic")
    with pytest.raises(ConfigError, match="the ledger has the class 'toxic'"):
        next_round(data, ledger, MixSettings())
    with pytest.raises(ConfigError, match="new_weight of at least 1"):
        MixSettings(new_weight=0)


class Letters:
    """A featurizer of two numbers: length and number of vowels."""

    def featurize(self, texts):
        rows = [[float(len(text)), float(sum(c in "aeiou" for c in text))] for text in texts]
        return FeatureBatch(torch.tensor(rows), torch.zeros(len(texts), 2))


def test_neighbours_are_the_nearest_of_each_class_in_a_fixed_order():
    labelled = [
        Example("a", "xxxx", 0),
        Example("b", "xxxxxxxxxx", 0),
        Example("c", "aaaa", 1),
        Example("d", "a" * 20, 1),
    ]
    found = nearest_labelled(Letters(), labelled, [record("aaaxx"), record("xxx")], NAMES, per_class=1)
    assert [(n.text, n.label) for n in found[text_uid("aaaxx")]] == [("xxxx", "harmless"), ("aaaa", "harmful")]
    twice = [*labelled, *(replace(each, id=f"{each.id}:1") for each in labelled)]
    assert nearest_labelled(Letters(), twice, [record("aaaxx"), record("xxx")], NAMES, per_class=1) == found
    assert nearest_labelled(Letters(), twice, [record("q")], NAMES, per_class=2) == nearest_labelled(
        Letters(), labelled, [record("q")], NAMES, per_class=2
    )
    assert len(nearest_labelled(Letters(), labelled, [record("q")], NAMES, per_class=5)[text_uid("q")]) == 4


def test_labels_of_an_earlier_run_stay_where_the_ledger_does_not_decide(data, tmp_path):
    first = data.train[0]
    labelled = [Example(f"label:{text_uid(t)}", t, 1, group=f"label:{text_uid(t)}") for t in ("one", "two")]
    kept = replace(data, train=[replace(first, label=1 - first.label), *data.train[1:], *labelled])
    run = RunDirectory(tmp_path)
    keep_round(run, NextRound(kept, {}, {}, "before"))
    assert with_earlier_labels(data, tmp_path / "missing.jsonl") is data
    assert with_earlier_labels(data, run.train).train == kept.train
    decided = {text_uid("one"), text_uid(first.text)}
    assert with_earlier_labels(data, run.train, decided).train == [*data.train, labelled[1]]
    # Other data: a labelled text that is held out there now is not trained on.
    other = replace(data, train=data.train[2:], val=[*data.val, Example("v", "Two", 0)])
    assert with_earlier_labels(other, run.train).train == [*data.train[2:], labelled[0]]
