import logging
from collections import Counter
from statistics import median_high

import pytest

from tests.models.families import WORDS, write_family
from vos.models import EncoderClassifier
from vos.models.truncation import Truncation, count_truncation, warn_of_truncation
from vos.types import TOKENIZE_CHUNK


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "bert"
    write_family(folder, "bert")
    return str(folder)


def said(caplog):
    """What is told of truncation; that a model made for the test lacks weights is another matter."""
    return [each for each in caplog.records if each.name == "vos.models.truncation" and each.levelno > logging.INFO]


@pytest.mark.parametrize(("side", "end", "other"), [("right", "end", "left"), ("left", "beginning", "right")])
def test_texts_that_are_cut_are_counted(folder, side, end, other, caplog):
    classifier = EncoderClassifier(folder, ("a", "b"), max_length=12, truncation_side=side)
    lengths = [i % 25 + 1 for i in range(TOKENIZE_CHUNK + 7)]
    texts = (" ".join((WORDS * 2)[:n]) for n in lengths)
    lost = [n + 2 - 12 for n in lengths if n + 2 > 12]  # a word is a token, and two special ones stand around it
    counts = count_truncation(classifier, texts)
    assert counts == Truncation(len(lengths), Counter(lost))
    counts.warn(classifier, "pool")
    (record,) = said(caplog)
    assert record.levelno == logging.WARNING
    assert f"pool: {len(lost)} of {len(lengths)} texts have more than model.max_length=12 tokens" in record.getMessage()
    assert f"their {end} is not read: {median_high(lost)} tokens of the median one, 15 at most" in record.getMessage()
    assert f"model.truncation_side={other}" in record.getMessage()


def test_nothing_is_said_where_all_is_read(folder, caplog):
    classifier = EncoderClassifier(folder, ("a", "b"), max_length=12)
    warn_of_truncation(classifier, "pool", [" ".join(WORDS[:10]), "a", ""])
    assert not said(caplog)


@pytest.mark.parametrize("lost", [[3], [1, 5], [7, 7, 2, 9], [4, 1, 1, 8, 30]])
def test_parts_add_up_and_the_median_is_that_of_all(lost):
    counts = Truncation()
    for each in lost:
        counts.add(Truncation(2, Counter([each])))
    assert counts.texts == 2 * len(lost)
    assert counts.median() == median_high(lost)


def test_no_text_that_is_cut_has_no_median():
    with pytest.raises(ValueError, match="found none"):
        Truncation(3).median()
