"""One number to watch while training: is the boundary getting better?"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vos.density.checks import at_least_float32, check_finite
from vos.metrics.boundary import band_width
from vos.metrics.calibration import brier
from vos.metrics.margins import margin


def boundary_brier(logits: Tensor, labels: Tensor, harmful: Sequence[int], share: float = 0.1) -> Tensor:
    """Half the Brier score of all texts, half that of the texts nearest the boundary; lower is better.

    Accuracy in the band counts a handful of texts and jumps; the Brier score moves smoothly and punishes confident
    mistakes, and the overall half keeps a classifier from calling everything near.

    Args:
        logits: (n, C) floats.
        labels: (n,) int64 class indices.
        harmful: indices of the harmful classes, see `vos.metrics.margins.margin`.
        share: of the texts that counts as near, in (0, 1].

    Returns: scalar in [0, 1].

    Raises:
        ShapeError: logits are not (n, C) with C >= 2, or labels not (n,) int64.
        DataError: a label outside [0, C), or a row of logits with NaN or infinity.
    """
    check_finite(logits, "logits")
    margins = margin(logits, harmful)
    near = margins.abs() <= band_width(margins, share)
    probabilities = torch.softmax(at_least_float32(logits), -1)
    return 0.5 * (brier(probabilities, labels) + brier(probabilities[near], labels[near]))
