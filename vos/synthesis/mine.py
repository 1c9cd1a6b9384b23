"""Chooses near-boundary texts of a pool for a model in memory, without files, run directory or configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsIndex

import torch
from transformers import PreTrainedModel

from vos.data import ListPool, TextData
from vos.data.labels import spelled
from vos.data.validation import check_texts
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, DataError
from vos.harmful import NO_HARM, Positive, harmful_classes
from vos.labeling import BoundaryRecord
from vos.metrics.agreement import report_below_chance
from vos.models import ClassifierFeaturizer, TextClassifier, WrappedClassifier, saved_harmful
from vos.models.truncation import warn_of_truncation
from vos.outliers import BoundarySampler, with_sides
from vos.synthesis.acquire import acquire
from vos.synthesis.job import Progress, SynthesisJob, SynthesisSettings, records_of
from vos.types import Example, OutlierSampler


def mine(
    model: PreTrainedModel | TextClassifier,
    tokenizer: Any,
    labelled: Sequence[tuple[str, SupportsIndex | str]],
    pool: Sequence[str],
    n: int = 100,
    *,
    positive: Positive = None,
    seed: int = 0,
    settings: SynthesisSettings | None = None,
    sampler: OutlierSampler | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[BoundaryRecord]:
    """Choose the texts of a pool that are most useful to label: near a classifier's boundary, plus a random share.

    As with `python synthesize.py`, the batch covers the part of the boundary where the pool's texts lie and which the
    labelled texts do not cover yet. The model is not modified: weights, mode and hooks do not change.

    Args:
        model: a `transformers.AutoModelForSequenceClassification` whose logits come from one linear layer; or a
            classifier of this package, as returned by `vos.load_classifier`.
        tokenizer: the model's tokenizer.
        labelled: texts with their class, an index or a name in `model.config.id2label`; of at least two classes. Texts
            similar to them are not proposed.
        pool: unlabelled texts.
        n: number of texts; the result has fewer if the pool does not have enough.
        positive: the harmful class by its name in `model.config.id2label`, or a list of them; "none" if no class is
            harmful; None: as saved by this package with the model, in its configuration or `vos.json`, otherwise
            decided by well-known words in the names, see `vos.harmful.harmful_classes`.
        seed: seed of the outliers and the random share.
        settings: see `SynthesisSettings`; `selection.n` is replaced by `n`.
        sampler: draws the virtual outliers; None: at the boundary, without a prescribed radius, which is feasible for
            every class.
        progress: called with the number of texts of the pool that were processed since the last call.

    Returns:
        Records, those near the boundary first, then the random share (`chosen` is "random"); `id` is the index of the
        text in `pool`.

    Raises:
        DataError: the pool is empty, a label is unknown, there is only one class, or no text is near the boundary.
        ModelError: the model has fewer than two classes, or cannot be split at its last linear layer.
        ConfigError: class names that do not decide which are harmful; infeasible settings, or settings that make texts
            or write files.

    Example:
        >>> from transformers import AutoModelForSequenceClassification, AutoTokenizer  # doctest: +SKIP
        >>> model = AutoModelForSequenceClassification.from_pretrained("unitary/toxic-bert")  # doctest: +SKIP
        >>> tokenizer = AutoTokenizer.from_pretrained("unitary/toxic-bert")  # doctest: +SKIP
        >>> records = vos.mine(model, tokenizer, [("have a nice day", 0), ("go away", 1)], pool)  # doctest: +SKIP
    """
    settings = settings or SynthesisSettings()
    settings = replace(settings, selection=replace(settings.selection, n=n))
    if settings.generation is not None or getattr(settings.acquisition, "index", "none") != "none":
        raise ConfigError(
            f"mine: expected generation=None and no index, as no file is written, got {settings.acquisition}"
        )
    if len(pool) == 0:
        raise DataError("pool: expected at least one text, got none")
    for kind, texts in (("labelled", [text for text, _ in labelled]), ("pool", pool)):
        check_texts(kind, texts)
    classifier = model if isinstance(model, TextClassifier) else WrappedClassifier(model, tokenizer)
    harmful = _harmful(model, classifier.label_names, positive)
    train = _examples(labelled, classifier.label_names)
    pool_texts = ListPool([Example(str(place), text) for place, text in enumerate(pool)])
    featurizer = ClassifierFeaturizer(classifier, device=classifier.head.weight.device)
    warn_of_truncation(classifier, "labelled", (example.text for example in train))
    warn_of_truncation(classifier, "pool", pool)
    known, labels = featurizer.featurize([example.text for example in train]), [example.label for example in train]
    report_below_chance(known.logits, torch.tensor(labels), classifier.label_names, "labelled")
    density = ClassConditionalGaussian(classifier.n_classes, classifier.n_features)
    job = SynthesisJob(
        featurizer=featurizer,
        density=density.fit(known.features, torch.tensor(labels)),
        sampler=with_sides(sampler or BoundarySampler(distance=None), harmful),
        data=TextData(train, [], [], pool_texts, classifier.label_names, [], harmful=harmful),
        settings=settings,
        seed=seed,
        progress=Progress(progress) if progress else Progress(),
    )
    return _chosen(job)


def _harmful(model: PreTrainedModel | TextClassifier, names: tuple[str, ...], positive: Positive) -> tuple[int, ...]:
    """Indices of the harmful classes: as given, as saved with the model, or by their names."""
    if positive is None and isinstance(model, TextClassifier):
        return model.harmful
    if positive is None and isinstance(model, PreTrainedModel):
        saved = getattr(model.config, "harmful_classes", None)
        if saved is None and (Path(model.name_or_path) / "vos.json").is_file():
            saved = saved_harmful(model.name_or_path)
        positive = NO_HARM if saved == [] else saved
    return harmful_classes(names, positive)


def _examples(labelled: Sequence[tuple[str, SupportsIndex | str]], names: tuple[str, ...]) -> list[Example]:
    examples = [
        Example(f"labelled:{place}", text, _index(label, names, place)) for place, (text, label) in enumerate(labelled)
    ]
    found = {names[label] for example in examples if (label := example.label) is not None}
    if len(found) < 2:
        raise DataError(f"labelled: expected texts of at least two classes, got {len(examples)} of {sorted(found)}")
    return examples


def _index(label: object, names: tuple[str, ...], place: int) -> int:
    if isinstance(label, str) and (name := spelled(label, names)) in names:
        return names.index(name)
    if isinstance(label, SupportsIndex) and 0 <= label.__index__() < len(names):
        return label.__index__()
    raise DataError(
        f"labelled[{place}]: expected a label of {list(names)}, or an index below {len(names)}, got {label!r}"
    )


def _chosen(job: SynthesisJob) -> list[BoundaryRecord]:
    acquired = acquire(job, Path(os.devnull))  # no text is made, so nothing is written
    if acquired.lacks_near_boundary:
        raise DataError(
            f"pool: none of {acquired.n_scored} texts was taken; dropped {acquired.selection.dropped}; give a larger "
            "selection.max_margin (with TargetAcquisition, selection.max_distance), or more texts"
        )
    return list(records_of(acquired.selection.chosen, acquired.targets, job))
