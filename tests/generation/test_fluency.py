"""Texts with a likelihood like real ones, and texts that a language model finds less likely."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.toy_texts import texts_of
from vos.errors import ConfigError, DataError
from vos.generation.fluency import PREDICTABLE, UNLIKELY, Fluency, FluencySettings
from vos.generation.generate import make_texts
from vos.generation.report import generation_report
from vos.generation.settings import Stages


def by_letters(text):
    """A language model of tests: a word of n letters has log-probability -n."""
    return -torch.tensor([float(len(word)) for word in text.split()], dtype=torch.float64)


def sentences(n, seed=0):
    draw = np.random.default_rng(seed)
    return [" ".join("x" * k for k in draw.integers(1, 9, draw.integers(3, 20))) for _ in range(n)]


def fitted(real, **options):
    return Fluency(by_letters, real, FluencySettings(**options), torch.Generator().manual_seed(0))


def test_a_value_is_the_mean_beside_texts_of_the_same_length():
    real = sentences(60)
    lowest, highest = 0.05, 0.8
    lengths = np.log([len(text.split()) for text in real])
    means = np.array([float(by_letters(text).mean()) for text in real])
    slope, constant = np.polyfit(lengths, means, 1)
    fluency = fitted(real, lowest=lowest, highest=highest)
    for text in ("a", "bb cc dd", *sentences(5, seed=1)):
        expected = float(by_letters(text).mean()) - constant - slope * math.log(len(text.split()))
        assert fluency.value(text) == pytest.approx(expected, abs=1e-9)
    assert fluency.bounds == pytest.approx(np.quantile(means - constant - slope * lengths, [lowest, highest]), abs=1e-9)


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 0.7), (0.1, 1.0), (0.25, 0.5)])
def test_the_shares_of_real_texts_that_are_asked_for_are_refused(lowest, highest):
    real = sentences(200)
    fluency = fitted(real, lowest=lowest, highest=highest, texts=200)
    found = Counter(map(fluency.flaw, real))
    assert found[UNLIKELY] == pytest.approx(200 * lowest, abs=3)  # some have equal values
    assert found[PREDICTABLE] == pytest.approx(200 * (1 - highest), abs=3)


def test_the_bounds_follow_from_the_seed():
    real = sentences(100)
    first, again = (fitted(real, lowest=0.1, highest=0.9, texts=30) for _ in range(2))
    other = Fluency(by_letters, real, FluencySettings(0.1, 0.9, 30), torch.Generator().manual_seed(1))
    assert first.bounds == again.bounds != other.bounds


@pytest.mark.parametrize(
    "options", [{"lowest": -0.1}, {"highest": 1.1}, {"lowest": 0.8, "highest": 0.8}, {"texts": 19}]
)
def test_settings_that_cannot_work(options):
    with pytest.raises(ConfigError, match="fluency: expected 0 <= lowest < highest <= 1"):
        FluencySettings(**options)


def test_too_few_real_texts():
    with pytest.raises(DataError, match="at least 20 real texts, got 19"):
        fitted(sentences(19))


def test_log_probabilities_are_those_of_the_next_tokens_one_by_one(tiny_lm):
    text = "she poured the oil, twice."
    found = tiny_lm.log_probabilities(text)
    ids = tiny_lm.tokenizer.encode(text, add_special_tokens=False)
    particles = tiny_lm.start("\n", 1, len(ids))
    assert len(found) == len(ids)
    for token, value in zip(ids, found.tolist(), strict=True):
        assert torch.log_softmax(particles.next_logits([0])[0], -1)[token] == pytest.approx(value, abs=1e-4)
        particles.append([0], [token])


@pytest.mark.parametrize("text", ["", "word " * 400])
def test_a_text_without_tokens_or_with_too_many_has_none(tiny_lm, text):
    with pytest.raises(ConfigError, match="text: expected 1 to "):
        tiny_lm.log_probabilities(text)


def with_fluency(text_generator, fluency):
    stages = Stages(per_target=10**6, max_distance=2.0, tokens=10**6, pilot=100, rounds=0)
    return replace(text_generator, settings=replace(text_generator.settings, stages=stages, fluency=fluency))


def test_what_is_accepted_lies_among_real_texts_and_what_is_not_is_counted(text_generator, targets, featurizer, space):
    plain, filtered = (with_fluency(text_generator, each) for each in (FluencySettings(), FluencySettings(0.3, 0.7)))
    everything, kept = (make_texts(each, targets) for each in (plain, filtered))
    assert plain.fluency is None
    refused = Counter()
    for before, after in zip(everything, kept, strict=True):
        texts = {each.example.text for each in after.accepted}
        assert texts >= {
            each.example.text for each in before.accepted if filtered.unlike_real(each.example.text) is None
        }
        assert all(filtered.unlike_real(text) is None for text in texts)
        refused.update(after.refused)
        assert not {UNLIKELY, PREDICTABLE} & before.refused.keys()
    assert min(refused[UNLIKELY], refused[PREDICTABLE]) >= 5
    report = generation_report(kept, targets, space, featurizer)["refused"]
    assert all(report[reason] == refused[reason] for reason in (UNLIKELY, PREDICTABLE))


def test_a_server_gives_text_alone_and_says_so_once(text_generator, caplog):
    class TextAlone(type(text_generator.language_model)):
        log_probabilities = None

    silent = replace(with_fluency(text_generator, FluencySettings(highest=0.5)), language_model=TextAlone())
    assert silent.unlike_real(texts_of(1)[0]) is None
    assert silent.fluency is None
    assert [record.message for record in caplog.records] == [
        "words-lm gives text alone: how likely texts are is not asked"
    ]
