"""Chooses a batch for targets: targets in turn, both sides of the boundary, no near-duplicates, a random share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vos.metrics.margins import on_harmful_side
from vos.mining.candidates import Candidate, text_key
from vos.mining.near_duplicates import RepeatFilter
from vos.mining.selection import Quotas, Selection, SelectionSettings


def select(
    by_target: Sequence[Sequence[Candidate]],
    random: Sequence[Candidate],
    seen: RepeatFilter,
    settings: SelectionSettings,
    has_sides: bool = True,
) -> Selection:
    """Choose up to `settings.n` texts.

    The random share is drawn first and is not affected by the near-boundary texts, so that it is a random sample; only
    repeats of texts already labelled or drawn are left out of it. Then each target in turn gets its best remaining
    text, alternating between the sides of the boundary; if a side has no texts left, its places go to the other side,
    within the quotas.

    Args:
        by_target: for each target its candidates, best first.
        random: a uniform sample of the pool, in random order.
        seen: filter that knows the labelled texts, and remembers chosen ones.
        settings: see `SelectionSettings`.
        has_sides: False if no class is harmful.
    """
    drawn, turned_away = _random_share(random, seen, settings)
    table = _Table(by_target, Quotas(settings, settings.n - len(drawn), has_sides), seen)
    near = table.choose()
    hit = sorted({c.target for c in near if c.target is not None})
    missed = [t for t in range(len(by_target)) if t not in set(hit)]
    dropped = table.left_out(turned_away)
    return Selection((*near, *drawn), dict(sorted(dropped.items())), tuple(hit), tuple(missed))


def _random_share(
    random: Sequence[Candidate], seen: RepeatFilter, settings: SelectionSettings
) -> tuple[list[Candidate], dict[tuple[str, str], str]]:
    """The chosen texts, and the reason against each other one, by `text_key`."""
    chosen: list[Candidate] = []
    turned_away: dict[tuple[str, str], str] = {}
    for candidate in random:
        if len(chosen) == settings.n_random:
            break
        reason = seen.take(candidate.example.id, candidate.example.text)
        if reason is None:
            chosen.append(replace(candidate, target=None, distance=None, log_potential=None, chosen="random"))
        else:
            turned_away.setdefault(text_key(candidate.example), reason)
    return chosen, turned_away


@dataclass
class _Table:
    """The near-boundary part of a batch while it is being chosen.

    Attributes:
        by_target: candidates of each target, best first.
        quotas: see `Quotas`.
        seen: see `RepeatFilter`.
        chosen: candidates chosen so far.
        settled: texts that are chosen or finally rejected, by `text_key`.
        reasons: the first reason against a text that is not chosen, by `text_key`.
        taken: number of chosen texts by target.
    """

    by_target: Sequence[Sequence[Candidate]]
    quotas: Quotas
    seen: RepeatFilter
    chosen: list[Candidate] = field(default_factory=list)
    settled: set[tuple[str, str]] = field(default_factory=set)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    taken: Counter[int | None] = field(default_factory=Counter)

    def choose(self) -> list[Candidate]:
        """Fill the places."""
        queues = [self._offers(side) for side in (True, False)]
        turn = 0
        while len(self.chosen) < self.quotas.wanted and queues:
            turn %= len(queues)
            candidate = next(queues[turn], None)
            if candidate is None:
                queues.pop(turn)
                continue
            key = text_key(candidate.example)
            self.settled.add(key)
            reason = self.seen.take(candidate.example.id, candidate.example.text)
            if reason is not None:
                self.reasons.setdefault(key, reason)
                continue
            self.reasons.pop(key, None)
            self.chosen.append(candidate)
            self.quotas.count(candidate)
            self.taken[candidate.target] += 1
            turn += 1
        return self.chosen

    def left_out(self, turned_away: Mapping[tuple[str, str], str]) -> Counter[str]:
        """Number of texts that are not chosen, by the first reason, beginning with those that were `turned_away`."""
        everything = {text_key(candidate.example) for kept in self.by_target for candidate in kept}
        reasons = {**self.reasons, **turned_away}
        never_asked = everything - reasons.keys() - {text_key(candidate.example) for candidate in self.chosen}
        counts = Counter(reasons.values())
        counts["left over when the batch was full"] += len(never_asked)
        return +counts

    def _offers(self, harmful_side: bool) -> Iterator[Candidate]:
        """Candidates of one side: every target's best first, then every target's second, and so on."""
        depth = max((len(kept) for kept in self.by_target), default=0)
        for rank in range(depth):
            row = [kept[rank] for kept in self.by_target if rank < len(kept)]
            for candidate in sorted(row, key=lambda c: (c.distance or 0.0, c.example.id)):
                key = text_key(candidate.example)
                if on_harmful_side(candidate.margin) != harmful_side or key in self.settled:
                    continue
                reason = self._reason_here(candidate)
                for_good = self.quotas.reason(candidate) if reason is None else None
                if reason is None and for_good is None:
                    yield candidate
                    continue
                self.reasons.setdefault(key, str(reason or for_good))
                if for_good is not None:
                    self.settled.add(key)

    def _reason_here(self, candidate: Candidate) -> str | None:
        """Reason against this text for this target only; another target may still take it."""
        settings = self.quotas.settings
        limit = settings.max_per_target
        if candidate.distance is not None and candidate.distance > settings.max_distance:
            return "farther than max_distance from its target"
        if limit is not None and self.taken[candidate.target] >= limit:
            return "quota of the target"
        return None
