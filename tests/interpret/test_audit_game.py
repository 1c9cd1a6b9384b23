"""The audit game: a planted shortcut must be found, and a word that is only correlated with the label must not."""

import numpy as np
import pytest

from tests.interpret.audit import PLANTS, Audit, planted, short_encoder, texts_and_labels, trained
from vos.interpret.vocabulary_sweep import sweep, vocabulary_words

pytestmark = pytest.mark.slow

FIRST, QUIET = 3, 10
VIEWS = ("insertion", "deletion", "saliency", "ridge")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return short_encoder(tmp_path_factory.mktemp("short"))


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_shortcut_is_among_the_first_three_of_every_view(folder, plant):
    train, others = texts_and_labels()
    classifier = trained(folder, planted(train, [plant], seed=1))
    audit = Audit(classifier, planted(others, [plant], seed=2))
    ranks = {view: audit.rank(view, plant) for view in VIEWS}
    assert max(ranks.values()) <= FIRST, ranks
    surprise = audit.surprise[audit.words.words.index(plant)]
    assert abs(surprise) > 5
    assert (surprise > 0) == bool(PLANTS[plant])  # it says which side, too
    assert (np.abs(audit.surprise) > 5).mean() < 0.05
    if plant == "zebra":  # no text at hand needs to hold it
        words = [*vocabulary_words(classifier.tokenizer, 2000, np.random.default_rng(0)), plant]
        found = sweep(audit.read, list(dict.fromkeys(words)))
        assert found.words[found.listed()[0]] == plant


def test_what_only_the_texts_have_is_not_shown(folder):
    train, others = texts_and_labels()
    audit = Audit(trained(folder, train), planted(others, PLANTS, seed=2))
    for plant in PLANTS:
        ranks = {view: audit.rank(view, plant) for view in ("insertion, all", "deletion")}
        assert min(ranks.values()) > QUIET, (plant, ranks)
        assert abs(audit.surprise[audit.words.words.index(plant)]) < 5
