"""One instance of every sampler, for tests that apply to all of them."""

from __future__ import annotations

import vos.outliers
from tests.contracts import toy_features
from vos.outliers import (
    BoundarySampler,
    EnergySampler,
    LogitSampler,
    MixSampler,
    NeighborSampler,
    NoiseSampler,
    TailSampler,
)
from vos.types import OutlierSampler


def every_sampler(n_classes: int, d: int) -> dict[str, OutlierSampler]:
    """By name, with options that `toy_density` and `toy_head` of these sizes allow."""
    features, labels = toy_features(40, n_classes, d)
    return {
        "tail": TailSampler(distance=0.999),
        "tail epsilon": TailSampler(epsilon=0.01),
        "boundary": BoundarySampler(band=0.5, distance=0.9999),
        "boundary natural": BoundarySampler(band=0.5, distance=None),
        "boundary nearest": BoundarySampler(nearest=True, max_rounds=10_000, band=0.0, distance=None),
        "boundary runner-up": BoundarySampler(runner_up=True, max_rounds=10_000, band=0.0, distance=None),
        "boundary nearest rival": BoundarySampler(rival="nearest", band=0.5, distance=None),
        "logits": LogitSampler(logits=[0.1 * c for c in range(n_classes)], relative=False),
        "logits relative": LogitSampler(logits=[0.1 * c for c in range(n_classes)], relative=True, distance=1 - 1e-8),
        "energy above": EnergySampler(energy=1.0),
        "energy below": EnergySampler(energy=-8.0),
        "neighbors": NeighborSampler(memory=lambda: (features, labels), k=3, candidates=5),
        "neighbors of few": NeighborSampler(memory=lambda: (features, labels), k=3, candidates=5, texts=20),
        "mixes": MixSampler(memory=lambda: (features, labels)),
        "mixes drawn": MixSampler(),
        "noise": NoiseSampler(),
    }


NAMES = tuple(every_sampler(3, 6))
assert {type(sampler).__name__ for sampler in every_sampler(3, 6).values()} == {
    name for name in vos.outliers.__all__ if name.endswith("Sampler")
}
