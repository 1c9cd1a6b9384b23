"""A cache of finished round 0 classifiers, shared between runs that differ only in later rounds.

A sweep over the distance of the outliers trains round 0 only once per seed: its weights depend on data, model,
optimizer and seed, not on the outliers.
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
    """One file per key under `directory`.

    Args:
        directory: created when something is stored.
        key: everything that decides the weights at the end of round 0, as plain JSON values.
        gib: largest size of the parent folder of `directory`, which contains all caches, in GiB; above it, the least
            recently used files are removed.
    """

    def __init__(self, directory: str | Path, key: Mapping[str, object], gib: float = math.inf) -> None:
        self.gib = gib
        everything = {"vos": vos.__version__, "torch": torch.__version__, **key}
        digest = hashlib.sha256(json.dumps(everything, sort_keys=True, allow_nan=False).encode()).hexdigest()[:24]
        self.path = Path(directory) / f"{digest}.safetensors"

    def restore(self, classifier: TextClassifier) -> bool:
        """Load the stored weights into `classifier`; False if there are none, or they are damaged and removed."""
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
        """Store the weights of `classifier`, within the size limit of the whole cache."""
        save_state(classifier, self.path)
        make_room(self.path.parents[1], self.gib)
