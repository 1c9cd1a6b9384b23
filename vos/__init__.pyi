from .cli.api import synthesize as synthesize
from .density import ClassConditionalGaussian as ClassConditionalGaussian
from .density import LowRankGaussian as LowRankGaussian
from .density import load_density as load_density
from .labeling import Label as Label
from .labeling import Ledger as Ledger
from .losses import BoundaryFlattening as BoundaryFlattening
from .losses import EnergyFlattening as EnergyFlattening
from .losses import EnergyMargin as EnergyMargin
from .losses import EnergyUncertainty as EnergyUncertainty
from .metrics import auroc as auroc
from .metrics import boundary_report as boundary_report
from .metrics import fpr_at_tpr as fpr_at_tpr
from .metrics import fpr_at_tpr_ood as fpr_at_tpr_ood
from .metrics import margin as margin
from .models import load_classifier as load_classifier
from .outliers import BoundarySampler as BoundarySampler
from .outliers import LogitSampler as LogitSampler
from .outliers import MixSampler as MixSampler
from .outliers import TailSampler as TailSampler
from .scores import ViM as ViM
from .scores import energy as energy
from .scores import knn as knn
from .scores import mahalanobis as mahalanobis
from .types import Example as Example
from .types import LinearHead as LinearHead

__version__: str
__all__: list[str]
