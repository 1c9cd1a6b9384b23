"""Virtual outliers: points of feature space drawn where no text is known."""

from vos.outliers.boundary import BoundarySampler
from vos.outliers.feasible import FeasibleDraw, draw_where_feasible
from vos.outliers.levels import EnergySampler, LogitSampler
from vos.outliers.linear import draw_at_margin, smallest_feasible_radius
from vos.outliers.mixing import MixSampler, NoiseSampler
from vos.outliers.neighbors import NeighborSampler
from vos.outliers.tail import TailSampler
from vos.outliers.values import draw_at_class_values, draw_at_values

__all__ = [
    "BoundarySampler",
    "EnergySampler",
    "FeasibleDraw",
    "LogitSampler",
    "MixSampler",
    "NeighborSampler",
    "NoiseSampler",
    "TailSampler",
    "draw_at_class_values",
    "draw_at_margin",
    "draw_at_values",
    "draw_where_feasible",
    "smallest_feasible_radius",
]
