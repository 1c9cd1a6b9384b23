"""The compared strategies, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.selection import peers
from benchmarks.selection.state import Array, State
from vos.density import ClassConditionalGaussian
from vos.metrics.margins import margin
from vos.mining.candidates import Facts
from vos.mining.coverage import BoundaryCoverage, CoverageSettings, KnownTexts
from vos.mining.error_inputs import ErrorInputs, LabelledNeighbours, wrong_side
from vos.mining.expected_error import ExpectedError
from vos.mining.pool_sample import PoolSample
from vos.types import Example, FeatureBatch, LinearHead

Arm = Callable[[State], Array]

CHUNK = 65_536
"""Texts that are offered at a time, as a pool streams by."""


def coverage(state: State, band: float | None = None, calibration: str = "margin", **changes: float) -> Array:
    """What `acquisition=coverage` chooses; with `band`, of that share of the nearest texts alone, all counting equally.

    Nothing is left out as a repeat, and there is no random share: the others have neither.

    Args:
        state: see `State`.
        band: see above.
        calibration: of the expected errors on the validation texts: "margin", of the margin alone, as the product does;
            "all", with distance and neighbours; "none".
        **changes: of `CoverageSettings`.
    """
    settings = CoverageSettings(**({"nearest": 0.0} | changes))  # type: ignore[arg-type]
    pool = state.pool
    if band is not None:
        pool = pool[np.argsort(state.margins(pool), kind="stable")[: round(band * len(pool))]]
    head = LinearHead(torch.from_numpy(state.weight), torch.from_numpy(state.bias))
    n_classes, d = head.weight.shape
    sample = PoolSample(settings.sizes(state.n), state.seed, d, n_classes)
    errors = _errors(state, head, calibration if band is None else "equal")
    for start in range(0, len(pool), CHUNK):
        sample.offer(_facts(state, head, pool[start : start + CHUNK], errors))
    known = torch.from_numpy(state.features[state.labelled])
    texts = KnownTexts(known, margin(head.logits(known), state.harmful))
    covered = BoundaryCoverage.of(sample, texts, head, state.harmful, settings)
    chosen: list[int] = []
    while len(chosen) < state.n and (best := covered.location.best()) is not None:
        covered.location.take(best[0])
        chosen.append(int(covered.supply.examples[best[0]].text))
    return np.array(chosen)


Errors = Callable[[FeatureBatch], torch.Tensor]


def _errors(state: State, head: LinearHead, calibration: str) -> Errors:
    """Gives expected errors (n,) of texts."""
    if calibration == "equal":
        return lambda batch: torch.ones(len(batch), dtype=torch.float64)
    features, labels = (torch.from_numpy(each) for each in state.held_out)
    if calibration == "none" or not len(labels):
        return lambda batch: torch.sigmoid(-margin(batch.logits, state.harmful).abs().double())
    known, own = torch.from_numpy(state.features[state.labelled]), torch.from_numpy(state.labels)
    density = ClassConditionalGaussian(len(state.bias), known.shape[1]).fit(known, own)
    density.calibrate(features, labels)
    neighbours = LabelledNeighbours.of(known, own, state.harmful, len(state.bias))

    def inputs(batch: FeatureBatch) -> ErrorInputs:
        found = ErrorInputs.of(batch, density, state.harmful, neighbours)
        nothing = np.zeros(len(batch))
        return found if calibration == "all" else ErrorInputs(found.margins, nothing, nothing)

    logits = head.logits(features)
    of_val, wrong = inputs(FeatureBatch(features, logits)), wrong_side(logits, labels, state.harmful)
    error = ExpectedError.fit(of_val.margins, of_val.beyond, of_val.disagreement, wrong)
    return lambda batch: torch.from_numpy(error.of(inputs(batch)))


def _facts(state: State, head: LinearHead, rows: Array, errors: Errors) -> Facts:
    features = torch.from_numpy(state.features[rows])
    batch = FeatureBatch(features, head.logits(features))
    examples = [Example(state.ids[row], str(row)) for row in rows]  # the row stands in for the text
    nothing = torch.zeros(len(rows), batch.logits.shape[1], dtype=torch.float64)
    return Facts(examples, batch, margin(batch.logits, state.harmful), nothing, errors(batch))


PEERS: dict[str, Arm] = {
    "random": peers.random_choice,
    "margin": peers.margin,
    "entropy": peers.entropy,
    "badge": peers.badge,
    "cal": peers.cal,
    "coreset": peers.coreset,
    "probcover": peers.probcover,
    "typiclust": peers.typiclust,
    "margin_kmeans": peers.margin_kmeans,
    "cleanlab": peers.cleanlab_score,
}
VARIANTS: dict[str, Arm] = {
    "hard_band": partial(coverage, band=0.4),
    "full_evidence": partial(coverage, calibration="all"),
    "uncalibrated": partial(coverage, calibration="none"),
    "power_1": partial(coverage, power=1.0),
    "power_2": partial(coverage, power=2.0),
    "power_8": partial(coverage, power=8.0),
    "small": partial(coverage, supply=1500, demand=1000),
    "directions_24": partial(coverage, n_directions=24),
    "directions_48": partial(coverage, n_directions=48),
}
ARMS: dict[str, Arm] = {"coverage": coverage, **PEERS, **VARIANTS}
"""`coverage` is the default of `synthesize.py`."""

ENTROPY_FROM = 3
"""With two classes entropy orders texts as the margin does."""
