"""The texts of an atlas: validation and test texts, a sample of the pool, the batch, and answered texts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vos.atlas.pool import Sampled, sample_by_band, shares
from vos.atlas.settings import AtlasSettings
from vos.data import TextData
from vos.metrics.boundary import band_width
from vos.metrics.margins import margin
from vos.mining.pool_sample import uniforms
from vos.models import ClassifierFeaturizer
from vos.storage.text_ids import text_uid
from vos.types import Example

logger = logging.getLogger(__name__)

HELD_OUT = ("validation", "test")
POOL_SHARE = 1 / 3
"""Share of the texts of an atlas that is reserved for the pool, however many held-out texts there are."""


@dataclass(frozen=True)
class AtlasTexts:
    """The texts of an atlas, one per row.

    Attributes:
        text: the texts.
        uid: see `text_uid`.
        split: "validation", "test", "pool" or "made" (written by a language model); never training texts.
        label: class index, None for an unlabelled text, such as all texts of the pool.
        prediction: (n,) int64, the class of the largest logit.
        margin: (n,) float64, see `vos.metrics.margins.margin`; positive is the harmful side.
        probability: (n,) float64, of all harmful classes together; if none is harmful, of the prediction.
        distance: (n,) float64, q in [0, 1] to the predicted class; NaN if the density does not have this class.
        near: (n,) bool, whether |margin| is within the band.
        batch: (n,) bool, whether the text is in the run's batch.
        answer: class index that people answered, or None.
        cluster: (n,) int64, word cluster, for counting.
        weight: (n,) float64, the number of texts of its source that each represents.
        columns: further columns, by name: a value or None for each text.
    """

    text: tuple[str, ...]
    uid: tuple[str, ...]
    split: tuple[str, ...]
    label: tuple[int | None, ...]
    prediction: NDArray[np.int64]
    margin: NDArray[np.float64]
    probability: NDArray[np.float64]
    distance: NDArray[np.float64]
    near: NDArray[np.bool_]
    batch: NDArray[np.bool_]
    answer: tuple[int | None, ...]
    cluster: NDArray[np.int64]
    weight: NDArray[np.float64]
    columns: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.text)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which texts have a label: (n,) bool."""
        return np.array([label is not None for label in self.label], dtype=np.bool_)

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Which texts are validation or test texts: (n,) bool. No text of an atlas was trained on."""
        return np.array([split in HELD_OUT for split in self.split], dtype=np.bool_)

    def labels_of(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Labels of labelled rows: (k,) int64.

        Raises:
            TypeError: a row has no label.
        """
        return np.array([int(self.label[i]) for i in rows], dtype=np.int64)  # type: ignore[arg-type]

    def at(self, rows: NDArray[np.int64]) -> AtlasTexts:
        """The texts of some rows, in their order."""
        picked: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            values = getattr(self, name)
            if isinstance(values, np.ndarray):
                picked[name] = values[rows]
            elif isinstance(values, tuple):
                picked[name] = tuple(values[i] for i in rows)
        columns = {name: tuple(values[i] for i in rows) for name, values in self.columns.items()}
        return replace(self, **picked, columns=columns)


@dataclass(frozen=True)
class ChosenTexts:
    """The texts that are shown, with their features.

    Attributes:
        examples: in order: validation, test, pool, made.
        splits: split of each text.
        features: (n, d) float32.
        weight: (n,), see `AtlasTexts`.
        band: half-width of the band of texts near the boundary.
        counts: numbers of existing and of shown texts, for the page and the log.
    """

    examples: tuple[Example, ...]
    splits: tuple[str, ...]
    features: Tensor
    weight: NDArray[np.float64]
    band: float
    counts: Mapping[str, int]


def choose_texts(
    data: TextData,
    featurizer: ClassifierFeaturizer,
    settings: AtlasSettings,
    seed: int = 0,
    first: Sequence[Example] = (),
    made: Collection[str] = (),
    told: Callable[[int], None] = lambda _: None,
) -> ChosenTexts:
    """Choose the texts of an atlas.

    All validation and test texts if they fit, and a sample of the pool, at least a third of the total if the pool is
    large enough. Texts near the boundary have priority everywhere; if not all of them fit, and among the others, a hash
    of the text decides. A text is shown once; a training text never.

    Args:
        data: data of the run.
        featurizer: of its classifier.
        settings: see `AtlasSettings`.
        seed: seed of the hashes.
        first: texts of the batch and answered texts; they are always shown.
        made: uids of texts written by a language model.
        told: called with the number of further pool texts done.
    """
    trained = {text_uid(example.text) for example in data.train}
    held = _once([("validation", data.val), ("test", data.test)], trained)
    known = {text_uid(example.text) for _, example in held}
    extra = _once([("pool", first)], trained | known)
    known |= trained | {text_uid(example.text) for _, example in extra}
    held_features = featurizer.featurize([example.text for _, example in held]).features
    band = _band(held, held_features, featurizer, settings)
    room = max(settings.n_texts - len(extra), 0)
    near, others = sample_by_band(data.pool, featurizer, band, max(room, 1), seed, known, told)
    n_pool = min(len(near.examples) + len(others.examples), max(room - len(held), int(POOL_SHARE * room)))
    parts = [*_held_out(held, held_features, featurizer, band, room - n_pool, seed)]
    of_near, of_others = shares(len(near.examples), len(others.examples), n_pool)
    parts += [("pool", near.first(of_near)), ("pool", others.first(of_others))]
    if extra:
        features = featurizer.featurize([example.text for _, example in extra]).features
        texts = tuple(example for _, example in extra)
        uids = tuple(text_uid(example.text) for example in texts)
        parts.append(("pool", Sampled(texts, uids, features, np.zeros(len(uids)), len(uids))))
    return _together(parts, band, {"pool": near.population + others.population, "held out": len(held)}, made)


def _once(sources: Iterable[tuple[str, Iterable[Example]]], known: Collection[str]) -> list[tuple[str, Example]]:
    """Examples with their split, each text once, without known texts."""
    seen, found = set(known), []
    for split, examples in sources:
        for example in examples:
            uid = text_uid(example.text)
            if uid not in seen:
                seen.add(uid)
                found.append((split, example))
    return found


def _band(
    held: Sequence[tuple[str, Example]], features: Tensor, featurizer: ClassifierFeaturizer, settings: AtlasSettings
) -> float:
    """Half-width of the band that contains the given share of the validation (otherwise all held-out) texts."""
    rows = [i for i, (split, _) in enumerate(held) if split == "validation"] or list(range(len(held)))
    if not rows:
        return 1.0
    margins = margin(featurizer.head.logits(features[rows]), featurizer.classifier.harmful)
    return band_width(margins, settings.near_share)


def _held_out(
    held: Sequence[tuple[str, Example]],
    features: Tensor,
    featurizer: ClassifierFeaturizer,
    band: float,
    room: int,
    seed: int,
) -> Iterable[tuple[str, Sampled]]:
    """Held-out texts by kind and split; near texts of both splits have priority if not all fit."""
    if not held:
        return
    examples, splits = [example for _, example in held], [split for split, _ in held]
    uids = [text_uid(example.text) for example in examples]
    margins = margin(featurizer.head.logits(features), featurizer.classifier.harmful)
    inside, keys = (margins.abs() <= band).numpy(), uniforms(uids, seed, "atlas")
    for kind, most in zip((inside, ~inside), shares(int(inside.sum()), int((~inside).sum()), room), strict=True):
        rows = np.flatnonzero(kind)
        rows = np.sort(rows[np.argsort(keys[rows], kind="stable")][:most])
        for split in HELD_OUT:
            of_split = [int(i) for i in rows if splits[i] == split]
            population = sum(bool(kind[i]) for i, each in enumerate(splits) if each == split)
            yield (
                split,
                Sampled(
                    tuple(examples[i] for i in of_split),
                    tuple(uids[i] for i in of_split),
                    features[of_split],
                    keys[of_split],
                    population,
                ),
            )


def _together(
    parts: Sequence[tuple[str, Sampled]], band: float, counts: Mapping[str, int], made: Collection[str]
) -> ChosenTexts:
    """Concatenate the parts by split, in the order in which they were found."""
    order = {"validation": 0, "test": 1, "pool": 2, "made": 3}
    rows = [
        (order["made" if part.uids[i] in made else split], number, i)
        for number, (split, part) in enumerate(parts)
        for i in range(len(part.examples))
    ]
    rows.sort(key=lambda row: row[0])
    names = list(order)
    weight = [max(parts[p][1].population / len(parts[p][1].examples), 1.0) for _, p, _ in rows]
    features = [parts[p][1].features[i] for _, p, i in rows]
    chosen = ChosenTexts(
        examples=tuple(parts[p][1].examples[i] for _, p, i in rows),
        splits=tuple(names[split] for split, _, _ in rows),
        features=torch.stack(features) if features else torch.zeros(0, 0),
        weight=np.array(weight),
        band=band,
        counts={**counts, "shown": len(rows)},
    )
    logger.info("texts of the atlas: %s", ", ".join(f"{name} {count}" for name, count in chosen.counts.items()))
    return chosen
