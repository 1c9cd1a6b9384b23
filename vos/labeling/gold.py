"""Accuracy of every person on the texts whose answer is known."""

from __future__ import annotations

from dataclasses import dataclass

from vos.labeling.ledger import Ledger
from vos.labeling.state import current_labels
from vos.metrics.calibration import wilson_interval


@dataclass(frozen=True, slots=True)
class GoldScore:
    """One person's answers to texts with a known answer.

    Attributes:
        right: answers that name the known class.
        judged: answers that name a class.
        undecided: "unsure" and "skip".
        interval: Wilson's 95 % interval of right / judged; None when nothing was judged.
    """

    right: int
    judged: int
    undecided: int
    interval: tuple[float, float] | None


def gold_scores(ledger: Ledger) -> dict[str, GoldScore]:
    """Scores by person, those with an answer to at least one such text, sorted by name."""
    known = ledger.gold()
    given: dict[str, list[tuple[str, str, bool]]] = {}
    for uid, labels in current_labels(ledger).items():
        for label in labels if uid in known else ():
            given.setdefault(label.annotator, []).append((known[uid], label.label, label.decides))
    scores = {}
    for person, answers in sorted(given.items()):
        judged = [(truth, said) for truth, said, decides in answers if decides]
        right = sum(truth == said for truth, said in judged)
        interval = wilson_interval(right, len(judged)) if judged else None
        scores[person] = GoldScore(right, len(judged), len(answers) - len(judged), interval)
    return scores
