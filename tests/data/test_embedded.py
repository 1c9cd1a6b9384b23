import pytest

from vos.data import EmbeddedData, embedded, load_embedded, load_pool_labels
from vos.errors import ConfigError, DataError
from vos.storage.text_ids import text_uid


def corpus_rows():
    rows = []
    for split, n in (("train", 8), ("val", 4), ("test", 4), ("pool", 3)):
        for i in range(n):
            label = None if split == "pool" else i % 2
            rows.append(
                {
                    "id": f"{split}-{i}",
                    "text": f"{split} text {i}",
                    "label": label,
                    "level": i % 3 if label else None,
                    "setting": f"{split} place {i // 2}",
                    "register": "spoken",
                    "pair": f"{split}-{i // 2}" if i < 4 and split != "pool" else None,
                    "split": split,
                }
            )
    return rows


@pytest.fixture
def folder(write, tmp_path):
    write("corpus.jsonl", corpus_rows())
    write("pool_labels.jsonl", [{"id": "pool-0", "label": 1, "level": 2}, {"id": "pool-1", "label": "harmless"}])
    return tmp_path


def fails(write, rows, message):
    path = write("corpus.jsonl", rows)
    with pytest.raises(DataError) as caught:
        load_embedded(directory=path.parent)
    assert message in str(caught.value), str(caught.value)


def test_splits_are_those_of_the_file(folder):
    data = load_embedded(directory=folder)
    assert data.label_names == ("harmless", "harmful")
    assert [e.id for e in data.train] == [f"train-{i}" for i in range(8)]
    assert (len(data.val), len(data.test), data.pool.size) == (4, 4, 3)
    second = data.train[1]
    assert (second.label, second.level, second.group, second.pair) == (1, 1, "train place 0", "train-0")
    assert data.train[0].level is None
    assert all(e.label is None for e in data.pool)
    assert data.skipped == []


def test_a_folder_of_ones_own_may_bring_its_rule(folder):
    assert (load_embedded(directory=folder).question, load_embedded(directory=folder).guidelines) == ("", "")
    (folder / "rule.md").write_text("Is it sad?\n", encoding="utf-8")
    assert (load_embedded(directory=folder).question, load_embedded(directory=folder).guidelines) == ("Is it sad?", "")


def test_the_pool_labels_file_is_not_opened_by_load_embedded(folder):
    (folder / "pool_labels.jsonl").unlink()
    assert EmbeddedData(directory=folder).load().pool.size == 3


def test_pool_labels(folder):
    assert load_pool_labels(directory=folder) == {"pool-0": (1, 2), "pool-1": (0,)}


def test_the_installed_corpus_is_looked_for_in_the_package(monkeypatch, folder):
    monkeypatch.setattr(embedded.resources, "files", lambda package: folder if package == "vos.data" else None)
    (folder / "corpus/other").mkdir(parents=True)
    for name in ("corpus.jsonl", "pool_labels.jsonl"):
        (folder / name).rename(folder / "corpus/other" / name)
    (folder / "corpus/other/rule.md").write_text("# Is it sad?\n\nTears are.\n")
    assert (load_embedded("other").question, load_embedded("other").guidelines) == ("Is it sad?", "Tears are.")
    assert len(load_embedded("other").train) == 8
    assert len(load_pool_labels("other")) == 2
    with pytest.raises(DataError, match=r"corpus/ladder/corpus\.jsonl: expected the corpus file"):
        load_embedded("ladder")
    with pytest.raises(DataError, match=r"corpus/ladder/pool_labels\.jsonl: expected the corpus file"):
        load_pool_labels("ladder")


def test_stored_answers_are_the_classes_of_the_pool_by_text(write, folder):
    source = EmbeddedData(directory=folder)
    with pytest.raises(DataError, match="expected a label for each of the 3 texts of the pool, found none for 1, the"):
        source.stored_answers()
    rows = [{"id": f"pool-{i}", "label": i % 2, "level": 0} for i in (2, 1, 0)]
    write("pool_labels.jsonl", rows)
    names = ("harmless", "harmful", "harmless")
    assert source.stored_answers() == {text_uid(f"pool text {i}"): name for i, name in enumerate(names)}


def test_a_missing_corpus(tmp_path):
    with pytest.raises(DataError, match=r"expected the corpus file corpus\.jsonl, found nothing there"):
        load_embedded(directory=tmp_path)
    with pytest.raises(DataError, match=r"expected the corpus file pool_labels\.jsonl, found nothing there"):
        load_pool_labels(directory=tmp_path)


def test_bad_corpus_rows(write):
    rows = corpus_rows()
    rows[2]["split"] = "dev"
    fails(write, rows, "corpus.jsonl:3: column 'split': expected one of ('test', 'val', 'train', 'pool'), found 'dev'")
    rows = corpus_rows()
    rows[5]["label"] = 3
    fails(write, rows, "corpus.jsonl:6: column 'label': found the unknown label '3', expected one of '0', '1'")
    rows = corpus_rows()
    rows[18]["text"] = ""
    fails(write, rows, "corpus.jsonl:19: column 'text': found an empty text")
    rows = corpus_rows()
    rows[18]["id"] = "train-0"
    fails(write, rows, "corpus.jsonl:19: column 'id': found id 'train-0', which line 1 has too")
    rows = corpus_rows()
    rows[18]["text"] = "test  text 0"
    fails(write, rows, "corpus.jsonl:19: column 'text': found the text of line 13, expected a text of its own")
    rows = [row for row in corpus_rows() if not (row["split"] == "val" and row["label"])]
    fails(write, rows, "split 'val': expected texts of at least two classes, found one class only: 'harmless'")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 4, "label": 1}, ":2: column 'id': expected an id of its own, found 4"),
        ({"id": "a", "label": 1}, ":2: column 'id': expected an id of its own, found 'a'"),
        ({"id": "b", "label": None}, ":2: column 'label': expected one of"),
        ({"id": "b", "label": 1, "level": "x"}, ":2: column 'level': expected an integer from 0 up, found 'x'"),
        ({"id": "b", "label": 1, "level": -1}, ":2: column 'level': expected an integer from 0 up, found -1"),
    ],
)
def test_bad_pool_labels(write, row, message):
    path = write("pool_labels.jsonl", [{"id": "a", "label": 0}, row])
    with pytest.raises(DataError) as caught:
        load_pool_labels(directory=path.parent)
    assert f"{path}{message}" in str(caught.value)


def test_texts_of_another_kind_come_with_the_corpus_when_asked_for(folder):
    data = EmbeddedData(directory=folder, ood="packaged").load()
    assert {(example.group, example.label) for example in data.ood} == {("film reviews", None), ("queries", None)}
    assert len({example.text for example in data.ood}) == 200
    assert EmbeddedData(directory=folder).load().ood == []
    with pytest.raises(ConfigError, match=r"have 'packaged' or null, got 'reviews\.csv'"):
        EmbeddedData(ood="reviews.csv")
