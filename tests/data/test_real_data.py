"""Public data sets as their authors published them. Assertions compare counts, so that no text shows in a failure."""

from collections import Counter

import pytest

from vos.data import load_files, load_hub, read_rows
from vos.errors import DataError


def test_davidson(real_data):
    path = real_data / "davidson" / "labeled_data.csv"
    options = {
        "text": "tweet",
        "label": "class",
        "id": "",
        "label_map": {0: "harmful", 1: "offensive", 2: "neither"},
        "positive": "harmful",
    }
    lines = [line for line, _ in read_rows(path)]
    assert len(lines) == 24783
    assert lines == sorted(set(lines))
    assert lines[-1] > 24784 + 900  # 917 tweets hold line breaks
    data = load_files(path, **options)
    everything = data.train + data.val + data.test
    assert data.label_names == ("neither", "offensive", "harmful")
    assert len(everything) + len(data.skipped) == 24783
    assert len({e.id for e in everything}) == len(everything)
    by_class = Counter(e.label for e in everything)
    assert 1425 <= by_class[2] <= 1430
    shares = [Counter(e.label for e in part)[2] / len(part) for part in (data.train, data.val, data.test)]
    assert max(shares) - min(shares) < 0.001
    entities = sum("&amp;" in e.text for e in everything)
    decoded = load_files(path, unescape=True, **options)
    assert entities > 800
    assert sum("&amp;" in e.text for e in decoded.train + decoded.val + decoded.test) < entities / 100


def test_toxigen(real_data):
    path = real_data / "toxigen" / "toxigen.json"
    with pytest.raises(DataError) as caught:
        load_files(path, positive="hate")
    contradictions = str(caught.value).split(" | ")
    assert contradictions[0].startswith("20 bad rows (the first 5 are named)")
    assert all("column 'label': found label " in line for line in contradictions)
    assert len(contradictions) == 5
    data = load_files(path, id="id", positive="hate", on_bad_row="skip", unescape=True)
    assert data.label_names == ("neutral", "hate")
    everything = data.train + data.val + data.test
    assert len(everything) + len(data.skipped) == 6514
    assert not sum("_x000D_" in e.text for e in everything)
    plain = load_files(path, id="id", positive="hate", on_bad_row="skip")
    assert sum("_x000D_" in e.text for e in plain.train + plain.val + plain.test) > 20


def test_cad_sentiment(real_data):
    folder = real_data / "cad_sentiment"
    data = load_files(
        folder / "train_paired.tsv",
        test=folder / "test_paired.tsv",
        text="Text",
        label="Sentiment",
        pair="batch_id",
        positive="none",
        on_bad_row="skip",
    )
    assert data.label_names == ("Negative", "Positive")
    assert len(data.train) + len(data.val) + len(data.test) + len(data.skipped) == 3414 + 976
    homes = {}
    for name in ("train", "val"):
        for example in getattr(data, name):
            homes.setdefault(example.pair, set()).add(name)
    assert len(homes) > 1700
    assert not sum(len(names) > 1 for names in homes.values())
    assert 0.14 < len(data.val) / (len(data.train) + len(data.val)) < 0.16


def test_clinc150_is_not_an_array_of_objects(real_data):
    with pytest.raises(DataError) as caught:
        load_files(real_data / "clinc150" / "data_full.json")
    assert "expected an array of objects" in str(caught.value)
    assert "found an object with the keys 'oos_val', 'val', 'train'" in str(caught.value)


def test_a_folder_of_real_files_through_datasets(real_data, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "toxigen").mkdir()
    (tmp_path / "toxigen" / "train.json").symlink_to(real_data / "toxigen" / "toxigen.json")
    data = load_hub(tmp_path / "toxigen", on_bad_row="skip", positive="hate", limit=500)
    assert len(data.train) + len(data.val) + len(data.test) + len(data.skipped) == 500
