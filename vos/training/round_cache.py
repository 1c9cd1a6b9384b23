"""Finished round 0 classifiers, shared between runs that differ only in what comes after.

A sweep over the distance of the outliers trains round 0 once a seed: its weights depend on data, model, optimizer and
seed, not on the outliers.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path

import torch

import vos
from vos.errors import RunError
from vos.models.base import TextClassifier
from vos.storage.bounded import in_use, make_room
from vos.training.checkpoint import load_state, save_state

logger = logging.getLogger(__name__)


class RoundCache:
    """One file a key under `directory`.

    Args:
        directory: made when something is stored.
        key: everything that decides the weights at the end of round 0, as plain JSON values.
        gib: largest size of the folder above `directory`, which holds every kind of cache, in GiB; files used longest
            ago are removed above it.
    """

    def __init__(self, directory: str | Path, key: Mapping[str, object], gib: float = math.inf) -> None:
        self.gib = gib
        everything = {"vos": vos.__version__, "torch": torch.__version__, **key}
        digest = hashlib.sha256(json.dumps(everything, sort_keys=True, allow_nan=False).encode()).hexdigest()[:24]
        self.path = Path(directory) / f"{digest}.safetensors"

    def restore(self, classifier: TextClassifier) -> bool:
        """Load the stored weights into `classifier`; False when there are none, or they are damaged and removed."""
        with in_use(self.path):
            if not self.path.exists():
                return False
            try:
                load_state(classifier, self.path)
            except RunError as error:
                logger.warning("%s; it is removed, and round 0 is trained", error)
                self.path.unlink(missing_ok=True)
                return False
            return True

    def store(self, classifier: TextClassifier) -> None:
        """Keep the weights of `classifier`, within the limit of the whole cache."""
        save_state(classifier, self.path)
        make_room(self.path.parents[1], self.gib)
