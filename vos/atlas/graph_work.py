"""The targets of an atlas's token graphs and their stored form: margin, directions, and units layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.atlas.world import AtlasWorld
from vos.errors import ModelError
from vos.interpret.activations import both_ends, both_sides, feature_activations, unit_activations
from vos.interpret.graph_views import drawn
from vos.interpret.importance import screen_units
from vos.interpret.layers import find_layers
from vos.interpret.substitutes import NearestTokens, whole_words
from vos.interpret.token_graphs import (
    MARGIN_SIDES,
    GraphTexts,
    Target,
    TokenGraph,
    TokenGraphSettings,
    direction_ends,
    read_texts,
    token_graphs,
)
from vos.interpret.units import Unit, UnitReader
from vos.models import EncoderClassifier, TextClassifier
from vos.models.encoder import BUNDLED

MOST_PATTERNS = 30
"""Largest number of patterns drawn per graph, as a page contains a hundred graphs."""

MOST_EXAMPLES = 12
"""Largest number of texts that a graph refers to."""

SCREENED = 192
"""Number of texts near the boundary used to rank units if no earlier producer has ranked them."""


@dataclass
class GraphWork:
    """Makes the graphs of one atlas; shared inputs are computed once.

    Attributes:
        world: see `AtlasWorld`.
        settings: see `TokenGraphSettings`.
    """

    world: AtlasWorld
    settings: TokenGraphSettings

    @cached_property
    def texts(self) -> GraphTexts:
        """The texts of the atlas, a random half of them held out."""
        world, n = self.world, len(self.world.texts)
        held_out = world.rng("token graphs split").permutation(n) < n // 2
        classifier = world.classifier
        return read_texts(classifier.tokenizer, world.texts.text, classifier.max_length, held_out, world.texts.near)

    @cached_property
    def propose(self) -> NearestTokens | None:
        """Proposes substitutes by input embeddings; None for a model without an embedding table."""
        classifier = self.world.classifier
        try:
            return NearestTokens(untuned_table(classifier), whole_words(classifier.tokenizer))
        except ModelError:
            return None

    def margin(self) -> list[TokenGraph]:
        """Graphs of both sides of the margin; none if no class is harmful, as there are then no sides."""
        classifier = self.world.classifier
        if not self.world.harmful:
            return []
        reader = feature_activations(classifier, both_sides(classifier))
        return token_graphs(reader, MARGIN_SIDES, self.texts, self.propose, self._rng("margin"), self.settings)

    def directions(self) -> list[TokenGraph]:
        """Graphs of both ends of each direction found by the directions producer; none if it did not run."""
        found = self.direction_rows()
        if found is None:
            return []
        reader, targets = feature_activations(self.world.classifier, both_ends(*found)), direction_ends(len(found[0]))
        return token_graphs(reader, targets, self.texts, self.propose, self._rng("directions"), self.settings)

    def direction_rows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Directions (k, d) that give the codes, and the centre (d,); None if their producer did not run."""
        arrays, d = self.world.read_arrays("directions"), self.world.features.shape[1]
        rows, centre = arrays.get("readers"), arrays.get("centre", self.world.features.mean(0))
        if rows is None or rows.ndim != 2 or rows.shape[1] != d or not len(rows):
            return None
        return rows.astype(np.float64), centre.astype(np.float64)

    def units(self, layer: int, places: Sequence[int]) -> list[TokenGraph]:
        """Graphs of some units of one layer."""
        reader = unit_activations(self.world.classifier, layer, places)
        targets = [Target("unit", layer=layer, unit=int(place)) for place in places]
        return token_graphs(reader, targets, self.texts, self.propose, self._rng(f"layer {layer}"), self.settings)

    def ranked_units(self) -> list[Unit]:
        """Units of the first half of the layers, those most important for the margin first.

        Later layers are left out: their units do not respond to specific words of a text (measured: F1 below .2).
        """
        score = self._scores()
        early = score[: len(score) // 2 + 1]
        order = np.argsort(-early, axis=None, kind="stable")
        return [(int(i // early.shape[1]), int(i % early.shape[1])) for i in order]

    def _scores(self) -> Any:
        known = self.world.read("importance")
        if known is not None and known.get("score"):
            return np.array(known["score"], dtype=np.float64)
        texts = [text for text, near in zip(self.world.texts.text, self.world.texts.near, strict=True) if near]
        reader = UnitReader(self.world.classifier)
        return np.asarray(screen_units(reader, texts[:SCREENED] or self.world.texts.text[:SCREENED]).score())

    def written(self, graph: TokenGraph) -> dict[str, Any]:
        """A graph in the form of an artefact."""
        return {
            "target": graph.target.as_dict(),
            "f1": graph.score.f1,
            "winner": graph.score.winner,
            "active": graph.score.active,
            "threshold": graph.threshold,
            "patterns": sum(bool(node.activations) for node in graph.trie.nodes),
            "nodes": [node.as_dict() for node in drawn(graph.trie, self.world.tokens.name, MOST_PATTERNS)],
            "examples": [
                {"i": i, "start": self.texts.spans[i][match.start][0], "end": self.texts.spans[i][match.end - 1][1]}
                for i, match in graph.matches(self.texts, MOST_EXAMPLES)
            ],
            "words": [list(pair) for pair in graph.score.words],
        }

    def _rng(self, name: str) -> np.random.Generator:
        return self.world.rng(f"token graphs {name}")


def untuned_table(classifier: TextClassifier) -> Any:
    """Input embeddings (V, e) before any training for the task.

    Those of the bundled encoder if it has the same vocabulary as the classifier; otherwise the classifier's own current
    ones, which training changes little.

    Raises:
        ModelError: no table of input embeddings was found in the classifier's encoder.
    """
    own: Any = find_layers(classifier).embedding.weight
    try:
        bundled = EncoderClassifier(BUNDLED, ("one", "other"))
        if bundled.tokenizer.get_vocab() == classifier.tokenizer.get_vocab():
            own = bundled.encoder.get_input_embeddings().weight
    except ModelError:
        pass  # not installed
    return own.detach().float().cpu().numpy()
