"""Where labels exist and where they are missing: the atlas's text clusters against bands of the margin."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from vos.atlas.known import known_labels
from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld
from vos.interpret.coverage_table import coverage_table, named_clusters


def produce(world: AtlasWorld, settings: AtlasSettings) -> dict[str, Any]:  # noqa: ARG001 - a producer's signature
    """Counts of texts, labels and mistakes by cluster and band; the cells add up to the totals."""
    texts = world.texts
    clusters = named_clusters(texts.cluster, texts.text)
    asked = texts.batch | np.array([answer is not None for answer in texts.answer], dtype=bool)
    table = coverage_table(clusters, texts.margin, world.band, known_labels(texts), texts.prediction, asked)
    return {
        "settings": {"band": world.band},
        "clusters": [
            {"id": c, "name": name, "words": words}
            for c, (name, words) in enumerate(zip(clusters.names, clusters.words, strict=True))
        ],
        "bands": table.bands,
        "cells": [asdict(cell) for cell in table.cells],
        "totals": table.totals,
    }
