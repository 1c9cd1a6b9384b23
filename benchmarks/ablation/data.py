"""The four tasks of the ablation: training texts, test texts, and out-of-distribution texts.

`clinc150`, 150 classes; OOD: the out-of-scope queries. `embedded`, the ladder corpus, two classes; OOD: film
reviews (cad_sentiment) and queries (CLINC150), both far. `toxigen`, two classes; OOD: statements about two groups that
no training text is about (near), and queries (far). `sentiment`, two classes, measures pair consistency on far texts:
film reviews and their human edits with the label flipped (cad_sentiment); one text of each pair is used for training;
OOD: queries.
"""

from __future__ import annotations

import csv
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks._common import public_data
from vos.data import load_embedded
from vos.types import Example

TASKS = ("clinc150", "embedded", "toxigen", "sentiment")
HELD_OUT_GROUPS = ("mental dis", "physical dis")
"""Target groups of ToxiGen whose statements are the near OOD texts; no training or test text is labelled with them."""


@dataclass(frozen=True)
class Sizes:
    """How many texts of each kind, and how long training is.

    Attributes:
        train: texts in all; for clinc150 a multiple of its classes.
        test: likewise.
        ood: at most, of each kind, and of the validation texts.
        epochs: to the start point.
        max_length: tokens.
        start_layers: layers of the encoder (of 6) that are trained to the start point; the others and the embeddings
            stay as pretrained.
        branch_layers: layers that the deep branches train; the others train the head alone.
        precision: of Lightning; everything is measured in float32.
    """

    train: int
    test: int
    ood: int
    epochs: int
    max_length: int
    start_layers: int
    branch_layers: int
    precision: Literal["32-true", "bf16-mixed"]


FULL = {
    "clinc150": Sizes(15000, 4500, 1000, 3, 32, 6, 6, "bf16-mixed"),
    "embedded": Sizes(700, 600, 250, 3, 56, 6, 6, "bf16-mixed"),
    "toxigen": Sizes(3800, 1000, 400, 2, 40, 6, 6, "bf16-mixed"),
    "sentiment": Sizes(1600, 976, 400, 2, 128, 2, 2, "bf16-mixed"),
}
QUICK = {
    "clinc150": Sizes(300, 150, 40, 1, 12, 2, 1, "32-true"),
    "embedded": Sizes(64, 64, 20, 1, 24, 2, 1, "32-true"),
    "toxigen": Sizes(64, 40, 20, 1, 24, 2, 1, "32-true"),
    "sentiment": Sizes(24, 24, 20, 1, 24, 2, 1, "32-true"),
}


@dataclass(frozen=True)
class Task:
    """One data set as a seed sees it.

    Attributes:
        name: in `TASKS`.
        label_names: of the C classes.
        train: labelled.
        val: labelled; scores are standardised, and the band is set, on these.
        test: labelled.
        ood: texts by kind.
        sizes: how it was cut.
    """

    name: str
    label_names: tuple[str, ...]
    train: list[Example]
    val: list[Example]
    test: list[Example]
    ood: dict[str, list[str]]
    sizes: Sizes

    @property
    def harmful(self) -> tuple[int, ...]:
        """The second of two classes; queries have no harmful one."""
        return (1,) if len(self.label_names) == 2 else ()

    def texts(self) -> dict[str, list[str]]:
        """Every set of texts by name."""
        labelled = {"train": self.train, "val": self.val, "test": self.test}
        return {name: [e.text for e in examples] for name, examples in labelled.items()} | self.ood


def load_task(name: str, sizes: Sizes, seed: int) -> Task:
    """One task; the training texts are drawn anew for every seed, the others are the same for all."""
    load = {"clinc150": _clinc150, "embedded": _embedded, "toxigen": _toxigen, "sentiment": _sentiment}[name]
    return load(sizes, seed)


def data_folder() -> Path:
    """Folder of the public data sets, which holds all that the tasks need."""
    reviews = (f"cad_sentiment/{split}_paired.tsv" for split in ("dev", "test", "train"))
    return public_data("clinc150/data_full.json", "toxigen/toxigen.json", *reviews)


def _clinc150(sizes: Sizes, seed: int) -> Task:
    data = json.loads((data_folder() / "clinc150/data_full.json").read_text("utf-8"))
    names = tuple(sorted({intent for _, intent in data["train"]}))

    def cut(split: str, n: int, seed: int) -> list[Example]:
        by_class: dict[str, list[str]] = defaultdict(list)
        for text, intent in data[split]:
            by_class[intent].append(text)
        draw = random.Random(seed)  # noqa: S311 - no secret
        return [
            Example(f"{split}-{label}-{i}", text, label)
            for label, intent in enumerate(names)
            for i, text in enumerate(draw.sample(by_class[intent], n // len(names)))
        ]

    some = random.Random(0).sample(data["val"], min(sizes.ood, len(data["val"])))  # noqa: S311
    val = [Example(f"val-{i}", text, names.index(intent)) for i, (text, intent) in enumerate(some)]
    train, test = cut("train", sizes.train, seed), cut("test", sizes.test, 0)
    return Task("clinc150", names, train, val, test, _queries(sizes), sizes)


def _queries(sizes: Sizes) -> dict[str, list[str]]:
    data = json.loads((data_folder() / "clinc150/data_full.json").read_text("utf-8"))
    return {"queries": [text for text, _ in data["oos_test"][: sizes.ood]]}


def _embedded(sizes: Sizes, seed: int) -> Task:
    data = load_embedded("ladder")
    draw = random.Random(seed)  # noqa: S311
    train = data.train if sizes.train >= len(data.train) else draw.sample(data.train, sizes.train)
    rows = _reviews("test")
    reviews = [row["Text"] for row in rows[:: max(1, len(rows) // sizes.ood)]][: sizes.ood]
    # Test texts come in pairs that stand side by side; a cut of the front keeps them together.
    test = sorted(data.test, key=lambda e: (e.pair is None, e.pair or e.id))[: sizes.test]
    ood = {"reviews": reviews} | _queries(sizes)
    return Task("embedded", data.label_names, list(train), data.val[: sizes.ood], test, ood, sizes)


def _reviews(split: str) -> list[dict[str, str]]:
    """Rows of the paired reviews: Sentiment, Text and batch_id, which the two of a pair share."""
    with (data_folder() / f"cad_sentiment/{split}_paired.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def _sentiment(sizes: Sizes, seed: int) -> Task:
    names = ("positive", "negative")

    def examples(split: str) -> list[Example]:
        rows = sorted(_reviews(split), key=lambda row: (int(row["batch_id"]), row["Sentiment"]))
        return [
            Example(f"{split}-{i}", row["Text"], names.index(row["Sentiment"].lower()), pair=row["batch_id"])
            for i, row in enumerate(rows)
        ]

    pairs: dict[str | None, list[Example]] = defaultdict(list)
    for example in examples("train"):
        pairs[example.pair].append(example)
    draw = random.Random(seed)  # noqa: S311
    train = [draw.choice(pair) for pair in pairs.values()]
    val, test = examples("dev")[: sizes.ood], examples("test")[: sizes.test]
    train = draw.sample(_without(train, [*val, *test]), sizes.train)
    return Task("sentiment", names, train, val, test, _queries(sizes), sizes)


def _toxigen(sizes: Sizes, seed: int) -> Task:
    rows = json.loads((data_folder() / "toxigen/toxigen.json").read_text("utf-8"))
    texts = [" ".join(row["text"].replace("_x000D_", " ").split()) for row in rows]
    near = [t for t, row in zip(texts, rows, strict=True) if set(row["target_groups"]) & set(HELD_OUT_GROUPS)]
    known = [
        Example(f"toxigen-{row['id']}", text, int(row["label"] == "hate"))
        for text, row in zip(texts, rows, strict=True)
        if not set(row["target_groups"]) & set(HELD_OUT_GROUPS)
    ]
    random.Random(0).shuffle(known)  # noqa: S311
    random.Random(0).shuffle(near)  # noqa: S311
    test, rest = known[: sizes.test], known[sizes.test :]
    val, rest = _without(rest[: sizes.ood], test), rest[sizes.ood :]
    train = random.Random(seed).sample(_without(rest, [*val, *test]), sizes.train)  # noqa: S311
    ood = {"held-out groups": near[: sizes.ood]} | _queries(sizes)
    return Task("toxigen", ("neutral", "hate"), train, val, test, ood, sizes)


def _without(examples: Sequence[Example], others: Sequence[Example]) -> list[Example]:
    """The examples whose text stands in no other, so that no test text is trained on."""
    taken = {e.text.lower() for e in others}
    return [e for e in examples if e.text.lower() not in taken]
