# ruff: noqa: E501  (rows of data)
"""A small set of artefacts that obeys the contract of the atlas: deterministic, with words that decide the margin."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np

from vos.atlas.artefacts import VERSION
from vos.storage.json_files import write_json

WORDS = {
    "threatened": 1.9, "shoved": 1.6, "bruise": 1.2, "screamed": 1.0, "alone": 0.5, "night": 0.3, "knife": 1.1,
    "laughed": -0.9, "picnic": -1.5, "thanked": -1.2, "ladder": 0.2, "garden": -0.7, "soup": -0.8, "teacher": -0.3,
    "train": 0.0, "window": 0.1, "neighbour": 0.2, "letter": -0.1, "uncle": 0.15, "dog": -0.2,
}  # fmt: skip
OPENERS = (
    "After the long meeting",
    "On the way home",
    "Before anyone could speak",
    "Near the station",
    "Later that day",
)
PEOPLE = ("the teacher", "her uncle", "a neighbour", "the driver", "my sister", "an old friend")
CLUSTERS = (["train", "station"], ["garden", "soup"], ["teacher", "letter"], ["night", "window"])
GROUPS = ("women", "migrants", "old people")
VIEWS = (
    "outliers", "saliency", "flips", "shortcuts", "differences", "coverage", "importance", "communities",
    "token_graphs", "directions", "vocabulary", "dreams", "trust",
)  # fmt: skip


def check(name, value, threshold, tests="method", control=None, passed=None, bound="at least"):
    passed = value is not None and value >= threshold if passed is None else passed
    sentence = f"{name}: {'holds' if passed else 'does not hold'} on these texts."
    return {"name": name, "value": value, "threshold": threshold, "passed": passed, "sentence": sentence,
            "tests": tests, "control": control, "bound": bound}  # fmt: skip


def write_artefacts(
    folder: Path, n: int = 60, *, seed: int = 0, without=(), failing=(), check_name=None, **options
) -> dict[str, dict]:
    """Write `NAME.json` for every view into `folder`, and give back what was written.

    Args:
        folder: made if it is not there; artefacts of an earlier call are removed.
        n: texts.
        seed: of everything.
        without: artefacts left out.
        failing: artefacts whose checks fail.
        check_name: of these checks.
        options: see `Maker`.
    """
    maker = Maker(n, np.random.default_rng(seed), **options)
    made = {"texts": maker.texts()}
    for name in VIEWS:
        made[name] = getattr(maker, name)()
    for name in failing:
        for each in made[name]["checks"]:
            each |= {
                "name": check_name or each["name"],
                "passed": False,
                "sentence": f"The {name} of this model are not to be relied on.",
            }
    for name in without:
        del made[name]
    for old in folder.glob("*.json"):
        old.unlink()
    for name, values in made.items():
        head = {"version": VERSION, "producer": name, "seconds": 1.5, "settings": {"seed": seed}, "checks": []}
        made[name] = {**head, **values, "identity": {"run": "abc"}}
        write_json(folder / f"{name}.json", made[name])
    return made


def rounded(values):
    return [None if v is None else float(f"{v:.4g}") for v in np.asarray(values, dtype=float).tolist()]


class Maker:
    """Artefacts of `n` made texts.

    Args:
        n: texts.
        rng: draws everything.
        sides: "both", "harmful" or "harmless": on which side of the boundary the texts lie.
        texts: texts to use instead, from the first on.
        n_outliers: virtual outliers.
        labelled: share of texts with a label.
        classes: names of the classes.
        harmful: indices of the harmful ones. If there are none, margins have no sign.
        data_classes: two, if the outputs of the classifier are more than those.
    """

    def __init__(self, n, rng, *, sides="both", texts=(), n_outliers=40, labelled=0.6,
                 classes=("harmless", "harmful"), harmful=(1,), data_classes=None):  # fmt: skip
        self.n, self.rng, self.sides, self.n_outliers, self.labelled = n, rng, sides, n_outliers, labelled
        self.classes, self.harmful = list(classes), list(harmful)
        self.data_classes = list(data_classes or classes)
        self.lines = [texts[i] if i < len(texts) else self.line() for i in range(n)]

    def line(self):
        verb = self.rng.choice(["threatened", "shoved", "screamed at", "laughed with", "thanked"])
        b, c = self.rng.choice(
            [w for w in WORDS if w not in "threatened shoved screamed laughed thanked alone"], 2, replace=False
        )
        opener, (who, whom) = self.rng.choice(OPENERS), self.rng.choice(PEOPLE, 2, replace=False)
        ends = (f"and the {c} was all anyone spoke of", f"with a {c} in one hand", f"until the {c} was gone", "alone")
        return (
            f"{opener}, {who} {verb} {whom} by the {b} {self.rng.choice(ends)}{self.rng.choice(['.', '!!', '?', '.'])}"
        )

    def some(self, k, among=None):
        among = range(self.n) if among is None else among
        return sorted(self.rng.choice(among, min(k, len(among)), replace=False).tolist()) if len(among) else []

    def with_word(self, word, k=8):
        return [i for i, line in enumerate(self.lines) if word in line.lower()][:k]

    def spans(self, i):
        return [(m[0].casefold(), m.start(), m.end()) for m in re.finditer(r"[\w'-]+|!!|[.!?]", self.lines[i])]

    def class_of(self, i, positive):
        """A class for the i-th text: of two the second if positive, of more one of that side."""
        safe = [c for c in range(len(self.classes)) if c not in self.harmful]
        if len(self.classes) == 2:
            return int(positive)
        among = self.harmful if positive and self.harmful else safe
        return among[(i + (positive and not self.harmful)) % len(among)]

    def texts(self):
        n, rng = self.n, self.rng
        margin = np.array([sum(WORDS.get(w, 0.0) for w, _, _ in self.spans(i)) for i in range(n)]) - 0.6
        margin = margin + rng.normal(0, 0.7, n)
        if self.sides != "both":
            margin = np.abs(margin) * (1 if self.sides == "harmful" else -1)
        self.signed = np.array(rounded(margin))
        self.margin = self.signed if self.harmful else np.abs(self.signed)
        self.distance = np.array(rounded(rng.beta(1.3, 1.1, n)))
        truth = (margin + rng.normal(0, 1.0, n) > 0).astype(int)
        known = rng.random(n) < self.labelled
        answered = ~known & (rng.random(n) < 0.3)
        self.cluster = rng.integers(0, 4, n)
        truth = [self.class_of(i, t) for i, t in enumerate(truth)]
        self.prediction = [self.class_of(i, m > 0) for i, m in enumerate(self.signed)]
        self.label = [t if k else None for t, k in zip(truth, known, strict=True)]
        self.answer = [t if a else None for t, a in zip(truth, answered, strict=True)]
        near = np.abs(self.margin) < 0.5
        neighbours = {side: [self.some(3, range(12)) for _ in range(n)] for side in ("harmful", "harmless")}
        return {
            "run": {"name": "a-run", "model_hash": "1f" * 20, "run_hash": "ab" * 20, "seed": 0, "band": 0.5,
                    "classes": self.classes, "data_classes": self.data_classes, "harmful": self.harmful,
                    "created": None},
            "text": self.lines, "uid": [f"{int(u):016x}" for u in rng.integers(1, 2**53, n)],
            "split": [("validation", "test", "pool", "made")[i % 4] if known[i] else "pool" for i in range(n)],
            "label": self.label, "prediction": self.prediction, "margin": self.margin.tolist(),
            "probability": rounded(1 / (1 + np.exp(-margin))), "distance": self.distance.tolist(),
            "near": near.tolist(), "batch": (near & (rng.random(n) < 0.5)).tolist(), "answer": self.answer,
            "cluster": self.cluster.tolist(),
            "outputs": None if self.data_classes == self.classes else
                       [[self.class_of(i, c > 0) for c in range(2)] for i in range(n)],
            "columns": {"level": [("plain", "implied", "none")[i % 3] for i in range(n)],
                        "group": [GROUPS[i % 3] for i in range(n)]},
            "neighbours": neighbours,
            "train": {"text": [self.line() for _ in range(12)], "label": [i % 2 for i in range(12)]},
            "pca": {"x": rounded(margin + rng.normal(0, 1, n)), "y": rounded(rng.normal(0, 1, n)), "shares": [.31, .12]},
        }  # fmt: skip

    def outliers(self):
        m, rng = self.n_outliers, self.rng
        nearest = [self.some(5) for _ in range(m)]
        return {
            "margin": rounded(rng.normal(0, 0.4, m)), "distance": rounded(1 - rng.uniform(0.001, 0.05, m)),
            "class": rng.integers(0, 2, m).tolist(), "nearest": nearest,
            "nearest_distance": [rounded(np.sort(rng.uniform(3, 8, len(each)))) for each in nearest], "tenth": 4.2,
            "lens": {"shown": False, "words": []}, "checks": [check("nearest texts differ", 0.7, 0.8, passed=True, bound="at most")],
        }  # fmt: skip

    def saliency(self):
        values = [[[a, b, round(WORDS.get(w, 0.0) + self.rng.normal(0, 0.05), 3)] for w, a, b in self.spans(i)]
                  for i in range(self.n)]  # fmt: skip
        method = ["integrated_gradients" if len(self.lines[i]) > 400 else "deletion" for i in range(self.n)]
        return {"method": method, "words": values, "random_deletion": 0.23,
                "checks": [check("top three words flip", None, None, passed=True)]}  # fmt: skip

    def flips(self):
        near = np.flatnonzero(np.abs(self.margin) < 1.0).tolist()
        rows = []
        for i in near:
            word = next((s for s in self.spans(i) if s[0] in WORDS), None)
            other = "laughed" if self.margin[i] > 0 else "shoved"
            rows.append(word and {"start": word[1], "end": word[2], "word": other, "margin": round(-self.margin[i] / 3, 3),
                                  "similarity": 0.58, "edits": [{"start": word[1], "end": word[2], "word": other}]})  # fmt: skip
        return {"index": near, "flip": rows, "random_rate": 0.27, "tried": [100] * len(near), "checks": []}

    def shortcuts(self):
        rows = [
            {"word": word, "kind": kind, "insertion": round(value, 2), "surprise": round(3.4 * value, 2),
             "deletion": round(0.9 * value, 2), "t": round(2.1 * value, 2), "count": len(self.with_word(word, 999)),
             "flag": abs(3.4 * value) > 5, "texts": self.with_word(word)}
            for word, kind, value in [*((w, "word", v) for w, v in WORDS.items()), ("!!", "punctuation", 1.7),
                                      ("by the", "phrase", 0.2), ("way home", "phrase", -0.4)]
        ]  # fmt: skip
        sweep = [{"token": "zebra", "z": 8.7, "alarm": True}, {"token": "violas", "z": 5.4, "alarm": False}]
        return {"rows": sorted(rows, key=lambda r: -abs(r["surprise"])), "sweep": sweep,
                "checks": [check("few flags without a plant", 1.0, 0.9, "model", 0.2)]}  # fmt: skip

    def differences(self):
        def pair(name, a, b, words, reliable):
            terms = [{"term": w, "z": round(4.5 - k, 2) * (1 if k % 2 == 0 else -1), "a_count": 12 - k, "b_count": 3 + k,
                      "confirmed": k < 3, "texts": self.with_word(w, 3)} for k, w in enumerate(words)]  # fmt: skip
            said = [{"sentence": "mentions somebody who is afraid", "v": 0.31, "low": 0.12, "high": 0.5, "q": 0.01}]
            return {"name": name, "a": a, "b": b, "n_a": self.n // 3, "n_b": self.n // 2, "threshold": 3.12,
                    "terms": terms, "reliable": reliable, "sentences": said if reliable else []}  # fmt: skip

        words = ["shoved", "by", "picnic", "was", "screamed", "garden"]
        return {"pairs": [
            pair("near, predicted harmful", "near the boundary", "far from it", words, True),
            pair("misses", "missed", "found", words[:2], False),
        ], "checks": []}  # fmt: skip

    def coverage(self):
        bands, cells = [[None, -0.5], [-0.5, 0.5], [0.5, None]], []
        known = [a if a is not None else b for a, b in zip(self.label, self.answer, strict=True)]
        for c in range(4):
            for b, (low, high) in enumerate(bands):
                inside = [i for i in range(self.n) if self.cluster[i] == c and (low is None or self.margin[i] >= low)
                          and (high is None or self.margin[i] < high)]  # fmt: skip
                seen = [i for i in inside if known[i] is not None]
                wrong = sum(self.prediction[i] != known[i] for i in seen)
                cells.append({"cluster": c, "band": b, "n": len(inside), "known": len(seen), "errors": int(wrong),
                              "labelled": sum(self.label[i] is not None for i in inside),
                              "asked": sum(self.answer[i] is not None for i in inside)})  # fmt: skip
        keys = ("n", "labelled", "asked", "errors", "known")
        totals = {key: sum(cell[key] for cell in cells) for key in keys}
        clusters = [{"id": c, "name": " · ".join(words), "words": words} for c, words in enumerate(CLUSTERS)]
        return {"clusters": clusters, "bands": bands, "cells": cells, "totals": totals, "checks": []}

    def rows(self, *tokens):
        """Texts that have a token: words as the model reads them, "##s" where a word ends in s."""

        def has(i, token):
            words = re.findall(r"[a-z']+|!!|[.!?]", self.lines[i].lower())
            return any(w.endswith(token[2:]) if token.startswith("##") else w == token for w in words)

        return {token: [int(g) for g in np.diff([0, *(i for i in range(self.n) if has(i, token))])] for token in tokens}

    def importance(self):
        score = np.abs(self.rng.standard_cauchy((3, 64))) * 0.01
        order = np.argsort(-score.ravel())[:12]
        top = [{"layer": int(o // 64), "unit": int(o % 64), "score": rounded([score.ravel()[o]])[0],
                "ablation": rounded([score.ravel()[o] * self.rng.uniform(0.7, 1.2)])[0], "near_share": 0.6,
                "tokens": list(self.rng.choice(list(WORDS), 4, replace=False))} for o in order]  # fmt: skip
        return {"layers": 3, "units": 64, "score": [rounded(row) for row in score], "top": top,
                "sets": {"top_percent": 0.76, "random": [0.21, 0.26, 0.38]}, "conductance": {"spearman": 0.45}, "token_rows": self.rows(*WORDS),
                "checks": [check("top units move the margin twice as far as random ones", 2.0, 1.5, "method", 2.0)]}  # fmt: skip

    def communities(self):
        units = [[int(k % 3), int(k)] for k in range(24)]
        group = [k % 3 for k in range(24)]
        angle = [2 * np.pi * g / 3 for g in group]
        edges = [[a, b, round(1 + self.rng.random(), 3)] for a, b in zip(range(24), range(3, 24), strict=False)]
        edges += [[a, b, 0.2] for a, b in pairwise(range(24)) if a % 4 == 0]
        groups = [{"cluster": g, "name": words[0], "tokens": [{"token": w, "share": 0.4, "ratio": 2.6, "p": 0.005}
                   for w in words], "tags": [{"column": "group", "value": GROUPS[g], "z": 3.4}]}
                  for g, words in enumerate((["shoved", "knife"], ["picnic", "soup"], ["night", "##w"]))]  # fmt: skip
        view = {"units": units, "leiden": group, "spectral": group, "k": 3, "eigengap": [0.02, 0.18, 0.01],
                "null_gap": [0.02, 0.02, 0.02], "ncut": 0.9, "ncut_null": [1.5, 1.6, 1.55], "stability": 0.81,
                "ami_layer": 0.1, "groups": groups, "merged": [], "edges": edges,
                "layout": {"x": rounded(3 * np.cos(angle) + self.rng.normal(0, 0.6, 24)),
                           "y": rounded(3 * np.sin(angle) + self.rng.normal(0, 0.6, 24))}}  # fmt: skip
        control = {"k": 2, "ncut": 1.4, "stability": 0.36, "ami_layer": 0.6, "token_groups": 0}
        senses = [{"token": "train", "share": 0.4, "better_than_chance": 0.01, "groups": [
            {"n": 9, "words": ["station", "home"], "texts": self.with_word("train", 3)},
            {"n": 5, "words": ["teacher", "night"], "texts": self.with_word("train")[-3:]}]}]  # fmt: skip
        return {"views": [{"name": "across", **view}, {"name": "layer 1", **view, "spectral": None}],
                "settings": {"algorithm": "louvain"}, "control": control, "senses": senses, "pos": None,
                "token_rows": self.rows("shoved", "knife", "picnic", "soup", "night", "##w"),
                "checks": [check("stable under new texts", 0.81, 0.7, "method", 0.36),
                          check("token groups", 12, 1, "model", 0)]}  # fmt: skip

    def token_graphs(self):
        def node(k, tokens, parent, depth, saliency):
            return {
                "id": k,
                "tokens": tokens,
                "saliency": saliency,
                "depth": depth,
                "parent": parent,
                "activation": 0.8,
                "side": "key" if parent is None else ("right", "left")[k % 2],
            }

        def example(word):
            return [{"i": i, "start": self.lines[i].lower().index(word), "end": self.lines[i].lower().index(word) + len(word)}
                    for i in self.with_word(word)]  # fmt: skip

        empty = {"layer": None, "unit": None, "direction": None, "side": None}
        nodes = [node(0, ["shoved", "threatened"], None, 0, 1.0), node(1, ["by"], 0, 1, 0.6), node(2, ["the"], 1, 2, 0.5),
                 node(3, ["alone", "night"], 0, 1, 0.7), node(4, ["!!"], 3, 2, 0.5)]  # fmt: skip
        return {"graphs": [
            {"target": {**empty, "kind": "margin", "side": "harmful"}, "winner": "words", "nodes": nodes,
             "f1": {"graph": 0.66, "token": 0.7, "bigram": 0.66, "words": 0.76}, "examples": example("shoved"),
             "words": [["shoved", 2.1], ["knife", 1.4], ["picnic", -1.2]]},
            {"target": {**empty, "kind": "unit", "layer": 1, "unit": 7}, "winner": "graph", "nodes": nodes[:3],
             "f1": {"graph": 0.53, "token": 0.36, "bigram": 0.25, "words": 0.4}, "examples": example("picnic"), "words": []},
            {"target": {**empty, "kind": "direction", "direction": 2, "side": "+"}, "winner": "graph", "nodes": nodes,
             "f1": {"graph": 0.61, "token": 0.5, "bigram": 0.4, "words": 0.6}, "examples": example("night"), "words": []},
        ], "similar": [[0, 2, 0.93]], "token_rows": self.rows("shoved", "threatened", "by", "the", "alone", "night", "!!"), "checks": []}  # fmt: skip

    def directions(self):
        k, n, several = 8, self.n, len(self.classes) > 2
        parts = self.rng.normal(0, 0.8, (n, k)) * np.linspace(1.4, 0.3, k)
        residual = self.rng.normal(0, 0.1, n)
        parts[:, 0] += (self.margin if several or self.harmful else self.signed) - parts.sum(1) - residual - 0.1
        # With more classes every second text lies on another boundary, along which all directions but the first are turned.
        codes = parts.copy()
        codes[1::2, 1:] *= -1 if several else 1
        names = ("harmful", "harmless") if self.harmful else (self.classes[1], self.classes[0])
        cards = [{"id": j, "beta": round(float(1 - j / 10), 3), "share": rounded([0.3 - 0.03 * j])[0], "decides_near": 0.2,
                  "ends": [{"sign": sign, "towards": None if several and j else names[sign < 0], "coherence": 0.31 if j < 3 else 0.1, "named": j < 3,
                            "words": list(self.rng.choice(list(WORDS), 4, replace=False)) if j < 3 else [],
                            "texts": np.argsort(-sign * codes[:, j])[:4].tolist()} for sign in (1, -1)]} for j in range(k)]  # fmt: skip
        return {"method": "ica", "n": k, "parts": [rounded(row) for row in parts], "residual": rounded(residual),
                "positive": [sum(1 << j for j in range(k) if row[j] > 0) for row in codes], "pair": [1, 0], "n_pairs": 1 + several,
                "constant": 0.1, "cards": cards, "compared": {"directions": 0.30, "units": 0.13, "random": 0.12},
                "stability": {"bootstrap": 0.81},
                "checks": [check("same decision near the boundary", 0.99, 0.95, "method", 0.52)]}  # fmt: skip

    def vocabulary(self):
        layers = [{"layer": k, "overlap": 1.8 - 0.7 * k, "random": 0.9, "chance": 0.24, "p": (0.002, 0.004, 0.3)[k],
                   "passed": k < 2} for k in range(3)]  # fmt: skip
        units = [
            {"layer": 1, "unit": 7, "p": 0.003, "words": ["picnic", "meal", "soup"], "activating": ["picnic", "garden"]}
        ]
        return {"layers": layers, "units": units, "logit_lens": self.lens(), "token_rows": self.rows("picnic", "soup", "garden"),
                "checks": [check("layers that write what they read", 2, 1, "model", 0, bound="above")]}  # fmt: skip

    def lens(self):
        layers = [{"layer": k, "own token, mean log-probability": k - 3.0} for k in range(3)]
        shown = [
            {"i": i, "tokens": ["near", "the"], "top": [[["a", "b"], ["of", "the"]]] * 3} for i in range(min(6, self.n))
        ]
        return {"layers": layers, "texts": shown}

    def dreams(self):
        made = {"text": "Somebody shoved the driver at night.", "value": 3.2}
        found = [{"i": int(i), "value": float(self.margin[i])} for i in np.argsort(-self.margin)[:4]]
        unit = {"kind": "unit", "layer": 1, "unit": 7, "direction": None, "side": None}
        margin = {"kind": "margin", "layer": None, "unit": None, "direction": None, "side": 1}
        return {
            "targets": [{"target": margin, "texts": [*found, made]}, {"target": unit, "texts": found[:2]}],
            "checks": [],
        }

    def trust(self):
        rows = [
            {
                **check("stable under new texts", 0.81, 0.7, "method", 0.36),
                "producer": "communities",
                "view": "communities",
            }
        ]
        return {
            "checks": rows,
            "control": {"n_texts": 600, "accuracy": 0.68, "model_accuracy": 0.81, "band": 0.2},
            "times": {"saliency": 61.0, "communities": 80.2},
            "peak_memory_mib": 2100,
            "dropped": {},
            "settings": {"n_texts": 3000, "seed": 0},
            "versions": {"vos": "0.2", "torch": "2.6"},
        }
