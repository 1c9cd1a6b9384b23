from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.generation.markov import MarkovParticles
from vos.errors import ConfigError
from vos.generation.drafts import Beginnings, DraftSettings, draft
from vos.generation.particles import Cost, Extender, Sampling
from vos.generation.prefix_value import PrefixValue
from vos.mining.targets import Potential

LIMIT = 9
SETTINGS = DraftSettings(beginnings=3, copies=8, levels=1, tokens=3, kept=6, finishes=2)


class Ones:
    """φ is worth the share of the digit 1; remembers what it was asked."""

    def __init__(self):
        self.prefixes, self.wholes = [], []

    @staticmethod
    def values(texts):
        shares = [text.count("1") / max(len(text), 1) - 1 for text in texts]
        return torch.tensor(shares, dtype=torch.float64)

    def whole(self, texts, ended):
        assert len(texts) == len(ended)
        self.wholes += texts
        return self.values(texts)

    def prefix(self, texts):
        self.prefixes += texts
        return self.values(texts)


def extender(seed=0, limit=LIMIT):
    return Extender(Sampling(top_k=5, top_p=1.0, max_tokens=limit), torch.Generator().manual_seed(seed), Cost())


def run(seed=0, **options):
    begun = MarkovParticles([[1, 3], [2, 2, 3], [3]])
    phi, writer = Ones(), extender(seed, **options)
    return draft(begun, phi, writer, SETTINGS), phi, writer


@pytest.mark.parametrize("seed", range(5))
def test_the_best_drafts_are_finished_and_whole_ones_are_judged_as_they_are(seed):
    drafted, phi, writer = run(seed)
    texts = drafted.particles.texts()
    assert phi.wholes == texts
    assert torch.equal(drafted.log_potential, Ones.values(texts))
    # 24 drafts: some ended by themselves, the six best others have two ends each.
    ended = 24 - len(phi.prefixes)
    assert len(texts) == 2 * 6 + ended
    for text, begun in zip(texts, drafted.begun, strict=True):
        assert text.startswith(("13", "223", "3")[begun])
    best = sorted(Ones.values(phi.prefixes).tolist(), reverse=True)[:6]
    kept = [text[: len(("13", "223", "3")[begun]) + 3] for text, begun in zip(texts[:12], drafted.begun, strict=False)]
    for worth, first, second in zip(best, kept[::2], kept[1::2], strict=True):
        # A draft that paused at a sentence end is shorter than three new tokens.
        assert any(float(Ones.values([first[:n]])) == pytest.approx(worth) for n in range(1, len(first) + 1))
        assert first[0] == second[0]
    assert writer.cost.classifier_texts == len(phi.prefixes) + len(texts)


@pytest.mark.parametrize("seed", range(5))
def test_with_two_levels_the_best_of_the_best_go_on(seed):
    begun = MarkovParticles([[1, 3], [2, 2, 3], [3]])
    phi, writer = Ones(), extender(seed, limit=40)
    settings = replace(SETTINGS, levels=2, kept=3)
    drafted = draft(begun, phi, writer, settings)
    texts = drafted.particles.texts()
    # Of 24 drafts some end before the first judgement, of the 6 that go on some before the second: all are texts.
    ended_first = sum(
        len(text) - len(("13", "223", "3")[begin]) <= 3 for text, begin in zip(texts, drafted.begun, strict=True)
    )
    open_first, open_second = phi.prefixes[: 24 - ended_first], phi.prefixes[24 - ended_first :]
    best = sorted(Ones.values(open_first).tolist(), reverse=True)[:3]
    assert len(open_second) <= 6
    assert len(texts) == ended_first + (6 - len(open_second)) + 2 * min(3, len(open_second))
    for prefix in open_second:
        assert any(
            float(Ones.values([prefix[:n]])) == pytest.approx(worth) for n in range(len(prefix)) for worth in best
        )
    assert phi.wholes == texts
    for text, begin in zip(texts, drafted.begun, strict=True):
        assert text.startswith(("13", "223", "3")[begin])
    assert writer.cost.classifier_texts == len(phi.prefixes) + len(texts)


def test_tokens_are_those_that_were_written():
    drafted, phi, writer = run(limit=100)
    lengths = (2, 3, 1)
    new = sum(len(row) - lengths[begun] for row, begun in zip(drafted.particles.tokens, drafted.begun, strict=True))
    # Two ends share their draft, which is paid for once; drafts that were dropped are paid for too.
    shared = writer.cost.lm_tokens - new
    assert -6 * 3 <= shared <= (len(phi.prefixes) - 6) * 3


def test_same_seed_same_texts():
    assert run(3)[0].particles.texts() == run(3)[0].particles.texts()
    assert run(3)[0].particles.texts() != run(4)[0].particles.texts()


def test_drafts_may_all_end_by_themselves():
    writer = extender(limit=2)
    drafted = draft(MarkovParticles([[1, 3]]), Ones(), writer, SETTINGS)
    assert drafted.particles.texts() == ["13"] * 8
    assert writer.cost.lm_tokens == 0


TEXTS = (" ".join(f"w{i}" for i in range(20)), "w1 w2 w3", " ".join(f"w{9 - i}" for i in range(9)), "w5 w6 w7 w8 w9")


@pytest.fixture
def beginnings(featurizer, space, generator):
    prefix_value = PrefixValue(featurizer, space, {})
    return Beginnings.of(TEXTS, [0, 1, 2, 3], prefix_value, DraftSettings(longest=0.45), generator)


def test_beginnings_keep_an_allowed_share_at_known_numbers_of_words(beginnings):
    pairs = list(zip(beginnings.rows.tolist(), beginnings.texts, beginnings.left.tolist(), strict=True))
    kept = [(row, len(text.split()), left) for row, text, left in pairs]
    # Of 20 words 6 and 8 (0.3 and 0.4; 4 is too few), of 9 words 4, of 5 words 2; of 3 words 2 are too many.
    assert kept == [(0, 6, 14), (0, 8, 12), (2, 4, 5), (3, 2, 3)]
    assert all(TEXTS[row].startswith(text) for row, text, _ in pairs)


def test_a_text_is_begun_at_its_best_cut_only(beginnings, targets):
    goal, potential = targets.at([2]), Potential(delta=1.5)
    value = beginnings.prefix_value.log_value(beginnings.places, beginnings.words, goal, potential).exp()
    worth = [float(v) / float(left) for v, left in zip(value, beginnings.left, strict=True)]
    best = {row: max((i for i in range(4) if beginnings.rows[i] == row), key=lambda i: worth[i]) for row in (0, 2, 3)}
    assert beginnings.ranked(goal, potential, frozenset()) == sorted(best.values(), key=lambda i: -worth[i])
    assert 3 not in [int(beginnings.rows[i]) for i in beginnings.ranked(goal, potential, frozenset({3}))]


def test_only_a_sample_is_looked_at(featurizer, space):
    prefix_value, few = PrefixValue(featurizer, space, {}), DraftSettings(longest=0.45, known=2)
    draws = [
        Beginnings.of(TEXTS, [0, 2, 3], prefix_value, few, torch.Generator().manual_seed(seed)).texts
        for seed in range(8)
    ]
    assert {len(texts) for texts in draws} == {2}
    assert len(set(draws)) > 1


def test_nothing_to_begin(featurizer, space, targets, generator):
    none = Beginnings.of(TEXTS, [1], PrefixValue(featurizer, space, {}), DraftSettings(), generator)
    assert none.ranked(targets.at([0]), Potential(), frozenset()) == []


@pytest.mark.parametrize(
    "options",
    [{"shortest": 0.0}, {"longest": 1.0}, {"shortest": 0.5, "longest": 0.4}, {"kept": 0}, {"known": 0}, {"levels": 0}],
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(ConfigError, match="drafts: expected"):
        DraftSettings(**options)


def test_a_struck_out_text_stays_struck_out():
    class Never(Ones):
        def whole(self, texts, ended):
            return torch.full((len(texts),), -math.inf, dtype=torch.float64)

    drafted = draft(MarkovParticles([[1]]), Never(), extender(), SETTINGS)
    assert set(drafted.log_potential.tolist()) == {-math.inf}
