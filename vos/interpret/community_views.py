"""Communities of some units, complete: graph, partition, stability, null distribution, tokens, layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score

from vos.interpret.communities import (
    BOOTSTRAPS,
    SEEDS,
    Algorithm,
    Communities,
    Partition,
    bootstrap_agreement,
    communities,
)
from vos.interpret.layouts import force_layout
from vos.interpret.projection import NEIGHBOURS, project
from vos.interpret.spectral import SHUFFLES, SpectralClusters, spectral_clusters
from vos.interpret.token_groups import TokenShare, merge_alike, token_groups
from vos.interpret.unit_token_graph import Occurrences, UnitTokenCounts, UnitTokenSettings
from vos.interpret.units import Unit

STABLE = 0.7
"""Smallest adjusted Rand index under bootstrap draws of the texts for communities to count as stable."""

NAMED_TOKENS = 3
"""Smallest number of tokens for a community to count as described by tokens."""

NAMED_SHARE = 0.5
"""Share of communities that must be described by tokens; with random weights none is."""


@dataclass(frozen=True)
class CommunitySettings:
    """How communities are found.

    Measured: adjusted Rand index of a partition with those of bootstrap draws of 600 to 1,600 texts, for eight pairs of
    a trained encoder and texts (the ladder corpus, ToxiGen, Davidson): `activation` at resolution .7 .59 to .90, at
    least .7 in eight of ten; at 1 .46 to .87, in five; `log_activation` at 1 .61 to .85, in eight; `magnitude` below
    both. With random weights .06 to .12 at resolution 1; at .7 one community, so 0, or two and .31. Token groups are
    always taken from `magnitude`: in standardised activations random weights have 7 to 21 a community too, in
    magnitudes next to none.

    Attributes:
        graph: kind of weights between units and tokens.
        algorithm: see `communities`.
        resolution: resolution of the algorithm.
        neighbours: see `strongest_neighbours`.
        seeds: number of orders of the units for the partition that is shown.
        seeds_each: number of orders for each draw of the texts.
        bootstraps: number of bootstrap draws of the texts.
        shuffles: number of graphs for the null distribution of spectral clusters; 0: no spectral clusters.
    """

    graph: UnitTokenSettings = field(default_factory=UnitTokenSettings)
    algorithm: Algorithm = "louvain"
    resolution: float = 0.7
    neighbours: int = NEIGHBOURS
    seeds: int = SEEDS
    seeds_each: int = 6
    bootstraps: int = BOOTSTRAPS
    shuffles: int = SHUFFLES


@dataclass(frozen=True)
class CommunityView:
    """Communities of some units.

    Attributes:
        name: name of the view.
        units: (u) layer and index of each unit.
        graph: (u, u) the projection.
        tokens: (T,) int64 ids of the tokens in the graph.
        found: see `Communities`.
        agreements: (bootstraps,) adjusted Rand index under bootstrap draws of the texts; empty without draws.
        spectral: see `SpectralClusters`; None if it was left out.
        groups: the tokens of each community, as indices into `tokens`.
        merged: sets of communities with similar tokens.
        ami_layer: adjusted mutual information of communities and layers; 0 with one layer.
        layout: (u, 2) positions in the plane.
    """

    name: str
    units: tuple[Unit, ...]
    graph: scipy.sparse.csr_matrix
    tokens: NDArray[np.int64]
    found: Communities
    agreements: NDArray[np.float64]
    spectral: SpectralClusters | None
    groups: list[list[TokenShare]]
    merged: list[list[int]]
    ami_layer: float
    layout: NDArray[np.float64]

    @property
    def stability(self) -> float:
        """Mean of `agreements`; 0 with fewer than two communities, as there is nothing that could be stable."""
        return float(self.agreements.mean()) if len(self.agreements) and self.found.n > 1 else 0.0

    @property
    def named_share(self) -> float:
        """Share of communities with `NAMED_TOKENS` tokens or more: 0 on an encoder of random weights."""
        return sum(len(group) >= NAMED_TOKENS for group in self.groups) / max(len(self.groups), 1)

    @property
    def n_tokens(self) -> int:
        """Total number of tokens of all groups."""
        return sum(len(group) for group in self.groups)

    @property
    def passed(self) -> bool:
        """Whether the communities are stable and described by tokens."""
        return self.stability >= STABLE and self.named_share >= NAMED_SHARE

    def strongest_edges(self, n: int) -> list[tuple[int, int, float]]:
        """The n strongest edges as (a, b, weight) with a < b, strongest first."""
        upper = scipy.sparse.triu(self.graph, k=1).tocoo()
        order = np.lexsort((upper.col, upper.row, -upper.data))[:n]
        return [(int(upper.row[i]), int(upper.col[i]), float(upper.data[i])) for i in order]


def community_view(
    name: str,
    occurrences: Occurrences,
    units: tuple[Unit, ...],
    settings: CommunitySettings,
    generator: np.random.Generator,
) -> CommunityView:
    """Compute everything about the communities of some units.

    Args:
        name: name of the view.
        occurrences: values of exactly these units.
        units: u units, in the order of the columns.
        settings: see `CommunitySettings`.
        generator: random generator of seeds, draws, shuffles and permutations.

    Returns:
        A view without communities if there are no units, or no token affects them.

    Raises:
        ConfigError: see `communities`, `spectral_clusters` and `token_groups`.
    """
    counts = UnitTokenCounts(occurrences, settings.graph)
    drawn = counts.graph()
    graph = project(drawn.weights, settings.neighbours)
    found = _communities(graph, settings, settings.seeds, generator)
    partition = _partition_of(counts, settings, generator)
    agreements: NDArray[np.float64] = np.empty(0)
    if found.n > 1 and settings.bootstraps:
        n_texts = occurrences.n_texts
        agreements = bootstrap_agreement(partition, found.labels, n_texts, generator, settings.bootstraps)
    spectral = None
    if settings.shuffles:
        spectral = spectral_clusters(
            drawn.weights, generator, neighbours=settings.neighbours, shuffles=settings.shuffles
        )
    tokens = UnitTokenSettings("magnitude", settings.graph.least, settings.graph.most)
    groups = token_groups(UnitTokenCounts(occurrences, tokens).graph().weights, found.labels, generator)
    layers = [layer for layer, _ in units]
    return CommunityView(
        name,
        units,
        graph,
        drawn.tokens,
        found,
        agreements,
        spectral,
        groups,
        merge_alike(groups),
        float(adjusted_mutual_info_score(layers, found.labels)) if len(set(layers)) > 1 else 0.0,
        force_layout(graph, seed=int(generator.integers(2**31))),
    )


def _communities(
    graph: scipy.sparse.csr_matrix, settings: CommunitySettings, seeds: int, generator: np.random.Generator
) -> Communities:
    drawn = generator.integers(2**31, size=seeds).tolist()
    return communities(graph, drawn, settings.algorithm, settings.resolution)


def _partition_of(
    counts: UnitTokenCounts, settings: CommunitySettings, generator: np.random.Generator
) -> Callable[[NDArray[np.float64]], Partition]:
    def partition(times: NDArray[np.float64]) -> Partition:
        graph = project(counts.graph(times).weights, settings.neighbours)
        return _communities(graph, settings, settings.seeds_each, generator).labels

    return partition
