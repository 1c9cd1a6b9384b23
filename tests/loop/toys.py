"""Records and a model small enough for hand counts."""

from __future__ import annotations

import torch

from tests.labeling.examples import make_record
from vos.harmful import Classes
from vos.labeling import BoundaryRecord
from vos.types import FeatureBatch

NAMES = ("harmless", "harmful")
CLASSES = Classes(NAMES, (1,))


def record(text: str, chosen: str = "target", margin: float = 0.1) -> BoundaryRecord:
    return make_record(text, chosen=chosen, margin=margin)


class Model:
    """Logits by the length of the text."""

    model_hash = "m"

    def featurize(self, texts):
        rows = torch.tensor([[0.0, float(len(text))] for text in texts])
        return FeatureBatch(rows, rows)
