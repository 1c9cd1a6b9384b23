"""A two-sided trie of token patterns, keyed at the most salient token, with gaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from vos.interpret.activations import Row
from vos.interpret.pruning import Pruned

KEY, LEFT, RIGHT = 0, -1, 1
"""Sides of a slot: the key token, before it, or after it."""


class Slot(NamedTuple):
    """One token of a pattern.

    Attributes:
        side: `KEY`, `LEFT` or `RIGHT` of the key.
        gap: largest number of tokens between it and the next slot towards the key.
        token: the original token.
        tokens: the permitted tokens with the share of the activation that is left; includes `token` with 1.
    """

    side: int
    gap: int
    token: int
    tokens: dict[int, float]


class Pattern(NamedTuple):
    """The key slot, then those on its left, nearest first, then those on its right, nearest first."""

    slots: tuple[Slot, ...]
    saliency: tuple[float, ...]
    activation: float


def pattern_of(
    pruned: Pruned, alternatives: Sequence[Sequence[tuple[int, float]]] | None = None, max_gap: int = 12
) -> Pattern | None:
    """The pattern of a pruned text; None if nothing is left.

    Args:
        pruned: see `Pruned`.
        alternatives: for each kept position, see `vos.interpret.substitutes.substitutes`; None: no substitutes.
        max_gap: largest number of tokens in a gap, unless the original gap was longer. Adjacent tokens must stay so.
    """
    kept, saliency = pruned.kept, pruned.saliency
    if not kept:
        return None
    others = alternatives or [()] * len(kept)
    key = max(range(len(kept)), key=lambda i: (saliency[i], -i)) if saliency else 0

    def slot(i: int, side: int) -> Slot:
        between = abs(kept[i] - kept[i - side]) - 1 if side else 0
        token = pruned.row[kept[i]]
        return Slot(side, max(max_gap, between) if between else 0, token, {token: 1.0, **dict(others[i])})

    order = [key, *range(key - 1, -1, -1), *range(key + 1, len(kept))]
    slots = [slot(i, int(np.sign(i - key))) for i in order]
    return Pattern(tuple(slots), tuple(saliency[i] for i in order), pruned.full)


@dataclass
class Node:
    """A slot in the trie.

    Attributes:
        parent: index of the previous slot; None for a key.
        depth: 0 for a key.
        side: see `Slot`.
        gap: see `Slot`.
        token: see `Slot`.
        tokens: see `Slot`.
        saliencies: saliencies of the patterns that pass through it.
        activations: activations of the patterns that end here.
        children: indices of the children.
        reliability: reliability of the patterns that end here, see `Trie.settle`; None before, or if none ends.
    """

    parent: int | None
    depth: int
    side: int
    gap: int
    token: int
    tokens: dict[int, float] = field(default_factory=dict)
    saliencies: list[float] = field(default_factory=list)
    activations: list[float] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    reliability: float | None = None

    @property
    def saliency(self) -> float:
        """Mean over the patterns that pass through it."""
        return float(np.mean(self.saliencies)) if self.saliencies else 0.0

    @property
    def activation(self) -> float | None:
        """Mean over the patterns that end here; None if none does."""
        return float(np.mean(self.activations)) if self.activations else None


class Match(NamedTuple):
    """The longest pattern that matches at a key token of a row.

    Attributes:
        activation: activation of the pattern, reduced for substitutes.
        node: node at which it ends.
        start: first position that it covers.
        end: one past the last.
    """

    activation: float
    node: int
    start: int
    end: int


class TokenIndex:
    """Positions of each token in many rows, so that a graph visits only its own key tokens."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._places: dict[int, list[tuple[int, int]]] = {}
        for i, row in enumerate(rows):
            for place, token in enumerate(row):
                self._places.setdefault(token, []).append((i, place))

    def __len__(self) -> int:
        return len(self.rows)

    def places(self, token: int) -> list[tuple[int, int]]:
        """Row and position of each occurrence."""
        return self._places.get(token, [])


class Trie:
    """Patterns of one target.

    Attributes:
        nodes: parents before children.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._keys: dict[int, list[int]] = {}

    @classmethod
    def of(cls, patterns: Iterable[Pattern]) -> Self:
        """The trie of some patterns; their order has no effect."""
        trie = cls()

        # Those with gaps first: a pattern without a gap is merged into the pattern that permits it.
        def order(pattern: Pattern) -> tuple[int, list[tuple[int, int, int]]]:
            return (-sum(slot.gap for slot in pattern.slots), [(s.side, s.gap, s.token) for s in pattern.slots])

        for pattern in sorted(patterns, key=order):
            trie._add(pattern)
        for i, node in enumerate(trie.nodes):
            if node.side == KEY:
                for token in node.tokens:
                    trie._keys.setdefault(token, []).append(i)
        return trie

    def _add(self, pattern: Pattern) -> None:
        parent: int | None = None
        for depth, (slot, saliency) in enumerate(zip(pattern.slots, pattern.saliency, strict=True)):
            here = self._child(parent, slot)
            if here is None:
                here = len(self.nodes)
                self.nodes.append(Node(parent, depth, slot.side, slot.gap, slot.token))
                if parent is not None:
                    self.nodes[parent].children.append(here)
            node = self.nodes[here]
            for token, share in slot.tokens.items():
                node.tokens[token] = max(share, node.tokens.get(token, 0.0))
            node.saliencies.append(saliency)
            parent = here
        if parent is not None:
            self.nodes[parent].activations.append(pattern.activation)

    def _child(self, parent: int | None, slot: Slot) -> int | None:
        if parent is None:
            siblings: Iterable[int] = (i for i, node in enumerate(self.nodes) if node.side == KEY)
        else:
            siblings = self.nodes[parent].children
        for i in siblings:
            node = self.nodes[i]
            if node.side == slot.side and node.token == slot.token and node.gap >= slot.gap:
                return i
        return None

    def matches(self, index: TokenIndex) -> Iterator[tuple[int, Match]]:
        """For every key token of every row, the longest matching pattern; ties by the highest activation."""
        best: dict[tuple[int, int], tuple[int, Match]] = {}
        for token, keys in self._keys.items():
            for row, place in index.places(token):
                for key in keys:
                    for depth, match in self._ends(key, index.rows[row], place, place, self.nodes[key].tokens[token]):
                        known = best.get((row, place))
                        if known is None or (depth, match.activation) > (known[0], known[1].activation):
                            best[row, place] = depth, match
        for (row, _), (_, match) in sorted(best.items(), key=lambda item: item[0]):
            yield row, match

    def _ends(self, at: int, row: Row, left: int, right: int, share: float) -> Iterator[tuple[int, Match]]:
        """Matches that end at a node or below, given the positions reached on the left and on the right."""
        node = self.nodes[at]
        if node.activation is not None:
            yield node.depth, Match(node.activation * share, at, left, right + 1)
        for i in node.children:
            child = self.nodes[i]
            if child.side == LEFT:
                places = range(left - 1, max(left - 2 - child.gap, -1), -1)
            else:
                places = range(right + 1, min(right + 2 + child.gap, len(row)))
            for place in places:
                found = child.tokens.get(row[place])
                if found is not None:
                    yield from self._ends(i, row, min(left, place), max(right, place), share * found)

    def predict(self, index: TokenIndex) -> NDArray[np.float64]:
        """Predicted activation (n,) of the rows: the highest match, 0 if no pattern matches."""
        values = np.zeros(len(index))
        for row, match in self.matches(index):
            values[row] = max(values[row], match.activation)
        return values

    def settle(self, index: TokenIndex, active: NDArray[np.bool_]) -> None:
        """Estimate the reliability of every pattern: how often a text is active if the pattern is its longest match.

        The share is shrunk, with the weight of one text, towards that of all patterns together, which is shrunk towards
        that of all texts. A pattern without a text gets the share of all patterns.

        Args:
            index: texts from which the patterns were not made.
            active: (n,) activity of these texts.
        """
        fits: dict[int, set[int]] = {}
        for row, match in self.matches(index):
            fits.setdefault(match.node, set()).add(row)
        base = float(active.mean()) if len(active) else 0.0
        hits = {node: sum(bool(active[row]) for row in rows) for node, rows in fits.items()}
        together = (sum(hits.values()) + base) / (sum(map(len, fits.values())) + 1)
        for i, node in enumerate(self.nodes):
            if node.activations:
                node.reliability = (hits.get(i, 0) + together) / (len(fits.get(i, ())) + 1)

    def reliability(self, index: TokenIndex) -> NDArray[np.float64]:
        """Reliability (n,) of each row's most reliable match, 0 if no pattern matches; see `settle`."""
        values = np.zeros(len(index))
        for row, match in self.matches(index):
            values[row] = max(values[row], self.nodes[match.node].reliability or 0.0)
        return values

    def paths(self) -> set[tuple[tuple[int, bool, int], ...]]:
        """The patterns as sequences of (side, has a gap, token), for comparing two graphs."""
        found = set()
        for node in self.nodes:
            if node.activations:
                path = []
                here: Node | None = node
                while here is not None:
                    path.append((here.side, here.gap > 0, here.token))
                    here = None if here.parent is None else self.nodes[here.parent]
                found.add(tuple(reversed(path)))
        return found
