"""Planted flips: a sum of tokens in which one word, or two together, move a text across the boundary."""

import numpy as np
import pytest
import torch

from tests.interpret.toy_linear import LinearTokens, table_of
from vos.interpret.edits import edited, edited_words, random_flips, slopes
from vos.interpret.flips import FlipFinder, FlipSettings
from vos.interpret.gradients import GradientReader
from vos.interpret.margins import MarginReader
from vos.interpret.word_neighbors import Corpus, Substitutes, word_vectors
from vos.interpret.words import replaced, split_words
from vos.models import EncoderClassifier

CORPUS = [
    "the father has a dog",
    "the dad has a dog",
    "the zebra has a car",
    "the lion saw the cat",
    "a tiger, a hand",
] * 3
ODD = ["", "dog", "!!", " \n ", "עולם \u202eabc", "👍🏽👍🏽 <b>", "\x00a\x07b"]


def similar_words(tokenizer, groups):
    """A table of embeddings in which the words of a group are alike: each has its own axis, with a little noise."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(len(tokenizer), 24, generator=generator) * 0.05
    for axis, words in enumerate(groups):
        for step, word in enumerate(words):
            (token,) = tokenizer(word, add_special_tokens=False)["input_ids"]
            table[token] = torch.eye(24)[axis] + 0.2 * step * torch.eye(24)[23 - axis]
    return table


GROUPS = [("father", "dad", "man", "zebra"), ("dog", "cat", "lion"), ("car", "hand")]


def finder(tokenizer, weights, corpus=CORPUS, harmful=(1,), table=None, **settings):
    classifier = LinearTokens(tokenizer, table_of(tokenizer, weights) if table is None else table, harmful)
    read = MarginReader(classifier, bfloat16=False)
    substitutes = Substitutes(tokenizer, similar_words(tokenizer, GROUPS), Corpus.of(corpus))
    return FlipFinder(read, GradientReader(classifier, bfloat16=False), substitutes, FlipSettings(**settings))


def test_a_corpus_has_words_without_signs_and_pairs_with_them():
    corpus = Corpus.of(["A dog, a dog", "a cat!"], min_texts=1)
    assert corpus.words == ("a", "cat", "dog")
    assert corpus.counts.tolist() == [2, 1, 1]
    assert corpus.pairs == {
        ("", "a"), ("a", "dog"), ("dog", ","), (",", "a"), ("dog", ""), ("a", "cat"), ("cat", "!"), ("!", ""),
    }  # fmt: skip
    assert [corpus.seen("a", "dog", after) for after in (",", "", "!")] == [2, 2, 1]
    assert Corpus.of([]).words == ()


def test_the_nearest_words_are_those_of_the_largest_cosine_less_the_mean(tokenizer):
    corpus = Corpus.of(CORPUS)
    table = similar_words(tokenizer, GROUPS)
    substitutes = Substitutes(tokenizer, table, corpus)
    places, cosines = substitutes.nearest(["father", "dog", "unbelievably"], 3)
    vectors = {
        w: word_vectors(tokenizer, table, [w])[0].numpy() for w in (*corpus.words, "father", "dog", "unbelievably")
    }
    mean = np.mean([vectors[w] for w in corpus.words], axis=0)
    for row, word in enumerate(["father", "dog", "unbelievably"]):
        a = vectors[word] - mean
        expected = {}
        for other in corpus.words:
            b = vectors[other] - mean
            if other != word:
                expected[other] = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        best = sorted(expected, key=expected.get, reverse=True)[:3]
        assert [corpus.words[i] for i in places[row]] == best
        np.testing.assert_allclose(cosines[row], [expected[w] for w in best], atol=1e-5)
    assert corpus.words[places[0, 0]] == "dad"
    assert word_vectors(tokenizer, table, ["\u200d"]).abs().sum() == 0


def test_the_gentlest_flip_is_the_most_similar_word_that_crosses(tokenizer):
    find = finder(tokenizer, {"dad": -1.0, "zebra": -5.0, "dog": 0.25, "cat": -1.0, "[CLS]": 0.5})
    (flip,), tried = find.gentlest(["The Father has a dog."])
    ((start, end, word, similarity),) = flip.edits
    assert (start, end, word) == (4, 10, "dad")
    assert replaced("The Father has a dog.", start, end, word) == "The Dad has a dog."
    assert flip.margin == pytest.approx(0.25 + 0.5 - 1.0)
    places, cosines = find.substitutes.nearest(["father"])
    assert similarity == pytest.approx(cosines[0][list(places[0]).index(find.substitutes.index["dad"])])
    assert 0 < tried[0] <= find.settings.at_a_time


def test_a_flip_goes_to_the_other_side_from_either(tokenizer):
    find = finder(tokenizer, {"dad": 1.0, "zebra": 5.0, "[CLS]": -0.5})
    (first, second), _ = find.gentlest(["the father has a dog", "the dad has a dog"])
    assert first.edits[0].word == "dad"
    assert first.margin == pytest.approx(0.5)
    assert second.edits[0].start == 4
    assert second.margin == pytest.approx(-0.5)


@pytest.mark.parametrize("at_a_time", [1, 7, 1000])
def test_reading_a_few_at_a_time_finds_what_reading_all_finds(tokenizer, at_a_time):
    weights = {"dad": -0.3, "zebra": -5.0, "cat": -1.0, "[CLS]": 0.5, "lion": -0.6}
    texts = ["the father has a dog", "the cat has a car", "a dog saw the lion and the father", "nothing known"]
    found, tried = finder(tokenizer, weights, at_a_time=at_a_time).gentlest(texts)
    expected, all_tried = finder(tokenizer, weights, at_a_time=100, group=1).gentlest(texts)
    assert found == expected
    assert (tried <= 100).all()
    if at_a_time == 1:
        assert tried.sum() < all_tried.sum()


def test_pairs_of_the_corpus_make_a_word_gentler(tokenizer):
    weights = {"dad": -1.0, "man": -1.0, "[CLS]": 0.5}
    texts = ["my father laughed"]
    words = ["the dad", "the man", "a car saw one lion"] * 3
    plain, _ = finder(tokenizer, weights, corpus=words).gentlest(texts)
    paired, _ = finder(tokenizer, weights, corpus=[*words, "my man laughed"]).gentlest(texts)
    assert (plain[0].edits[0].word, paired[0].edits[0].word) == ("dad", "man")
    assert paired[0].edits[0].similarity < plain[0].edits[0].similarity


def test_a_text_far_from_the_boundary_takes_several_words(tokenizer):
    weights = {"zebra": -2.0, "lion": -1.9, "[CLS]": 3.0}
    find = finder(tokenizer, weights)
    assert find.gentlest(["one two three"])[0] == [None]
    (flip,), _ = find.greedy(["one two three"])
    assert [edit.word for edit in flip.edits] == ["zebra", "zebra"]
    assert len({edit.start for edit in flip.edits}) == 2
    assert flip.margin == pytest.approx(3.0 - 4.0)
    assert finder(tokenizer, weights, edits=1).greedy(["one two three"])[0] == [None]
    changed = {[w.start for w in split_words("one two three")].index(e.start): e.word for e in flip.edits}
    text = edited("one two three", split_words("one two three"), changed)
    assert float(find.read([text])[0]) == pytest.approx(flip.margin)


def test_edited_words_are_found_where_they_stand(tokenizer):
    text = "One two, three two"
    words = split_words(text)
    changes = {0: "eleven", 3: "a", 4: "four"}
    found, moved = edited(text, words, changes), edited_words(text, words, changes)
    assert found == "Eleven two, a four"
    assert [found[word.start : word.end].lower() for word in moved] == [word.text for word in moved]
    assert [word.text for word in moved] == ["eleven", "two", ",", "a", "four"]


def test_slopes_are_the_mean_gradient_over_the_pieces_of_a_word(tokenizer):
    classifier = LinearTokens(tokenizer, table_of(tokenizer, {}))
    (found,) = GradientReader(classifier).read(["unbelievably so!!"])
    words = split_words("unbelievably so!!")
    assert len(found.spans) > 5
    found.gradients[:] = np.arange(len(found.spans))[:, None]
    at = slopes(words, found)
    inside = [k for k, (a, b) in enumerate(found.spans) if b > a and b <= words[0].end]
    assert at.places.tolist() == [0, 1]
    assert at.gradients[0, 0] == pytest.approx(np.mean(inside))


def test_random_edits_flip_as_often_as_words_of_the_other_side_are_drawn(tokenizer):
    read = MarginReader(LinearTokens(tokenizer, table_of(tokenizer, {"zebra": -2.0, "[CLS]": 1.0})), bfloat16=False)
    words = ["zebra", "dog", "cat", "car"]
    shares = random_flips(read, ["one two!", "!!", ""], words, np.random.default_rng(0), draws=400)
    assert shares[0] == pytest.approx(0.25, abs=0.08)  # 4 sd of a share of 400
    assert np.isnan(shares[1:]).all()
    again = random_flips(read, ["one two!"], words, np.random.default_rng(0), draws=400)
    assert again[0] == shares[0]


def test_where_no_class_is_harmful_a_flip_changes_the_class(tokenizer):
    table = table_of(tokenizer, {"father": 1.0}, 3, harm=0) + table_of(tokenizer, {"dad": 3.0}, 3, harm=2)
    find = finder(tokenizer, None, harmful=(), table=table)
    (flip,), _ = find.gentlest(["the father has a dog"])
    assert flip.edits[0].word == "dad"
    assert flip.margin == pytest.approx(-3.0)  # of the class that was: 0 against 3


@pytest.mark.parametrize(("n_classes", "harmful"), [(2, (1,)), (3, (1, 2)), (3, ())])
def test_texts_of_every_kind_can_be_tried(tiny_encoder, tokenizer, n_classes, harmful):
    names = tuple(f"class {i}" for i in range(n_classes))
    classifier = EncoderClassifier(tiny_encoder, names, max_length=40, harmful=harmful)
    read, gradients = MarginReader(classifier), GradientReader(classifier)
    find = FlipFinder(read, gradients, Substitutes(tokenizer, gradients.table, Corpus.of(CORPUS)))
    told = []
    for search in (find.gentlest, find.greedy):
        flips, tried = search(ODD, told.append)
        assert len(flips) == len(tried) == len(ODD)
        assert tried[0] == tried[2] == 0
        for text, flip in zip(ODD, flips, strict=True):
            assert flip is None or all(0 <= e.start < e.end <= len(text) for e in flip.edits)
    assert sum(told) == 2 * len(ODD)
    assert find.gentlest([])[0] == []


def test_a_text_of_20_kilobytes_can_be_tried(tokenizer):
    text = "word and zebra, " * 1300
    find = finder(tokenizer, {"zebra": -0.001}, checked=24)
    assert find.gentlest([text])[1].tolist() == [24]
    (flip,), _ = finder(tokenizer, {"zebra": -2.0, "[CLS]": 15.0}).gentlest([text])
    assert flip.edits[0].end < 200  # among the words that are read


def test_without_corpus_words_nothing_is_found(tokenizer):
    find = finder(tokenizer, {"zebra": 1.0}, corpus=[])
    assert find.gentlest(["the father"])[0] == [None]
    assert find.greedy(["the father"])[0] == [None]
    assert np.isnan(random_flips(find.read, ["the father"], (), np.random.default_rng(0))).all()
