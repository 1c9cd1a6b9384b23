from collections import Counter

import pytest
import torch

from vos.errors import ConfigError, DataError, ShapeError
from vos.exposure.batches import OutlierBatches

TEXTS = ["fell " * n for n in (9, 1, 5, 3, 7, 2, 8, 4, 6, 10)]


def test_a_batch_holds_neighbours_in_length_and_is_a_function_of_the_generator(tokenizer):
    batches = OutlierBatches(TEXTS, tokenizer, 32, 3)
    draw = [batches(torch.Generator().manual_seed(i)) for i in (0, 0, 1, 2, 3)]
    assert torch.equal(draw[0]["input_ids"], draw[1]["input_ids"])
    lengths = [tuple(batch["attention_mask"].sum(1).tolist()) for batch in draw]
    assert len(set(lengths)) > 1
    for row in lengths:
        assert row == (row[0], row[0] + 1, row[0] + 2)


def test_inner_texts_come_equally_often(tokenizer):
    """n = 4,000 draws of 3 of 10 texts; a text's count deviates by five deviations once in two million."""
    features = torch.arange(10.0)[:, None]
    batches = OutlierBatches(TEXTS, tokenizer, 32, 3, features)
    generator = torch.Generator().manual_seed(0)
    drawn = Counter(int(row) for _ in range(4000) for row in batches(generator)["features"])
    inner = [i for i, text in enumerate(TEXTS) if 3 <= len(text.split()) <= 8]
    share = 3 / 8
    deviation = (4000 * share * (1 - share)) ** 0.5
    assert all(abs(drawn[i] - 4000 * share) < 5 * deviation for i in inner)
    assert set(drawn) == set(range(10))


def test_fewer_texts_than_a_batch_come_all(tokenizer):
    batch = OutlierBatches(TEXTS, tokenizer, 4, 64)(torch.Generator())
    assert batch["input_ids"].shape == (10, 4)
    assert set(batch) == {"input_ids", "attention_mask"}


def test_bad_input_is_named(tokenizer):
    with pytest.raises(DataError, match="expected at least one text"):
        OutlierBatches([], tokenizer, 32, 3)
    with pytest.raises(ConfigError, match="batch_size: expected at least 1, got 0"):
        OutlierBatches(TEXTS, tokenizer, 32, 0)
    with pytest.raises(ShapeError, match=r"expected features \(10, d\)"):
        OutlierBatches(TEXTS, tokenizer, 32, 3, torch.zeros(9, 2))
