"""Known classes of the texts of an atlas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vos.atlas.texts import AtlasTexts
from vos.interpret.text_sets import UNKNOWN


def known_labels(texts: AtlasTexts) -> NDArray[np.int64]:
    """The class of each text: (n,), people's answer if there is one, otherwise the label of the data, or -1."""
    pairs = zip(texts.answer, texts.label, strict=True)
    return np.array(
        [
            UNKNOWN if answer is None and label is None else label if answer is None else answer
            for answer, label in pairs
        ],
        dtype=np.int64,
    )
