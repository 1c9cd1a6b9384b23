"""The same results as `retrieve`, with an index: nearest rows first, until no other row can be better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vos.metrics.margins import harmful_sides
from vos.mining.candidates import Candidate, Facts
from vos.mining.index import (
    ApproximateSettings,
    Array,
    Neighbours,
    approximate_neighbours,
    exact_neighbours,
    recall,
)
from vos.mining.pool_features import FeatureStore, examples_at
from vos.mining.retrieve import Reservoir, Retrieval, Search, rank
from vos.types import Example, FeatureBatch

MOST = 16_384
"""Largest number of rows fetched per target; a target that needs more (few texts have its margin) scans all rows."""


MARGIN_SHARE = 0.2
"""Weight of the squared margin difference in the index, as a share of its weight in the potential; below 1."""


@dataclass(frozen=True)
class _Places:
    """Coordinates of the rows of a pool for an index that only supports squared distances.

    The coordinates of the space are scaled so that their squared distance is `β D²`; the margin is an additional
    coordinate, scaled so that its squared difference is `κ Δ²` with `κ = MARGIN_SHARE / τ²`. The cost in the potential,
    `β D² + (max(0, |Δ| - δ) / τ)²`, is then at least the squared distance minus `slack`: the difference
    `κ Δ² - ((|Δ| - δ) / τ)²` is largest at `|Δ| = δ / (1 - κ τ²)`, where it is `κ δ² / (1 - κ τ²)`.

    Attributes:
        coordinates: (n, r + 1) float32.
        goals: (m, r + 1) float32, coordinates of the targets.
        margins: (n,) float32.
        slack: see above.
    """

    coordinates: Array
    goals: Array
    margins: Tensor
    slack: float

    @classmethod
    def of(cls, store: FeatureStore, search: Search) -> _Places:
        space, targets, potential = search.space, search.targets, search.potential
        r = space.projection.shape[1]
        kappa = MARGIN_SHARE / potential.tau**2
        scale = (potential.beta / r) ** 0.5 / space.unit

        def place(coordinates: Tensor, margins: Tensor) -> Array:
            rows: Array = torch.cat([scale * coordinates, kappa**0.5 * margins.double()[:, None]], 1).float().numpy()
            return rows

        coordinates = np.empty((store.n, r + 1), dtype=np.float32)
        margins = torch.empty(store.n)
        for start, features in store.chunks(search.chunk_size):
            part = slice(start, start + len(features))
            margins[part] = space.margins(space.head.logits(features))
            coordinates[part] = place(space.coordinates(features), margins[part])
        slack = kappa * potential.delta**2 / (1 - MARGIN_SHARE)
        return cls(coordinates, place(targets.coordinates, targets.margins), margins, slack)


def retrieve_indexed(
    pool: Iterable[Example],
    store: FeatureStore,
    search: Search,
    generator: torch.Generator,
    approximate: ApproximateSettings | None = None,
) -> Retrieval:
    """Find the best texts of every target and a uniform random sample, as `retrieve` does.

    Rows are fetched by ascending distance in the index, until the best possible potential of a row farther away is
    below that of the last text kept.

    Args:
        pool: the texts of the store, in its order; read once, to get the chosen texts.
        store: features of the pool.
        search: see `Search`.
        generator: source of randomness for the random sample.
        approximate: settings of the inverted file; None: exact search.
    """
    places = _Places.of(store, search)
    index: dict[str, float] = {}
    neighbours = exact_neighbours(places.coordinates)
    if approximate is not None and store.n:
        neighbours = approximate_neighbours(places.coordinates, approximate)
        index = {"recall_at_10": recall(neighbours, places.coordinates, places.goals)}
    nearest = _Nearest(store, search, places)
    rows = nearest.best_rows(neighbours) if store.n else [[] for _ in range(len(search.targets))]
    reservoir = Reservoir[int](search.n_random, generator)
    for row in range(store.n):
        reservoir.offer(lambda row=row: row)  # type: ignore[misc]
    random = reservoir.shuffled()
    chosen = sorted({row for each in rows for row in each} | set(random))
    facts = _facts(pool, store, search, chosen)
    place = {row: i for i, row in enumerate(chosen)}
    by_target = tuple(
        tuple(sorted((nearest.candidate(facts, place[row], target) for row in each), key=rank)[: search.per_target])
        for target, each in enumerate(rows)
    )
    above = int(harmful_sides(places.margins).sum())
    picks = tuple(facts.candidate(place[row]) for row in random)
    return Retrieval(by_target, picks, store.n, (store.n - above, above), index)


def _facts(pool: Iterable[Example], store: FeatureStore, search: Search, rows: list[int]) -> Facts:
    examples = examples_at(pool, rows)
    features = store.at(rows)
    batch = FeatureBatch(features, search.space.head.logits(features))
    return Facts.of([examples[row] for row in rows], batch, search.density, search.space.harmful)


@dataclass(frozen=True)
class _Nearest:
    store: FeatureStore
    search: Search
    places: _Places

    def best_rows(self, neighbours: Neighbours) -> list[list[int]]:
        """Rows of the best texts of each target, including ties with the last one, so that the id can decide."""
        n, goals = self.store.n, self.places.goals
        found: list[list[int]] = [[] for _ in goals]
        waiting, k = list(range(len(goals))), min(n, 4 * self.search.per_target)
        # faiss computes |x|² + |z|² - 2xz in float32, whose error grows with the norms.
        error = 1e-5 * (_largest_square(self.places.coordinates) + _largest_square(goals))
        while waiting and k <= MOST:
            squares, rows = neighbours(goals[waiting], k)
            unsettled = []
            for target, near, ids in zip(waiting, squares, rows, strict=True):
                found[target], last = self._top(target, ids[ids >= 0])
                if k < n and not last > self._bound(float(near[-1]) - error):
                    unsettled.append(target)
            waiting, k = unsettled, n if n <= MOST else 4 * k
        if waiting:
            for target, ids in zip(waiting, self._scan(waiting), strict=True):
                found[target] = ids
        return found

    def _bound(self, square: float) -> float:
        """Largest possible potential of a row at this squared distance in the index."""
        return -0.5 * max(square - self.places.slack, 0.0)

    def _top(self, target: int, rows: Array) -> tuple[list[int], float]:
        """The best of these rows, and the potential of the last one kept."""
        features, margins = self.store.at(rows.tolist()), self.places.margins[rows]
        values = self.search.log_potential(features, margins, [target])[0][:, 0]
        if len(rows) < self.search.per_target:
            return rows.tolist(), -np.inf
        last = float(values.topk(self.search.per_target).values[-1])
        return rows[(values >= last).numpy()].tolist(), last

    def _scan(self, waiting: list[int]) -> list[list[int]]:
        """Compare targets with every row, in one pass."""
        values, rows = torch.empty(0, len(waiting), dtype=torch.float64), torch.empty(0, len(waiting)).long()
        for start, features in self.store.chunks(self.search.chunk_size):
            margins = self.places.margins[start : start + len(features)]
            new = self.search.log_potential(features, margins, waiting)[0]
            ids = torch.arange(start, start + len(features))[:, None].expand(-1, len(waiting))
            values, rows = torch.cat([values, new]), torch.cat([rows, ids])
            top = values.topk(min(self.search.per_target, len(values)), dim=0)
            values, rows = top.values, rows.gather(0, top.indices)
        return [rows[:, i].tolist() for i in range(len(waiting))]

    def candidate(self, facts: Facts, place: int, target: int) -> Candidate:
        """The candidate for a text and a target."""
        row = slice(place, place + 1)
        values, distances = self.search.log_potential(facts.batch.features[row], facts.margins[row], [target])
        return facts.candidate(place, target, float(distances[0, 0]), float(values[0, 0]))


def _largest_square(rows: Array) -> float:
    squares: Array = np.einsum("ij,ij->i", rows, rows)
    return float(squares.max())
