"""Priority of the texts of an atlas: first those that people look at, then those near the boundary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vos.atlas.texts import AtlasTexts
from vos.atlas.world import AtlasWorld
from vos.errors import ModelError
from vos.interpret.gradients import GradientReader
from vos.interpret.margins import MarginReader


def reading_order(texts: AtlasTexts) -> NDArray[np.int64]:
    """All rows: texts of the batch and answered texts first, then by increasing |margin|."""
    first = texts.batch | np.array([answer is not None for answer in texts.answer], dtype=np.bool_)
    order: NDArray[np.int64] = np.lexsort((np.arange(len(texts)), np.abs(texts.margin), ~first)).astype(np.int64)
    return order


def affordable(rows: NDArray[np.int64], costs: NDArray[np.float64], most: float) -> NDArray[np.int64]:
    """The longest prefix of the rows whose total cost is at most `most`; at least the first row.

    Args:
        rows: rows in order of priority.
        costs: cost of each row, in the order of `rows`.
        most: cost limit, in the unit of the costs.

    Example:
        >>> affordable(np.array([4, 2, 7]), np.array([5.0, 1.0, 9.0]), 6.0)
        array([4, 2])
    """
    kept: NDArray[np.int64] = rows[(np.cumsum(costs) <= most) | (np.arange(len(rows)) == 0)]
    return kept


def margin_reader(world: AtlasWorld) -> MarginReader:
    """A reader of the classifier's margins, on the device on which the atlas's texts were read."""
    return MarginReader(world.classifier, device=world.featurizer.device)


def gradient_reader(world: AtlasWorld) -> GradientReader | None:
    """A reader of word gradients; None for a model without them."""
    try:
        return GradientReader(world.classifier)
    except ModelError:
        return None
