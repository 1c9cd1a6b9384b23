"""How well a token graph predicts the activity of its target on held-out texts, compared with three simpler predictors.

All four use the same training texts, and choose their threshold for "active" on training texts from which they were not
fitted; held-out texts are only used for the test. The best of the four is the winner, whether it is the graph or not.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from vos.interpret.activations import Row

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

GRAPH, TOKEN, BIGRAM, WORDS = "graph", "token", "bigram", "words"
"""The predictors; in a tie the later one, which is simpler, wins."""

PREDICTORS = (GRAPH, WORDS, BIGRAM, TOKEN)


@dataclass(frozen=True)
class Score:
    """Four predictors on the same held-out texts.

    Attributes:
        f1: F1 of "active", by predictor: graph, token, bigram, words.
        winner: the best of them; "none" if none finds an active text.
        active: share a of active held-out texts; predicting "always active" has an F1 of 2 a / (1 + a).
        words: the words with the largest weights in the bag of words, and the weights.
    """

    f1: dict[str, float]
    winner: str
    active: float
    words: list[tuple[str, float]]


def f1_score(predicted: Bools, active: Bools) -> float:
    """Harmonic mean of precision and recall; 0 if no active text is found.

    Example:
        >>> f1_score(np.array([True, True, False]), np.array([True, False, False]))
        0.6666666666666666
    """
    total = int(predicted.sum() + active.sum())
    return 2 * int((predicted & active).sum()) / total if total else 0.0


def best_cut(scores: Floats, active: Bools) -> float:
    """The threshold for "active" with the largest F1, among the scores that occur; infinite without scores.

    In a tie, the highest threshold.

    Example:
        >>> best_cut(np.array([0.9, 0.8, 0.3]), np.array([True, True, False]))
        0.8
    """
    if not active.any():
        return float("inf")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    f1 = 2 * np.cumsum(active[order]) / (np.arange(1, len(scores) + 1) + active.sum())
    ends = np.append(ranked[1:] != ranked[:-1], True)  # equal scores are on the same side
    return float(ranked[np.argmax(np.where(ends, f1, -1.0))])


class Baselines:
    """The three predictors without a graph, for many targets on the same texts.

    *Token* and *bigram* look up the share of active texts among the training texts with the token (two consecutive
    tokens), shrunk towards the share of all texts with the weight of one text; a text has the score of its best one.
    Training texts are scored leave-one-out. *Words* is a logistic regression with an L1 penalty on the presence of
    words; its penalty and threshold are chosen on every fourth training text.

    Args:
        train: n rows of token ids for training.
        held_out: m rows for testing.
        train_words: words of the n training texts.
        held_out_words: of the m others.
        strengths: inverse penalties to try.
    """

    def __init__(
        self,
        train: Sequence[Row],
        held_out: Sequence[Row],
        train_words: Sequence[Sequence[str]],
        held_out_words: Sequence[Sequence[str]],
        strengths: Sequence[float] = (0.3, 1.0, 3.0),
    ) -> None:
        self.strengths = tuple(strengths)
        self._tokens = _presence([[str(t) for t in row] for row in train], [[str(t) for t in row] for row in held_out])
        self._bigrams = _presence([_pairs(row) for row in train], [_pairs(row) for row in held_out])
        self._words = _presence(train_words, held_out_words)
        self._chosen = np.arange(len(train)) % 4 == 3

    def look_up(self, active: Bools, bigrams: bool = False) -> Bools:
        """Predictions of the token or bigram look-up for the held-out texts: (m,) bool.

        Args:
            active: (n,) activity of the training texts.
            bigrams: use two consecutive tokens.
        """
        train, held_out, _ = self._bigrams if bigrams else self._tokens
        base = float(active.mean()) if len(active) else 0.0
        hits = np.asarray(train.T @ active.astype(np.float64)).ravel()
        seen = np.asarray(train.sum(0)).ravel()
        own = active.astype(np.float64).repeat(np.diff(train.indptr))
        columns = train.indices
        without_self = (hits[columns] - own + base) / seen[columns]
        cut = best_cut(_row_maximum(train, without_self, base), active)
        share = (hits + base) / (seen + 1)
        said: Bools = _row_maximum(held_out, share[held_out.indices], base) >= cut
        return said

    def bag_of_words(self, active: Bools, n_words: int = 12) -> tuple[Bools, list[tuple[str, float]]]:
        """Predictions of the bag of words for the held-out texts, (m,) bool, and its largest weights.

        Args:
            active: (n,) activity of the training texts.
            n_words: number of weights returned.
        """
        train, held_out, names = self._words
        fit, chosen = ~self._chosen, self._chosen
        if len(set(active[fit].tolist())) < 2 or not active[chosen].any() or not train.shape[1]:
            return np.zeros(held_out.shape[0], dtype=bool), []
        tried = []
        for strength in self.strengths:
            scores = self._fitted(train[fit], active[fit], strength).decision_function(train[chosen])
            cut = best_cut(scores, active[chosen])
            tried.append((f1_score(scores >= cut, active[chosen]), -strength, cut))
        _, strength, cut = max(tried)
        model = self._fitted(train, active, -strength)
        weights = model.coef_[0]
        largest = np.argsort(-np.abs(weights), kind="stable")[:n_words]
        words = [(names[i], float(weights[i])) for i in largest if weights[i] != 0]
        return model.decision_function(held_out) >= cut, words

    @staticmethod
    def _fitted(features: Any, active: Bools, strength: float) -> Any:
        model = LogisticRegression(C=strength, l1_ratio=1.0, solver="liblinear", random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits do not matter
            return model.fit(features, active)


def score(
    baselines: Baselines, graph: tuple[Floats, Floats], unseen: Bools, train_active: Bools, held_out_active: Bools
) -> Score:
    """F1 of the graph and of the baselines on the held-out texts.

    Args:
        baselines: baselines on the same texts.
        graph: its predictions for the n training texts and the m held-out ones; 0 if no pattern fits.
        unseen: (n,) training texts from which the graph was not made; its threshold is chosen on these.
        train_active: (n,) activity of the training texts.
        held_out_active: (m,) activity of the held-out texts.
    """
    train, held_out = graph
    cut = best_cut(train[unseen], train_active[unseen])
    if not np.isfinite(cut) or cut <= 0:
        cut = np.nextafter(0.0, 1.0)  # if no text is informative, any match counts
    words, weights = baselines.bag_of_words(train_active)
    said = {
        GRAPH: held_out >= cut,
        TOKEN: baselines.look_up(train_active),
        BIGRAM: baselines.look_up(train_active, bigrams=True),
        WORDS: words,
    }
    f1 = {name: f1_score(each, held_out_active) for name, each in said.items()}
    winner = max(reversed(PREDICTORS), key=lambda name: f1[name])
    share = float(held_out_active.mean()) if len(held_out_active) else 0.0
    return Score(f1, winner if f1[winner] > 0 else "none", share, weights)


def _pairs(row: Row) -> list[str]:
    return [f"{a} {b}" for a, b in pairwise(row)]


def _presence(train: Sequence[Sequence[str]], held_out: Sequence[Sequence[str]]) -> tuple[Any, Any, list[str]]:
    """Presence of the training texts' terms in each text: (n, v) and (m, v) sparse, and the v terms."""
    counter = CountVectorizer(analyzer=list, binary=True, dtype=np.float64)
    if not any(train):
        return csr_matrix((len(train), 0)), csr_matrix((len(held_out), 0)), []
    return counter.fit_transform(train), counter.transform(held_out), list(counter.get_feature_names_out())


def _row_maximum(matrix: Any, values: Floats, empty: float) -> Floats:
    """Maximum of the values of each row's entries: (n,); `empty` for a row without entries."""
    result = np.full(matrix.shape[0], empty)
    full = np.diff(matrix.indptr) > 0
    if full.any():
        result[full] = np.maximum.reduceat(values, matrix.indptr[:-1][full])
    return result
