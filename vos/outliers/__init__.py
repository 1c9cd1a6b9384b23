"""Virtual outliers: points of feature space drawn where no text is known."""

from vos.outliers.boundary import BoundarySampler, draw_at_margin, smallest_feasible_radius
from vos.outliers.tail import TailSampler

__all__ = ["BoundarySampler", "TailSampler", "draw_at_margin", "smallest_feasible_radius"]
