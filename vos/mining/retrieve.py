"""Finds pool texts near virtual outliers in one pass, with memory independent of the pool's size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor

from vos.density import GaussianDensity
from vos.metrics.margins import harmful_sides
from vos.mining.candidates import Candidate, Facts
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.types import Example, Featurizer


@dataclass(frozen=True)
class Retrieval:
    """The result of one pass over the pool.

    Attributes:
        by_target: for each target its candidates, best potential first.
        random: a uniform random sample of the pool, in random order.
        n_scored: number of scored texts.
        margin_counts: number of texts predicted as harmless and as harmful; if no class is harmful, all count as the
            second.
        index: measurement of an approximate index: "recall_at_10".
    """

    by_target: tuple[tuple[Candidate, ...], ...]
    random: tuple[Candidate, ...]
    n_scored: int
    margin_counts: tuple[int, int]
    index: Mapping[str, float] = field(default_factory=dict)


T = TypeVar("T")


class Reservoir(Generic[T]):
    """A uniform sample of a stream of unknown length (Vitter's algorithm R)."""

    def __init__(self, size: int, generator: torch.Generator) -> None:
        self.size, self.generator, self.seen = size, generator, 0
        self.kept: list[T] = []

    def offer(self, make: Callable[[], T]) -> None:
        """Offer the next item of the stream; it is created only if it is kept for now."""
        self.seen += 1
        if len(self.kept) < self.size:
            self.kept.append(make())
        elif self.size:
            slot = int(torch.randint(self.seen, (), generator=self.generator))
            if slot < self.size:
                self.kept[slot] = make()

    def shuffled(self) -> tuple[T, ...]:
        """The sample in random order."""
        order = torch.randperm(len(self.kept), generator=self.generator).tolist()
        return tuple(self.kept[i] for i in order)


@dataclass(frozen=True)
class Search:
    """The parameters of a search of a pool.

    Attributes:
        density: fitted to the training features; computes the distances of the texts kept.
        space: see `TargetSpace`.
        targets: m virtual outliers as targets.
        potential: see `Potential`.
        per_target: texts kept for each target.
        n_random: size of the random sample.
        chunk_size: texts in memory at a time.
    """

    density: GaussianDensity
    space: TargetSpace
    targets: Targets
    potential: Potential
    per_target: int
    n_random: int
    chunk_size: int

    def log_potential(
        self, features: Tensor, margins: Tensor, rows: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """`TargetSpace.log_potential` of texts for all targets, or only for those in `rows`."""
        targets = self.targets if rows is None else self.targets.at(rows)
        return self.space.log_potential(features, margins, targets, self.potential)


def retrieve(
    pool: Iterable[Example],
    featurizer: Featurizer,
    search: Search,
    generator: torch.Generator,
    progress: Callable[[int], None] = lambda _: None,
) -> Retrieval:
    """Score the pool once; keep the best texts of every target and a uniform random sample.

    Args:
        pool: texts, in any number.
        featurizer: the frozen classifier.
        search: see `Search`.
        generator: source of randomness for the random sample.
        progress: called with the number of texts done after each chunk.
    """
    best: list[list[Candidate]] = [[] for _ in range(len(search.targets))]
    reservoir = Reservoir[Candidate](search.n_random, generator)
    below = above = 0
    for examples, batch in featurizer.stream(iter(pool), search.chunk_size):
        facts = Facts.of(examples, batch, search.density, search.space.harmful)
        harmful = int(harmful_sides(facts.margins).sum())
        below, above = below + len(examples) - harmful, above + harmful
        values, distances = search.log_potential(batch.features, facts.margins)
        for target, row, value in _top_rows(values, best, search.per_target):
            best[target].append(facts.candidate(row, target, float(distances[row, target]), value))
        for row in range(len(examples)):
            reservoir.offer(lambda row=row, facts=facts: facts.candidate(row))  # type: ignore[misc]
        best = [sorted(kept, key=rank)[: search.per_target] for kept in best]
        progress(len(examples))
    return Retrieval(tuple(map(tuple, best)), reservoir.shuffled(), below + above, (below, above))


def rank(candidate: Candidate) -> tuple[float, str, str]:
    """Sort key: best potential first."""
    # Ties are broken by id and text, so that the order of the pool does not matter.
    assert candidate.log_potential is not None  # noqa: S101 - only ranked when it answers a target
    return -candidate.log_potential, candidate.example.id, candidate.example.text


def _top_rows(values: Tensor, best: list[list[Candidate]], per_target: int) -> Iterator[tuple[int, int, float]]:
    """(target, row, value) of rows of this chunk that may enter a target's list."""
    top = values.topk(min(per_target, values.shape[0]), dim=0)
    for target in range(values.shape[1]):
        kept = best[target]
        floor = -torch.inf
        if len(kept) >= per_target and kept[-1].log_potential is not None:
            floor = kept[-1].log_potential
        for value, row in zip(top.values[:, target].tolist(), top.indices[:, target].tolist(), strict=True):
            if value >= floor:
                yield target, row, value
