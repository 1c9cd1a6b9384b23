"""No confidence on outliers.

Why outliers are drawn in a band and not exactly on the boundary: flattening pulls the softmax of an outlier towards
uniform. For two classes its value is `log cosh(m/2)` in the margin `m` alone, with the derivative `tanh(m/2) / 2`: zero
at `m = 0`. A point drawn at margin 0 is already where the loss wants it, and exerts no force until a later step has
moved the boundary away from it. Points drawn in a band `|m| <= β` are pulled to the boundary from both sides, and it is
they that lower the slope of the head across it. The energy loss is blind to margins near 0 in its own way: there
the energy of two classes changes with the sum of the logits, and not with their difference.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from vos.errors import ConfigError
from vos.losses.base import OutlierRegularizer


class BoundaryFlattening(OutlierRegularizer):
    """No confidence on outliers, a margin on texts.

    Outliers: `KL(uniform ‖ softmax(x)) = logsumexp(x) - mean(x) - log C`, zero for equal logits. Texts:
    `relu(id_margin - m)²` with `m` the logit of the true class less that of its best rival, which keeps the flattened
    region from spreading over them.

    Args:
        n_classes: C, at least two.
        id_margin: margin asked of texts, logit units, not negative; 0 asks for the right side alone.

    Raises:
        ConfigError: fewer than two classes, or a negative `id_margin`.

    Source: the outlier side is the confidence loss of Lee et al. 2018 (equation 1) and Hendrycks et al. 2019 (Outlier
    Exposure); the text side is ours.
    """

    def __init__(self, n_classes: int, id_margin: float = 0.0) -> None:
        super().__init__(n_classes, at_least=2)
        if not 0.0 <= id_margin < math.inf:
            raise ConfigError(f"loss.id_margin: expected a number >= 0, got {id_margin}")
        self.id_margin = id_margin

    def id_loss(self, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Hinge below `id_margin`."""
        own = logits.gather(1, labels[:, None])
        rival = logits.scatter(1, labels[:, None], -math.inf).amax(-1, keepdim=True)
        return functional.relu(self.id_margin - (own - rival)).square().mean()

    def ood_loss(self, logits: Tensor, features: Tensor) -> Tensor:  # noqa: ARG002
        """Divergence from uniform."""
        return (logits.logsumexp(-1) - logits.mean(-1)).mean() - math.log(self.n_classes)
