"""What people said of the texts of an atlas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vos.atlas.texts import AtlasTexts
from vos.interpret.text_sets import UNKNOWN


def known_labels(texts: AtlasTexts) -> NDArray[np.int64]:
    """The class of each text: (n,), what people answered before what the data says, -1 where neither is there."""
    pairs = zip(texts.answer, texts.label, strict=True)
    return np.array(
        [
            UNKNOWN if answer is None and label is None else label if answer is None else answer
            for answer, label in pairs
        ],
        dtype=np.int64,
    )
