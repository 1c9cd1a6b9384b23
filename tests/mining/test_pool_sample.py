"""Samples by the smallest keys: unbiased, independent of order, and merged to the same rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.mining.candidates import Facts
from vos.mining.pool_sample import PoolSample, SampleSizes, demand_weights, uniforms
from vos.storage.text_ids import text_uid
from vos.types import Example, FeatureBatch

SIZES = SampleSizes(weighted=6, nearest=4, uniform=5, power=4.0)


def facts_of(ids, margins=None, errors=None):
    n = len(ids)
    draw = np.random.default_rng(n)
    margins = torch.tensor(draw.normal(size=n) if margins is None else margins, dtype=torch.float32).reshape(n)
    features = torch.stack([margins, torch.arange(n, dtype=torch.float32)], 1)
    logits = torch.stack([-margins / 2, margins / 2], 1)
    expected = torch.sigmoid(-margins.abs().double()) if errors is None else torch.as_tensor(errors).double()
    examples = [Example(id_, f"text {id_}") for id_ in ids]
    return Facts(examples, FeatureBatch(features, logits), margins, torch.zeros(n, 2, dtype=torch.float64), expected)


def sampled(facts, order, chunk=7, sizes=SIZES, seed=0):
    sample = PoolSample(sizes, seed, 2, 2)
    for start in range(0, len(order), chunk):
        sample.offer(facts.at(order[start : start + chunk]))
    return sample


def rows(sample):
    return tuple(
        ([e.id for e in kept.facts.examples], kept.keys.tolist(), kept.threshold)
        for kept in (sample.weighted, sample.nearest, sample.uniform)
    )


def test_numbers_of_ids_are_uniform_and_their_own():
    ids = [f"id{i}" for i in range(20_000)]
    u = uniforms(ids, 0, "a")
    assert (u > 0).all()
    assert (u < 1).all()
    # Kolmogorov-Smirnov: beyond 1.95 / sqrt(n) in one of a thousand; the numbers are fixed, so it holds or not.
    steps = np.arange(1, len(u) + 1) / len(u)
    assert np.abs(np.sort(u) - steps).max() < 1.95 / math.sqrt(len(u))
    assert (u != uniforms(ids, 1, "a")).all()
    assert (u != uniforms(ids, 0, "b")).all()
    assert abs(np.corrcoef(u, uniforms(ids, 0, "b"))[0, 1]) < 0.03
    assert uniforms(ids[7:9], 0, "a").tolist() == u[7:9].tolist()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 10**6), st.integers(1, 9), st.integers(0, 60))
def test_neither_order_nor_chunks_nor_halves_change_a_sample(n, seed, chunk, cut):
    # Few different margins, so that keys tie and the ids decide.
    facts = facts_of([f"i{i}" for i in range(n)], margins=[i % 5 / 4 - 0.5 for i in range(n)])
    order = list(range(n))
    whole = sampled(facts, order)
    np.random.default_rng(seed).shuffle(order)
    assert rows(sampled(facts, order, chunk)) == rows(whole)
    left, right = sampled(facts, order[:cut], chunk), sampled(facts, order[cut:], chunk)
    left.merge(right)
    assert rows(left) == rows(whole)
    assert (left.n, left.counts) == (whole.n, whole.counts)


def test_a_sample_is_the_smallest_keys_of_all():
    facts = facts_of([f"i{i}" for i in range(100)])
    sample = sampled(facts, list(range(100)))
    ids = [e.id for e in facts.examples]
    keys = -np.log(uniforms(ids, 0, "weighted")) / facts.errors.numpy() ** 4
    smallest = np.argsort(keys)
    assert [e.id for e in sample.weighted.facts.examples] == [ids[i] for i in smallest[:6]]
    assert sample.weighted.threshold == keys[smallest[6]]
    near = facts.margins.abs().double().numpy()
    assert sample.nearest.keys.tolist() == sorted(near)[:4]
    assert sample.weighted.first(3).threshold == keys[smallest[3]]


def test_a_small_pool_is_kept_whole_and_weighs_by_its_errors():
    facts = facts_of(["a", "b", "c"], errors=[0.5, 0.25, 0.0])
    kept = sampled(facts, [2, 0, 1]).weighted
    assert kept.threshold == math.inf
    weights = dict(zip([e.id for e in kept.facts.examples], demand_weights(kept, 4.0).tolist(), strict=True))
    assert weights == pytest.approx({"a": 16 / 17, "b": 1 / 17, "c": 0.0}, abs=1e-12)


def test_a_sample_stands_for_the_pool_without_bias():
    """Sums over the pool from samples: 400 seeds, a mean within 4 standard errors (fails in one of 16,000)."""
    n = 300
    facts = facts_of([f"i{i}" for i in range(n)], errors=[0.05 + 0.45 * (i % 17) / 16 for i in range(n)])
    values = np.array([(i * 37) % 11 for i in range(n)], dtype=float)
    weights = facts.errors.numpy() ** 4
    truth = float((weights * values).sum())
    estimates = []
    for seed in range(400):
        kept = sampled(facts, list(range(n)), 50, SampleSizes(60, 1, 1, 4.0), seed).weighted
        w = kept.facts.errors.numpy() ** 4
        places = [int(e.id[1:]) for e in kept.facts.examples]
        estimates.append(float((w / -np.expm1(-w * kept.threshold) * values[places]).sum()))
    error = np.std(estimates, ddof=1) / math.sqrt(len(estimates))
    assert abs(np.mean(estimates) - truth) < 4 * error
    assert error < 0.02 * truth


def test_sides_are_counted_with_the_sign_of_zero():
    sample = sampled(facts_of(["a", "b", "c"], margins=[0.0, -0.0, 1.0]), [0, 1, 2])
    assert sample.counts == (1, 2)


def test_texts_that_share_an_id_are_drawn_one_by_one():
    """Drawn by text, they are drawn as if the id of each were its uid, in any order."""
    facts = facts_of([str(i) for i in range(60)])
    facts = replace(facts, examples=[Example(str(i % 3), f"text {i}") for i in range(60)])
    own = replace(facts, examples=[Example(text_uid(e.text), e.text) for e in facts.examples])
    sizes = replace(SIZES, by_text=True)
    found, wanted = sampled(facts, list(range(60)), sizes=sizes), sampled(own, list(range(60)))
    for name in ("weighted", "uniform"):
        one, two = getattr(found, name), getattr(wanted, name)
        assert [e.text for e in one.facts.examples] == [e.text for e in two.facts.examples]
        assert one.keys.tolist() == two.keys.tolist()
    other = sampled(facts, list(range(59, -1, -1)), sizes=sizes)
    assert rows(other) == rows(found)


def test_ties_of_texts_that_share_an_id_do_not_depend_on_their_order():
    facts = facts_of(["same"] * 20, margins=[0.5] * 20)
    facts = replace(facts, examples=[Example("same", f"text {i}") for i in range(20)])
    found, other = (sampled(facts, order) for order in (list(range(20)), list(range(19, -1, -1))))
    assert [e.text for e in found.nearest.facts.examples] == [e.text for e in other.nearest.facts.examples]
