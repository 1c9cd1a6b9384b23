"""Fast scores with exact rescoring of the deciding texts give the same samples as exact scores of all texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vos.errors import ShapeError
from vos.mining.candidates import Facts
from vos.mining.pool_sample import PoolSample, SampleSizes
from vos.mining.rescore import Spare, rescore, widened
from vos.types import Example, FeatureBatch

SIZES = SampleSizes(weighted=40, nearest=20, uniform=15, power=4.0)
NOISE = 0.04


def facts_of(ids, margins):
    margins = torch.as_tensor(margins, dtype=torch.float32)
    logits = torch.stack([-margins / 2, margins / 2], 1)
    expected = torch.sigmoid(-margins.abs().double())
    nothing = torch.zeros(len(ids), 2, dtype=torch.float64)
    examples = [Example(id_, f"text {id_}") for id_ in ids]
    return Facts(examples, FeatureBatch(margins[:, None], logits), margins, nothing, expected)


def scanned(facts, sizes):
    sample = PoolSample(sizes, 0, 1, 2)
    sample.offer(facts)
    return sample


def rows(sample):
    return [
        ([e.id for e in kept.facts.examples], kept.keys.tolist(), kept.facts.margins.tolist(), kept.threshold)
        for kept in (sample.weighted, sample.nearest, sample.uniform)
    ]


def mended(facts, fast, sizes=SIZES):
    """The samples as `scan` finds them, and how often the pool had to be read."""
    by_id = {example.id: row for row, example in enumerate(facts.examples)}
    spare = Spare(1.1, 1.1)
    for times in range(1, 20):
        wide = widened(sizes, spare)
        found = rescore(scanned(fast, wide), sizes, lambda some: facts.at([by_id[e.id] for e in some]), spare)
        if found.wider is None:
            return found, times
        spare = found.wider
    raise AssertionError("never safe")


# Margins in a grid of 0.01, so that many texts tie in float32 and all the more are near-ties against noise of 0.04.
@pytest.mark.parametrize("seed", range(20))
def test_ties_and_near_ties_come_out_as_in_float32(seed):
    draw = np.random.default_rng(seed)
    n = 3000
    margins = np.round(draw.normal(size=n), 2)
    facts = facts_of([f"id{i}" for i in range(n)], margins)
    fast = facts_of([f"id{i}" for i in range(n)], margins + draw.uniform(-NOISE, NOISE, n))
    found, _ = mended(facts, fast)
    assert rows(found.sample) == rows(scanned(facts, SIZES))
    assert found.sample.counts == scanned(fast, SIZES).counts
    assert found.read < n / 2


def test_the_noise_is_large_enough_to_matter():
    """Without scoring again the samples of the test above differ."""
    draw = np.random.default_rng(0)
    margins = np.round(draw.normal(size=3000), 2)
    ids = [f"id{i}" for i in range(3000)]
    exact, fast = (scanned(facts_of(ids, m), SIZES) for m in (margins, margins + draw.uniform(-NOISE, NOISE, 3000)))
    assert {e.id for e in exact.nearest.facts.examples} != {e.id for e in fast.nearest.facts.examples}


def test_where_the_last_text_is_within_the_error_more_are_kept():
    """Every margin the same: which texts are nearest is decided by their ids, and only among all of them."""
    ids = [f"id{i}" for i in range(400)]
    facts = facts_of(ids, np.full(400, 0.5))
    fast = facts_of(ids, 0.5 + np.random.default_rng(0).uniform(-NOISE, NOISE, 400))
    found, times = mended(facts, fast)
    assert times > 1
    assert rows(found.sample) == rows(scanned(facts, SIZES))


def test_a_pool_that_is_kept_whole_is_safe():
    facts = facts_of(["a", "b", "c"], [0.1, -2.0, 0.3])
    found, times = mended(facts, replace(facts))
    assert (found.read, times, found.sample.n) == (3, 1, 3)


def test_an_empty_pool():
    nothing = facts_of([], [])
    found, _ = mended(nothing, nothing)
    assert (found.read, found.sample.n, len(found.sample.weighted.facts)) == (0, 0, 0)


def test_two_passes_are_enough_and_only_what_may_matter_is_read():
    """The second pass keeps what the first one says is needed: 1,000 of 40,000 texts lie within the noise."""
    draw = np.random.default_rng(0)
    ids, margins = [f"id{i}" for i in range(40_000)], draw.normal(size=40_000) * 3
    facts, fast = (facts_of(ids, m) for m in (margins, margins + draw.uniform(-NOISE, NOISE, 40_000)))
    found, times = mended(facts, fast)
    assert times == 2
    assert rows(found.sample) == rows(scanned(facts, SIZES))
    within = int((np.abs(margins) < 4 * NOISE).sum())
    assert found.read < within + 400  # and not what was kept beside


def test_so_many_small_margins_that_they_are_not_all_kept_are_said(monkeypatch):
    monkeypatch.setattr("vos.mining.rescore.MOST_NEAREST", 60)
    draw = np.random.default_rng(0)
    ids, margins = [f"id{i}" for i in range(3000)], draw.normal(size=3000) / 10
    facts, fast = (facts_of(ids, m) for m in (margins, margins + draw.uniform(-NOISE, NOISE, 3000)))
    found, _ = mended(facts, fast)
    assert found.is_capped
    assert len(found.sample.nearest.facts) == SIZES.nearest
    exact = {e.id for e in found.sample.weighted.facts.examples}
    assert exact == {e.id for e in scanned(facts, SIZES).weighted.facts.examples}


def test_without_noise_the_thresholds_are_those_of_exact_scores():
    facts = facts_of([f"id{i}" for i in range(500)], np.random.default_rng(0).normal(size=500))
    found, times = mended(facts, replace(facts))
    assert times == 1
    assert rows(found.sample) == rows(scanned(facts, SIZES))
    assert found.read <= SIZES.weighted + SIZES.nearest + SIZES.uniform + 3


@pytest.mark.parametrize("copies", [2, 5])
@pytest.mark.parametrize("place", [0, 20, 39])
def test_a_text_that_the_pool_holds_several_times_shifts_no_other(copies, place):
    """Its id is that of its content; its copies are in every sample, side by side."""
    draw = np.random.default_rng(place)
    margins = draw.normal(size=3000)
    ids = [f"id{i}" for i in range(3000)]
    kept = ids.index(scanned(facts_of(ids, margins), SIZES).weighted.facts.examples[place].id)
    for other in draw.choice(3000, copies - 1, replace=False):
        ids[other], margins[other] = ids[kept], margins[kept]
    facts, fast = (facts_of(ids, m) for m in (margins, margins + draw.uniform(-NOISE, NOISE, 3000)))
    found, times = mended(facts, fast)
    assert rows(found.sample) == rows(scanned(facts, SIZES))
    assert found.read < 1500
    assert times <= 2


def test_a_scorer_that_gives_another_number_of_rows_is_refused():
    facts = facts_of([f"id{i}" for i in range(9)], np.arange(9) / 9)
    with pytest.raises(ShapeError, match="expected one row for each of 9, got 10"):
        rescore(scanned(facts, widened(SIZES)), SIZES, lambda _: facts.at([*range(9), 0]))
