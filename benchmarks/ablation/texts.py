"""Arms from the start: the whole training repeated, with auxiliary outlier texts or virtual outliers in every step.

The branches of `branch` begin after the cross-entropy training, and their outliers affect only the head. Here the
outliers affect the encoder, from the first step on and for as many steps as the start point was trained.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks._common import MODEL_CACHE
from benchmarks.ablation.arms import Arm
from benchmarks.ablation.data import Sizes, Task
from benchmarks.ablation.hidden import Hidden, UpperClassifier, lower_layers, upper_features
from benchmarks.ablation.module import training_module
from benchmarks.ablation.parts import Facts
from benchmarks.ablation.start import BATCH_SIZE, START_OPTIMIZER, Batches, Start, fresh, train
from vos.density import FeatureBank
from vos.exposure.filter import far_from_training
from vos.exposure.write import OutlierText, WritingSettings, write_outlier_texts
from vos.generation.language_model import LanguageModel
from vos.generation.particles import Sampling
from vos.training.module import ClassifierModule

WRITTEN = {"clinc150": 3000, "embedded": 1500, "toxigen": 3000, "sentiment": 600}
QUICK_WRITTEN = 48
QUANTILE = 0.8
FILTERED = ("written texts", "more written texts")
"""Spliced texts are of no class by construction, and near all the same."""

SETS = 5
"""What is written for so many seeds is taken together in "more written texts"."""

QUICK_SETS = 2


def settings_of(sizes: Sizes, name: str) -> dict[str, Any]:
    """What must be equal for two units from the start to compare."""
    texts = {"outlier_texts": wanted(sizes, name), "quantile": QUANTILE}
    return asdict(sizes) | {"batch_size": BATCH_SIZE, "optimizer": asdict(START_OPTIMIZER)} | texts


def wanted(sizes: Sizes, name: str) -> int:
    """How many auxiliary outlier texts are made for a seed of a task."""
    return WRITTEN[name] if sizes.precision == "bf16-mixed" else QUICK_WRITTEN


def written(task: Task, seed: int, n: int, folder: Path) -> list[OutlierText]:
    """Written by the bundled language model after the seed's own training texts, once."""
    path = folder / f"{task.name}-{seed}.json"
    if not path.exists():
        settings = WritingSettings(n, 8, 64, 3, 200, Sampling(1.0, 200, 0.95, 64))
        texts, cost = write_outlier_texts(_language_model(), task.train, settings, seed)
        print(f"{task.name} seed {seed}: {len(texts)} texts written, {cost.lm_tokens} tokens", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([asdict(each) for each in texts], allow_nan=False), "utf-8")
    return [OutlierText(row["text"], tuple(row["parents"])) for row in json.loads(path.read_text("utf-8"))]


def more_written(task: Task, seed: int, n: int, folder: Path) -> list[OutlierText]:  # noqa: ARG001 - as `written`
    """What is written for the first `SETS` seeds, together; for tasks that train on the same texts with every seed.

    So all seeds share the texts. Those that are test texts are left out, as the product leaves them out.
    """
    known = {" ".join(example.text.lower().split()) for example in task.test}
    found: dict[str, OutlierText] = {}
    for number in range(SETS if task.sizes.precision == "bf16-mixed" else QUICK_SETS):
        for each in written(task, number, n, folder):
            found.setdefault(" ".join(each.text.lower().split()), each)
    return [each for key, each in found.items() if key not in known]


def spliced(task: Task, seed: int, n: int, folder: Path) -> list[OutlierText]:  # noqa: ARG001 - as `written`
    """The first half of one training text and the second half of another of another class: no language model."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    found: list[OutlierText] = []
    while len(found) < n:
        first, second = draw.sample(task.train, 2)
        if first.label != second.label:
            a, b = first.text.split(), second.text.split()
            text = " ".join(a[: (len(a) + 1) // 2] + b[len(b) // 2 :])
            found.append(OutlierText(text, (first.id, second.id)))
    return found


TEXTS: dict[str, Callable[[Task, int, int, Path], list[OutlierText]]] = {
    "written texts": written,
    "more written texts": more_written,
    "spliced texts": spliced,
}


@cache
def _language_model() -> LanguageModel:
    return LanguageModel.load(cache=MODEL_CACHE, dtype="bfloat16")


class HiddenBatches:
    """What `vos.data.OutlierBatches` gives, over what the lower layers make of the texts."""

    def __init__(self, hidden: Hidden) -> None:
        self.hidden = hidden
        self.order = hidden.lengths.argsort(stable=True).tolist()
        self.size = min(BATCH_SIZE, len(self.order))

    def __call__(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Neighbours in length around a place drawn by chance."""
        first = int(torch.randint(len(self.order) - self.size + 1, (1,), generator=generator))
        return self.hidden.batch(self.order[first : first + self.size])


def train_from_start(task: Task, start: Start, arm: Arm, seed: int, folder: Path) -> tuple[ClassifierModule, Start]:
    """The trained module, and the start point with the hidden states that its classifier reads.

    Without a sampler nothing is trained: cross-entropy from the start is the start point itself.
    """
    if arm.sampler is None:
        return _module(task, start.classifier, arm, seed, None), start
    classifier = fresh(task, seed)
    hidden = {name: lower_layers(classifier, texts, task.sizes) for name, texts in task.texts().items()}
    outliers = None
    if arm.sampler in TEXTS:
        texts = TEXTS[arm.sampler](task, seed, wanted(task.sizes, task.name), folder)
        of_texts = lower_layers(classifier, [each.text for each in texts], task.sizes)
        classifier.keep_upper(task.sizes.start_layers)
        if arm.sampler in FILTERED:
            features = upper_features(classifier, of_texts)
            kept = {each.text for each in far_from_training(texts, features, start.pretrained["train"], QUANTILE)}
            of_texts = of_texts.only([i for i, each in enumerate(texts) if each.text in kept])
        outliers = HiddenBatches(of_texts)
    else:
        classifier.keep_upper(task.sizes.start_layers)
    module = _module(task, classifier, arm, seed, outliers)
    labels = torch.tensor([e.label for e in task.train])
    batches = Batches(hidden["train"], labels, seed)
    train(module, batches, task.sizes.precision, max_epochs=task.sizes.epochs)
    return module, replace(start, hidden=hidden)


def _module(
    task: Task, classifier: UpperClassifier, arm: Arm, seed: int, outliers: HiddenBatches | None
) -> ClassifierModule:
    c, d = classifier.n_classes, classifier.n_features
    bank = FeatureBank(len(task.train), d)
    facts = Facts(c, d, torch.zeros(1), bank.contents)
    return training_module(classifier, arm, facts, bank, START_OPTIMIZER, max(1, BATCH_SIZE // c), seed, outliers)
