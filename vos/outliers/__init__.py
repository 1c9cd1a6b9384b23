"""Virtual outliers: points of feature space drawn where no text is known."""

from vos.outliers._geometry import head_gaps
from vos.outliers.boundary import BoundarySampler
from vos.outliers.conditional_margin import draw_at_margin, smallest_feasible_radius
from vos.outliers.conditional_values import draw_at_class_values, draw_at_values
from vos.outliers.energy_level import EnergySampler
from vos.outliers.feasible import FeasibleDraw, draw_where_feasible
from vos.outliers.logits import LogitSampler
from vos.outliers.mixing import MixSampler, NoiseSampler
from vos.outliers.neighbors import NeighborSampler
from vos.outliers.sides import with_sides
from vos.outliers.tail import TailSampler

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
    "head_gaps",
    "smallest_feasible_radius",
    "with_sides",
]
