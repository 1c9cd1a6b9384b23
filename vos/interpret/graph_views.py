"""Token graphs for display: drawn as a tree, searched by word, and compared with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from vos.interpret.trie import KEY, LEFT, Node, Trie

Name = Callable[[int], str]
"""Returns the displayed name of a token."""

SIDES = {KEY: "key", LEFT: "left", -LEFT: "right"}


@dataclass(frozen=True)
class DrawnNode:
    """A node of the tree of a graph.

    Attributes:
        id: index; parents come before children.
        parent: id of the parent; None for a key.
        depth: 0 for a key.
        side: "key", "left" or "right" of the key.
        gap: largest number of other tokens between it and the next slot towards the key.
        tokens: alternative tokens at this position, the most active first.
        saliency: share of the activation that is lost without it.
        activation: highest activation of the patterns that end here; None if none ends.
        reliability: highest share of active texts among those with a pattern that ends here; None if none ends.
    """

    id: int
    parent: int | None
    depth: int
    side: str
    gap: int
    tokens: tuple[str, ...]
    saliency: float
    activation: float | None
    reliability: float | None

    def as_dict(self) -> dict[str, Any]:
        """The node in the form of an artefact."""
        return asdict(self)


def drawn(trie: Trie, name: Name, most: int | None = None) -> list[DrawnNode]:
    """The tree of a graph; siblings with identical subtrees are drawn as one node.

    Args:
        trie: trie of the graph.
        name: returns the name of a token.
        most: largest number of patterns drawn, the most reliable first; None: all.
    """
    kept = _kept(trie, most)
    below = {i: [j for j in node.children if j in kept] for i, node in enumerate(trie.nodes)}
    shapes: dict[int, Any] = {}
    for i in range(len(trie.nodes) - 1, -1, -1):  # children come after their parents
        shapes[i] = tuple(sorted(_shape(trie.nodes[j], shapes[j], tokens=True) for j in below[i]))
    result: list[DrawnNode] = []

    def draw(places: Iterable[int], parent: int | None) -> None:
        groups: dict[Any, list[int]] = {}
        for i in places:
            groups.setdefault(_shape(trie.nodes[i], shapes[i]), []).append(i)
        for group in groups.values():
            here = len(result)
            result.append(_node(here, parent, [trie.nodes[i] for i in group], name))
            draw([child for i in group for child in below[i]], here)

    draw((i for i in sorted(kept) if trie.nodes[i].parent is None), None)
    return result


def _kept(trie: Trie, most: int | None) -> set[int]:
    """Nodes on the paths of the patterns that are drawn."""
    ends = [i for i, node in enumerate(trie.nodes) if node.activations]
    ends.sort(key=lambda i: (-(trie.nodes[i].reliability or 0.0), -(trie.nodes[i].activation or 0.0), i))
    kept: set[int] = set()
    for end in ends[:most]:
        here: int | None = end
        while here is not None and here not in kept:
            kept.add(here)
            here = trie.nodes[here].parent
    return kept


def _shape(node: Node, below: Any, tokens: bool = False) -> Any:
    """A key that is equal for siblings that are drawn as one node."""
    own = (node.side, node.gap, bool(node.activations), below)
    return (tuple(sorted(node.tokens)), *own) if tokens else own


def _node(here: int, parent: int | None, alike: Sequence[Node], name: Name) -> DrawnNode:
    value: dict[str, float] = {}
    for node in alike:
        for token, share in node.tokens.items():
            shown = name(token)
            value[shown] = max(value.get(shown, 0.0), share * (node.activation or 1.0))
    ends = [node for node in alike if node.activation is not None]
    first = alike[0]
    return DrawnNode(
        here,
        parent,
        first.depth,
        SIDES[first.side],
        first.gap,
        tuple(sorted(value, key=lambda shown: (-value[shown], shown))),
        float(np.mean([node.saliency for node in alike])),
        max((node.activation or 0.0 for node in ends), default=None),
        max((node.reliability or 0.0 for node in ends), default=None),
    )


def search(graphs: Sequence[Sequence[DrawnNode]], word: str) -> list[tuple[int, float]]:
    """Graphs with a word in a pattern: (index, score in [0, 1]), the best first.

    A word that is a key has the score of its pattern, its reliability; a word in the context of a key half of that.

    Example:
        >>> search([], "zebra")
        []
    """
    wanted, found = word.casefold(), []
    for i, nodes in enumerate(graphs):
        below: dict[int, float] = {}
        for node in reversed(nodes):  # children come after their parents
            sure = max(below.get(node.id, 0.0), node.reliability or 0.0)
            below[node.id] = sure
            if node.parent is not None:
                below[node.parent] = max(below.get(node.parent, 0.0), sure)
        values = [
            below[node.id] * (1.0 if node.side == SIDES[KEY] else 0.5)
            for node in nodes
            if any(token.casefold() == wanted for token in node.tokens)
        ]
        if values:
            found.append((i, max(values)))
    return sorted(found, key=lambda item: (-item[1], item[0]))


def similar(tries: Sequence[Trie], least: float = 0.3, most: int = 200) -> list[tuple[int, int, float]]:
    """Pairs of graphs (a, b, score), a < b, by the Jaccard index of their patterns; see `similar_paths`."""
    return similar_paths([trie.paths() for trie in tries], least, most)


def similar_paths(paths: Sequence[Iterable[Any]], least: float = 0.3, most: int = 200) -> list[tuple[int, int, float]]:
    """Pairs of sets of patterns (a, b, score), a < b, by their Jaccard index, the most similar first.

    Args:
        paths: paths of each graph, see `Trie.paths`; a graph without patterns is similar to none.
        least: smallest score of a listed pair.
        most: largest number of listed pairs.
    """
    columns: dict[Any, int] = {}
    entries = [sorted(columns.setdefault(path, len(columns)) for path in sorted(own)) for own in paths]
    sizes = np.array([len(each) for each in entries], dtype=np.int64)
    if not columns:
        return []
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    flat = np.array([column for each in entries for column in each], dtype=np.int64)
    matrix = csr_matrix((np.ones(len(flat)), flat, indptr), shape=(len(paths), len(columns)))
    common = (matrix @ matrix.T).tocoo()
    upper = common.row < common.col
    a, b, shared = common.row[upper], common.col[upper], common.data[upper]
    scores = shared / (sizes[a] + sizes[b] - shared)
    pairs = [(int(i), int(j), float(s)) for i, j, s in zip(a, b, scores, strict=True) if s >= least]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:most]
