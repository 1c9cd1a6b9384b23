"""The report on made texts, which counts misses as well as hits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from vos.generation.reach import Outcome
from vos.metrics.margins import on_harmful_side
from vos.mining.candidates import Candidate
from vos.mining.targets import Targets, TargetSpace
from vos.types import Featurizer


def generation_report(
    outcomes: Sequence[Outcome], targets: Targets, space: TargetSpace, featurizer: Featurizer
) -> dict[str, Any]:
    """Plain JSON values; keys whose value does not exist (nothing accepted, one target) are left out.

    `own_target_top1` is the share of accepted texts whose nearest reachable target is their own, to be read against
    `own_target_chance`; `margin_slope` and `margin_r2` are of the least-squares line of margins reached over margins
    asked.
    """
    accepted = [each for outcome in outcomes for each in outcome.accepted]
    tokens = sum(outcome.cost.lm_tokens for outcome in outcomes)
    status = Counter(outcome.status for outcome in outcomes)
    distinct = len({each.example.text for each in accepted})
    report: dict[str, Any] = {
        "targets": len(outcomes),
        **{name: status[name] for name in ("hit", "missed", "unreachable")},
        "accepted": len(accepted),
        "accepted_distinct": distinct,
        "accepted_by_source": dict(Counter(each.provenance.source for each in accepted)),
        **({"accepted_by_side": by_side(each.margin for each in accepted)} if space.harmful else {}),
        **_by_subtlety(outcomes, accepted),
        "lm_tokens": tokens,
        "classifier_texts": sum(outcome.cost.classifier_texts for outcome in outcomes),
        "refused": dict(sorted(sum((Counter(outcome.refused) for outcome in outcomes), Counter()).items())),
        "nearest_miss": {
            f"z{outcome.target:04d}": {
                "reach": outcome.reach,
                "distance": None if outcome.nearest_miss is None else outcome.nearest_miss.distance,
                "margin": None if outcome.nearest_miss is None else outcome.nearest_miss.margin,
            }
            for outcome in outcomes
            if outcome.status != "hit"
        },
    }
    if tokens:
        report["accepted_per_1000_tokens"] = 1000 * distinct / tokens
    if accepted:
        report |= _control(accepted, outcomes, targets, space, featurizer)
    return report


def _by_subtlety(outcomes: Sequence[Outcome], accepted: Sequence[Candidate]) -> dict[str, dict[str, int]]:
    """Texts asked for and accepted, by what they were asked to show; nothing where no text was asked for."""
    asked: Counter[str] = sum((Counter(outcome.asked) for outcome in outcomes), Counter())
    if not asked:
        return {}
    kept = Counter(each.provenance.subtlety for each in accepted)
    return {"asked_by_subtlety": dict(asked), "accepted_by_subtlety": {name: kept[name] for name in asked}}


def by_side(margins: Iterable[float]) -> dict[str, int]:
    """How many predictions with these margins are "harmful" and how many "harmless"."""
    return dict(sorted(Counter("harmful" if on_harmful_side(each) else "harmless" for each in margins).items()))


def _control(
    accepted: Sequence[Candidate],
    outcomes: Sequence[Outcome],
    targets: Targets,
    space: TargetSpace,
    featurizer: Featurizer,
) -> dict[str, float]:
    batch = featurizer.featurize([each.example.text for each in accepted])
    own = torch.tensor([each.target for each in accepted])
    tried = torch.tensor([outcome.target for outcome in outcomes if outcome.reachable])
    distances = space.distances(space.coordinates(batch.features), targets.coordinates)
    result = {
        "own_target_top1": float((tried[distances[:, tried].argmin(1)] == own).double().mean()),
        "own_target_chance": 1 / len(tried),
        "distance_median": float(distances[torch.arange(len(own)), own].median()),
    }
    reached = [outcome.reach for outcome in outcomes if outcome.accepted and outcome.reach is not None]
    if reached:
        result["nearest_real_distance_median"] = float(torch.tensor(reached).median())
    asked, found = targets.margins[own].double(), space.margins(batch.logits).double()
    spread = float(((asked - asked.mean()) ** 2).sum())
    total = float(((found - found.mean()) ** 2).sum())
    if spread > 0 and total > 0:
        shared = float(((asked - asked.mean()) * (found - found.mean())).sum())
        result |= {"margin_slope": shared / spread, "margin_r2": shared**2 / (spread * total)}
    return result
