"""The margin of a prediction, and the side of the boundary that a text lies on.

The sign of a margin is the side of the argmax, so that side, margin and prediction never disagree. If the two deciding
logits are equal, the margin is zero; the argmax takes the first of equal logits and so still lies on one side, which is
stored in the sign of the zero. IEEE floats, JSON and CSV preserve it (`-0.0`); `on_harmful_side` reads it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vos.density.checks import at_least_float32
from vos.errors import ShapeError
from vos.types import harmful_mask


def margin(logits: Tensor, harmful: Sequence[int]) -> Tensor:
    """Largest logit of the harmful classes minus the largest of the others: (n,), at least float32, in logit units.

    With two classes this is the usual difference, harmful minus harmless. It is positive if the argmax is harmful and
    negative if it is not; zero carries a sign, see the module's docstring.

    Args:
        logits: (n, C) with C >= 2.
        harmful: indices of the harmful classes. If (), no class is harmful: the margin is then the largest logit minus
            the second largest, never negative, and there are no sides.

    Raises:
        ShapeError: logits are not (n, C) with C >= 2.
        ConfigError: an unknown harmful class, or every class is harmful.

    Example:
        >>> logits = torch.tensor([[1.0, 3.0, 0.5], [2.0, -1.0, 1.5]])
        >>> margin(logits, (1, 2)), margin(logits, (0,)), margin(logits, ())
        (tensor([ 2.0000, -0.5000]), tensor([-2.0000,  0.5000]), tensor([2.0000, 0.5000]))
    """
    compared = at_least_float32(logits).gather(1, deciding_pair(logits, harmful))
    gap = compared[:, 0] - compared[:, 1]
    if not harmful:
        return gap
    predicted = harmful_mask(logits.shape[1], harmful, logits.device)[logits.argmax(-1)]
    return torch.where((gap == 0.0) & ~predicted, -torch.zeros_like(gap), gap)


def deciding_pair(logits: Tensor, harmful: Sequence[int]) -> Tensor:
    """The two classes whose logits a margin compares: (n, 2) int64, the harmful one first, of logits (n, C).

    If no class is harmful, the classes of the largest and the second largest logit. Where the pair does not change,
    the margin is linear in the features.

    Raises:
        ShapeError: see `margin`.
        ConfigError: see `margin`.
    """
    check_logits(logits)
    if not harmful:
        first = logits.argmax(-1, keepdim=True)
        return torch.cat([first, logits.scatter(1, first, -math.inf).argmax(-1, keepdim=True)], 1)
    columns = harmful_mask(logits.shape[1], harmful, logits.device)
    sides = (logits.masked_fill(~side, -math.inf).argmax(-1) for side in (columns, ~columns))
    return torch.stack(tuple(sides), 1)


def harmful_sides(margins: Tensor) -> Tensor:
    """Whether the predictions with these margins (n,) are harmful: (n,) bool, the sign of a zero included."""
    return ~torch.signbit(margins)


def on_harmful_side(value: float) -> bool:
    """Whether the prediction with this margin is harmful, the sign of a zero included.

    Example:
        >>> on_harmful_side(0.0), on_harmful_side(-0.0)
        (True, False)
    """
    return math.copysign(1.0, value) > 0.0


def check_logits(logits: Tensor) -> None:
    """Raise ShapeError unless logits are (n, C) with C >= 2."""
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ShapeError(f"expected logits (n, C) with C >= 2, got {tuple(logits.shape)}")
