"""Draws for those classes for which a request is feasible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from vos.density.base import GaussianDensity
from vos.errors import InfeasibleError, NotFittedError
from vos.types import LinearHead, OutlierSampler, VirtualOutliers

SHOWN_CLASSES = 10
SHOWN_REASONS = 2


@dataclass(frozen=True)
class FeasibleDraw:
    """The draws of the feasible classes, and the reasons for the others.

    Attributes:
        outliers: draws of the feasible classes, in class order, or None if no class is feasible.
        left_out: for every other class the reason, with the smallest feasible radius if there is one.
        share_left_out: share of the requested classes that are left out, in [0, 1].
    """

    outliers: VirtualOutliers | None
    left_out: Mapping[int, str]
    share_left_out: float

    def warning(self) -> str:
        """One line that names the classes left out (of many, the first few), and why."""
        names = [str(c) for c in sorted(self.left_out)]
        reasons = list(dict.fromkeys(self.left_out.values()))
        return (
            f"no virtual outliers for class {_first(names, SHOWN_CLASSES, ', ')} ({self.share_left_out:.0%} of the "
            f"classes): {_first(reasons, SHOWN_REASONS, '; ')}"
        )


def draw_where_feasible(
    sampler: OutlierSampler, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
) -> FeasibleDraw:
    """Draw `n_per_class` points for every ready class for which the sampler's request can be met.

    A class for which even one draw is infeasible is left out as a whole, so that the other classes have exactly the
    requested draws. A class that the density leaves out (`GaussianDensity.without`) is not requested. Meant for
    training: the boundary moves, and a request that is infeasible for a class now may be feasible some steps later.

    Raises:
        NotFittedError: the sampler cannot draw yet from this density.
        ConfigError: see the sampler.
        ShapeError: see the sampler.
    """
    left_out: dict[int, str] = {}
    while True:
        try:
            outliers = sampler(density.without(left_out), head, n_per_class, generator)
        except InfeasibleError as error:
            # An error that names no class comes from the head, and so concerns all classes.
            left_out |= dict.fromkeys(error.classes or density.ready_labels(1).tolist(), str(error))
        except NotFittedError:
            if not left_out:
                raise
            return FeasibleDraw(None, left_out, 1.0)
        else:
            n_drawn = len(outliers) // n_per_class
            return FeasibleDraw(outliers, left_out, len(left_out) / (len(left_out) + n_drawn))


def _first(parts: Sequence[str], n: int, separator: str) -> str:
    rest = f"{separator}and {len(parts) - n} more" if len(parts) > n else ""
    return separator.join(parts[:n]) + rest
