"""The vocabulary sweep: which words it reads, and that a word that moves the margin stands out."""

import numpy as np

from vos.interpret.vocabulary_sweep import Sweep, sweep, vocabulary_words


def test_words_are_whole_lower_case_single_tokens(tokenizer):
    found = vocabulary_words(tokenizer)
    assert {"zebra", "!", "the", "?"} <= set(found)
    assert not any(word.startswith("[") and len(word) > 1 for word in found)  # no special token
    assert not any(word.startswith("##") for word in found)
    assert "a" not in found  # letters alone
    assert len(set(found)) == len(found) > 15_000
    sample = np.random.default_rng(0).choice(len(found), 200)
    for i in sample:
        assert len(tokenizer(found[i], add_special_tokens=False)["input_ids"]) == 1


def test_fewer_words_are_the_first_or_a_draw(tokenizer):
    everything = vocabulary_words(tokenizer)
    assert vocabulary_words(tokenizer, 50) == everything[:50]
    drawn = vocabulary_words(tokenizer, 50, np.random.default_rng(0))
    assert len(set(drawn)) == 50
    assert drawn == vocabulary_words(tokenizer, 50, np.random.default_rng(0)) != everything[:50]
    assert vocabulary_words(tokenizer, 10**6) == everything


def test_z_is_the_mean_move_over_templates_in_robust_deviations():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(500)] + ["zebra", "calm"]
    weight = dict(zip(words, [*rng.normal(size=500), 9.0, -12.0], strict=True))
    told = []

    def margins(texts):
        return np.array([next(weight[w] for w in reversed(text.split()) if w in weight) + 7 for text in texts])

    found = sweep(margins, words, ("{}", "it is {}"), lambda done, total: told.append((done, total)), chunk=200)
    values = np.array([weight[w] for w in words])
    centred = values - np.median(values)
    np.testing.assert_allclose(found.z, centred / (1.4826 * np.median(np.abs(centred - np.median(centred)))))
    assert [words[i] for i in found.listed()] == ["calm", "zebra"]
    assert [words[i] for i in found.listed(10)] == ["calm"]
    assert told == [(200, 502), (400, 502), (502, 502)]


def test_braces_in_words_and_nothing_to_sweep():
    assert sweep(lambda texts: np.array([float(len(t)) for t in texts]), ["{", "}", "{}"]).z.shape == (3,)
    assert sweep(lambda texts: np.zeros(len(texts)), []).listed() == []
    assert Sweep(("a",), np.array([np.nan])).listed() == []
