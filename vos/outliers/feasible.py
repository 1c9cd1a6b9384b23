"""Draws for the classes that can have them, where a request excludes the others."""

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
    """What could be drawn, and what could not.

    Attributes:
        outliers: of the classes that can have them, in class order, or None when no class can.
        left_out: for every other class the reason, which names the smallest feasible radius where there is one.
        share_left_out: share of the classes asked for that are left out, in [0, 1].
    """

    outliers: VirtualOutliers | None
    left_out: Mapping[int, str]
    share_left_out: float

    def warning(self) -> str:
        """One line that says which classes are left out, and why; of many classes the first few."""
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

    A class of which a single draw cannot be met is left out as a whole, so that what is drawn for the others is exactly
    what was asked for. A class that the density leaves out (`GaussianDensity.without`) is not asked for. For a training
    run: a boundary moves, and a request that a class cannot meet now it may meet some steps later.

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
            # An error of no class in particular is one of the head, and so of all classes.
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
