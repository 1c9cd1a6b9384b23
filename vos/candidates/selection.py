"""Choose a batch: targets served in turn, both sides of the boundary, no near-duplicates, a random share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vos.candidates.constraints import NearDuplicateFilter
from vos.candidates.retrieval import Candidate, Retrieval
from vos.errors import ConfigError


@dataclass(frozen=True)
class SelectionSettings:
    """How a batch is composed.

    Attributes:
        n: texts wanted.
        random_share: share of the batch that is a plain random sample of the pool, in [0, 1]; it gives the
            false-negative rate an unbiased estimate.
        near_duplicate: Jaccard index from which a text counts as a repeat, in (0, 1].
        max_distance: texts farther than this from their target, in units of the space, are left out.
        max_margin: texts with a larger |margin| are left out, in logit units; None sets no limit.
    """

    n: int = 100
    random_share: float = 0.12
    near_duplicate: float = 0.7
    max_distance: float = 1.5
    max_margin: float | None = None

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.random_share <= 1 or not 0 < self.near_duplicate <= 1:
            raise ConfigError(
                "selection: expected n >= 1, random_share in [0, 1] and near_duplicate in (0, 1], "
                f"got n={self.n}, random_share={self.random_share}, near_duplicate={self.near_duplicate}"
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
        dropped: counts by reason.
        targets_hit: targets answered by at least one text.
        targets_missed: targets whose every candidate was left out or already taken.
    """

    chosen: tuple[Candidate, ...]
    dropped: dict[str, int]
    targets_hit: tuple[int, ...]
    targets_missed: tuple[int, ...]


def select(retrieval: Retrieval, known_texts: dict[str, str], settings: SelectionSettings) -> Selection:
    """Pick up to `settings.n` texts.

    The random share is drawn first and kept even where a near-boundary pick would repeat it, so that it stays a random
    sample; only exact repeats and near-duplicates of texts already labelled are left out of it. Then the targets are
    served in turn, each with its best remaining text, alternating between the sides of the boundary; a side with
    nothing left gives its places to the other.

    Args:
        retrieval: what the pool gave.
        known_texts: id to text of everything labelled already.
        settings: see `SelectionSettings`.
    """
    seen = NearDuplicateFilter(settings.near_duplicate)
    for key, text in known_texts.items():
        seen.add(f"known:{key}", text)
    dropped: Counter[str] = Counter()
    random = _random_share(retrieval, seen, settings, dropped)
    near = _near_boundary(retrieval, seen, settings, settings.n - len(random), dropped)
    hit = sorted({c.target for c in near if c.target is not None})
    missed = [t for t in range(len(retrieval.by_target)) if t not in set(hit)]
    return Selection((*near, *random), dict(sorted(dropped.items())), tuple(hit), tuple(missed))


def _take(candidate: Candidate, seen: NearDuplicateFilter, dropped: Counter[str]) -> bool:
    repeat = seen.duplicate_of(candidate.example.text)
    if repeat is not None:
        dropped["near-duplicate of a labelled text" if repeat.startswith("known:") else "near-duplicate in batch"] += 1
        return False
    seen.add(f"batch:{candidate.example.id}", candidate.example.text)
    return True


def _random_share(
    retrieval: Retrieval, seen: NearDuplicateFilter, settings: SelectionSettings, dropped: Counter[str]
) -> list[Candidate]:
    chosen: list[Candidate] = []
    for candidate in retrieval.random:
        if len(chosen) == settings.n_random:
            break
        if _take(candidate, seen, dropped):
            chosen.append(replace(candidate, target=None, distance=None, log_potential=None))
    return chosen


def _near_boundary(
    retrieval: Retrieval, seen: NearDuplicateFilter, settings: SelectionSettings, wanted: int, dropped: Counter[str]
) -> list[Candidate]:
    taken: set[str] = set()
    queues = [_offers(retrieval.by_target, side, taken, settings, dropped) for side in (True, False)]
    chosen: list[Candidate] = []
    turn = 0
    while len(chosen) < wanted and queues:
        turn %= len(queues)
        candidate = next(queues[turn], None)
        if candidate is None:
            queues.pop(turn)
        elif _take(candidate, seen, dropped):
            chosen.append(candidate)
            turn += 1
    return chosen


def _offers(
    by_target: Sequence[Sequence[Candidate]],
    harmful_side: bool,
    taken: set[str],
    settings: SelectionSettings,
    dropped: Counter[str],
) -> Iterator[Candidate]:
    """Candidates of one side: every target's best first, then every target's second, and so on."""
    depth = max((len(kept) for kept in by_target), default=0)
    for rank in range(depth):
        row = [kept[rank] for kept in by_target if rank < len(kept)]
        for candidate in sorted(row, key=lambda c: (c.distance or 0.0, c.example.id)):
            if (candidate.margin >= 0) != harmful_side or candidate.example.id in taken:
                continue
            taken.add(candidate.example.id)
            if candidate.distance is not None and candidate.distance > settings.max_distance:
                dropped["farther than max_distance from its target"] += 1
            elif settings.max_margin is not None and abs(candidate.margin) > settings.max_margin:
                dropped["|margin| above max_margin"] += 1
            else:
                yield candidate
