"""The labelling commands end to end: export, import, merge, record."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tests.conftest import ROOT, toy_examples
from tests.loop.toys import CLASSES, NAMES, Model, record
from vos.cli.compose import composed
from vos.cli.labels import export_batch, hidden_gold, import_labels, is_waiting, merge_labels, record_round
from vos.cli.run_texts import refuse_other_answers
from vos.data import ListPool, TextData
from vos.errors import ConfigError, DataError, RunError
from vos.labeling import Label, Ledger, text_uid, write_labels
from vos.loop.mistakes import found_mistakes
from vos.loop.next_round import NextRound, keep_round, keep_train
from vos.storage.run_directory import RunDirectory
from vos.types import Example


@pytest.fixture
def config(tmp_path):
    made = OmegaConf.create(
        {
            "ledger": str(tmp_path / "project" / "ledger.sqlite"),
            "dry_run": False,
            "accept_rejected": False,
            "mix": {"_target_": "vos.loop.next_round.MixSettings"},
            "stop": {"_target_": "vos.loop.stop_rule.StopRule", "monitor": "boundary/val/band_error"},
        }
    )
    for group, option in (("labeling", "page"), ("labels", "files")):
        made[group] = composed(f"{group}/{option}")[group]
    made.labels.path = str(tmp_path / "labels.jsonl")
    return made


@pytest.mark.parametrize("group", ["labeling", "labels"])
def test_every_backend_composes(group):
    for file in sorted((ROOT / "conf" / group).glob("*.yaml")):
        found = composed(f"{group}/{file.stem}")[group]
        if file.stem == "none":
            assert found == {"_target_": None}
            continue
        assert found["_target_"].startswith("vos.labeling.backends.")
        if group == "labeling":
            assert instantiate(found).plan.gold_share == 0.05
            assert file.stem == "files" or found.settings.mode == "blind"


def test_the_loop_closes(config, tmp_path, capsys):
    texts = [f"text {i}" for i in range(6)]
    records = [record(text, "random" if i < 4 else "target") for i, text in enumerate(texts)]
    sent = export_batch(config, records, CLASSES, tmp_path)
    assert (tmp_path / "label.html").exists()
    labels = [
        Label(r.uid, "ann", "harmful" if i % 2 else "harmless", "2026-11-21T10:00:00Z", batch_id=sent.batch_id)
        for i, r in enumerate(records)
    ]
    labels.append(Label(records[5].uid, "bob", "harmless", "2026-11-21T10:00:00Z", batch_id=sent.batch_id))
    write_labels(tmp_path / "labels.jsonl", labels)
    config.dry_run = True
    assert import_labels(config, CLASSES).counts["new"] == 7
    data = TextData(toy_examples(4), toy_examples(2, "v", 50), [], ListPool([]), NAMES, [], harmful=(1,))
    with pytest.raises(ConfigError, match="no settled label yet"):
        merge_labels(config, data)
    config.dry_run = False
    assert import_labels(config, CLASSES).counts["conflict"] == 1
    said = capsys.readouterr().out
    assert "conflict" in said
    said = " ".join(said.split())
    # Margins of 0.1, so all are predicted as harmful: "text 4" near the boundary and two of four at random are not.
    assert "near the boundary 0 1 of 1 100% (21% to 100%) 1 " in said
    assert "random share 0 2 of 4 50% (15% to 85%) 2 " in said
    assert "harm missed there 0 0 of 2 0% (0% to 66%)" in said
    assert (tmp_path / "project" / "adjudicate.csv").read_text(encoding="utf-8").count("tie") == 1
    new = merge_labels(config, data)
    assert len(new.data.train) == 4 + 5
    final = {"boundary/val/band_error": 0.4}
    assert record_round(config, replace(new, name="run1"), final).stop is None
    assert record_round(config, replace(new, name="run1"), final).stop is None  # repeated: no second row
    for name in ("run2", "run3"):
        reason = record_round(config, replace(new, name=name), final).stop
    assert "has not improved" in reason
    rounds = (tmp_path / "project" / "labelling_rounds.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["near/error"] for line in rounds] == [1.0] * 3
    with Ledger(config.ledger) as ledger:
        assert {event.payload["round"] for event in ledger.events("trained")} == {1, 2, 3}


def test_texts_and_mistakes_are_filed_under_the_classifier_that_chose_them(config, tmp_path):
    data = TextData([], [], [], ListPool([]), NAMES, [], harmful=(1,))
    for number, name in enumerate(("first", "second"), 1):
        with Ledger(config.ledger) as ledger:
            ledger.propose([record(f"label {name}")])
        new = NextRound(
            data, {text_uid(f"label {name}"): "harmful"}, {}, f"/moved/{name}"
        )  # its folder had another path
        keep_round(RunDirectory(tmp_path / name), new)
        assert record_round(config, new, {}).number == number
    for name, number in (("first", 1), ("second", 2), ("without", 0)):
        config.run = str(tmp_path / name)
        sent = export_batch(config, [record(f"text of {name}")], CLASSES, tmp_path)
        assert sent.batch_id.startswith(f"r{number:02d}-")
        assert not is_waiting(config, [record(f"text of {name}")])
        labels = [Label(text_uid(f"text of {name}"), "ann", "harmless", batch_id=sent.batch_id)]
        write_labels(tmp_path / "labels.jsonl", labels)
        import_labels(config, CLASSES)
        with Ledger(config.ledger) as ledger:
            assert ledger.round_of(labels[0].uid) == number
    with Ledger(config.ledger) as ledger:
        assert {number: found.near.n for number, found in found_mistakes(ledger, CLASSES).items()} == {0: 1, 1: 1, 2: 1}


def test_known_answers_are_hidden_in_the_batch_and_scored_in_the_report(config, tmp_path, capsys):
    data = TextData(toy_examples(4), toy_examples(6, "v", 50), [], ListPool([]), NAMES, [], harmful=(1,))
    records = [record(f"text {i}") for i in range(40)]
    config.labeling.plan.annotators = ["ann", "bob"]
    gold = hidden_gold(config, data, records, Model())
    assert len(gold.records) == 2  # 5 %
    assert set(gold.answers) <= {text_uid(example.text) for example in data.val}
    sent = export_batch(config, records, CLASSES, tmp_path, gold=gold)
    assert (sent.asked, [place.rsplit("/", 1)[1] for place in sent.places]) == (
        42,
        ["label-ann.html", "label-bob.html"],
    )
    assert hidden_gold(config, data, records, Model()).answers == gold.answers
    time = "2026-11-21T10:00:00Z"
    labels = [Label(uid, "ann", answer, time, batch_id=sent.batch_id) for uid, answer in gold.answers.items()]
    labels += [Label(uid, "[red]bob", "harmful", time, batch_id=sent.batch_id) for uid in gold.answers]
    labels.append(Label(records[0].uid, "ann", "harmful", time, batch_id=sent.batch_id))
    write_labels(tmp_path / "labels.jsonl", labels)
    capsys.readouterr()
    import_labels(config, CLASSES)
    printed = " ".join(capsys.readouterr().out.split())
    assert "known answers, ann 2 of 2 right (95 %: 34% to 100%)" in printed
    assert "known answers, [red]bob 1 of 2 right (95 %: 9% to 91%)" in printed
    assert set(merge_labels(config, data).labels) == {records[0].uid}
    config.labeling = {"_target_": None}
    assert hidden_gold(config, data, records, Model()).records == ()


def test_rejected_rows_stop_the_command_and_good_ones_are_kept(config, tmp_path):
    export_batch(config, [record("good"), record("bad")], CLASSES, tmp_path)
    rows = [Label(text_uid(t), "ann", a, "2026-11-21T10:00:00Z") for t, a in (("good", "harmful"), ("bad", "evil"))]
    write_labels(tmp_path / "labels.jsonl", rows)
    with pytest.raises(DataError, match="1 rows were rejected and 0 are about unknown texts"):
        import_labels(config, CLASSES)
    with Ledger(config.ledger) as ledger:
        assert len(ledger.labels()) == 1
    config.accept_rejected = True
    assert import_labels(config, CLASSES).counts["duplicate"] == 1


def test_the_sheet_of_open_texts_comes_back_filled_in(config, tmp_path, caplog):
    sent = export_batch(config, [record("one"), record("two")], CLASSES, tmp_path)
    time = {"labelled_at": "2026-11-21T10:00:00Z", "batch_id": sent.batch_id}
    answers = [("one", "ann", "harmful"), ("one", "bob", "harmless"), ("two", "ann", "unsure")]
    write_labels(tmp_path / "labels.jsonl", [Label(text_uid(t), who, label, **time) for t, who, label in answers])
    import_labels(config, CLASSES)
    sheet = tmp_path / "project" / "adjudicate.csv"
    assert f"2 texts need another look: fill in {sheet}" in caplog.text
    config.labels.path = str(sheet)
    empty = sheet.read_text(encoding="utf-8")
    sheet.write_text(empty.replace("one,,,", "one,harmful,,carla").replace("two,,,", "two,evil,,"), encoding="utf-8")
    filled = sheet.read_text(encoding="utf-8")
    config.dry_run = config.accept_rejected = True
    assert import_labels(config, CLASSES).counts["adjudicated"] == 1
    assert (sheet.read_text(encoding="utf-8"), merge_or_none(config)) == (filled, None)
    config.dry_run = False
    assert import_labels(config, CLASSES).counts["rejected"] == 1
    assert sheet.read_text(encoding="utf-8") == filled  # its line is named: it is not written anew
    assert merge_or_none(config) == {text_uid("one"): "harmful"}
    config.run = str(tmp_path / "earlier")  # whose labels are in another ledger
    earlier = TextData(toy_examples(6), [], [], ListPool([]), NAMES, [], harmful=(1,))
    labelled = Example(f"label:{text_uid('three')}", "three", 1, group="label:three")
    keep_train(RunDirectory(config.run), replace(earlier, train=[*earlier.train, labelled]))
    assert [each.text for each in merge_labels(config, earlier).data.train[6:]] == ["three", "one"]
    config.run = None
    sheet.write_text(filled.replace("evil", "harmless"), encoding="utf-8")
    assert import_labels(config, CLASSES).counts["adjudicated"] == 1
    assert merge_or_none(config) == {text_uid("one"): "harmful", text_uid("two"): "harmless"}
    assert import_labels(config, CLASSES).counts["duplicate"] == 2


def test_a_run_in_the_folder_has_the_answers_that_are_given_or_is_not_touched(config, tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.start("{}", {})
    (run.path / "train.jsonl").touch()
    sent = export_batch(config, [record("one"), record("two")], CLASSES, tmp_path)
    row = {"labelled_at": "2026-11-21T10:00:00Z", "batch_id": sent.batch_id}
    write_labels(tmp_path / "labels.jsonl", [Label(text_uid("one"), "ann", "harmful", **row)])
    given = ["labels=files", f"labels.path={tmp_path / 'labels.jsonl'}", "seed=1"]
    config.resume = None
    (run.path / "overrides.yaml").write_text(f"- seed=1\n- {given[1]}\n- {given[0]}\n")
    import_labels(config, CLASSES)
    refuse_other_answers(config, given, run, CLASSES)
    write_labels(tmp_path / "labels.jsonl", [Label(text_uid("two"), "ann", "harmful", **row)])
    with pytest.raises(RunError, match="holds a run with older answers, and these were not imported"):
        refuse_other_answers(config, given, run, CLASSES)
    config.resume = str(run.path)  # goes on with the answers that it has
    refuse_other_answers(config, given, run, CLASSES)
    with pytest.raises(RunError, match=r"holds a run with labels=files, labels\.path="):
        refuse_other_answers(config, [given[0], "labels.path=other"], run, CLASSES)
    (run.path / "overrides.yaml").write_text("- seed=1\n")
    with pytest.raises(RunError, match="holds a run with no answers"):
        refuse_other_answers(config, given, run, CLASSES)


def merge_or_none(config):
    """The labels that train; None while nothing is settled."""
    try:
        return merge_labels(config, TextData(toy_examples(4), [], [], ListPool([]), NAMES, [], harmful=(1,))).labels
    except ConfigError:
        return None
