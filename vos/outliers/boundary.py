"""Draws at a chosen margin to the decision boundary, and at a chosen radius from the class.

The mathematics is in `vos.outliers.conditional_margin`: given margin and radius, a Gaussian class is uniform on the
sphere in which the hyperplane of the margin intersects the shell of the radius.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.density.base import GaussianDensity
from vos.errors import ConfigError, InfeasibleError, NotFittedError
from vos.outliers._geometry import (
    allowed_rivals,
    compared,
    distinct_rows,
    head_gaps,
    nearest_rivals,
    pick_class,
    refuse_equal_rows,
)
from vos.outliers._natural import natural_radii
from vos.outliers._radial import as_outliers, check_open_unit, labels_to_draw, shell, uniform
from vos.outliers.conditional_margin import refuse_infeasible, whitened_at_margin
from vos.types import LinearHead, VirtualOutliers, harmful_mask

OWN_ROUNDS, SIDE_ROUNDS = 10, 20
"""If the margin should decide between the sides: the number of rounds in which the class drawn from is one of the two
compared classes, and the number of rounds after which the margin need not decide, unless `runner_up` is set."""


@dataclass(frozen=True, kw_only=True)
class BoundarySampler:
    """Draws at a margin to the boundary, from every ready class; see `OutlierSampler`.

    If some classes are harmful, the margin is that of `vos.metrics.margins.margin`: the logit of a harmful class minus
    that of a class that is not. One of the two is the class drawn from, the other is its rival, a ready class of the
    other side. If no point is found where these two logits decide (see `runner_up`), any two classes of different
    sides may be compared, because the boundary nearest to a class need not be its own. Without harmful classes the
    margin is `logit_1 - logit_0` for two classes, whatever class a point is drawn from; for more classes, the logit of
    the class drawn from minus that of its rival, another ready class. If no rival is ready, all classes are rivals. A
    class with the same row of the head as the class drawn from is never a rival.

    Attributes:
        margin: centre of the requested margins, logit units.
        band: margins are uniform in `[margin - band, margin + band]`; an outlier exactly at margin 0 has no gradient
            under `BoundaryFlattening`, see `vos.losses.flattening`.
        distance: every draw lies farther from its class than this share of real texts, in (0, 1); None: the radius is
            drawn from its distribution given the margin, which is always feasible.
        pair: two classes (c, j): the margin is `logit_c - logit_j` whatever class a point is drawn from, and only these
            two are drawn from.
        harmful: indices of the harmful classes; () if no class is harmful. The command-line tools set it from the data.
        rival: with more than two classes and no pair, "any": a rival chosen uniformly for every draw; "nearest": the
            rival whose boundary is nearest to the class mean in standard deviations. With many classes most pairs
            have no common boundary.
        runner_up: True: keep only points where the compared logits decide: they are the two largest, or, if some
            classes are harmful, each is the largest of its side. Rival, margin and point are redrawn until this holds.
            None: if some classes are harmful and no pair is given, such points are preferred; if none is found, as
            for a head that hardly separates the classes of one side, a point with the requested margin against its
            rival is kept.
        nearest: keep only points that are nearer to the mean of their own class than to any other, in Mahalanobis
            distance.
        max_rounds: how often rejected points are redrawn.

    Raises:
        ConfigError: an option out of range.
    """

    margin: float = 0.0
    band: float = 1.0
    distance: float | None = None
    pair: Sequence[int] | None = None
    harmful: Sequence[int] = ()
    rival: str = "any"
    runner_up: bool | None = None
    nearest: bool = False
    max_rounds: int = 100

    def __post_init__(self) -> None:
        if not math.isfinite(self.margin) or not 0.0 <= self.band < math.inf:
            raise ConfigError(
                f"outliers: expected a finite margin and a finite band >= 0, got margin={self.margin} band={self.band}"
            )
        check_open_unit("distance", self.distance)
        if self.pair is not None and (len(self.pair) != 2 or self.pair[0] == self.pair[1] or min(self.pair) < 0):
            raise ConfigError(f"outliers.pair: expected two different classes, got {tuple(self.pair)}")
        if self.rival not in ("any", "nearest"):
            raise ConfigError(f"outliers.rival: expected 'any' or 'nearest', got {self.rival!r}")
        if self.max_rounds < 1:
            raise ConfigError(f"outliers.max_rounds: expected at least one round, got {self.max_rounds}")

    @torch.no_grad()
    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """Draw `n_per_class` points for every ready class (of the pair, where one is given), in class order.

        Raises:
            InfeasibleError: margin and radius exclude each other for a class (the message names the smallest feasible
                radius); a class has the same row of the head as all others; or no point passed `runner_up` or
                `nearest` in `max_rounds` rounds.
            ConfigError: `n_per_class` below one, a single class (which has no boundary), or a class index in `pair` or
                `harmful` that is out of range.
            NotFittedError: no class is ready, or neither class of the pair.
            ShapeError: the head does not fit the density.
        """
        labels = self._labels(density, head, n_per_class)
        features = density.means.new_empty(len(labels), density.n_features)
        squared = density.means.new_empty(len(labels))
        pending = torch.arange(len(labels), device=labels.device)
        for number in range(self.max_rounds):
            decides = self._decides and (self.runner_up is not None or number < SIDE_ROUNDS)
            any_pair = decides and self._seeks_sides and number >= OWN_ROUNDS
            z, plus, minus, possible = self._draw(density, head, labels[pending], generator, any_pair=any_pair)
            h = density.color(z, labels[pending])
            kept = possible & self._accepts(density, head, h, labels[pending], plus, minus, decides=decides)
            features[pending[kept]], squared[pending[kept]] = h[kept], z[kept].square().sum(-1)
            pending = pending[~kept]
            if len(pending) == 0:
                return as_outliers(features, labels, squared, head)
        raise InfeasibleError(
            f"class {int(labels[pending[0]])}: {len(pending)} of {len(labels)} points did not pass runner_up="
            f"{self.runner_up}, nearest={self.nearest} in {self.max_rounds} rounds. Raise outliers.max_rounds, lower "
            "outliers.distance, ask for a margin nearer to that of the class mean, or set outliers.runner_up=false",
            torch.unique(labels[pending]).tolist(),
        )

    def _labels(self, density: GaussianDensity, head: LinearHead, n_per_class: int) -> Tensor:
        labels = labels_to_draw(density, head, n_per_class)
        if self.pair is None:
            return labels
        if max(self.pair) >= density.n_classes:
            raise ConfigError(f"outliers.pair: expected classes in [0, {density.n_classes}), got {tuple(self.pair)}")
        labels = labels[(labels == self.pair[0]) | (labels == self.pair[1])]
        if len(labels) == 0:
            raise NotFittedError(f"outliers.pair: expected a ready class, got {tuple(self.pair)}, none to draw from")
        return labels

    def _draw(
        self,
        density: GaussianDensity,
        head: LinearHead,
        labels: Tensor,
        generator: torch.Generator,
        *,
        any_pair: bool,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw whitened points (m, d) for labels (m,); returns them, the compared logits, and which draws are valid.

        With `any_pair` the margin compares any two classes of different sides; if such a pair has no point at the
        radius, the draw is invalid, because another pair may have one.
        """
        apart = distinct_rows(head)
        if any_pair:
            side = harmful_mask(density.n_classes, self.harmful, labels.device)
            plus, minus = _pairs_across(side, apart, len(labels), generator)
        else:
            plus, minus = self._compared(density, head, apart, labels, generator)
        refuse_equal_rows(apart, labels, plus, minus)
        gaps = head_gaps(density, head, labels, plus, minus)
        margins = self.margin + self.band * (2.0 * uniform((len(labels),), generator, labels.device) - 1.0)
        nearest = gaps.distance_to(margins)
        radii, possible = shell(self.distance, labels, density), torch.ones_like(labels, dtype=torch.bool)
        if radii is None:
            radii = natural_radii(density, labels, nearest, 1, generator)
        elif any_pair:
            possible = nearest <= radii
            margins = torch.where(possible, margins, gaps.at_mean)
        else:
            refuse_infeasible(nearest, radii, margins, 1, density.n_features, labels, density)
        return whitened_at_margin(gaps.normals, margins - gaps.at_mean, radii, generator), plus, minus, possible

    def _compared(
        self, density: GaussianDensity, head: LinearHead, apart: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Which logits the margin of each draw compares: plus (m,) and minus (m,)."""
        if density.n_classes < 2:
            raise ConfigError("expected at least two classes: a single class has no boundary")
        pair = (1, 0) if density.n_classes == 2 and self.pair is None and not self.harmful else self.pair
        if pair is not None:
            return torch.full_like(labels, pair[0]), torch.full_like(labels, pair[1])
        is_harmful = harmful_mask(density.n_classes, self.harmful, labels.device)
        allowed = allowed_rivals(density, apart, is_harmful)
        if self.rival == "nearest":
            rivals = nearest_rivals(density, head, allowed, is_harmful, self.margin)[labels]
        else:
            rivals = pick_class(allowed, labels, generator)
        return compared(labels, rivals, is_harmful)

    @property
    def _seeks_sides(self) -> bool:
        """Whether points are preferred whose margin decides between the sides."""
        return self._decides and bool(self.harmful) and self.pair is None

    @property
    def _decides(self) -> bool:
        """Whether only points are kept where the compared logits decide."""
        return bool(self.harmful) and self.pair is None if self.runner_up is None else self.runner_up

    def _accepts(
        self,
        density: GaussianDensity,
        head: LinearHead,
        h: Tensor,
        labels: Tensor,
        plus: Tensor,
        minus: Tensor,
        *,
        decides: bool,
    ) -> Tensor:
        """Which points (m, d) satisfy the inequalities: (m,) bool."""
        kept = torch.ones_like(labels, dtype=torch.bool)
        if decides and density.n_classes > 2:
            logits = LinearHead(*(t.detach().to(h) for t in head)).logits(h)
            pair = torch.stack([plus, minus], 1)
            others, own = logits.scatter(1, pair, -math.inf), logits.gather(1, pair)
            is_harmful = harmful_mask(density.n_classes, self.harmful, labels.device)
            if self._seeks_sides:
                kept &= others.masked_fill(~is_harmful, -math.inf).amax(-1) <= own[:, 0]
                kept &= others.masked_fill(is_harmful, -math.inf).amax(-1) <= own[:, 1]
            else:
                kept &= others.amax(-1) <= own.amin(-1)
        if self.nearest:
            distances = density.mahalanobis(h)
            kept &= distances.gather(1, labels[:, None])[:, 0] <= distances.amin(-1) * (1.0 + 1e-9)
        return kept


def _pairs_across(is_harmful: Tensor, apart: Tensor, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Harmful and other classes (n,) and (n,), uniform among the pairs with different rows of the head."""
    plus, minus = (is_harmful[:, None] & ~is_harmful & apart.to(is_harmful.device)).nonzero().unbind(-1)
    at = (uniform((n,), generator, is_harmful.device) * len(plus)).long()
    return plus[at], minus[at]
