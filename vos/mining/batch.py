"""Assembles a batch: a random share, the smallest margins, and texts that cover the boundary, without repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vos.mining.candidates import Candidate, Facts, text_key
from vos.mining.coverage import BoundaryCoverage
from vos.mining.near_duplicates import RepeatFilter
from vos.mining.selection import Quotas, Selection


@dataclass
class Batch:
    """Takes texts in the order in which they are offered, unless there is a reason against them.

    The random share comes first and is not subject to quotas, so that it is a random sample; only repeats of texts
    already labelled or drawn are left out of it.

    Attributes:
        quotas: quotas of the near-boundary part.
        seen: see `RepeatFilter`.
        near: near-boundary texts so far.
        random: texts of the random share so far.
        reasons: the first reason against each rejected text, by `text_key`.
        taken: the texts in the batch, by `text_key`.
    """

    quotas: Quotas
    seen: RepeatFilter
    near: list[Candidate] = field(default_factory=list)
    random: list[Candidate] = field(default_factory=list)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    taken: set[tuple[str, str]] = field(default_factory=set)

    def draw(self, facts: Facts, n: int) -> None:
        """Take the first `n` texts that are not repeats, as the random share."""
        for row in range(len(facts)):
            if len(self.random) >= n:
                return
            if self._is_new(facts, row):
                self.random.append(replace(facts.candidate(row), chosen="random"))

    def nearest(self, facts: Facts, n: int, chosen: str) -> None:
        """Take up to `n` texts in order, with the reason `chosen`; texts already in the batch are skipped."""
        until = min(len(self.near) + n, self.quotas.wanted)
        for row in range(len(facts)):
            if len(self.near) >= until:
                return
            self._offer(facts, row, replace(facts.candidate(row), chosen=chosen))

    def cover(self, coverage: BoundaryCoverage, n: int, made: Sequence[Candidate] | None = None) -> None:
        """Take up to `n` texts, each time the one that adds the most coverage.

        Args:
            coverage: the state of coverage and the supply of texts; updated.
            n: number of places.
            made: the texts of the supply as candidates, if a language model wrote them.
        """
        until = min(len(self.near) + n, self.quotas.wanted)
        while len(self.near) < until and (best := coverage.location.best()) is not None:
            row, _ = best
            candidate = coverage.supply.candidate(row) if made is None else made[row]
            if self._offer(coverage.supply, row, replace(candidate, chosen="coverage")):
                self.near[-1] = replace(self.near[-1], covers=coverage.take(row))

    def selection(self) -> Selection:
        """The chosen texts, those near the boundary first."""
        dropped = Counter(reason for key, reason in self.reasons.items() if key not in self.taken)
        return Selection((*self.near, *self.random), dict(sorted(dropped.items())))

    def _offer(self, facts: Facts, row: int, candidate: Candidate) -> bool:
        reason = self.quotas.reason(candidate)
        if reason is not None:
            self.reasons.setdefault(text_key(candidate.example), reason)
            return False
        if not self._is_new(facts, row):
            return False
        self.quotas.count(candidate)
        self.near.append(candidate)
        return True

    def _is_new(self, facts: Facts, row: int) -> bool:
        example = facts.examples[row]
        key = text_key(example)
        if key in self.taken:
            return False
        reason = self.seen.take(example.id, example.text, facts.batch.features[row])
        if reason is None:
            self.taken.add(key)
        else:
            self.reasons.setdefault(key, reason)
        return reason is None
