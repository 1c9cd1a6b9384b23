import pytest
import torch

from vos.errors import DataError
from vos.exposure.filter import far_from_training
from vos.exposure.write import OutlierText
from vos.scores import knn


def test_far_from_training_keeps_what_is_farther_than_training_texts_are_from_each_other():
    draw = torch.Generator().manual_seed(0)
    train, features = torch.randn(40, 6, generator=draw), torch.randn(30, 6, generator=draw)
    texts = [OutlierText(f"t{i}", ("p",)) for i in range(30)]

    def distance(a, b):
        return float((a / a.norm() - b / b.norm()).norm())

    nearest = sorted(min(distance(a, b) for j, b in enumerate(train) if j != i) for i, a in enumerate(train))
    least = nearest[31] + 0.2 * (nearest[32] - nearest[31])  # the quantile 0.8 of 40 numbers lies at place 31.2
    kept = far_from_training(texts, features, train, 0.8)
    expected = {f"t{i}": min(distance(a, b) for b in train) for i, a in enumerate(features)}
    assert {each.text for each in kept} == {name for name, value in expected.items() if value > least}
    assert 0 < len(kept) < 30
    for each in kept:
        assert each.distance == pytest.approx(expected[each.text], abs=1e-6)
        assert each.parents == ("p",)


def test_far_from_training_says_when_nothing_stays():
    train = torch.eye(4)
    with pytest.raises(DataError, match="none of 1 texts is farther than"):
        far_from_training([OutlierText("a")], train[:1], train, 0.5)


def test_the_quantile_of_many_training_texts_is_that_of_a_sample(monkeypatch):
    draw = torch.Generator().manual_seed(0)
    train, features = torch.randn(41, 6, generator=draw), torch.randn(30, 6, generator=draw)
    monkeypatch.setattr("vos.exposure.filter.QUANTILE_ROWS", 21)
    texts = [OutlierText(f"t{i}") for i in range(30)]
    least = float(knn(train[::2], train, 2).quantile(0.5))
    nearest = knn(features, train, 1)
    expected = [f"t{i}" for i in range(30) if nearest[i] > least]
    assert [each.text for each in far_from_training(texts, features, train, 0.5)] == expected
