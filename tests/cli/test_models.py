"""The commands with existing classifiers: the meaning of their outputs, text lengths, and damaged files."""

import copy
import csv
import json
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import synthesize
import train
from tests.cli.commands import call, failing, synthesis
from tests.models.families import write_family
from vos.labeling import Ledger, read_jsonl
from vos.models import load_classifier

WORDS = ("sat", "burned", "broke")
"""One word in a text says its class: safe or neither, harm or hate, offensive."""

FILLERS = ("a", "by", "in", "on", "was", "poured", "fell", "cat", "oil", "wall")


def sentence(word, i):
    return f"he {word} {FILLERS[i % 10]} {FILLERS[i // 10 % 10]} {i}"


def write_rows(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Texts with the classes safe and harm, or neither, hate and offensive; no two are the same."""
    folder = tmp_path_factory.mktemp("texts")
    for name, n, start in (("train", 40, 0), ("val", 30, 100), ("test", 30, 200)):
        two, three = ("safe", "harm"), ("neither", "hate", "offensive")
        rows = range(start, start + n)
        write_rows(folder / f"{name}.csv", [(sentence(WORDS[i % 2], i), two[i % 2]) for i in rows])
        write_rows(folder / f"{name}3.csv", [(sentence(WORDS[i % 3], i), three[i % 3]) for i in rows])
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A classifier of three outputs, in the order of `WORDS`, that has learned them."""
    folder = tmp_path_factory.mktemp("models") / "trained"
    options = {"num_labels": 3, "id2label": dict(enumerate(WORDS)), "label2id": {}, "max_position_embeddings": 40}
    model = write_family(folder, "bert", **options)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [sentence(WORDS[i % 3], i) for i in range(90)] + [f"{i} he {WORDS[i % 3]} a cat" for i in range(30)]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    labels = torch.tensor([i % 3 for i in range(90)] + [i % 3 for i in range(30)])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)  # in evaluation mode, without dropout
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(**batch).logits, labels).backward()
        optimizer.step()
    assert (model(**batch).logits.argmax(-1) == labels).all()
    return model, tokenizer


def write_classifier(folder, trained, names, words):
    """The trained classifier with one output for each of the words, or one logit for the first against the second."""
    model, tokenizer = copy.deepcopy(trained[0]), trained[1]
    rows = [WORDS.index(word) for word in words]
    weight, bias = model.classifier.weight.data[rows], model.classifier.bias.data[rows]
    if len(names) == 1:
        weight, bias = weight[:1] - weight[1:2], bias[:1] - bias[1:2]
    model.classifier = torch.nn.Linear(32, len(names))
    model.classifier.weight.data, model.classifier.bias.data = weight.contiguous(), bias.contiguous()
    model.config.id2label, model.config.label2id = dict(enumerate(names)), {name: i for i, name in enumerate(names)}
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.eval()
    return model


def study(files, model, *more, three=False):
    end = "3.csv" if three else ".csv"
    return [
        "data=files", *(f"data.{name}={files / name}{end}" for name in ("train", "val", "test")),
        "model=pretrained", f"model.name={model}", "trainer.max_epochs=0", "logger=none", "callbacks=quiet",
        "outliers.distance=null", f"paths.cache={files / 'cache'}", *more,
    ]  # fmt: skip


def accuracy(run):
    return json.loads((run / "metrics.json").read_text())["final"]["boundary/test/accuracy"]


ORDERS = [
    (["SAFE", "HARM"], ["sat", "burned"], []),
    (["HARM", "SAFE"], ["burned", "sat"], []),
    (["harm", "clean"], ["burned", "sat"], []),
    (["LABEL_0", "LABEL_1"], ["burned", "sat"], ["model.label_map={LABEL_0: harm, LABEL_1: safe}"]),
    (["LABEL_0", "LABEL_1"], ["burned", "sat"], ["model.positive_label=LABEL_0"]),
    (["safe"], ["sat", "burned"], []),
    (["Harm"], ["burned", "sat"], []),
]


@pytest.mark.parametrize(("names", "words", "more"), ORDERS)
def test_outputs_are_matched_by_name(files, trained, names, words, more, tmp_path, monkeypatch):
    model = write_classifier(tmp_path / "model", trained, names, words)
    call(train.main, monkeypatch, *study(files, tmp_path / "model", "data.positive=harm", *more),
         f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert accuracy(tmp_path / "run") == 1.0
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run/model").eval()
    assert saved.config.id2label == {0: "safe", 1: "harm"}
    batch = AutoTokenizer.from_pretrained(tmp_path / "run/model")("he burned a cat", return_tensors="pt")
    with torch.no_grad():
        own, kept = model(**batch).logits[0], saved(**batch).logits[0].softmax(-1)
    harmful = own.softmax(-1)[words.index("burned")] if len(names) > 1 else own[0].sigmoid()
    if names == ["safe"]:
        harmful = 1 - harmful
    torch.testing.assert_close(kept[1], harmful, atol=1e-4, rtol=0)


def test_outputs_without_names_are_asked_for_before_any_work(files, trained, tmp_path, monkeypatch, capsys):
    write_classifier(tmp_path / "model", trained, ["LABEL_0", "LABEL_1"], ["burned", "sat"])
    error = failing(train.main, monkeypatch, capsys, *study(files, tmp_path / "model", "data.positive=harm"),
                    f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert "outputs ['LABEL_0', 'LABEL_1'], classes ['safe', 'harm']" in error
    assert error.strip().count("\n") == 0


LOUD = "error: validation, {}: the classifier agrees with the labels LESS THAN CHANCE"
MIXED_UP = [
    (["burned", "sat"], "{LABEL_0: safe, LABEL_1: harm}", "harm"),
    (["burned", "broke", "sat"], "{LABEL_0: neither, LABEL_1: hate, LABEL_2: offensive}", "[hate,offensive]"),
]


@pytest.mark.parametrize(("words", "label_map", "positive"), MIXED_UP, ids=["two", "three"])
@pytest.mark.parametrize("epochs", [0, 1])
def test_a_classifier_below_chance_is_reported_loudly(
    files, trained, words, label_map, positive, epochs, tmp_path, monkeypatch, capsys
):
    write_classifier(tmp_path / "model", trained, [f"LABEL_{i}" for i in range(len(words))], words)
    own = study(files, tmp_path / "model", f"model.label_map={label_map}", three=len(words) > 2)
    more = [f"trainer.max_epochs={epochs}", "optimizer.lr=1e-9", "optimizer.head_lr=1e-9", "refine.rounds=0"]
    call(train.main, monkeypatch, *own, f"data.positive={positive}", *more, f"hydra.run.dir={tmp_path / 'run'}")
    assert accuracy(tmp_path / "run") == 0.0
    said = capsys.readouterr().out
    assert LOUD.format("round 0") in said
    assert (LOUD.format("epoch 0") in said) == (epochs == 1)


def test_the_wrong_one_of_more_outputs_is_reported_loudly(trained, tmp_path, monkeypatch, capsys):
    write_classifier(tmp_path / "model", trained, ["x", "y", "z"], WORDS)
    write_mixed(tmp_path, "safe")
    call(train.main, monkeypatch, *study(tmp_path, tmp_path / "model", "data.positive=harm", "model.positive_label=x"),
         f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert LOUD.format("round 0") in capsys.readouterr().out


def test_three_outputs_are_matched_by_name(files, trained, tmp_path, monkeypatch):
    write_classifier(tmp_path / "model", trained, ["Hate Speech", "Offensive", "Neither"], ["burned", "broke", "sat"])
    call(train.main, monkeypatch, *study(files, tmp_path / "model", three=True),
         "data.positive=[hate,offensive]", f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert accuracy(tmp_path / "run") == 1.0


def test_a_length_above_the_positions_is_refused_before_any_work(files, trained, tmp_path, monkeypatch, capsys):
    write_classifier(tmp_path / "model", trained, ["safe", "harm"], ["sat", "burned"])
    for kind in ("pretrained", "encoder"):
        error = failing(train.main, monkeypatch, capsys, *study(files, tmp_path / "model", "model.max_length=41"),
                        f"model={kind}", f"hydra.run.dir={tmp_path / kind}")  # fmt: skip
        assert "model.max_length: expected at most 40, the positions of Bert" in error
        assert error.strip().count("\n") == 0


def test_a_run_with_too_great_a_length_is_refused_before_its_pool(files, trained, tmp_path, monkeypatch, capsys):
    write_classifier(tmp_path / "model", trained, ["safe", "harm"], ["sat", "burned"])
    options = study(files, tmp_path / "model", "data.positive=harm", "model.max_length=20")
    call(train.main, monkeypatch, *options, f"hydra.run.dir={tmp_path / 'run'}")
    facts = tmp_path / "run/model/vos.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"max_length": 128}))
    long = tmp_path / "pool.csv"
    write_rows(long, [("he sat " * 60 + str(i), "") for i in range(20)])
    error = failing(synthesize.main, monkeypatch, capsys, *synthesis(tmp_path / "run", f"pool.path={long}"))
    assert "model.max_length: expected at most 40" in error


def test_texts_that_are_cut_are_told_and_the_side_decides(trained, tmp_path, monkeypatch, capsys):
    write_classifier(tmp_path / "model", trained, ["safe", "harm"], ["sat", "burned"])
    for name, n, start in (("train", 40, 0), ("val", 30, 100), ("test", 30, 200)):
        rows = []
        for i in range(start, start + n):
            opening = f"{FILLERS[i % 10]} {FILLERS[i // 10 % 10]} {'the oil of a wall ' * 40}"
            rows.append((opening + sentence(WORDS[i % 2], i), ("safe", "harm")[i % 2]))
        write_rows(tmp_path / f"{name}.csv", rows)
    found = {}
    for side in ("right", "left"):
        capsys.readouterr()
        call(train.main, monkeypatch, *study(tmp_path, tmp_path / "model", "data.positive=harm"),
             f"model.truncation_side={side}", "model.max_length=7", f"hydra.run.dir={tmp_path / side}")  # fmt: skip
        found[side] = accuracy(tmp_path / side)
        said = capsys.readouterr().out
        for name, n in (("train", 40), ("val", 30), ("test", 30)):
            assert f"{name}: {n} of {n} texts have more than model.max_length=7 tokens" in said
        saved = AutoTokenizer.from_pretrained(tmp_path / side / "model")
        assert saved.truncation_side == side
    assert found == {"right": 0.5, "left": 1.0}


def test_a_cut_off_weights_file_ends_with_one_line(files, trained, tmp_path, monkeypatch, capsys):
    write_classifier(tmp_path / "model", trained, ["safe", "harm"], ["sat", "burned"])
    path = tmp_path / "model/model.safetensors"
    assert load_file(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    error = failing(train.main, monkeypatch, capsys, *study(files, tmp_path / "model"),
                    f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert "cannot load" in error
    assert error.strip().count("\n") == 0


MIXED = ("sat", "burned", "sat", "burned", "broke")


def write_mixed(folder, broke):
    """Texts of three words and two classes; `broke` is the class of the third."""
    class_of = {"sat": "safe", "burned": "harm", "broke": broke}
    for name, n, start in (("train", 50, 0), ("val", 40, 100), ("test", 40, 200)):
        words = [(MIXED[i % 5], i) for i in range(start, start + n)]
        write_rows(folder / f"{name}.csv", [(sentence(word, i), class_of[word]) for word, i in words])


def by_output(run):
    """How many texts of each output a run has."""
    return Counter(json.loads((run / "output_labels.json").read_text()).values())


NAMED = [
    ("model.positive_label=Burned", ["Burned"]),
    ("model.positive_label=1", ["Burned"]),
    ("model.label_map={burned: harm, broke: safe, sat: safe}", ["Burned"]),
    ("model.label_map={broke: harm, burned: harm, sat: safe}", ["Burned", "Broke"]),
]


@pytest.mark.parametrize(("named", "harmful"), NAMED)
def test_more_outputs_than_classes_are_all_kept(files, trained, named, harmful, tmp_path, monkeypatch, capsys):
    outputs = ["Sat", "Burned", "Broke"]
    own = write_classifier(tmp_path / "model", trained, outputs, WORDS)
    run = tmp_path / "run"
    write_mixed(tmp_path, "safe" if len(harmful) == 1 else "harm")
    call(train.main, monkeypatch, *study(tmp_path, tmp_path / "model", named, "data.positive=harm"),
         f"hydra.run.dir={run}")  # fmt: skip
    assert "Sat 20, Burned 20, Broke 10" in " ".join(capsys.readouterr().out.split())
    assert accuracy(run) == 1.0
    assert by_output(run) == {"Sat": 52, "Burned": 52, "Broke": 26}
    assert json.loads((run / "model/vos.json").read_text())["harmful"] == harmful
    saved = AutoModelForSequenceClassification.from_pretrained(run / "model").eval()
    assert saved.config.id2label == dict(enumerate(outputs))
    batch = AutoTokenizer.from_pretrained(run / "model")("he burned a cat", return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(saved(**batch).logits, own(**batch).logits, atol=1e-5, rtol=0)


def test_people_answer_with_the_datas_classes_where_a_model_has_more_outputs(files, trained, tmp_path, monkeypatch):
    outputs, run, batch, second = ["Sat", "Burned", "Broke"], *(tmp_path / n for n in ("run", "batch", "second"))
    write_classifier(tmp_path / "model", trained, outputs, WORDS)
    write_mixed(tmp_path, "safe")
    write_rows(tmp_path / "pool.csv", [(sentence(WORDS[i % 3], i), "") for i in range(300, 390)])
    ledger = f"ledger={tmp_path / 'project/ledger.sqlite'}"
    own = study(tmp_path, tmp_path / "model", "data.positive=harm", "model.positive_label=Burned")
    wide = "candidates.selection.max_distance=1e9"  # few texts, and far from each other
    own += ["trainer.max_epochs=1", "refine.rounds=1", "refine.epochs=1", "refine.keep=last"]
    call(train.main, monkeypatch, *own, f"hydra.run.dir={run}")
    first = json.loads((run / "output_labels.json").read_text())
    options = [o for o in synthesis(run, ledger, f"output={batch}", f"pool.path={tmp_path / 'pool.csv'}", wide)
               if not o.startswith("labeling=")]  # fmt: skip
    call(synthesize.main, monkeypatch, *options, "labeling=files", "labeling.plan.gold_share=0.5")
    call(synthesize.main, monkeypatch, f"verify={batch / 'near_boundary.jsonl'}", "progress=false")
    for record in read_jsonl(batch / "near_boundary.jsonl"):
        assert list(record.probability) == outputs  # the model's own
        others = max(record.probability["Sat"], record.probability["Broke"])
        assert (record.margin >= 0) == (record.probability["Burned"] >= others)
    with Ledger(tmp_path / "project/ledger.sqlite") as kept:
        (name,) = {event.batch for event in kept.asked()}
        assert set(kept.gold(name).values()) == {"safe", "harm"}
        for record in kept.records().values():
            assert set(record.probability) == {"safe", "harm"}
            assert sum(record.probability.values()) == pytest.approx(1)
    with (batch / "to_label.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 10
    class_of = {"sat": "safe", "broke": "safe", "burned": "harm"}
    answers = [(row["uid"], class_of[row["text"].split()[1]], "ann") for row in rows]
    with (tmp_path / "answers.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("uid", "label", "annotator"), *answers])
    more = [f"run={run}", "labels=files", f"labels.path={tmp_path / 'answers.csv'}", ledger]
    call(train.main, monkeypatch, *own, *more, f"hydra.run.dir={second}")
    later = json.loads((second / "output_labels.json").read_text())
    assert first.items() <= later.items()
    assert len(later) > len(first)
    names = {uid: class_of[later[uid].lower()] for uid, _, _ in answers if uid in later}
    assert names == {uid: label for uid, label, _ in answers if uid in later}
    assert load_classifier(second / "model").label_names == tuple(outputs)
    assert load_classifier(second / "model").data_classes == ("safe", "harm")
    call(synthesize.main, monkeypatch, *synthesis(second, f"pool.path={tmp_path / 'pool.csv'}", wide))


def test_a_simulation_needs_an_output_for_each_class(files, trained, tmp_path, monkeypatch, capsys):
    write_classifier(tmp_path / "model", trained, ["Sat", "Burned", "Broke"], WORDS)
    write_mixed(tmp_path, "safe")
    own = study(tmp_path, tmp_path / "model", "data.positive=harm", "model.positive_label=Burned")
    error = failing(train.main, monkeypatch, capsys, *own, "trainer.max_epochs=1",
                    "experiment=simulated_rounds", "model.freeze=false", "simulation.pool=train",
                    "simulation.start=20", "simulation.per_round=5", f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert "simulation: expected a model with an output for each class of ['safe', 'harm']" in error
