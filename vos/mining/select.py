"""Choose a batch: targets served in turn, both sides of the boundary, no near-duplicates, quotas, a random share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from vos.errors import ConfigError
from vos.metrics.margins import on_harmful_side
from vos.mining.candidates import Candidate
from vos.mining.near_duplicates import RepeatFilter
from vos.mining.retrieve import Retrieval


@dataclass(frozen=True)
class SelectionSettings:
    """How a batch is composed.

    Attributes:
        n: texts wanted.
        random_share: share of the batch that is a plain random sample of the pool, in [0, 1]; it gives the
            false-negative rate an unbiased estimate.
        near_duplicate: Jaccard index from which a text counts as a repeat, in (0, 1].
        max_cosine: cosine of the encoder's features from which a text counts as a repeat, in (0, 1]; None looks at
            words alone.
        max_distance: texts farther than this from their target, in units of the space, are left out.
        max_margin: texts with a larger |margin| are left out, in logit units; None sets no limit.
        max_per_target: texts for one target at most; None sets no limit.
        max_side_share: largest share of the near-boundary texts predicted as harmful, and of those predicted as
            harmless, in [0, 1]; off where no class is harmful.
        max_source_share: largest share of the near-boundary texts from one source, by its name ("pool", "lm",
            "prefix_conditioned", "smc", "counterfactual"), in [0, 1]; a source that is not named has no limit.
    """

    n: int = 100
    random_share: float = 0.12
    near_duplicate: float = 0.7
    max_cosine: float | None = 0.97
    max_distance: float = 1.5
    max_margin: float | None = None
    max_per_target: int | None = None
    max_side_share: float = 1.0
    max_source_share: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.random_share <= 1 or not 0 < self.near_duplicate <= 1:
            raise ConfigError(
                "selection: expected n >= 1, random_share in [0, 1] and near_duplicate in (0, 1], "
                f"got n={self.n}, random_share={self.random_share}, near_duplicate={self.near_duplicate}"
            )
        if self.max_cosine is not None and not 0 < self.max_cosine <= 1:
            raise ConfigError(f"selection: expected max_cosine in (0, 1] or null, got {self.max_cosine}")
        if self.max_per_target is not None and self.max_per_target < 1:
            raise ConfigError(f"selection: expected max_per_target >= 1 or null, got {self.max_per_target}")
        if not all(0 <= share <= 1 for share in (self.max_side_share, *self.max_source_share.values())):
            raise ConfigError(
                "selection: expected max_side_share and every max_source_share in [0, 1], "
                f"got {self.max_side_share} and {dict(self.max_source_share)}"
            )

    @property
    def n_random(self) -> int:
        """Texts of the random share."""
        return round(self.n * self.random_share)


@dataclass(frozen=True)
class Selection:
    """The chosen batch and the account of what was left out.

    Attributes:
        chosen: candidates in the order of choice, the random share last.
        dropped: counts of texts by reason, each text that was found for a target and not chosen under one; and of the
            random picks that were turned away.
        targets_hit: targets answered by at least one text.
        targets_missed: targets whose every candidate was left out or already taken.
    """

    chosen: tuple[Candidate, ...]
    dropped: dict[str, int]
    targets_hit: tuple[int, ...]
    targets_missed: tuple[int, ...]


def select(
    retrieval: Retrieval,
    known_texts: Mapping[str, str],
    settings: SelectionSettings,
    featurize: Callable[[Sequence[str]], Tensor] | None = None,
    has_sides: bool = True,
) -> Selection:
    """Pick up to `settings.n` texts.

    The random share is drawn first and kept even where a near-boundary pick would repeat it, so that it stays a random
    sample; only repeats of texts already labelled or drawn are left out of it. Then the targets are served in turn,
    each with its best remaining text, alternating between the sides of the boundary; a side with nothing left gives its
    places to the other, as far as the quotas let it.

    Args:
        retrieval: what was found for the targets.
        known_texts: id to text of everything labelled already.
        settings: see `SelectionSettings`.
        featurize: features (n, d) of texts; needed when `settings.max_cosine` is set.
        has_sides: False where no class is harmful.
    """
    seen = RepeatFilter(known_texts, settings.near_duplicate, settings.max_cosine, featurize)
    random, turned_away = _random_share(retrieval, seen, settings)
    table = _Table(retrieval.by_target, settings, settings.n - len(random), seen, has_sides)
    near = table.choose()
    hit = sorted({c.target for c in near if c.target is not None})
    missed = [t for t in range(len(retrieval.by_target)) if t not in set(hit)]
    dropped = turned_away + table.left_out()
    return Selection((*near, *random), dict(sorted(dropped.items())), tuple(hit), tuple(missed))


def _random_share(
    retrieval: Retrieval, seen: RepeatFilter, settings: SelectionSettings
) -> tuple[list[Candidate], Counter[str]]:
    chosen: list[Candidate] = []
    turned_away: Counter[str] = Counter()
    for candidate in retrieval.random:
        if len(chosen) == settings.n_random:
            break
        reason = seen.take(candidate.example.id, candidate.example.text)
        if reason is None:
            chosen.append(replace(candidate, target=None, distance=None, log_potential=None))
        else:
            turned_away[reason] += 1
    return chosen, turned_away


DRAWN_ALREADY = {"near-duplicate in batch", "features of another in batch"}
"""Reasons against a text that stands in the batch in another form."""


def lacks_near_boundary(selection: Selection, settings: SelectionSettings) -> bool:
    """Whether a batch holds no text near the boundary although some were wanted.

    Random picks alone would look like success, unless they hold the texts near the boundary themselves.
    """
    wanted = settings.n_random < settings.n
    return wanted and not selection.targets_hit and not DRAWN_ALREADY & selection.dropped.keys()


@dataclass
class _Table:
    """The near-boundary part of a batch while it is being chosen.

    Attributes:
        by_target: candidates of each target, best first.
        settings: see `SelectionSettings`.
        wanted: places.
        seen: see `RepeatFilter`.
        has_sides: see `select`.
        chosen: so far.
        settled: ids of texts that are chosen or out for good.
        reasons: id to the first reason against a text that is not chosen.
        taken: texts chosen by target, side and source.
    """

    by_target: Sequence[Sequence[Candidate]]
    settings: SelectionSettings
    wanted: int
    seen: RepeatFilter
    has_sides: bool = True
    chosen: list[Candidate] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)
    taken: Counter[tuple[str, object]] = field(default_factory=Counter)

    def choose(self) -> list[Candidate]:
        """Fill the places."""
        queues = [self._offers(side) for side in (True, False)]
        turn = 0
        while len(self.chosen) < self.wanted and queues:
            turn %= len(queues)
            candidate = next(queues[turn], None)
            if candidate is None:
                queues.pop(turn)
                continue
            self.settled.add(candidate.example.id)
            reason = self.seen.take(candidate.example.id, candidate.example.text)
            if reason is not None:
                self.reasons.setdefault(candidate.example.id, reason)
                continue
            self.reasons.pop(candidate.example.id, None)
            self.chosen.append(candidate)
            self.taken.update(_groups(candidate))
            turn += 1
        return self.chosen

    def left_out(self) -> Counter[str]:
        """Texts that are not chosen, by reason."""
        everything = {candidate.example.id for kept in self.by_target for candidate in kept}
        never_asked = everything - self.reasons.keys() - {candidate.example.id for candidate in self.chosen}
        counts = Counter(self.reasons.values())
        counts["left over when the batch was full"] += len(never_asked)
        return +counts

    def _offers(self, harmful_side: bool) -> Iterator[Candidate]:
        """Candidates of one side: every target's best first, then every target's second, and so on."""
        depth = max((len(kept) for kept in self.by_target), default=0)
        for rank in range(depth):
            row = [kept[rank] for kept in self.by_target if rank < len(kept)]
            for candidate in sorted(row, key=lambda c: (c.distance or 0.0, c.example.id)):
                if on_harmful_side(candidate.margin) != harmful_side or candidate.example.id in self.settled:
                    continue
                reason = self._reason_here(candidate)
                for_good = self._reason_anywhere(candidate) if reason is None else None
                if reason is None and for_good is None:
                    yield candidate
                    continue
                self.reasons.setdefault(candidate.example.id, str(reason or for_good))
                if for_good is not None:
                    self.settled.add(candidate.example.id)

    def _reason_here(self, candidate: Candidate) -> str | None:
        """Against this text for this target; another target may still take it."""
        limit = self.settings.max_per_target
        if candidate.distance is not None and candidate.distance > self.settings.max_distance:
            return "farther than max_distance from its target"
        if limit is not None and self.taken["target", candidate.target] >= limit:
            return "quota of the target"
        return None

    def _reason_anywhere(self, candidate: Candidate) -> str | None:
        """Against this text for any target."""
        settings, source, side = self.settings, candidate.provenance.source, on_harmful_side(candidate.margin)
        if settings.max_margin is not None and abs(candidate.margin) > settings.max_margin:
            return "|margin| above max_margin"
        if self.has_sides and self.taken["side", side] >= self._places(settings.max_side_share):
            return f"quota of the {'harmful' if side else 'harmless'} side"
        if self.taken["source", source] >= self._places(settings.max_source_share.get(source, 1.0)):
            return f"quota of the source {source}"
        return None

    def _places(self, share: float) -> int:
        return math.floor(share * self.wanted + 1e-9)


def _groups(candidate: Candidate) -> list[tuple[str, object]]:
    return [
        ("target", candidate.target),
        ("side", on_harmful_side(candidate.margin)),
        ("source", candidate.provenance.source),
    ]
