"""The labelled sets of the comparison: texts to select from, texts for choosing settings, and test texts."""

from __future__ import annotations

import csv
import html
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks._common import public_data
from vos.data import load_embedded, load_pool_labels
from vos.types import Example

SETS = ("everyday", "ladder", "toxigen", "davidson", "clinc150")
EMBEDDED = ("everyday", "ladder")
PUBLIC = {
    "toxigen": "toxigen/toxigen.json",
    "davidson": "davidson/labeled_data.csv",
    "clinc150": "clinc150/data_full.json",
}


@dataclass(frozen=True)
class LabelledSet:
    """Texts with all their labels, which only an oracle and a score may look at.

    Attributes:
        name: in `SETS`.
        n_classes: C.
        harmful: indices of the harmful classes; () where no class is.
        examples: n texts.
        askable: rows that can be labelled: the pool, and the training texts.
        startable: rows that the first labels are drawn from.
        val: rows for settings.
        test: rows that are measured on.
    """

    name: str
    n_classes: int
    harmful: tuple[int, ...]
    examples: tuple[Example, ...]
    askable: tuple[int, ...]
    startable: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]

    @property
    def labels(self) -> np.ndarray:
        """(n,) int64 class indices."""
        return np.array([example.label for example in self.examples])


def load_set(name: str, quick: bool = False) -> LabelledSet:
    """One set, whole, or a tenth of it."""
    load = {"toxigen": _toxigen, "davidson": _davidson, "clinc150": _clinc150}
    found = _embedded(name) if name in EMBEDDED else load[name]()
    return _thinned(found) if quick else found


def _embedded(name: str) -> LabelledSet:
    data, hidden = load_embedded(name), load_pool_labels(name)
    pool = [Example(e.id, e.text, hidden[e.id][0], level=hidden[e.id][1]) for e in data.pool]
    return _of_splits(name, 2, (1,), train=data.train, pool=pool, val=data.val, test=data.test)


def _toxigen() -> LabelledSet:
    rows = json.loads(public_data(PUBLIC["toxigen"]).joinpath(PUBLIC["toxigen"]).read_text("utf-8"))
    examples = [
        Example(
            f"toxigen-{row['id']}", " ".join(row["text"].replace("_x000D_", " ").split()), int(row["label"] == "hate")
        )
        for row in rows
    ]
    return _cut("toxigen", 2, (1,), examples, n_val=400, n_test=2000)


def _davidson() -> LabelledSet:
    """Hate against the rest; 5.8 % of the tweets."""
    path = public_data(PUBLIC["davidson"]) / PUBLIC["davidson"]
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    examples = [
        Example(f"davidson-{i}", " ".join(html.unescape(row["tweet"]).split()), int(row["class"] == "0"))
        for i, row in enumerate(rows)
    ]
    return _cut("davidson", 2, (1,), examples, n_val=1000, n_test=5000)


def _clinc150() -> LabelledSet:
    """150 intents, none of them harmful; the out-of-scope queries are left out."""
    data = json.loads((public_data(PUBLIC["clinc150"]) / PUBLIC["clinc150"]).read_text("utf-8"))
    names = sorted({intent for _, intent in data["train"]})
    splits = {
        split: [Example(f"{split}-{i}", text, names.index(intent)) for i, (text, intent) in enumerate(data[split])]
        for split in ("train", "val", "test")
    }
    return _of_splits("clinc150", len(names), (), pool=[], **splits)


def _of_splits(
    name: str,
    n_classes: int,
    harmful: tuple[int, ...],
    *,
    train: Sequence[Example],
    pool: Sequence[Example],
    val: Sequence[Example],
    test: Sequence[Example],
) -> LabelledSet:
    examples = (*train, *pool, *val, *test)
    ends = np.cumsum([0, len(train), len(pool), len(val), len(test)]).tolist()
    a, b, c, d, e = ends
    parts = (range(a, c), range(a, b), range(c, d), range(d, e))
    return LabelledSet(name, n_classes, harmful, examples, *map(tuple, parts))


def _cut(
    name: str, n_classes: int, harmful: tuple[int, ...], examples: Sequence[Example], *, n_val: int, n_test: int
) -> LabelledSet:
    """Validation and test texts drawn once; repeats of a text, capitals aside, are left out."""
    first = {example.text.lower(): example for example in reversed(examples)}
    distinct = sorted(first.values(), key=lambda example: example.id)
    random.Random(0).shuffle(distinct)  # noqa: S311 - no secret
    test, val, train = distinct[:n_test], distinct[n_test : n_test + n_val], distinct[n_test + n_val :]
    return _of_splits(name, n_classes, harmful, train=train, pool=[], val=val, test=test)


def _thinned(found: LabelledSet) -> LabelledSet:
    """A tenth of the rows of every part, drawn once, but of many classes all."""
    if found.n_classes > 2:
        return found
    draw = random.Random(0)  # noqa: S311

    def some(rows: tuple[int, ...], n: int) -> tuple[int, ...]:
        return tuple(sorted(draw.sample(rows, min(len(rows), n))))

    startable = some(found.startable, 300)
    askable = tuple(sorted({*startable, *some(found.askable, 400)}))
    return LabelledSet(
        found.name,
        found.n_classes,
        found.harmful,
        found.examples,
        askable,
        startable,
        some(found.val, 100),
        some(found.test, 300),
    )
