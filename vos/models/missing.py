"""Warns of weights that a model's files lack: they are initialised at random, which is right only for a new head."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

logger = logging.getLogger(__name__)


def warn_of_missing(name: str, loading: Mapping[str, Any], new: Sequence[str] = ()) -> list[str]:
    """Warn if weights of the encoder are missing.

    Args:
        name: name of the model.
        loading: the loading info of `from_pretrained(..., output_loading_info=True)`.
        new: prefixes of the names of weights that may be missing, such as those of the head.

    Returns: names of the missing weights, without a pooler, which checkpoints of plain encoders lack.
    """
    found = sorted(key for key in loading["missing_keys"] if "pooler." not in key and not key.startswith(tuple(new)))
    if found:
        logger.warning(
            "model.name=%s: %d weights of the encoder are not in its files and start at random, the first: %s; "
            "was another model saved there?", name, len(found), found[0],
        )  # fmt: skip
    return found
