"""The cache that runs share: where it lies, said once, and how large it may be."""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from vos.console import short
from vos.storage.bounded import GIB, entries, make_room

logger = logging.getLogger(__name__)


def open_cache(config: DictConfig) -> None:
    """Say where the cache lies, and remove what was used longest ago where it is larger than `paths.cache_gib`."""
    folder, limit = Path(config.paths.cache), float(config.paths.cache_gib)
    make_room(folder, limit)
    held = sum(entry.size for entry in entries(folder)) / GIB
    logger.info("cache: %s, %.1f of %g GiB (paths.cache; safe to delete)", short(folder), held, limit)
