"""A loss that reduces the confidence on outliers.

Why outliers are drawn in a band and not exactly on the boundary: flattening pulls the softmax of an outlier towards
uniform. For two classes its value is `log cosh(m/2)`, a function of the margin `m` alone, with the derivative
`tanh(m/2) / 2`: zero at `m = 0`. A point drawn at margin 0 already has the smallest loss and no gradient, until a later
step moves the boundary away from it. Points drawn in a band `|m| <= β` are pulled to the boundary from both sides, and
these reduce the slope of the head across it. The energy loss is also insensitive to margins near 0: there the energy of
two classes changes with the sum of the logits, not with their difference.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from vos.errors import ConfigError
from vos.losses.base import OutlierRegularizer


class BoundaryFlattening(OutlierRegularizer):
    """Uniform probabilities on outliers, a margin on texts.

    Outliers: `KL(uniform ‖ softmax(x)) = logsumexp(x) - mean(x) - log C`, zero for equal logits. Texts:
    `relu(id_margin - m)²` with `m` the logit of the true class minus the largest other logit, which keeps the flattened
    region from spreading over the texts.

    Args:
        n_classes: C, at least two.
        id_margin: smallest margin of texts without loss, logit units, not negative; 0: correct predictions have none.

    Raises:
        ConfigError: fewer than two classes, or a negative `id_margin`.

    Source: the outlier term is the confidence loss of Lee et al. 2018 (equation 1) and Hendrycks et al. 2019 (Outlier
    Exposure); the text term is ours.
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
