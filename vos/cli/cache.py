"""The cache that runs share: prints its folder once, and limits its size."""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from vos.console import short
from vos.storage.bounded import GIB, entries, make_room

logger = logging.getLogger(__name__)


def open_cache(config: DictConfig) -> None:
    """Print the folder of the cache, and remove its least recently used files if it exceeds `paths.cache_gib`."""
    folder, limit = Path(config.paths.cache), float(config.paths.cache_gib)
    make_room(folder, limit)
    held = sum(entry.size for entry in entries(folder)) / GIB
    logger.info("cache: %s, %.1f of %g GiB (paths.cache; safe to delete)", short(folder), held, limit)
