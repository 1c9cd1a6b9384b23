"""Agreement against published numbers and a literal oracle; consensus against hand-counted cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vos.errors import ConfigError
from vos.labeling import (
    adjudication_list,
    agreement_report,
    answer_shares,
    consensus,
    current_labels,
    krippendorff_alpha,
    text_uid,
)

# Krippendorff 2011, section C: four observers, twelve units, missing values.
PUBLISHED = (
    "1233214 12....".replace(" ", ""),
    "123322412 5.3".replace(" ", ""),
    ".33323422 51.".replace(" ", ""),
    "123324412 51.".replace(" ", ""),
)


def literal_alpha(units):
    """Observed and expected disagreement over all ordered pairs, term by term (no coincidence counts)."""
    units = [unit for unit in units if len(unit) >= 2]
    values = [value for unit in units for value in unit]
    n = len(values)
    observed = sum(sum(a != b for a, b in itertools.permutations(unit, 2)) / (len(unit) - 1) for unit in units) / n
    expected = sum(a != b for a, b in itertools.permutations(values, 2)) / (n * (n - 1))
    return 1 - observed / expected


def test_alpha_is_the_published_one():
    units = [[row[i] for row in PUBLISHED if row[i] != "."] for i in range(12)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_alpha_equals_the_literal_oracle_on_random_tables():
    rng = np.random.default_rng(0)
    for _ in range(20):
        units = [rng.integers(0, 3, size=rng.integers(0, 5)).tolist() for _ in range(30)]
        assert krippendorff_alpha(units) == pytest.approx(literal_alpha(units))


def test_alpha_limits():
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([["a"], ["b"]]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) == 1.0
    assert krippendorff_alpha([["a", "a"], ["b", "b"]]) == 1.0


def test_agreement_is_reported_by_source_and_with_oneself(ledger, texts, label_of, record_of):
    ledger.propose([record_of("random one", chosen="random"), record_of("random two", chosen="random")])
    answers = {texts[0]: "harmful", texts[1]: "harmless", "random one": "harmful", "random two": "harmless"}
    for text, answer in answers.items():
        ledger.record_label(label_of(text, answer))
        ledger.record_label(label_of(text, "harmless" if text == texts[0] else answer, who="bob"))
    ledger.record_label(label_of(texts[2], "unsure"))
    ledger.record_label(label_of(texts[0], "harmful", repeat=1))
    ledger.record_label(label_of(texts[1], "harmful", repeat=1))
    report = agreement_report(ledger)
    assert report["double/all"] == 4
    assert report["alpha/chosen=random"] == 1.0
    assert report["alpha/chosen=target"] == pytest.approx(literal_alpha([["harmful", "harmless"], ["harmless"] * 2]))
    assert (report["self_agreement"], report["self_repeats"]) == (0.5, 2)
    assert answer_shares(current_labels(ledger)) == {"harmful": 3 / 9, "harmless": 5 / 9, "unsure": 1 / 9}


def fill(ledger, texts, label_of):
    answers = ["hh", "hs", "hhs", "u", "hu", "hhu", "k", "s"]  # harmful, safe, unsure, skip(k)
    names = {"h": "harmful", "s": "harmless", "u": "unsure", "k": "skip"}
    for text, given in zip(texts, answers, strict=True):
        for person, letter in enumerate(given):
            ledger.record_label(label_of(text, names[letter], who=f"p{person}"))


def test_vote_settles_majorities_and_leaves_ties_and_doubt_open(ledger, texts, label_of):
    fill(ledger, texts, label_of)
    found = consensus(ledger)
    uid = [text_uid(text) for text in texts]
    assert found.labels == {uid[0]: "harmful", uid[2]: "harmful", uid[5]: "harmful", uid[7]: "harmless"}
    assert found.quality == {uid[0]: 1.0, uid[2]: 2 / 3, uid[5]: 2 / 3, uid[7]: 1.0}
    assert found.open == {uid[1]: "tie", uid[3]: "unsure", uid[4]: "unsure"}
    rows = adjudication_list(ledger)
    assert [row["why"] for row in rows][-1] == "unsure"
    assert rows[0]["answers"].count(":") == 2
    ledger.adjudicate(uid[1], "harmless", "carla")
    ledger.adjudicate(uid[0], "skip", "carla")  # settled: not to be used
    settled = consensus(ledger)
    assert settled.labels[uid[1]] == "harmless"
    assert uid[0] not in settled.labels
    assert uid[1] not in settled.open


def test_crowdlab_weighs_people(tmp_path, record_of, label_of):
    pytest.importorskip("cleanlab")
    from vos.labeling import Ledger

    # 60 texts; two careful people (5 % errors) and one who guesses. n = 60, fixed seed.
    rng = np.random.default_rng(0)
    truth = {f"text {i}": ("harmful", "harmless")[i % 2] for i in range(60)}
    other = {"harmful": "harmless", "harmless": "harmful"}
    with Ledger(tmp_path / "crowd.sqlite") as ledger:
        for text, label in truth.items():
            side = 0.7 if label == "harmful" else 0.3
            ledger.propose([record_of(text, probability={"harmful": side, "harmless": 1 - side})])
            for who, error in (("ann", 0.05), ("bob", 0.05), ("guess", 0.5)):
                ledger.record_label(label_of(text, other[label] if rng.random() < error else label, who=who))
        found = consensus(ledger, "crowdlab")
        assert found.method == "crowdlab"
        right = np.mean([found.labels[text_uid(text)] == label for text, label in truth.items()])
        assert right >= 0.95
        assert all(0 < value <= 1 for value in found.quality.values())


def test_crowdlab_falls_back_where_nobody_shared_a_text(ledger, texts, label_of, caplog):
    pytest.importorskip("cleanlab")
    ledger.record_label(label_of(texts[0]))
    ledger.record_label(label_of(texts[1], "harmless"))
    found = consensus(ledger, "crowdlab")
    assert found.method == "vote"
    assert found.labels == {text_uid(texts[0]): "harmful", text_uid(texts[1]): "harmless"}
    assert "a plain vote is used" in caplog.text


def test_an_unknown_method_is_refused(ledger):
    with pytest.raises(ConfigError, match="expected 'vote' or 'crowdlab', got 'mean'"):
        consensus(ledger, "mean")
