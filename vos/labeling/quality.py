"""Quality of answers: agreement between people, self-agreement, and accuracy on gold texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from vos.labeling.label import Label
from vos.labeling.ledger import Ledger
from vos.labeling.state import current_labels, repeats
from vos.metrics.calibration import wilson_interval


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal values, any number of people, missing answers allowed.

    `alpha = 1 - (n - 1) * sum_u [ (m_u² - sum_c n_uc²) / (m_u - 1) ] / (n² - sum_c n_c²)`, over the units `u` with
    `m_u >= 2` answers, `n_uc` of them for value `c`; `n` and `n_c` are sums over these units.

    Args:
        units: the answers to each text, in any order.

    Returns: at most 1; 0 is chance; None if no unit has two answers. If all answers are equal, 1 by convention.

    Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C.

    Example:
        >>> krippendorff_alpha([["a", "a"], ["b", "b"], ["a", "b"]])
        0.4444444444444444
    """
    pairable = [Counter(unit) for unit in units if len(unit) >= 2]
    if not pairable:
        return None
    totals: Counter[Hashable] = sum(pairable, Counter())
    n = totals.total()
    expected = n**2 - sum(count**2 for count in totals.values())
    if expected == 0:
        return 1.0
    observed = sum((u.total() ** 2 - sum(count**2 for count in u.values())) / (u.total() - 1) for u in pairable)
    return 1.0 - (n - 1) * observed / expected


def agreement_report(ledger: Ledger) -> dict[str, float | int | None]:
    """Agreement between people and self-agreement, flat names to numbers.

    Only class names count; "unsure" and "skip" are treated as missing. Gold texts are easier than the others and are
    left out (see `gold_scores`). `alpha/all`, then `alpha/chosen=...` and `alpha/source=...` for every value in the
    payloads, each with `double/...`, the number of texts with at least two answers; `self_agreement` is the share of
    hidden repeats with the same answer as the first time, among `self_repeats` repeats.
    """
    items = ledger.items()
    gold = ledger.gold()
    groups: dict[str, list[list[str]]] = {"all": []}
    for uid, labels in current_labels(ledger).items():
        if uid in gold:
            continue
        answers = [label.label for label in labels if label.decides]
        payload = items[uid].payload
        kinds = {"chosen": payload.get("chosen"), "source": payload.get("provenance", {}).get("source")}
        for name in ("all", *(f"{key}={kind}" for key, kind in kinds.items() if kind is not None)):
            groups.setdefault(name, []).append(answers)
    report: dict[str, float | int | None] = {}
    for name, units in groups.items():
        report[f"alpha/{name}"] = krippendorff_alpha(units)
        report[f"double/{name}"] = sum(len(unit) >= 2 for unit in units)
    pairs = [(one, two) for one, two in repeats(ledger) if one.decides and two.decides]
    same = sum(one.label == two.label for one, two in pairs)
    return report | {"self_agreement": same / len(pairs) if pairs else None, "self_repeats": len(pairs)}


@dataclass(frozen=True, slots=True)
class GoldScore:
    """One person's answers to gold texts.

    Attributes:
        right: number of answers that name the known class.
        judged: number of answers that name a class.
        undecided: number of answers "unsure" and "skip".
        interval: Wilson's 95 % interval of right / judged; None if `judged` is 0.
    """

    right: int
    judged: int
    undecided: int
    interval: tuple[float, float] | None


def gold_scores(ledger: Ledger) -> dict[str, GoldScore]:
    """Scores of all people with an answer to at least one gold text, sorted by name."""
    known = ledger.gold()
    given: dict[str, list[Label]] = {}
    for uid, labels in current_labels(ledger).items():
        for label in labels if uid in known else ():
            given.setdefault(label.annotator, []).append(label)
    scores = {}
    for person, answers in sorted(given.items()):
        judged = [label for label in answers if label.decides]
        right = sum(label.class_name == known[label.uid] for label in judged)
        interval = wilson_interval(right, len(judged)) if judged else None
        scores[person] = GoldScore(right, len(judged), len(answers) - len(judged), interval)
    return scores
