import json
import logging
from dataclasses import replace

import pytest
import torch

from vos.data import ListPool, TextData, load_embedded
from vos.errors import DataError
from vos.exposure.gather import OutlierTextFile, gather_outlier_texts
from vos.exposure.write import OutlierText
from vos.types import Example, FeatureBatch

TRAIN = [Example(f"t{i}", f"he fell {i} times", i % 2) for i in range(6)]
OTHER = [f"a kettle and {i} spoons" for i in range(4)]
DATA = TextData(TRAIN, [], [], ListPool([]), ("harmless", "harmful"), [], harmful=(1,))


class Falls:
    """Features turn with a text's number of letters, so that only \"he fell\" texts are alike."""

    def featurize(self, texts):
        angle = torch.tensor([0.0 if text.startswith("he fell") else 1.0 for text in texts])
        angle = angle + torch.linspace(0, 0.01, len(texts))
        features = torch.stack([angle.cos(), angle.sin()], 1)
        return FeatureBatch(features, features)


def never():
    raise AssertionError("not asked for")


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "other.csv"
    lines = ["body", *OTHER, OTHER[0], TRAIN[0].text]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_texts_of_a_file_come_once_and_without_the_texts_of_the_run(csv, tmp_path, caplog):
    seen = []
    source, kept = OutlierTextFile(path=csv, text="body", batch_size=32), tmp_path / "kept.jsonl"
    measured_on = replace(DATA, test=[Example("test", OTHER[2].replace(" ", "  "), 0)])
    texts = gather_outlier_texts(source, measured_on, never, kept, 0, seen.append)
    assert texts == [OutlierText(text) for text in (OTHER[0], OTHER[1], OTHER[3])]
    assert seen == [3]
    assert "2 of 5 texts are the run's own" in caplog.text


def test_a_run_that_goes_on_has_the_same_texts_whatever_has_become_of_the_file(csv, tmp_path):
    source, kept = OutlierTextFile(path=csv, text="body", batch_size=32, quantile=0.5), tmp_path / "kept.jsonl"
    texts = gather_outlier_texts(source, DATA, Falls, kept, 0)
    assert (
        gather_outlier_texts(
            OutlierTextFile(path="gone.csv", text="body", batch_size=32, quantile=0.5), DATA, never, kept, 1
        )
        == texts
    )
    assert [set(json.loads(line)) for line in kept.read_text().splitlines()] == [{"text", "parents", "distance"}] * 4


def test_what_is_like_training_texts_is_left_out_and_counted(csv, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = tmp_path / "more.csv"
    path.write_text("\n".join(["body", *OTHER, "he fell again"]) + "\n")
    texts = gather_outlier_texts(
        OutlierTextFile(path=str(path), text="body", batch_size=32, quantile=0.9),
        DATA,
        Falls,
        tmp_path / "kept.jsonl",
        0,
    )
    assert [each.text for each in texts] == OTHER
    assert all(each.distance > 0.5 for each in texts)
    assert "4 of 5 are unlike every training text" in caplog.text


def test_a_file_of_training_texts_alone_is_refused(tmp_path):
    path = tmp_path / "same.csv"
    path.write_text("\n".join(["body", *(example.text for example in TRAIN)]) + "\n")
    with pytest.raises(DataError, match="all of its 6 texts are the run's own"):
        gather_outlier_texts(
            OutlierTextFile(path=str(path), text="body", batch_size=32), DATA, never, tmp_path / "kept.jsonl", 0
        )
    assert not (tmp_path / "kept.jsonl").exists()


def test_the_packaged_texts_are_many_different_and_none_of_the_everyday_corpus(tmp_path):
    data = load_embedded("everyday")
    texts = gather_outlier_texts(OutlierTextFile(path="packaged"), data, never, tmp_path / "kept.jsonl", 0)
    assert len(texts) >= 1_100
    pool = {example.text for example in data.pool}
    assert len({each.text for each in texts} - pool) == len(texts)
