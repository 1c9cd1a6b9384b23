"""Numbers of the encoder with random weights and of the classifier, on the same texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:  # noqa: ARG001 - a producer's signature
    """The number of texts of the control, and the accuracy of both models on those with a label."""
    control = world.control()
    place = {uid: row for row, uid in enumerate(world.texts.uid)}
    rows = np.flatnonzero(control.texts.labelled)
    labels = control.texts.labels_of(rows)
    ours = np.array([world.texts.prediction[place[control.texts.uid[row]]] for row in rows], dtype=np.int64)
    return {
        "n_texts": len(control.texts),
        "n_labelled": len(rows),
        "n_train": len(control.train.examples),
        "accuracy": float((control.texts.prediction[rows] == labels).mean()) if len(rows) else None,
        "model_accuracy": float((ours == labels).mean()) if len(rows) else None,
        "band": control.band,
        "checks": [],
    }
