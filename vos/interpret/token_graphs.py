"""Token graphs: patterns of words for which a unit, a direction or the margin is active (Neuron2Graph).

After Foote et al. 2023 (arXiv 2304.12918, 2305.19911), with these differences. An encoder uses context on both sides,
so texts are pruned on both sides and the trie has two sides. Activity is that of the whole text, not of its key token.
A gap has any length up to a limit. The reliability of patterns is estimated on training texts from which they were not
made. The test uses all held-out texts and three simpler predictors; the published test uses the most active texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vos.errors import ShapeError
from vos.interpret.activations import Activations, Row
from vos.interpret.pruning import Pruned, prune, run_together
from vos.interpret.substitutes import Proposer, substitutes
from vos.interpret.token_graph_score import Baselines, Score, score
from vos.interpret.trie import Match, TokenIndex, Trie, pattern_of
from vos.interpret.words import split_words

Values = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Target:
    """The target of a graph.

    Attributes:
        kind: "margin", "unit" or "direction".
        layer: layer of a unit.
        unit: its index in the layer.
        direction: index of a direction.
        side: "harmful" or "harmless" for the margin; "+" or "-" for a direction.
    """

    kind: Literal["margin", "unit", "direction"]
    layer: int | None = None
    unit: int | None = None
    direction: int | None = None
    side: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The target in the form of an artefact."""
        return asdict(self)


MARGIN_SIDES = (Target("margin", side="harmful"), Target("margin", side="harmless"))
"""The targets of `vos.interpret.activations.both_sides`."""


def direction_ends(k: int) -> tuple[Target, ...]:
    """The targets of `vos.interpret.activations.both_ends` with k directions."""
    return tuple(Target("direction", direction=i, side=side) for side in "+-" for i in range(k))


@dataclass(frozen=True)
class TokenGraphSettings:
    """Limits of a graph.

    Attributes:
        n_sources: number of active training texts from which a graph is made.
        n_top: how many of these are the most active ones.
        n_near: how many are near the boundary; the rest is sampled from all active texts.
        max_gap: largest number of tokens in a gap of a pattern.
        exact: number of tokens from which pruning compares all choices, see `vos.interpret.pruning.prune`.
        n_peaks: number of the most active training texts; half of their mean value is the threshold for "active".
    """

    n_sources: int = 24
    n_top: int = 10
    n_near: int = 10
    max_gap: int = 12
    exact: int = 5
    n_peaks: int = 10


@dataclass(frozen=True)
class GraphTexts:
    """The tokenised texts for graphs.

    Attributes:
        rows: token ids of n texts, without special tokens.
        words: words of the texts, for the bag of words.
        held_out: (n,) bool, texts on which graphs are tested; graphs are made from the others.
        near: (n,) bool, texts near the boundary.
        spans: character spans of the tokens, see `read_texts`; empty if not available.

    Raises:
        ShapeError: the lengths differ.
    """

    rows: tuple[Row, ...]
    words: tuple[tuple[str, ...], ...]
    held_out: Bools
    near: Bools
    spans: tuple[tuple[tuple[int, int], ...], ...] = ()

    def __post_init__(self) -> None:
        counts = len(self.rows), len(self.words), *self.held_out.shape, *self.near.shape
        if set(counts) != {len(self.rows)}:
            raise ShapeError(f"expected as many words, held_out (n,) and near (n,) as rows, got {counts}")

    @cached_property
    def train(self) -> NDArray[np.int64]:
        """Indices of the texts from which graphs are made."""
        return np.flatnonzero(~self.held_out)

    @cached_property
    def test(self) -> NDArray[np.int64]:
        """Indices of the held-out texts."""
        return np.flatnonzero(self.held_out)

    @cached_property
    def index(self) -> TokenIndex:
        """Positions of each token."""
        return TokenIndex(self.rows)

    @cached_property
    def baselines(self) -> Baselines:
        """The baseline predictors on these texts."""
        rows, words = ([each[i] for i in self.train] for each in (self.rows, self.words))
        tested, its_words = ([each[i] for i in self.test] for each in (self.rows, self.words))
        return Baselines(rows, tested, words, its_words)


def read_texts(tokenizer: Any, texts: Sequence[str], max_length: int, held_out: Bools, near: Bools) -> GraphTexts:
    """Tokenise texts for graphs, with the same truncation as the classifier.

    Args:
        tokenizer: tokenizer of the classifier.
        texts: n texts.
        max_length: largest number of tokens per text, including special ones.
        held_out: (n,), see `GraphTexts`.
        near: (n,), see `GraphTexts`.
    """
    found = [_tokens(tokenizer, text, max_length) for text in texts]
    rows = tuple(tuple(token for token, _ in each) for each in found)
    spans = tuple(tuple(span for _, span in each) for each in found)
    words = tuple(tuple(word.text for word in split_words(text)) for text in texts)
    return GraphTexts(rows, words, held_out, near, spans)


def token_rows(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[Row]:
    """Token ids of texts without special tokens, as in `read_texts`."""
    return [tuple(token for token, _ in _tokens(tokenizer, text, max_length)) for text in texts]


def _tokens(tokenizer: Any, text: str, max_length: int) -> list[tuple[int, tuple[int, int]]]:
    """Tokens with their character spans; an unknown word counts as a word."""
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    found = tokenizer(text, truncation=True, max_length=max_length, return_offsets_mapping=True)
    pairs = zip(found["input_ids"], found["offset_mapping"], strict=True)
    return [(int(token), (int(a), int(b))) for token, (a, b) in pairs if token not in special]


@dataclass(frozen=True)
class TokenGraph:
    """The patterns of a target and how well they predict it.

    Attributes:
        target: see `Target`.
        trie: the patterns.
        threshold: value from which a text is active.
        score: score on the held-out texts.
        sources: indices of the texts from which it was made.
    """

    target: Target
    trie: Trie
    threshold: float
    score: Score
    sources: tuple[int, ...]

    def matches(self, texts: GraphTexts, most: int) -> list[tuple[int, Match]]:
        """Texts with a match, one match per text, most reliable first."""
        best: dict[int, Match] = {}
        for row, match in self.trie.matches(texts.index):
            if row not in best or self._rank(match) > self._rank(best[row]):
                best[row] = match
        return sorted(best.items(), key=lambda item: self._rank(item[1]), reverse=True)[:most]

    def _rank(self, match: Match) -> tuple[float, float]:
        return self.trie.nodes[match.node].reliability or 0.0, match.activation


def token_graphs(
    activations: Activations,
    targets: Sequence[Target],
    texts: GraphTexts,
    propose: Proposer | None,
    rng: np.random.Generator,
    settings: TokenGraphSettings | None = None,
    values: Values | None = None,
) -> list[TokenGraph]:
    """Graphs of the targets of one reader; their requests to the model are batched.

    Args:
        activations: k targets, see `vos.interpret.activations`.
        targets: the k targets.
        texts: see `GraphTexts`.
        propose: substitutes, see `vos.interpret.substitutes`; None: none.
        rng: chooses the source texts that are neither the most active nor near the boundary.
        settings: see `TokenGraphSettings`.
        values: (n, k) values of the texts, if known; None: they are computed.

    Example:
        reader = unit_activations(classifier, layer=1, units=[1184, 7])
        targets = [Target("unit", layer=1, unit=unit) for unit in (1184, 7)]
        graphs = token_graphs(reader, targets, texts, propose, np.random.default_rng(0))
    """
    settings = settings or TokenGraphSettings()
    values = activations(texts.rows) if values is None else values
    thresholds = [_threshold(values[texts.train, k], target, settings) for k, target in enumerate(targets)]
    active = values >= np.array(thresholds, dtype=values.dtype)
    sources = [(k, i) for k in range(len(targets)) for i in _sources(values[:, k], active[:, k], texts, rng, settings)]
    sides = [target.kind == "margin" for target in targets]
    found = run_together([(k, prune(texts.rows[i], sides[k], settings.exact)) for k, i in sources], activations)
    alternatives = _alternatives(sources, found, propose, activations)
    patterns: list[list[Any]] = [[] for _ in targets]
    for (k, _), pruned in zip(sources, found, strict=True):
        if pruned is not None:
            patterns[k].append(pattern_of(pruned, alternatives.get((k, _shape(pruned))), settings.max_gap))
    graphs = []
    for k, target in enumerate(targets):
        trie, own = Trie.of(each for each in patterns[k] if each is not None), [i for j, i in sources if j == k]
        graphs.append(TokenGraph(target, trie, thresholds[k], _scored(trie, own, active[:, k], texts), tuple(own)))
    return graphs


def _threshold(train: Values, target: Target, settings: TokenGraphSettings) -> float:
    """Threshold for "active": 0 for a side of the margin, otherwise half of the mean of the highest values."""
    smallest = float(np.nextafter(np.float32(0), np.float32(1)))
    if target.kind == "margin" or not len(train):
        return smallest
    return max(float(np.sort(train)[-settings.n_peaks :].mean()) / 2, smallest)


def _sources(
    values: Values, active: Bools, texts: GraphTexts, rng: np.random.Generator, settings: TokenGraphSettings
) -> list[int]:
    """Active training texts: the most active, some near the boundary, and a sample of the rest."""
    candidates = texts.train[active[texts.train]]
    ranked = candidates[np.argsort(-values[candidates], kind="stable")]
    chosen = ranked[: settings.n_top].tolist()
    rest = rng.permutation(ranked[settings.n_top :])
    chosen += rest[texts.near[rest]][: settings.n_near].tolist()
    others = rest[~np.isin(rest, chosen)]
    return [int(i) for i in (*chosen, *others[: max(0, settings.n_sources - len(chosen))])]


def _shape(pruned: Pruned) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """The kept tokens and which of them had others between: texts with the same shape have the same substitutes."""
    kept = pruned.kept
    return tuple(pruned.row[i] for i in kept), tuple(b - a > 1 for a, b in pairwise(kept))


def _alternatives(
    sources: Sequence[tuple[int, int]],
    found: Sequence[Pruned | None],
    propose: Proposer | None,
    activations: Activations,
) -> dict[Any, list[list[tuple[int, float]]]]:
    """Substitutes by target and shape."""
    if propose is None:
        return {}
    first: dict[Any, Pruned] = {}
    for (k, _), pruned in zip(sources, found, strict=True):
        if pruned is not None and pruned.kept:
            first.setdefault((k, _shape(pruned)), pruned)
    work = [(key[0], substitutes(pruned, propose)) for key, pruned in first.items()]
    return dict(zip(first, run_together(work, activations), strict=True))


def _scored(trie: Trie, sources: Sequence[int], active: Bools, texts: GraphTexts) -> Score:
    unseen = ~texts.held_out
    unseen[list(sources)] = False
    trie.settle(TokenIndex([texts.rows[i] for i in np.flatnonzero(unseen)]), active[unseen])
    sure = trie.reliability(texts.index)
    train, test = texts.train, texts.test
    return score(texts.baselines, (sure[train], sure[test]), unseen[train], active[train], active[test])
