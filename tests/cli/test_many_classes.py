"""More than two classes, some of them harmful: from training to a batch, to answers and back, counted by hand."""

import csv
import json
import shlex
import shutil

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from sklearn.metrics import average_precision_score

import synthesize
import train
from tests.cli.commands import call, changed_by_hand, failing, synthesis
from vos.labeling import Ledger, read_jsonl
from vos.models import ClassifierFeaturizer, load_classifier

HATE = ("hate", "neither", "offensive")
INTENTS = tuple(f"intent {i}" for i in range(10))


def write(path, names, n, start=0):
    """`n` texts, the classes in turn; the path as a string."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i in range(start, start + n):
            name = names[i % len(names)]
            writer.writerow([f"{'word ' * (1 + i % 4)}about matter {i % len(names)} of {len(name)}, day {i}", name])
    return str(path)


def overrides_of(folder, names, encoder, *more):
    c = len(names)
    return [
        "data=files", f"data.train={write(folder / 'train.csv', names, 8 * c)}",
        f"data.val={write(folder / 'val.csv', names, 4 * c, 500)}",
        f"data.test={write(folder / 'test.csv', names, 4 * c, 1000)}",
        f"data.pool={write(folder / 'pool.csv', names, 6 * c, 2000)}",
        f"model.name={encoder}", "model.max_length=32", "loader.batch_size=8", "trainer.max_epochs=1",
        "refine.rounds=1", "refine.n_outliers=4", "callbacks=quiet", "callbacks.patience=-1", "logger=none",
        "outliers.distance=null", f"paths.cache={folder / 'cache'}", *more,
    ]  # fmt: skip


def lines_about_classes(capsys):
    """What a run says of its classes, among its first lines."""
    lines = capsys.readouterr().out.splitlines()
    found = [i for i, line in enumerate(lines) if "classes: " in line]
    assert len(found) == 1
    assert found[0] < 5
    return lines[found[0]].split("classes: ")[1]


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def predicted(run, texts):
    """Class names that the saved model gives to texts, read from its logits alone."""
    classifier = load_classifier(run / "model")
    logits = ClassifierFeaturizer(classifier).featurize(texts).logits
    return [classifier.label_names[i] for i in logits.argmax(-1).tolist()], logits, classifier.label_names


@pytest.mark.parametrize(
    ("names", "positive", "harmful"),
    [
        pytest.param(HATE, "hate", {"hate"}, id="one of three"),
        pytest.param(HATE, "[offensive,hate]", {"hate", "offensive"}, id="two of three", marks=pytest.mark.slow),
        pytest.param(HATE, "none", set(), id="none of three"),
        pytest.param(INTENTS, "[intent 3,intent 7]", {"intent 3", "intent 7"}, id="two of ten"),
        pytest.param(INTENTS, "intent 0", {"intent 0"}, id="one of ten", marks=pytest.mark.slow),
    ],
)
def test_a_run_counts_misses_and_sides_of_the_harmful_classes(
    tiny_encoder, monkeypatch, tmp_path, capsys, names, positive, harmful
):
    run = tmp_path / "run"
    own = overrides_of(tmp_path, names, tiny_encoder, f"data.positive={positive}", f"hydra.run.dir={run}")
    call(train.main, monkeypatch, *own)
    said = lines_about_classes(capsys)
    assert json.loads((run / "manifest.json").read_text())["harmful_classes"] == [n for n in names if n in harmful]
    final = json.loads((run / "metrics.json").read_text())["final"]
    test = rows_of(tmp_path / "test.csv")
    found, logits, order = predicted(run, [row["text"] for row in test])
    right = sum(row["label"] == each for row, each in zip(test, found, strict=True))
    assert final["boundary/test/accuracy"] == pytest.approx(right / len(test))
    if not harmful:
        absent = ("false_negative", "average_precision", "recall_at_fpr05")
        assert not [name for name in final if any(each in name for each in absent)]
        assert "no class of ['hate', 'neither', 'offensive'] is harmful" in said
        return
    assert all(repr(name) in said.split("; not harmful")[0] for name in harmful)
    of_harm = [each in harmful for row, each in zip(test, found, strict=True) if row["label"] in harmful]
    assert final["boundary/test/false_negative_rate"] == pytest.approx(of_harm.count(False) / len(of_harm))
    side = [name in harmful for name in order]
    margins = [
        max(z[i] for i in range(len(z)) if side[i]) - max(z[i] for i in range(len(z)) if not side[i])
        for z in logits.tolist()
    ]
    truth = [row["label"] in harmful for row in test]
    precision = average_precision_score(truth, margins)
    assert final["boundary/test/average_precision"] == pytest.approx(precision, abs=1e-4)
    assert 0.0 <= final["boundary/val/recall_at_fpr05"] <= 1.0

    call(synthesize.main, monkeypatch, *synthesis(run, f"output={tmp_path / 'batch'}"))
    records = read_jsonl(tmp_path / "batch/near_boundary.jsonl")
    found, logits, order = predicted(run, [record.text for record in records])
    for record, name, row in zip(records, found, logits.double().tolist(), strict=True):
        of = dict(zip(order, row, strict=True))
        by_hand = max(of[n] for n in harmful) - max(of[n] for n in order if n not in harmful)
        assert record.margin == pytest.approx(by_hand, abs=1e-4)
        assert (record.margin >= 0) == (name in harmful)
        if record.target is not None:
            assert (record.target.pair[0] in harmful, record.target.pair[1] in harmful) == (True, False)
    report = json.loads((tmp_path / "batch/synthesis.json").read_text())
    pool, _, _ = predicted(run, [row["text"] for row in rows_of(tmp_path / "pool.csv")])
    n_harmful = sum(name in harmful for name in pool)
    assert report["pool_by_side"] == {"harmful": n_harmful, "harmless": len(pool) - n_harmful}


def answer(batch, names, label_of):
    """Fill in the sheet of a batch."""
    rows = rows_of(batch / "to_label.csv")
    for i, row in enumerate(rows):
        row |= {"label": label_of(i, row["text"]), "annotator": "ann"}
    with (batch / "answers.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


@pytest.mark.parametrize(("names", "positive"), [(INTENTS, "none"), (HATE, "[hate,offensive]")], ids=["ten", "three"])
def test_a_cycle_from_training_to_answers_and_back(tiny_encoder, monkeypatch, tmp_path, capsys, names, positive):
    run, batch, second = tmp_path / "run", tmp_path / "batch", tmp_path / "second"
    own = overrides_of(tmp_path, names, tiny_encoder)
    ledger = f"ledger={tmp_path / 'project/ledger.sqlite'}"
    call(train.main, monkeypatch, *own, f"data.positive={positive}", f"hydra.run.dir={run}")
    out = [o for o in synthesis(run, ledger, f"output={batch}") if not o.startswith(("labeling=", "n="))]
    more = ["labeling=files", "labeling.plan.gold_share=0", "n=12", "candidates.selection.random_share=0.5"]
    call(synthesize.main, monkeypatch, *out, *more)
    records = {record.text: record for record in read_jsonl(batch / "near_boundary.jsonl")}
    rows = answer(batch, names, lambda i, _text: names[i % len(names)])
    assert len(rows) == 12
    # The setting is that of the run: it is not given again.
    back = [*own, f"run={run}", "labels=files", f"labels.path={batch / 'answers.csv'}", ledger, "stop.target_fnr=0.9"]
    capsys.readouterr()
    call(train.main, monkeypatch, *back, f"hydra.run.dir={second}")
    said = capsys.readouterr().out
    assert "classes: " in said
    first, manifest = (json.loads((each / "manifest.json").read_text()) for each in (run, second))
    assert manifest["harmful_classes"] == first["harmful_classes"]
    assert load_classifier(second / "model").label_names == load_classifier(run / "model").label_names
    (row,) = [json.loads(line) for line in (tmp_path / "project/labelling_rounds.jsonl").read_text().splitlines()]
    for kind, place in (("near", "near the boundary"), ("random", "random share")):
        its = [r for r in rows if (records[r["text"]].chosen == "random") == (kind == "random")]
        guesses = [max(records[r["text"]].probability, key=records[r["text"]].probability.get) for r in its]
        wrong = sum(guess != r["label"] for guess, r in zip(guesses, its, strict=True))
        assert (row[f"{kind}/n"], row[f"{kind}/error"]) == (len(its), pytest.approx(wrong / len(its)))
        assert f"{place} 0 {wrong} of {len(its)} {wrong / len(its):.0%} (" in " ".join(said.split())
    harmful = set(first["harmful_classes"])
    random = [r for r in rows if r["label"] in harmful and records[r["text"]].chosen == "random"]
    if harmful:
        probability = [records[r["text"]].probability for r in random]
        missed = sum(max(each, key=each.get) not in harmful for each in probability)
        assert random
        assert row["random/fnr"] == pytest.approx(missed / len(random))
    else:
        assert "random/fnr" not in row
        assert "harm missed there" not in said
        assert "stop.target_fnr is off: no class is harmful, so nothing can be missed" in said


def test_no_class_is_guessed_to_be_harmful(tiny_encoder, monkeypatch, tmp_path, capsys):
    for names, word in ((HATE, "several"), (INTENTS, "do not tell"), (("a", "b"), "do not tell")):
        own = overrides_of(tmp_path, names, tiny_encoder, f"hydra.run.dir={tmp_path / 'run'}")
        error = failing(train.main, monkeypatch, capsys, *own)
        assert all(repr(name) in error for name in names)
        assert word in error
        assert "data.positive=none" in error
        assert len(error.strip().splitlines()) == 1
        assert not (tmp_path / "run/model").exists()


def test_well_known_names_decide_and_the_run_says_so(tiny_encoder, monkeypatch, tmp_path, capsys):
    own = overrides_of(tmp_path, ("harm", "safe"), tiny_encoder, "refine.rounds=0", f"hydra.run.dir={tmp_path / 'run'}")
    call(train.main, monkeypatch, *own)
    assert lines_about_classes(capsys).startswith("harmful: 'harm'; not harmful: 'safe', told by their names")
    assert json.loads((tmp_path / "run/model/vos.json").read_text())["harmful"] == ["harm"]
    final = json.loads((tmp_path / "run/metrics.json").read_text())["final"]
    test = rows_of(tmp_path / "test.csv")
    found, _, _ = predicted(tmp_path / "run", [row["text"] for row in test])
    of_harm = [each for row, each in zip(test, found, strict=True) if row["label"] == "harm"]
    assert final["boundary/test/false_negative_rate"] == pytest.approx(of_harm.count("safe") / len(of_harm))


def test_a_class_may_be_called_like_an_answer(tiny_encoder, monkeypatch, tmp_path, capsys):
    names = ("unsure", "harm")
    run, batch, ledger = tmp_path / "run", tmp_path / "batch", f"ledger={tmp_path / 'project/ledger.sqlite'}"
    own = overrides_of(tmp_path, names, tiny_encoder, "refine.rounds=0")
    call(train.main, monkeypatch, *own, f"hydra.run.dir={run}")
    out = [o for o in synthesis(run, ledger, f"output={batch}") if not o.startswith("labeling=")]
    call(synthesize.main, monkeypatch, *out, "labeling=files", "labeling.plan.gold_share=0")
    own += [f"run={run}", "labels=files", f"labels.path={batch / 'answers.csv'}", ledger]
    answer(batch, names, lambda i, _text: ("unsure", "harm")[i % 2])
    error = failing(train.main, monkeypatch, capsys, *own, "dry_run=true", f"hydra.run.dir={tmp_path / 'no'}")
    assert "rejected" in error
    rows = answer(batch, names, lambda i, _text: ("class:unsure", "harm", "answer:unsure")[i % 3])
    capsys.readouterr()
    call(train.main, monkeypatch, *own, f"hydra.run.dir={tmp_path / 'second'}")
    assert f"harmful: 'harm'; not harmful: 'unsure', as in run={run}; data.positive=" in capsys.readouterr().out
    kept = [json.loads(line) for line in (tmp_path / "second/train.jsonl").read_text().splitlines()]
    order = load_classifier(tmp_path / "second/model").label_names
    new = {each["text"]: order[each["label"]] for each in kept if each["id"].startswith("label:")}
    asked = {"class:unsure": "unsure", "harm": "harm"}
    assert new == {row["text"]: asked[row["label"]] for row in rows if row["label"] in asked}
    with Ledger(tmp_path / "project/ledger.sqlite") as opened:
        assert {label.label for _, label in opened.labels()} == {"class:unsure", "harm", "unsure"}


def test_a_run_that_does_not_say_which_class_is_harmful_takes_its_last(run, monkeypatch, tmp_path, capsys):
    older = tmp_path / "run"
    shutil.copytree(run, older)
    facts = json.loads((older / "model/vos.json").read_text())
    del facts["harmful"]
    (older / "model/vos.json").write_text(json.dumps(facts))
    changed_by_hand(older)
    call(synthesize.main, monkeypatch, *synthesis(older, f"output={tmp_path / 'batch'}"))
    assert "without saying which class is harmful: its last, 'yes', is" in capsys.readouterr().out
    call(synthesize.main, monkeypatch, *synthesis(run, f"output={tmp_path / 'same'}"))
    batches = [read_jsonl(tmp_path / name / "near_boundary.jsonl") for name in ("batch", "same")]
    assert [[(r.text, r.margin) for r in each] for each in batches[:1]] == [[(r.text, r.margin) for r in batches[1]]]


def test_counterfactuals_and_quotas_of_sides_are_off_without_harm(tiny_encoder, monkeypatch, tmp_path):
    run = tmp_path / "run"
    own = overrides_of(tmp_path, HATE, tiny_encoder, "data.positive=none", "refine.rounds=0", f"hydra.run.dir={run}")
    call(train.main, monkeypatch, *own)
    more = ("candidates.selection.max_side_share=0.1", f"output={tmp_path / 'batch'}")
    call(synthesize.main, monkeypatch, *synthesis(run, *more))
    report = json.loads((tmp_path / "batch/synthesis.json").read_text())
    assert report["warnings"] == ["selection.max_side_share is off: no class is harmful, so there are no sides"]
    assert report["written"] == 10
    assert "near_boundary_by_side" not in report
    for record in read_jsonl(tmp_path / "batch/near_boundary.jsonl"):
        top = sorted(record.probability.values())[-2:]
        assert record.margin == pytest.approx(float(torch.tensor(top[1] / top[0]).log()), abs=1e-3)


def test_the_page_serves_ten_classes(tiny_encoder, monkeypatch, tmp_path):
    run, batch = tmp_path / "run", tmp_path / "batch"
    own = overrides_of(tmp_path, INTENTS, tiny_encoder, "data.positive=none", "refine.rounds=0")
    call(train.main, monkeypatch, *own, f"hydra.run.dir={run}")
    out = [o for o in synthesis(run, f"output={batch}") if not o.startswith("labeling=")]
    call(synthesize.main, monkeypatch, *out, "labeling=page", f"ledger={tmp_path / 'led ger.sqlite'}")
    page = (batch / "label.html").read_text(encoding="utf-8")
    data = json.loads(page.split('id="batch">')[1].split("</script>")[0])
    assert [each["name"] for each in data["classes"]] == [*INTENTS, "unsure"]
    assert data["question"] == "Which of these 10 classes fits this text best?"
    typed = shlex.split(data["import_command"].replace("{FILE}", "a.jsonl"))
    found = {each.key_or_group: each.value() for each in OverridesParser.create().parse_overrides(typed[2:])}
    ledger = str(tmp_path / "led ger.sqlite")
    assert found == {"run": str(run), "labels": "files", "labels.path": "a.jsonl", "ledger": ledger}


def test_lists_of_labels_are_one_class_from_training_to_the_next_run(tiny_encoder, monkeypatch, tmp_path):
    own = overrides_of(tmp_path, ("calm", "harm"), tiny_encoder, "refine.rounds=0")
    lists = {"calm": ["quiet"], "harm": ["threat", "insult"]}
    for split in ("train", "val", "test"):
        rows = [{"text": row["text"], "label": lists[row["label"]]} for row in rows_of(tmp_path / f"{split}.csv")]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = [o if "pool" in o else o.replace(".csv", ".jsonl") for o in own]
    call(train.main, monkeypatch, *own, "data.positive=[threat,insult]", f"hydra.run.dir={tmp_path / 'run'}")
    call(synthesize.main, monkeypatch, *synthesis(tmp_path / "run", f"output={tmp_path / 'batch'}"))
    assert len(read_jsonl(tmp_path / "batch/near_boundary.jsonl")) == 10
    call(train.main, monkeypatch, *own, f"run={tmp_path / 'run'}", f"hydra.run.dir={tmp_path / 'second'}")
    first, second = (json.loads((tmp_path / each / "manifest.json").read_text()) for each in ("run", "second"))
    assert first["harmful_classes"] == second["harmful_classes"] == ["threat or insult"]
    assert first["data_fingerprint"] == second["data_fingerprint"]
