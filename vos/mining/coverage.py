"""Boundary coverage: texts that stand for the part of the boundary where the pool's own texts lie.

The demand is a sample of the pool in which a text weighs the more, the more likely its prediction is wrong; the supply
is the same sample, larger. Texts count as near by their place beside the boundary, not by their margin. A batch that
covers the demand teaches a classifier more than the texts of the smallest margins, which lie together, and more than
the answers to points drawn from a Gaussian, which lie where no text is: see docs/selection.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.errors import ConfigError
from vos.mining.candidates import Covers, Facts
from vos.mining.facility_location import FacilityLocation
from vos.mining.pool_sample import PoolSample, SampleSizes, demand_weights
from vos.types import LinearHead

NEIGHBOURS = 5
"""Texts that a record names as covered."""

MEDIAN_OF = 2000
"""Texts among which the median distance is taken: all pairs of more say the same."""

RARE_HARM = 0.10
"""Where fewer of the labelled texts are harmful, `NEAREST_SHARE` of the batch goes to the smallest margins."""

NEAREST_SHARE = 0.25

UNIFORM = 4096
"""Texts of the unbiased sample that gives directions and widths."""

SPARE = 10
"""Texts of the smallest |margin| that are kept for each place of a batch: most of them may repeat others."""


@dataclass(frozen=True)
class CoverageSettings:
    """How the boundary is covered.

    Attributes:
        power: a text of the pool counts with its expected error to this power: a larger one finds more mistakes, a
            smaller one covers more of the pool. At least 0.
        n_directions: leading directions of the pool's features, orthogonal to the head, in which texts are near; there
            are fewer where the pool or the features have no more.
        width: of the kernel, as a share of the median distance between texts of the supply.
        supply: texts of the pool that can be chosen.
        demand: of these, texts that are to be covered.
        nearest: share of the near-boundary texts that goes to the smallest |margin|, in [0, 1]; null: none, but a
            quarter where fewer than one in ten labelled texts are harmful, as misses are what is looked for there.
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
        """What is kept of a pool for a batch of `n` texts."""
        return SampleSizes(self.supply, SPARE * n, max(UNIFORM, 2 * n), self.power)

    def nearest_share(self, labels: Sequence[int | None], harmful: Sequence[int]) -> float:
        """Share for the smallest |margin|, from the labels of the labelled texts."""
        if self.nearest is not None:
            return self.nearest
        known = [label in harmful for label in labels if label is not None]
        return NEAREST_SHARE if harmful and sum(known) < RARE_HARM * len(known) else 0.0


@dataclass(frozen=True)
class CoverageSpace:
    """Leading directions of a pool's features that leave the margin alone, each scaled to variance 1.

    Attributes:
        centre: (d,) float64.
        projection: (d, r) float64; r may be 0.
        width: of the kernel, in units of these coordinates.
    """

    centre: Tensor
    projection: Tensor
    width: float

    @classmethod
    def fit(
        cls, features: Tensor, supply: Tensor, head: LinearHead, harmful: Sequence[int], settings: CoverageSettings
    ) -> CoverageSpace:
        """From the features (n, d) of an unbiased sample, and those (p, d) of the supply, which give the width."""
        centre = features.double().mean(0) if len(features) else torch.zeros(features.shape[1], dtype=torch.float64)
        # The complement of the normal, applied to the data: the directions found are orthogonal to it.
        basis = torch.linalg.qr(normals(head, harmful)).Q
        centred = features.double() - centre
        free = centred - centred @ basis @ basis.T
        values, vectors = torch.linalg.eigh(free.T @ free / max(len(features) - 1, 1))
        # What is left of the normal, and what no text differs in, has rounding error for variance.
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
        return middle or 1.0  # texts that all lie together cover each other, whatever the width


def normals(head: LinearHead, harmful: Sequence[int]) -> Tensor:
    """Directions that a margin is about: (d, k) float64.

    With two classes the difference of their rows; with more, the mean row of the harmful classes less that of the
    others; none where no class is harmful, as every pair of classes has a boundary of its own there.
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
    """Texts that somebody has labelled, or was asked about: they cover what lies around them.

    Attributes:
        features: (n, d).
        margins: (n,) logit units.
    """

    features: Tensor
    margins: Tensor


@dataclass(frozen=True)
class BoundaryCoverage:
    """What is to be covered, and what can be chosen.

    Attributes:
        space: see `CoverageSpace`.
        demand: q texts of the pool.
        weights: (q,) float64, adding up to one.
        supply: p texts of the pool.
        location: chooses among the rows of the supply.
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
        """Before anything is chosen.

        Args:
            sample: of the pool.
            known: see `KnownTexts`.
            head: of the classifier.
            harmful: indices of the harmful classes; () where no class is.
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
        """The same demand with other texts to choose from; what either covers counts for both."""
        points = self.space.coordinates(facts.batch.features)
        similarity = self.space.similarity(points, self.space.coordinates(self.demand.batch.features))
        location = FacilityLocation(similarity.numpy(), self.weights.numpy(), self.location.covered)
        return BoundaryCoverage(self.space, self.demand, self.weights, facts, location)

    def take(self, row: int) -> Covers:
        """Choose a row of the supply; says what it adds."""
        added = torch.from_numpy(self.location.added(row))
        self.location.take(row)
        best = added.argsort(descending=True, stable=True)[:NEIGHBOURS].tolist()
        names = [self.demand.examples[j].id for j in best if float(added[j]) > 0.0]
        own = self.supply.examples[row].id
        return Covers(float(added.sum()), tuple(name for name in names if name != own))


def _without_repeats(facts: Facts) -> Facts:
    """Each id once, where it stands first."""
    first: dict[str, int] = {}
    for row, example in enumerate(facts.examples):
        first.setdefault(example.id, row)
    return facts.at(list(first.values()))


def _deviation(margins: Tensor, of_demand: Tensor, *, has_sides: bool) -> float:
    """Standard deviation of the pool's margins; without sides they are all positive, and zero is their middle.

    At least twice the median |margin| of the demand: where the whole pool lies on one side, far from the boundary, a
    text that was asked still covers its neighbours.
    """
    if len(margins) < 2:
        return 1.0
    spread = margins.double().std() if has_sides else margins.double().square().mean().sqrt()
    return max(float(spread), 2 * float(of_demand.double().abs().median())) or 1.0


def _covered(space: CoverageSpace, goal: Tensor, known: KnownTexts, deviation: float) -> Tensor:
    """What known texts cover: (q,); a text far from the boundary covers less of it, by half a deviation."""
    covered = torch.zeros(len(goal))
    for start in range(0, len(known.margins), 1024):
        part = slice(start, start + 1024)
        nearness = (-0.5 * (known.margins[part].float() / (deviation / 2)) ** 2).exp()
        similarity = space.similarity(space.coordinates(known.features[part]), goal) * nearness[:, None]
        covered = torch.maximum(covered, similarity.max(0).values)
    return covered
