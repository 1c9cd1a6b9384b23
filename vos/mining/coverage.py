"""Boundary coverage: chooses texts that represent the part of the boundary where the pool's texts lie.

The demand is a sample of the pool, in which a text has more weight the more likely its prediction is wrong; the supply
is a larger sample of the same kind. Similarity is measured along the boundary, not by margins. A batch that covers the
demand teaches a classifier more than the texts with the smallest margins, which are similar to each other, and more
than texts near points drawn from a Gaussian, which lie where there are no texts: see docs/selection.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.errors import ConfigError
from vos.mining.candidates import Covers, Facts, text_key
from vos.mining.facility_location import FacilityLocation
from vos.mining.pool_sample import PoolSample, SampleSizes, demand_weights
from vos.types import LinearHead

NEIGHBOURS = 5
"""Number of covered texts that a record names."""

MEDIAN_OF = 2000
"""Number of texts for the median distance; more pairs would not change it."""

RARE_HARM = 0.10
"""If a smaller share of labelled texts is harmful, `NEAREST_SHARE` of the batch goes to the smallest margins."""

NEAREST_SHARE = 0.25

UNIFORM = 4096
"""Size of the unbiased sample from which directions and widths are computed."""

SPARE = 10
"""Texts with the smallest |margin| that are kept per place of a batch, because many may be repeats."""


@dataclass(frozen=True)
class CoverageSettings:
    """How the boundary is covered.

    Attributes:
        power: a text of the pool has the weight (expected error)^power: a larger power finds more mistakes, a smaller
            one covers more of the pool. At least 0.
        n_directions: number of leading directions of the pool's features, orthogonal to the head, for the similarity of
            texts; fewer if the pool or the features do not have as many.
        width: width of the kernel, as a share of the median distance between texts of the supply.
        supply: number of texts of the pool that can be chosen.
        demand: number of these that should be covered.
        nearest: share of the near-boundary texts with the smallest |margin|, in [0, 1]; null: none, or a quarter if
            fewer than one in ten labelled texts are harmful, to find missed harmful texts.
    """

    power: float = 4.0
    n_directions: int = 32
    width: float = 0.5
    supply: int = 10_000
    demand: int = 4_000
    nearest: float | None = None

    def __post_init__(self) -> None:
        if min(self.n_directions, self.supply, self.demand) < 1 or self.power < 0 or self.width <= 0:
            raise ConfigError(
                f"acquisition: expected n_directions, supply and demand >= 1, power >= 0 and width > 0, got {self}"
            )
        if self.nearest is not None and not 0 <= self.nearest <= 1:
            raise ConfigError(f"acquisition.nearest: expected a share in [0, 1] or null, got {self.nearest}")

    def sizes(self, n: int) -> SampleSizes:
        """Sizes of the samples of a pool for a batch of `n` texts."""
        return SampleSizes(self.supply, SPARE * n, max(UNIFORM, 2 * n), self.power)

    def nearest_share(self, labels: Sequence[int | None], harmful: Sequence[int]) -> float:
        """Share of the batch for the smallest |margin|, given the known labels."""
        if self.nearest is not None:
            return self.nearest
        known = [label in harmful for label in labels if label is not None]
        return NEAREST_SHARE if harmful and sum(known) < RARE_HARM * len(known) else 0.0


@dataclass(frozen=True)
class CoverageSpace:
    """Leading directions of a pool's features along which the margin is constant, each scaled to variance 1.

    Attributes:
        centre: (d,) float64.
        projection: (d, r) float64; r may be 0.
        width: width of the kernel in these coordinates.
    """

    centre: Tensor
    projection: Tensor
    width: float

    @classmethod
    def fit(
        cls, features: Tensor, supply: Tensor, head: LinearHead, harmful: Sequence[int], settings: CoverageSettings
    ) -> CoverageSpace:
        """Fit to the features (n, d) of an unbiased sample; the width comes from the supply's features (p, d)."""
        centre = features.double().mean(0) if len(features) else torch.zeros(features.shape[1], dtype=torch.float64)
        # The data are projected onto the complement of the normal, so that all directions are orthogonal to it.
        basis = torch.linalg.qr(normals(head, harmful)).Q
        centred = features.double() - centre
        free = centred - centred @ basis @ basis.T
        values, vectors = torch.linalg.eigh(free.T @ free / max(len(features) - 1, 1))
        # The remainder of the normal, and directions without variance, only have rounding error as variance.
        values, vectors = values.flip(-1), vectors.flip(-1)
        enough = int((values > 1e-9 * values[:1].clamp_min(1e-30)).sum())
        r = min(settings.n_directions, enough)
        space = cls(centre, vectors[:, :r] * values[:r].rsqrt(), 1.0)
        return cls(centre, space.projection, settings.width * space._median(supply))

    def coordinates(self, features: Tensor) -> Tensor:
        """Coordinates (n, r) float32 of features (n, d)."""
        return ((features.double() - self.centre) @ self.projection).float()

    def similarity(self, points: Tensor, demand: Tensor) -> Tensor:
        """Kernel `exp(-distance² / (2 width²))` (p, q) float32 of coordinates (p, r) and (q, r)."""
        distances = torch.cdist(points, demand, compute_mode="use_mm_for_euclid_dist")
        return distances.square_().mul_(-0.5 / self.width**2).exp_()

    def _median(self, supply: Tensor) -> float:
        points = self.coordinates(supply[:MEDIAN_OF])
        distances = torch.pdist(points)
        middle = float(distances.median()) if len(distances) else 0.0
        return middle or 1.0  # identical texts cover each other with any width


def normals(head: LinearHead, harmful: Sequence[int]) -> Tensor:
    """Normals of the boundary of a margin: (d, k) float64.

    With two classes, the difference of their rows; with more, the mean row of the harmful classes minus that of the
    others; none if no class is harmful, because then every pair of classes has its own boundary.
    """
    weight = head.weight.detach().double()
    if len(weight) == 2:
        return (weight[1] - weight[0])[:, None]
    if not harmful:
        return weight.new_zeros(weight.shape[1], 0)
    others = [c for c in range(len(weight)) if c not in harmful]
    return (weight[list(harmful)].mean(0) - weight[others].mean(0))[:, None]


@dataclass(frozen=True)
class KnownTexts:
    """Labelled texts, and texts that people were asked to label; they cover their surroundings.

    Attributes:
        features: (n, d).
        margins: (n,) logit units.
    """

    features: Tensor
    margins: Tensor


@dataclass(frozen=True)
class BoundaryCoverage:
    """The demand to cover, and the supply to choose from.

    Attributes:
        space: see `CoverageSpace`.
        demand: q texts of the pool.
        weights: (q,) float64, summing to one.
        supply: p texts of the pool.
        location: chooses rows of the supply.
    """

    space: CoverageSpace
    demand: Facts
    weights: Tensor
    supply: Facts
    location: FacilityLocation

    @classmethod
    def of(
        cls,
        sample: PoolSample,
        known: KnownTexts,
        head: LinearHead,
        harmful: Sequence[int],
        settings: CoverageSettings,
    ) -> BoundaryCoverage:
        """Build the initial state, before anything is chosen.

        Args:
            sample: samples of the pool.
            known: see `KnownTexts`.
            head: head of the classifier.
            harmful: indices of the harmful classes; () if no class is harmful.
            settings: see `CoverageSettings`.
        """
        weighted, uniform = sample.weighted, sample.uniform.facts
        wanted = weighted.first(settings.demand)
        supply = _without_repeats(Facts.together([weighted.facts, sample.nearest.facts]))
        space = CoverageSpace.fit(uniform.batch.features, weighted.facts.batch.features, head, harmful, settings)
        goal = space.coordinates(wanted.facts.batch.features)
        weights = demand_weights(wanted, settings.power)
        deviation = _deviation(uniform.margins, wanted.facts.margins, has_sides=bool(harmful))
        covered = _covered(space, goal, known, deviation)
        similarity = space.similarity(space.coordinates(supply.batch.features), goal)
        location = FacilityLocation(similarity.numpy(), weights.numpy(), covered.double().numpy())
        return cls(space, wanted.facts, weights, supply, location)

    def beside(self, facts: Facts) -> BoundaryCoverage:
        """The same demand with another supply; both share the state of coverage."""
        points = self.space.coordinates(facts.batch.features)
        similarity = self.space.similarity(points, self.space.coordinates(self.demand.batch.features))
        location = FacilityLocation(similarity.numpy(), self.weights.numpy(), self.location.covered)
        return BoundaryCoverage(self.space, self.demand, self.weights, facts, location)

    def take(self, row: int) -> Covers:
        """Choose a row of the supply; returns what it adds."""
        added = torch.from_numpy(self.location.added(row))
        self.location.take(row)
        best = added.argsort(descending=True, stable=True)[:NEIGHBOURS].tolist()
        own = text_key(self.supply.examples[row])
        others = [self.demand.examples[j] for j in best if float(added[j]) > 0.0]
        return Covers(float(added.sum()), tuple(other.id for other in others if text_key(other) != own))


def _without_repeats(facts: Facts) -> Facts:
    """The first occurrence of each text."""
    first: dict[tuple[str, str], int] = {}
    for row, example in enumerate(facts.examples):
        first.setdefault(text_key(example), row)
    return facts.at(list(first.values()))


def _deviation(margins: Tensor, of_demand: Tensor, *, has_sides: bool) -> float:
    """Standard deviation of the pool's margins; around zero if there are no sides, because all are then positive.

    It is at least twice the median |margin| of the demand, so that a known text covers its neighbours even if the whole
    pool lies on one side, far from the boundary.
    """
    if len(margins) < 2:
        return 1.0
    spread = margins.double().std() if has_sides else margins.double().square().mean().sqrt()
    return max(float(spread), 2 * float(of_demand.double().abs().median())) or 1.0


def _covered(space: CoverageSpace, goal: Tensor, known: KnownTexts, deviation: float) -> Tensor:
    """Coverage (q,) by known texts; it decreases with their margin, with half a standard deviation as scale."""
    covered = torch.zeros(len(goal))
    for start in range(0, len(known.margins), 1024):
        part = slice(start, start + 1024)
        nearness = (-0.5 * (known.margins[part].float() / (deviation / 2)) ** 2).exp()
        similarity = space.similarity(space.coordinates(known.features[part]), goal) * nearness[:, None]
        covered = torch.maximum(covered, similarity.max(0).values)
    return covered
