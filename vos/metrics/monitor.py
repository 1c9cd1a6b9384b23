"""The metrics by which early stopping and the choice of the best round can be made."""

from torch import Tensor

from vos.density.checks import at_least_float32, check_finite, check_labels
from vos.metrics.calibration import accuracy, brier, expected_calibration_error

MONITORS = ("boundary/val/brier", "boundary/val/error", "boundary/val/ece")
"""Metrics of a round, lower is better, that every validation pass of a fit also measures."""


def epoch_name(monitor: str) -> str:
    """The name under which a validation pass logs a metric of `MONITORS`.

    Example:
        >>> epoch_name("boundary/val/brier")
        'val/brier'
    """
    return monitor.removeprefix("boundary/")


def epoch_metrics(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Metrics of a validation pass, keyed by `epoch_name`; lower is better.

    The Brier score changes smoothly and punishes confident mistakes; the error rate changes in steps.

    Args:
        logits: (n, C) floats.
        labels: (n,) int64 class indices.

    Returns: scalars in [0, 1], of dtype float32 at least.

    Raises:
        ShapeError: logits are not (n, C), or labels not (n,) int64.
        DataError: a label outside [0, C), or a row of logits with NaN or infinity.
    """
    check_labels(labels, logits.shape[-1])
    check_finite(logits, "logits")
    probabilities = at_least_float32(logits).softmax(-1)
    right = accuracy(probabilities.argmax(-1), labels)
    values = (brier(probabilities, labels), 1.0 - right, expected_calibration_error(probabilities, labels))
    return dict(zip(map(epoch_name, MONITORS), values, strict=True))
