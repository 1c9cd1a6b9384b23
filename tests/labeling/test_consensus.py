"""Consensus against hand-counted cases."""

from __future__ import annotations

import numpy as np
import pytest

from vos.errors import ConfigError
from vos.labeling import Item, Label, Ledger, adjudication_list, consensus, text_uid


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
    ledger.adjudicate(Label(uid[1], "carla", "harmless"))
    ledger.adjudicate(Label(uid[0], "carla", "skip"))  # settled: not to be used
    settled = consensus(ledger)
    assert settled.labels[uid[1]] == "harmless"
    assert uid[0] not in settled.labels
    assert uid[1] not in settled.open


def test_crowdlab_weighs_people(tmp_path, record_of, label_of):
    pytest.importorskip("cleanlab")
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


def test_crowdlab_without_probabilities_is_a_vote(tmp_path, caplog):
    pytest.importorskip("cleanlab")
    texts = [Item("one"), Item("two")]
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.propose(texts)
        for item in texts:
            for who in ("ann", "bob"):
                ledger.record_label(Label(item.uid, who, "harmful"))
        found = consensus(ledger, "crowdlab")
    assert (found.method, set(found.labels.values())) == ("vote", {"harmful"})
    assert "a plain vote is used" in caplog.text
