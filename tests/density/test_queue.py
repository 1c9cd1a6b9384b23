from __future__ import annotations

import pytest
import torch

from vos.density import FeatureBank, FeatureQueue
from vos.errors import ConfigError, DataError, ShapeError


def rows(values: list[float]) -> torch.Tensor:
    return torch.tensor(values)[:, None].repeat(1, 2)


def test_the_bank_keeps_the_latest_row_of_every_text_seen():
    bank = FeatureBank(5, 2)
    assert [t.shape for t in bank.contents()] == [(0, 2), (0,)]
    bank.push(rows([1.0, 2.0]), torch.tensor([0, 1]), torch.tensor([4, 1]))
    bank.push(rows([3.0]), torch.tensor([0]), torch.tensor([4]))
    features, labels = bank.contents()
    assert features[:, 0].tolist() == [2.0, 3.0]
    assert labels.tolist() == [1, 0]


def test_of_a_text_twice_in_a_batch_the_last_row_stays():
    bank = FeatureBank(3, 2)
    bank.push(rows([1.0, 2.0, 3.0, 4.0]), torch.tensor([0, 1, 1, 0]), torch.tensor([2, 0, 2, 0]))
    features, labels = bank.contents()
    assert features[:, 0].tolist() == [4.0, 3.0]
    assert labels.tolist() == [0, 1]
    bank.push(rows([])[:, :2].reshape(0, 2), torch.tensor([]).long(), torch.tensor([]).long())
    assert len(bank.contents()[0]) == 2


def literal_queue(batches, n_classes: int, capacity: int) -> list[list[float]]:
    """VOS, train_virtual.py:207-212: append one row at a time, drop the oldest."""
    kept: list[list[float]] = [[] for _ in range(n_classes)]
    for values, labels in batches:
        for value, label in zip(values, labels, strict=True):
            kept[label] = [*kept[label], value][-capacity:]
    return kept


@pytest.mark.parametrize("capacity", [1, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_the_queue_keeps_what_the_literal_one_keeps(capacity, seed):
    generator = torch.Generator().manual_seed(seed)
    queue = FeatureQueue(3, 2, capacity)
    batches = []
    for size in (2, 11, 1, 5, 30, 0, 4):
        values = torch.rand(size, generator=generator)
        labels = torch.randint(3, (size,), generator=generator)
        batches.append((values.tolist(), labels.tolist()))
        queue.push(values[:, None].repeat(1, 2), labels, torch.zeros(size).long())
        features, owners = queue.contents()
        expected = literal_queue(batches, 3, capacity)
        for c in range(3):
            assert sorted(features[owners == c, 0].tolist()) == sorted(expected[c])


def test_a_class_never_seen_has_no_rows():
    queue = FeatureQueue(3, 2, 4)
    queue.push(rows([1.0, 2.0]), torch.tensor([2, 0]), torch.tensor([0, 1]))
    features, labels = queue.contents()
    assert features[:, 0].tolist() == [2.0, 1.0]
    assert labels.tolist() == [0, 2]


@pytest.mark.parametrize("make", [lambda: FeatureBank(4, 2), lambda: FeatureQueue(2, 2, 3)])
def test_both_memories_detach_copy_store_float32_and_travel(make):
    memory = make()
    pushed = rows([0.1, 0.2, 0.3]).double().requires_grad_()
    memory.push(pushed, torch.tensor([0, 1, 1]), torch.tensor([0, 1, 2]))
    features, _ = memory.contents()
    assert features.dtype == torch.float32
    assert not features.requires_grad
    features.zero_()
    assert memory.contents()[0].abs().sum() > 0
    memory.half()
    assert memory.contents()[0].dtype == torch.float32
    assert memory.contents()[0][0, 0] == torch.tensor(0.1)
    other = make()
    other.load_state_dict(memory.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(other.contents(), memory.contents(), strict=True))
    assert memory.to("meta").features.is_meta


@pytest.mark.parametrize("memory", [FeatureBank(4, 2), FeatureQueue(2, 2, 3)])
def test_batches_that_do_not_fit_are_refused(memory):
    one = torch.zeros(1).long()
    for batch in (
        (torch.zeros(1, 3), one, one),
        (torch.zeros(1, 2), torch.zeros(2).long(), one),
        (torch.zeros(1, 2), one, torch.zeros(2).long()),
    ):
        with pytest.raises(ShapeError, match=r"features \(b, 2\)"):
            memory.push(*batch)
    with pytest.raises(DataError, match="found 1 others, first -1"):
        memory.push(torch.zeros(1, 2), torch.tensor([-1]), one)


def test_an_index_or_label_out_of_range_is_refused():
    with pytest.raises(DataError, match=r"index in \[0, 4\)"):
        FeatureBank(4, 2).push(torch.zeros(1, 2), torch.zeros(1).long(), torch.tensor([4]))
    with pytest.raises(DataError, match=r"label in \[0, 2\)"):
        FeatureQueue(2, 2, 3).push(torch.zeros(1, 2), torch.tensor([2]), torch.zeros(1).long())


def test_one_feature_of_one_text_is_enough():
    zero = torch.zeros(1).long()
    for memory in (FeatureBank(1, 1), FeatureQueue(1, 1, 1)):
        memory.push(torch.tensor([[2.0]]), zero, zero)
        assert [t.tolist() for t in memory.contents()] == [[[2.0]], [0]]


@pytest.mark.parametrize("make", [lambda: FeatureBank(0, 2), lambda: FeatureBank(2, 0), lambda: FeatureQueue(1, 1, 0)])
def test_empty_memories_are_refused(make):
    with pytest.raises(ConfigError, match="at least one"):
        make()


def test_a_queue_is_full_when_every_class_has_been_seen():
    queue = FeatureQueue(2, 2, 3)
    assert not queue.is_full
    queue.push(rows([1.0, 2.0, 3.0]), torch.tensor([1, 1, 1]), torch.arange(3))
    assert not queue.is_full
    queue.push(rows([4.0]), torch.tensor([0]), torch.arange(1))
    assert queue.is_full


@pytest.mark.parametrize("build", [lambda: FeatureBank(3, 2), lambda: FeatureQueue(2, 2, 3)])
def test_a_cleared_buffer_is_as_new(build):
    memory = build()
    memory.push(rows([1.0, 2.0, 3.0]), torch.tensor([0, 1, 0]), torch.tensor([0, 1, 2]))
    memory.clear()
    for name, value in build().state_dict().items():
        assert torch.equal(memory.state_dict()[name], value)
