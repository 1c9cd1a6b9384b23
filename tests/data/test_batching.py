from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.data import LengthBucketedSampler, TokenCollator
from vos.errors import ConfigError
from vos.types import TOKENIZE_CHUNK, tokenize

LENGTHS = st.lists(st.integers(0, 300), max_size=300)


@settings(max_examples=120, deadline=None)
@given(LENGTHS, st.integers(1, 17), st.integers(0, 3), st.booleans())
def test_every_index_once_within_the_limits(lengths, batch_size, epoch, shuffle):
    sampler = LengthBucketedSampler(lengths, batch_size, seed=0, shuffle=shuffle)
    n_batches = len(sampler)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert len(batches) == len(sampler) == n_batches
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    assert batches == list(sampler)


@settings(max_examples=80, deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_ranks_share_every_batch(lengths, batch_size, world_size, epoch):
    def batches(rank, world_size):
        sampler = LengthBucketedSampler(lengths, batch_size, seed=1, rank=rank, world_size=world_size)
        sampler.set_epoch(epoch)
        found = list(sampler)
        assert len(found) == len(sampler)
        return found

    single = batches(0, 1)
    ranks = [batches(rank, world_size) for rank in range(world_size)]
    assert {len(each) for each in ranks} == {len(single)}
    for whole, *shares in zip(single, *ranks, strict=True):
        dealt = [i for share in shares for i in share]
        assert sorted(set(dealt)) == sorted(whole)
        assert len(dealt) == max(len(whole), world_size)  # nothing comes twice where there is enough for all
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_order_depends_on_seed_and_epoch_and_not_on_the_global_state():
    lengths = [5 + i % 7 for i in range(100)]

    def batches(seed, epoch):
        sampler = LengthBucketedSampler(lengths, 8, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    state = torch.get_rng_state()
    orders = [str(batches(seed, epoch)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == 9
    torch.manual_seed(99)
    assert str(batches(0, 0)) == orders[0]
    torch.set_rng_state(state)


def test_batches_mix_texts_of_similar_length():
    lengths = torch.randint(4, 129, (4000,), generator=torch.Generator().manual_seed(0)).tolist()
    sampler = LengthBucketedSampler(lengths, 32, seed=0)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in sampler)
    # Unsorted batches pad to about 128 tokens, 1.9 times the tokens; a bucket spans 8/125 of the range.
    assert padded < 1.1 * sum(lengths)
    first = {frozenset(batch) for batch in sampler}
    sampler.set_epoch(1)
    assert not first & {frozenset(batch) for batch in sampler if len(batch) == 32}


def test_unshuffled_is_longest_first():
    lengths = [3, 9, 1, 9, 5]
    sampler = LengthBucketedSampler(lengths, 2, seed=0, shuffle=False)
    sampler.set_epoch(4)
    assert list(sampler) == [[1, 3], [4, 0], [2]]


def test_a_size_below_one():
    with pytest.raises(ConfigError, match="a batch_size of at least 1, found 0"):
        LengthBucketedSampler([1], batch_size=0, seed=0)


@pytest.mark.parametrize(("rank", "world_size"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_outside_the_world(rank, world_size):
    with pytest.raises(ConfigError, match=f"found rank {rank} and world_size {world_size}"):
        LengthBucketedSampler([1], 1, 0, rank=rank, world_size=world_size)


def test_tokenize_in_chunks_is_tokenize_one_by_one(tokenizer):
    texts = [f"a text with the number {i} " + "word " * (i % 30) for i in range(TOKENIZE_CHUNK + 5)]
    ids = tokenize(tokenizer, texts, 16)
    assert len(ids) == len(texts)
    for i in (0, 7, TOKENIZE_CHUNK - 1, TOKENIZE_CHUNK, TOKENIZE_CHUNK + 4):
        assert ids[i] == tokenizer(texts[i], truncation=True, max_length=16)["input_ids"]
    assert max(map(len, ids)) == 16
    assert tokenize(tokenizer, [], 16) == []


def test_collator_pads_to_the_longest():
    collate = TokenCollator(SimpleNamespace(pad_token_id=9, padding_side="right"))
    batch = collate([{"index": 4, "input_ids": [1, 2, 3], "label": 1}, {"index": 0, "input_ids": [5], "label": 0}])
    assert {name: tensor.tolist() for name, tensor in batch.items()} == {
        "input_ids": [[1, 2, 3], [5, 9, 9]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
        "labels": [1, 0],
        "index": [4, 0],
    }
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())


def test_collator_needs_a_padding_token():
    with pytest.raises(ConfigError, match="a tokenizer with a padding token"):
        TokenCollator(SimpleNamespace(pad_token_id=None))
