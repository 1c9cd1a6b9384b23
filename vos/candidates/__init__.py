"""From virtual outliers to texts: the potential, retrieval from a pool, constraints and selection."""

from vos.candidates.constraints import NearDuplicateFilter
from vos.candidates.retrieval import Candidate, Retrieval, retrieve
from vos.candidates.selection import Selection, SelectionSettings, select
from vos.candidates.target import Potential, Targets, TargetSpace

__all__ = [
    "Candidate",
    "NearDuplicateFilter",
    "Potential",
    "Retrieval",
    "Selection",
    "SelectionSettings",
    "TargetSpace",
    "Targets",
    "retrieve",
    "select",
]
