"""What in the embedded corpus could give a label away without understanding.

Every predictor is cross-validated by setting, so that nothing is learned from texts of the setting it is tested on.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from vos.mining.near_duplicates import NearDuplicateFilter

FOLDS = 10
OPENING_WORDS = 3
PHRASE_WORDS = 5
NEAR_DUPLICATE = 0.6


@dataclass(frozen=True)
class Row:
    """One text with everything that is known of it, the pool's hidden labels included."""

    id: str
    text: str
    label: int
    level: int
    setting: str
    register: str
    pair: str | None
    split: str


def read_rows() -> list[Row]:
    """All texts, with the pool's labels merged in: this is a measurement, not a use of the corpus."""
    folder = files("vos.data") / "corpus"
    hidden = {row["id"]: row for row in map(json.loads, (folder / "pool_labels.jsonl").read_text("utf-8").splitlines())}
    rows = []
    for line in (folder / "corpus.jsonl").read_text("utf-8").splitlines():
        values = json.loads(line)
        rows.append(Row(**(values | hidden.get(values["id"], {}))))
    return rows


def words(text: str) -> list[str]:
    """Lower-cased words."""
    return re.findall(r"[a-z0-9']+", text.lower())


def names(text: str) -> list[str]:
    """Capitalised words that do not begin a sentence: names of people, places, days."""
    found = re.findall(r"(?<![.!?:\"'] )(?<!^)(?<![\"'(])\b[A-Z][a-z]+", text)
    return [word.lower() for word in found]


def predictions(rows: Sequence[Row], features: np.ndarray | list[str], model: object) -> np.ndarray:
    """Cross-validated predictions, folds by setting."""
    labels = np.array([row.label for row in rows])
    groups = np.array([row.setting for row in rows])
    return cross_val_predict(model, features, labels, groups=groups, cv=GroupKFold(FOLDS))


def _bag(analyzer: Callable[[str], list[str]]) -> object:
    return make_pipeline(CountVectorizer(analyzer=analyzer, binary=True), LogisticRegression(max_iter=2000, C=0.3))


def accuracies(rows: Sequence[Row]) -> dict[str, float]:
    """Accuracy of every predictor that must fail, in [0, 1]."""
    texts = [row.text for row in rows]
    labels = np.array([row.label for row in rows])
    hard = np.array([row.level >= 2 for row in rows])
    bag = predictions(rows, texts, _bag(words)) == labels
    result = {"bag_of_words_levels_2_3": bag[hard].mean()}
    for label in (0, 1):
        for level in range(4):
            cell = np.array([row.label == label and row.level == level for row in rows])
            result[f"bag_of_words_label_{label}_level_{level}"] = bag[cell].mean()
    lengths = np.array([[len(words(text)), len(words(text)) ** 2, len(text)] for text in texts], dtype=float)
    linear = make_pipeline(StandardScaler(), LogisticRegression())
    result["length"] = (predictions(rows, lengths, linear) == labels).mean()
    result["first_three_words"] = (predictions(rows, texts, _bag(lambda t: words(t)[:3])) == labels).mean()
    result["last_three_words"] = (predictions(rows, texts, _bag(lambda t: words(t)[-3:])) == labels).mean()
    result["names"] = (predictions(rows, texts, _bag(names)) == labels).mean()
    for field in ("setting", "register"):
        # Not cross-validated: the best that anyone could do who knows the share of each value.
        majority = defaultdict(Counter)
        for row in rows:
            majority[getattr(row, field)][row.label] += 1
        result[field] = sum(max(counts.values()) for counts in majority.values()) / len(rows)
    one_hot = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    registers = np.array([[row.register] for row in rows])
    result["register_cross_validated"] = (predictions(rows, registers, one_hot) == labels).mean()
    return {name: round(float(value), 4) for name, value in result.items()}


def repeats(rows: Sequence[Row]) -> dict[str, list[str]]:
    """What stands too often: openings and phrases in more than 3 texts (twins count once), and near-duplicates."""
    openings: dict[str, set[str]] = defaultdict(set)
    phrases: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        own = words(row.text)
        key = row.pair or row.id
        openings[" ".join(own[:OPENING_WORDS])].add(key)
        for i in range(len(own) - PHRASE_WORDS + 1):
            phrases[" ".join(own[i : i + PHRASE_WORDS])].add(key)
    return {
        "openings": sorted(o for o, where in openings.items() if len(where) > 3),
        "phrases": sorted(p for p, where in phrases.items() if len(where) > 3),
        "near_duplicates": near_duplicates(rows),
    }


def near_duplicates(rows: Sequence[Row]) -> list[str]:
    """Ids of texts whose word 3-grams overlap another text's by a Jaccard index of 0.6 or more, outside pairs."""
    seen = NearDuplicateFilter(NEAR_DUPLICATE)
    twins: dict[str, str] = {}
    found = []
    for row in rows:
        if row.pair in twins:
            continue
        if row.pair is not None:
            twins[row.pair] = row.id
        if (other := seen.duplicate_of(row.text)) is not None:
            found.append(f"{row.id} ~ {other}")
        seen.add(row.id, row.text)
    return found


def composition(rows: Sequence[Row]) -> dict[str, object]:
    """Counts."""
    pairs = Counter(row.pair for row in rows if row.pair)
    lengths = [len(row.text.split()) for row in rows]
    return {
        "texts": len(rows),
        "cells": {
            f"label_{y}_level_{v}": sum(r.label == y and r.level == v for r in rows) for y in (0, 1) for v in range(4)
        },
        "splits": dict(sorted(Counter(row.split for row in rows).items())),
        "settings": len({row.setting for row in rows}),
        "registers": len({row.register for row in rows}),
        "pairs": sum(count == 2 for count in pairs.values()),
        "shortest": min(lengths),
        "longest": max(lengths),
        "mean_words_label_0": round(float(np.mean([n for n, r in zip(lengths, rows, strict=True) if r.label == 0])), 1),
        "mean_words_label_1": round(float(np.mean([n for n, r in zip(lengths, rows, strict=True) if r.label == 1])), 1),
    }


def agreement() -> dict[str, float | int]:
    """How far the second, blind reading agreed with the author's label, before anything was mended.

    A reading that left the text open ("?") counts as a disagreement. Kappa needs both labels, so it is given by level;
    within a cell the author's label is constant and only the share of agreement means something.
    """
    lines = (files("vos.data") / "corpus" / "second_reading.jsonl").read_text("utf-8").splitlines()
    read = [json.loads(line) for line in lines]
    first = np.array([str(row["label"]) for row in read])
    second = np.array([row["second"] for row in read])
    level = np.array([row["level"] for row in read])
    same = first == second
    result: dict[str, float | int] = {"texts_read": len(read), "disagreements": int((~same).sum())}
    result["agreement"], result["kappa"] = same.mean(), cohen_kappa_score(first, second)
    for v in range(4):
        result[f"kappa_level_{v}"] = cohen_kappa_score(first[level == v], second[level == v])
    for y in (0, 1):
        for v in range(4):
            result[f"agreement_label_{y}_level_{v}"] = same[(first == str(y)) & (level == v)].mean()
    return {name: value if isinstance(value, int) else round(float(value), 4) for name, value in result.items()}


def measure(rows: Sequence[Row]) -> dict[str, dict[str, object]]:
    """Composition, accuracies, counts of repeats, and the agreement of the second reading."""
    counts = {name: len(found) for name, found in repeats(rows).items()}
    return {"composition": composition(rows), "accuracy": accuracies(rows), "repeats": counts, "agreement": agreement()}
