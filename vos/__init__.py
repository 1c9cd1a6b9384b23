"""Decision-boundary data synthesizer for text classifiers, via virtual outlier synthesis.

The public names; each is loaded when it is first used, so that `import vos` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vos.cli.api import synthesize
    from vos.density import ClassConditionalGaussian, LowRankGaussian, load_density
    from vos.labeling import Label, Ledger
    from vos.losses import BoundaryFlattening, EnergyFlattening, EnergyMargin, EnergyUncertainty
    from vos.metrics import auroc, boundary_report, fpr_at_tpr, fpr_at_tpr_ood, margin
    from vos.models import load_classifier
    from vos.outliers import BoundarySampler, LogitSampler, MixSampler, TailSampler
    from vos.scores import ViM, energy, knn, mahalanobis
    from vos.types import Example, LinearHead

_HOMES = {
    "vos.cli.api": ("synthesize",),
    "vos.density": ("ClassConditionalGaussian", "LowRankGaussian", "load_density"),
    "vos.labeling": ("Label", "Ledger"),
    "vos.losses": ("BoundaryFlattening", "EnergyFlattening", "EnergyMargin", "EnergyUncertainty"),
    "vos.metrics": ("auroc", "boundary_report", "fpr_at_tpr", "fpr_at_tpr_ood", "margin"),
    "vos.models": ("load_classifier",),
    "vos.outliers": ("BoundarySampler", "LogitSampler", "MixSampler", "TailSampler"),
    "vos.scores": ("ViM", "energy", "knn", "mahalanobis"),
    "vos.types": ("Example", "LinearHead"),
}

__all__ = [
    "BoundaryFlattening",
    "BoundarySampler",
    "ClassConditionalGaussian",
    "EnergyFlattening",
    "EnergyMargin",
    "EnergyUncertainty",
    "Example",
    "Label",
    "Ledger",
    "LinearHead",
    "LogitSampler",
    "LowRankGaussian",
    "MixSampler",
    "TailSampler",
    "ViM",
    "auroc",
    "boundary_report",
    "energy",
    "fpr_at_tpr",
    "fpr_at_tpr_ood",
    "knn",
    "load_classifier",
    "load_density",
    "mahalanobis",
    "margin",
    "synthesize",
]

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A public name, from the module where it is defined."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'vos' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
