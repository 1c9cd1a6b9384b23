"""Combines several people's answers to one label, and lists the texts that need adjudication."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vos.errors import ConfigError
from vos.labeling.label import RESERVED, SKIP, UNSURE, Label, class_of
from vos.labeling.ledger import Ledger
from vos.labeling.state import adjudicated, current_labels
from vos.storage.extras import install_command
from vos.storage.machine import out_of_memory

logger = logging.getLogger(__name__)

Method = Literal["vote", "crowdlab"]

Settled = dict[str, tuple[str, float]]
"""uid to the class name and its quality."""


@dataclass(frozen=True)
class Consensus:
    """Settled and open texts.

    Attributes:
        labels: uid to the class name for training.
        quality: uid to a confidence in (0, 1]: the share of the answers that agree, CROWDLAB's score, or 1 if
            adjudicated.
        open: uid to the reason why it is open: "tie" or "unsure".
        method: the method that was used, possibly after a fallback.
    """

    labels: Mapping[str, str]
    quality: Mapping[str, float]
    open: Mapping[str, str]
    method: Method


def consensus(ledger: Ledger, method: Method = "vote") -> Consensus:
    """One label for every text whose answers allow it. "skip" never counts; gold texts are left out.

    Vote: the class named by most people; if as many are unsure as agree, or two classes tie, the text stays open.
    CROWDLAB (cleanlab) weights people by their reliability and uses the classifier's probabilities; it can settle ties,
    but "unsure" still keeps a text open. If cleanlab is not installed or fails (no text with two answers), the vote is
    used, with a message. An adjudicated label overrides both.
    """
    if method not in ("vote", "crowdlab"):
        raise ConfigError(f"labels.consensus: expected 'vote' or 'crowdlab', got {method!r}")
    answers = {uid: [a for a in labels if a.label != SKIP] for uid, labels in current_labels(ledger).items()}
    gold = ledger.gold()  # gold texts measure people and are not trained on
    answers = {uid: labels for uid, labels in answers.items() if labels and uid not in gold}
    found, is_open = _vote(answers)
    if method == "crowdlab":
        weighed = _crowdlab(ledger, {u: a for u, a in answers.items() if is_open.get(u) != UNSURE})
        if weighed is None:
            method = "vote"
        else:
            found |= weighed
            is_open = {uid: reason for uid, reason in is_open.items() if uid not in weighed}
    for uid, label in adjudicated(ledger).items():
        if uid in gold:
            continue
        is_open.pop(uid, None)
        found.pop(uid, None)
        if label not in RESERVED:
            found[uid] = class_of(label), 1.0
    labels = {uid: label for uid, (label, _) in found.items()}
    return Consensus(labels, {uid: quality for uid, (_, quality) in found.items()}, is_open, method)


def _vote(answers: Mapping[str, Sequence[Label]]) -> tuple[Settled, dict[str, str]]:
    found: Settled = {}
    is_open: dict[str, str] = {}
    for uid, given in answers.items():
        counts = Counter(label.label for label in given)
        unsure = counts.pop(UNSURE, 0)
        ranked = counts.most_common(2)
        if not ranked or unsure >= ranked[0][1]:
            is_open[uid] = UNSURE
        elif len(ranked) == 2 and ranked[0][1] == ranked[1][1]:
            is_open[uid] = "tie"
        else:
            found[uid] = class_of(ranked[0][0]), ranked[0][1] / len(given)
    return found, is_open


def _crowdlab(ledger: Ledger, answers: Mapping[str, Sequence[Label]]) -> Settled | None:
    """Consensus and quality by cleanlab, or None if it cannot be used."""
    try:
        import numpy as np
        from cleanlab.multiannotator import get_label_quality_multiannotator  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        if out_of_memory(error):
            raise MemoryError(f"mix.consensus=crowdlab: {error}") from error
        logger.warning("mix.consensus=crowdlab: %s; a plain vote is used", install_command("cleanlab"))
        return None
    uids = [uid for uid, labels in answers.items() if any(label.decides for label in labels)]
    given = {uid: item.payload.get("probability", {}) for uid, item in ledger.items(uids).items()}
    classes = sorted({name for probability in given.values() for name in probability})
    people = sorted({label.annotator for uid in uids for label in answers[uid]})
    table = np.full((len(uids), len(people)), np.nan)
    for row, uid in enumerate(uids):
        for label in answers[uid]:
            if label.class_name in classes:
                table[row, people.index(label.annotator)] = classes.index(label.class_name)
    probabilities = np.array([[given[uid].get(name, 0.0) for name in classes] for uid in uids])
    try:
        found = get_label_quality_multiannotator(table, probabilities, verbose=False)["label_quality"]
    except (ValueError, AssertionError, IndexError) as error:
        logger.warning("CROWDLAB cannot weigh these answers (%s); a plain vote is used", error)
        return None
    rows = zip(uids, found["consensus_label"], found["consensus_quality_score"], strict=True)
    return {uid: (classes[int(label)], float(quality)) for uid, label, quality in rows}


def adjudication_list(ledger: Ledger) -> list[dict[str, str]]:
    """Texts that need adjudication, those with most answers first: uid, reason, answers and text."""
    found = consensus(ledger)
    answers = current_labels(ledger)
    rows = []
    for uid, reason in sorted(found.open.items(), key=lambda pair: (-len(answers[pair[0]]), pair[0])):
        said = "; ".join(f"{label.annotator}: {label.label}" for label in answers[uid])
        rows.append({"uid": uid, "why": reason, "answers": said, "text": ledger.text(uid) or ""})
    return rows
