"""Surface features of an embedded corpus that could reveal a label, and the composition of the corpus.

Shortcuts are evaluated by *balanced accuracy*, the mean of the recalls of both labels: an uninformative predictor
reaches 0.5 whatever the share of harm, whereas plain accuracy would give it the 70 % of the majority class and hide how
much it knows. If both labels are equally frequent the two measures are equal, so that one limit applies to both
corpora. Every predictor weights both labels equally and is cross-validated by setting, so that nothing is learned from
texts of the setting on which it is tested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.corpus.agreement import agreement
from benchmarks.corpus.repeats import repeats
from benchmarks.corpus.rows import LEVELS, SPLITS, Row, names, read_rows, words

FOLDS = 10

Scores = dict[str, float]


def predictions(rows: Sequence[Row], features: np.ndarray | list[str], model: Pipeline) -> np.ndarray:
    """Cross-validated predictions, folds by setting."""
    labels = np.array([row.label for row in rows])
    groups = np.array([row.setting for row in rows])
    folds = GroupKFold(min(FOLDS, len(set(groups))))
    return cross_val_predict(model, features, labels, groups=groups, cv=folds)


def _balanced(c: float = 1.0) -> LogisticRegression:
    return LogisticRegression(max_iter=2000, C=c, class_weight="balanced")


def _bag(analyzer: Callable[[str], list[str]]) -> Pipeline:
    return make_pipeline(CountVectorizer(analyzer=analyzer, binary=True), _balanced(0.3))


def word_weights() -> Pipeline:
    """Logistic regression on the weights of words and word pairs."""
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10.0))


def shortcuts(rows: Sequence[Row]) -> Scores:
    """Balanced accuracy, in [0, 1], of every predictor that must fail; of the bag of words also accuracy by cell."""
    texts = [row.text for row in rows]
    labels = np.array([row.label for row in rows])
    levels = np.array([row.level for row in rows])
    bag = predictions(rows, texts, _bag(words))
    hard = levels >= 2
    result = {"bag_of_words_levels_2_3": balanced_accuracy_score(labels[hard], bag[hard])}
    for label in (0, 1):
        for level in LEVELS:
            cell = (labels == label) & (levels == level)
            result[f"bag_of_words_label_{label}_level_{level}"] = (bag == labels)[cell].mean()
    lengths = np.array([[len(words(text)), len(words(text)) ** 2, len(text)] for text in texts], dtype=float)
    registers = np.array([[row.register] for row in rows])
    one_hot = make_pipeline(OneHotEncoder(handle_unknown="ignore"), _balanced())
    found = {
        "length": predictions(rows, lengths, make_pipeline(StandardScaler(), _balanced())),
        "first_three_words": predictions(rows, texts, _bag(lambda text: words(text)[:3])),
        "last_three_words": predictions(rows, texts, _bag(lambda text: words(text)[-3:])),
        "names": predictions(rows, texts, _bag(names)),
        "register_cross_validated": predictions(rows, registers, one_hot),
    }
    result |= {name: balanced_accuracy_score(labels, predicted) for name, predicted in found.items()}
    # Not cross-validated: the best that anyone could do who knows the share of each value.
    result["setting"] = best_by([row.setting for row in rows], labels)
    result["register"] = best_by([row.register for row in rows], labels)
    return {name: round(float(value), 4) for name, value in result.items()}


def best_by(values: Sequence[str], labels: np.ndarray) -> float:
    """Largest balanced accuracy of any rule on one value: half the sum of the larger of its shares in the labels."""
    shares = []
    for label in (0, 1):
        counts = Counter(value for value, own in zip(values, labels, strict=True) if own == label)
        shares.append({value: count / counts.total() for value, count in counts.items()})
    return 0.5 * sum(max(share.get(value, 0.0) for share in shares) for value in set(values))


def natural_test(rows: Sequence[Row]) -> Scores:
    """What words alone know on the test split after training on the train split, classes as frequent as they are."""
    train, test = ([row for row in rows if row.split == split] for split in ("train", "test"))
    model = word_weights().fit([row.text for row in train], [row.label for row in train])
    labels = np.array([row.label for row in test])
    predicted = model.predict([row.text for row in test])
    found = {
        "bag_of_words": (predicted == labels).mean(),
        "bag_of_words_balanced": balanced_accuracy_score(labels, predicted),
        "always_the_majority": max(labels.mean(), 1 - labels.mean()),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def composition(rows: Sequence[Row]) -> dict[str, object]:
    """Counts."""
    pairs = Counter(row.pair for row in rows if row.pair)
    lengths = [len(row.text.split()) for row in rows]
    mean = {y: np.mean([n for n, r in zip(lengths, rows, strict=True) if r.label == y]) for y in (0, 1)}
    return {
        "texts": len(rows),
        "cells": {
            f"label_{y}_level_{v}": sum(r.label == y and r.level == v for r in rows) for y in (0, 1) for v in LEVELS
        },
        "splits": dict(sorted(Counter(row.split for row in rows).items())),
        "settings": len({row.setting for row in rows}),
        "settings_by_split": {s: len({r.setting for r in rows if r.split == s}) for s in SPLITS},
        "registers": len({row.register for row in rows}),
        "pairs": sum(count == 2 for count in pairs.values()),
        "pairs_outside_the_pool": sum(row.pair is not None and row.split != "pool" for row in rows) // 2,
        "shortest": min(lengths),
        "longest": max(lengths),
        **{f"mean_words_label_{y}": round(float(value), 1) for y, value in mean.items()},
    }


def shares(rows: Sequence[Row]) -> dict[str, Scores]:
    """Share of harm in every split, and of each level among the texts of each label."""
    result = {}
    for split in SPLITS:
        own = [row for row in rows if row.split == split]
        found = {"harm": sum(row.label for row in own) / len(own)}
        for label in (0, 1):
            levels = Counter(row.level for row in own if row.label == label)
            found |= {f"label_{label}_level_{v}": levels[v] / levels.total() for v in LEVELS}
        result[split] = {name: round(value, 3) for name, value in found.items()}
    return result


def measure(name: str) -> dict[str, dict[str, object]]:
    """Everything that the datasheet of the corpus of that name quotes."""
    rows = read_rows(name)
    return {
        "composition": composition(rows),
        "shares": shares(rows),
        "accuracy": shortcuts(rows),
        "natural_test": natural_test(rows),
        "repeats": {key: len(found) for key, found in repeats(rows).items()},
        "agreement": agreement(name),
    }
