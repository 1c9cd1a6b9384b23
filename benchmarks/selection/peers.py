"""Published strategies, implemented from their papers and code; each returns rows of the pool.

All of them use the same features, labels and classifier as ours.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from sklearn.cluster import KMeans, MiniBatchKMeans

from benchmarks.selection.state import Array, State

CHUNK = 2048


def random_choice(state: State) -> Array:
    """A uniform sample."""
    return state.draw().choice(state.pool, min(state.n, len(state.pool)), replace=False)


def margin(state: State) -> Array:
    """The smallest difference between the two largest logits first."""
    return state.pool[np.argsort(state.margins(state.pool), kind="stable")[: state.n]]


def entropy(state: State) -> Array:
    """The largest entropy of the prediction first."""
    p = state.probabilities(state.pool)
    value = -(p * np.log(np.maximum(p, 1e-30))).sum(1)
    return state.pool[np.argsort(-value, kind="stable")[: state.n]]


def margin_kmeans(state: State, multiple: int = 10) -> Array:
    """K-means over the `multiple` x batch texts of the smallest margins; the text nearest to each centre."""
    near = state.pool[np.argsort(state.margins(state.pool), kind="stable")[: multiple * state.n]]
    features = state.features[near]
    model = KMeans(min(state.n, len(near)), n_init=1, random_state=state.seed).fit(features)
    distances = _squares(features, model.cluster_centers_)
    return _one_for_each(near, distances)


def badge(state: State) -> Array:
    """K-means++ over the gradients of the last layer at the predicted class (Ash et al. 2020).

    A gradient is the outer product of `p - onehot(argmax)` and the features, so that squared distances follow from
    products of both parts, and no vector of C x d numbers is ever made.
    """
    p = state.probabilities(state.pool)
    p[np.arange(len(p)), p.argmax(1)] -= 1.0
    features = np.concatenate([state.features[state.pool], np.ones((len(p), 1), dtype=np.float32)], 1)
    squares = (p**2).sum(1) * (features**2).sum(1)
    chosen, draw = [int(squares.argmax())], state.draw()
    nearest = np.full(len(p), np.inf)
    while len(chosen) < min(state.n, len(p)):
        last = chosen[-1]
        product = (p @ p[last]) * (features @ features[last])
        nearest = np.minimum(nearest, np.maximum(squares + squares[last] - 2 * product, 0.0))
        nearest[chosen] = 0.0
        total = nearest.sum()
        if total <= 0:
            left = np.setdiff1d(np.arange(len(p)), chosen)
            chosen += draw.choice(left, min(state.n, len(p)) - len(chosen), replace=False).tolist()
            break
        chosen.append(int(draw.choice(len(p), p=nearest / total)))
    return state.pool[chosen]


def cal(state: State, neighbours: int = 10) -> Array:
    """Contrastive active learning (Margatina et al. 2021): texts whose labelled neighbours are predicted otherwise.

    The score is the mean divergence KL(neighbour || text) over the ten nearest labelled texts; nearest by normalised
    features, as in its authors' code.
    """
    logits, known = state.logits(state.pool), state.logits(state.labelled)
    log_p = logits - logsumexp(logits, axis=1, keepdims=True)
    log_q = known - logsumexp(known, axis=1, keepdims=True)
    q, score = np.exp(log_q), np.empty(len(log_p))
    k, unit = min(neighbours, len(q)), _normalised(state.features)
    for start in range(0, len(log_p), CHUNK):
        part = slice(start, start + CHUNK)
        squares = _squares(unit[state.pool[part]], unit[state.labelled])
        near = np.argpartition(squares, k - 1, axis=1)[:, :k]
        own = (q * log_q).sum(1)[near]
        crossed = np.einsum("nkc,nc->nk", q[near], log_p[part])
        score[part] = (own - crossed).mean(1)
    return state.pool[np.argsort(-score, kind="stable")[: state.n]]


def coreset(state: State) -> Array:
    """K-centre greedy (Sener and Savarese 2018): the text farthest from every labelled and chosen one, in turn."""
    features = state.features[state.pool]
    nearest = np.full(len(features), np.inf)
    for start in range(0, len(state.labelled), CHUNK):
        nearest = np.minimum(nearest, _squares(features, state.features[state.labelled[start : start + CHUNK]]).min(1))
    chosen: list[int] = []
    squares = (features**2).sum(1)
    while len(chosen) < min(state.n, len(features)):
        chosen.append(int(nearest.argmax()))
        row = features[chosen[-1]]
        nearest = np.minimum(nearest, np.maximum(squares + row @ row - 2 * features @ row, 0.0))
        nearest[chosen] = -1.0
    return state.pool[chosen]


def typiclust(state: State, neighbours: int = 20, most: int = 500) -> Array:
    """TypiClust (Hacohen et al. 2022): from the largest clusters without a label, the text with the nearest neighbours.

    As many clusters as labels after this batch, at most `most`.
    """
    unit = _normalised(state.features)
    rows = np.concatenate([state.labelled, state.pool])
    k = min(len(state.labelled) + state.n, most, len(rows))
    model = MiniBatchKMeans if k > 50 else KMeans
    clusters = model(k, n_init=1, random_state=state.seed).fit_predict(unit[rows])
    known = len(state.labelled)
    labelled = np.bincount(clusters[:known], minlength=k)
    members = [np.flatnonzero(clusters[known:] == c) for c in range(k)]
    order = sorted(range(k), key=lambda c: (labelled[c], -len(members[c])))
    queues = {c: _by_typicality(unit[state.pool[members[c]]], neighbours) for c in order if len(members[c]) > 0}
    chosen: list[int] = []
    while len(chosen) < min(state.n, len(state.pool)):
        for c in [c for c in order if c in queues]:
            place = queues[c]
            chosen.append(int(members[c][place.pop(0)]))
            if not place:
                del queues[c]
            if len(chosen) == state.n:
                break
    return state.pool[chosen]


def _by_typicality(features: Array, neighbours: int) -> list[int]:
    """Rows by the mean distance to their nearest neighbours in the cluster, smallest first; at most 1,000 compared."""
    k = min(neighbours, len(features) - 1)
    if k < 1:
        return list(range(len(features)))
    means = []
    for start in range(0, len(features), CHUNK):
        squares = np.sort(_squares(features[start : start + CHUNK], features), axis=1)[:, 1 : k + 1]
        means.append(np.sqrt(squares).mean(1))
    order: list[int] = np.argsort(np.concatenate(means), kind="stable").tolist()
    return order


def probcover(state: State, purity: float = 0.95) -> Array:
    """ProbCover (Yehuda et al. 2022): greedy cover of the pool by balls of a radius in which clusters are pure.

    The radius is the largest of a grid at which a share `purity` of the balls holds texts of one k-means cluster alone,
    with as many clusters as classes; it is measured on 1,000 texts. Features are normalised, as its authors do.
    """
    unit = _normalised(state.features)
    rows = np.concatenate([state.labelled, state.pool])
    radius = _pure_radius(unit[rows], len(state.bias), purity, state.seed)
    features = unit[rows]
    n = len(rows)
    near = [np.flatnonzero(row <= radius**2) for start in range(0, n, CHUNK)
            for row in _squares(features[start : start + CHUNK], features)]  # fmt: skip
    covered = np.zeros(n, dtype=bool)
    for i in range(len(state.labelled)):
        covered[near[i]] = True
    degree = np.array([int((~covered[each]).sum()) for each in near])
    degree[: len(state.labelled)] = -1
    chosen: list[int] = []
    while len(chosen) < min(state.n, len(state.pool)):
        best = int(degree.argmax())
        chosen.append(best)
        for j in near[best][~covered[near[best]]]:
            degree[near[j]] -= 1
        covered[near[best]] = True
        degree[[*chosen, *range(len(state.labelled))]] = -(10**9)
    return rows[chosen]


def _pure_radius(unit: Array, n_classes: int, purity: float, seed: int) -> float:
    sample = np.random.default_rng(seed).choice(len(unit), min(1000, len(unit)), replace=False)
    clusters = KMeans(n_classes, n_init=1, random_state=seed).fit_predict(unit[sample])
    squares = _squares(unit[sample], unit[sample])
    best = 0.05
    for radius in np.arange(0.05, 1.45, 0.05):
        inside = squares <= radius**2
        pure = np.mean([len(set(clusters[row])) == 1 for row in inside])
        if pure >= purity:
            best = float(radius)
    return best


def cleanlab_score(state: State) -> Array:
    """The lowest active-learning score of cleanlab (Goh and Mueller 2023) for texts without labels."""
    from cleanlab.multiannotator import get_active_learning_scores

    p, known = state.probabilities(state.pool), state.probabilities(state.labelled)
    _, scores = get_active_learning_scores(state.labels.reshape(-1, 1), known, p)
    return state.pool[np.argsort(scores, kind="stable")[: state.n]]


def _normalised(features: Array) -> Array:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _squares(a: Array, b: Array) -> Array:
    """Squared distances (k, m)."""
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0.0)


def _one_for_each(rows: Array, distances: Array) -> Array:
    """A row of its own for each column of distances (k, m), nearest first."""
    chosen: list[int] = []
    for column in range(distances.shape[1]):
        for place in np.argsort(distances[:, column], kind="stable"):
            if int(place) not in chosen:
                chosen.append(int(place))
                break
    return rows[chosen]
