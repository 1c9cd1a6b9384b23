"""Samples of shards through files: nothing is lost, and merging does not depend on order or grouping."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.errors import DataError
from vos.mining.candidates import Facts
from vos.mining.pool_sample import PoolSample, SampleSizes
from vos.mining.sample_files import load_sample, save_sample
from vos.types import Example, FeatureBatch

SIZES = SampleSizes(weighted=6, nearest=4, uniform=5, power=4.0)


def facts_of(n, seed):
    draw = np.random.default_rng(seed)
    margins = torch.tensor(draw.normal(size=n).round(1), dtype=torch.float32)
    logits = torch.stack([-margins / 2, margins / 2], 1)
    numbers = (margins, torch.zeros(n, 2, dtype=torch.float64), torch.sigmoid(-margins.abs().double()))
    examples = [Example(f"{seed}-{i}", f"text {i} \ud800", group="g", level=i) for i in range(n)]
    return Facts(
        examples, FeatureBatch(torch.randn(n, 3, generator=torch.Generator().manual_seed(seed)), logits), *numbers
    )


def sampled(*parts):
    sample = PoolSample(SIZES, 7, 3, 2)
    for part in parts:
        sample.offer(part)
    return sample


def contents(sample):
    kept = (sample.weighted, sample.nearest, sample.uniform)
    return sample.counts, [
        (each.facts.examples, each.keys.tolist(), each.threshold, each.facts.batch.features.tolist()) for each in kept
    ]


@pytest.mark.parametrize("n", [0, 1, 40])
def test_a_sample_comes_back_whole(tmp_path, n):
    sample, nearest = sampled(facts_of(n, 1)), torch.tensor([0.5, float("inf")], dtype=torch.float64)
    save_sample(tmp_path / "deep" / "shard.safetensors", sample, nearest)
    found, distances = load_sample(tmp_path / "deep" / "shard.safetensors", SIZES, 7)
    assert contents(found) == contents(sample)
    assert torch.equal(distances, nearest)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["shard.safetensors"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_merging_files_is_associative_and_independent_of_order(tmp_path_factory, sizes, random):
    folder = tmp_path_factory.mktemp("shards")
    parts = [facts_of(n, seed) for seed, n in enumerate(sizes)]
    for i, part in enumerate(parts):
        save_sample(folder / f"{i}.safetensors", sampled(part), torch.empty(0))

    def load(i):
        return load_sample(folder / f"{i}.safetensors", SIZES, 7)[0]

    order = list(range(len(parts)))
    random.shuffle(order)
    cut = random.randint(0, len(order))
    halves = []
    for half in (order[:cut], order[cut:]):
        sample = PoolSample(SIZES, 7, 3, 2)
        for i in half:
            sample.merge(load(i))
            sample.counts = (sample.counts[0], sample.counts[1])
        halves.append(sample)
    halves[0].merge(halves[1])
    assert contents(halves[0]) == contents(sampled(*parts))


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "shard.safetensors"
    save_sample(path, sampled(facts_of(9, 1)), torch.empty(0))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"\x00" * 40):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"shard\.safetensors: expected the samples of a shard"):
            load_sample(path, SIZES, 7)
    with pytest.raises(DataError, match="gone"):
        load_sample(tmp_path / "gone", SIZES, 7)
