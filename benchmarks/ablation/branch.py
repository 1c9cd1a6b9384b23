"""One unit of the ablation: continue from a start point, train for some steps, measure."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.ablation.arms import Arm
from benchmarks.ablation.data import Task
from benchmarks.ablation.hidden import upper_features
from benchmarks.ablation.module import training_module
from benchmarks.ablation.parts import Facts
from benchmarks.ablation.start import Batches, Start, train
from benchmarks.ablation.texts import train_from_start
from vos.density import ClassConditionalGaussian, FeatureBank
from vos.errors import InfeasibleError
from vos.losses import ExtraClass, FeatureUncertainty
from vos.metrics import auroc, band_width, boundary_report, fpr_at_tpr, fpr_at_tpr_ood, margin, outlier_energy_auroc
from vos.scores import energy, knn, mahalanobis, standardized_sum
from vos.training.module import ClassifierModule
from vos.training.settings import OptimizerSettings
from vos.types import LinearHead

OPTIMIZER = OptimizerSettings(lr=1e-4, head_lr=1e-3, weight_decay=0.01)
BAND_SHARE = 0.1
KNN_NEIGHBOURS = 10


@dataclass(frozen=True)
class Effort:
    """How long a branch is.

    Attributes:
        head: steps of branches that train the head alone.
        encoder: steps of branches that train layers of the encoder too.
        outliers_per_class: a step.
    """

    head: int
    encoder: int
    outliers_per_class: int


FULL = {
    "clinc150": Effort(469, 469, 1),
    "embedded": Effort(66, 44, 32),
    "toxigen": Effort(125, 125, 32),
    "sentiment": Effort(54, 54, 32),
}
QUICK = {name: Effort(3, 3, effort.outliers_per_class) for name, effort in FULL.items()}


def run_arm(task: Task, start: Start, arm: Arm, effort: Effort, seed: int, texts: Path) -> dict[str, Any]:
    """Everything that is known of one arm, as JSON can hold it; `texts` keeps what the language model writes."""
    started, cpu = time.perf_counter(), time.process_time()
    if arm.depth == "start":
        module, trained = train_from_start(task, start, arm, seed, texts)
        result: dict[str, Any] = {"outlier_energy_auroc": {}, "training_s": time.process_time() - cpu}
        result |= measure(task, trained, module)
        return result | {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - started}
    module, facts = build(task, start, arm, effort, seed)
    try:
        result = {"outlier_energy_auroc": seen_outliers(start, module, effort, facts, seed)}
    except InfeasibleError as error:
        return {"infeasible": str(error)}
    if arm.trained:
        labels = torch.tensor([e.label for e in task.train])
        features = start.features["train"] if arm.depth == "head" else None
        batches = Batches(start.hidden["train"], labels, seed, features)
        train(module, batches, task.sizes.precision, max_steps=getattr(effort, arm.depth))
    result["training_s"] = time.process_time() - cpu
    result |= measure(task, start, module)
    return result | {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - started}


def build(task: Task, start: Start, arm: Arm, effort: Effort, seed: int) -> tuple[ClassifierModule, Facts]:
    """The product's own training module over a copy of the start point, its memory filled with the start's features."""
    classifier = copy.deepcopy(start.classifier)
    if arm.depth == "head":
        classifier.freeze_encoder()
    labels = torch.tensor([e.label for e in task.train])
    c, d = classifier.n_classes, classifier.n_features
    bank = FeatureBank(len(labels), d)
    bank.push(start.features["train"], labels, torch.arange(len(labels)))
    facts = Facts(c, d, energy(start.head.logits(start.features["train"])), bank.contents)
    return training_module(classifier, arm, facts, bank, OPTIMIZER, effort.outliers_per_class, seed), facts


def seen_outliers(start: Start, module: ClassifierModule, effort: Effort, facts: Facts, seed: int) -> dict[str, float]:
    """AUROC of test texts against this arm's outliers before the first step, by energy and by Mahalanobis distance."""
    if module.sampler is None:
        return {}
    module.density.fit(*facts.memory())
    generator = torch.Generator().manual_seed(seed)
    outliers = module.sampler(module.density, start.head, effort.outliers_per_class, generator)
    h = start.features["test"]
    seen = outlier_energy_auroc(start.head.logits(h), start.head.logits(outliers.features))
    far = auroc(mahalanobis(module.density, h), mahalanobis(module.density, outliers.features))
    return {"energy": float(seen), "mahalanobis": float(far)}


def measure(task: Task, start: Start, module: ClassifierModule) -> dict[str, Any]:
    """Accuracy, the band, pair consistency, and OOD detection by every score."""
    classifier = module.classifier
    features = start.features
    if not classifier.encoder_is_frozen:
        features = {name: upper_features(classifier, hidden) for name, hidden in start.hidden.items()}
    head = LinearHead(*(t.detach() for t in classifier.linear_head()))
    labels = torch.tensor([e.label for e in task.test])
    band = band_width(margin(start.head.logits(start.features["val"]), task.harmful), BAND_SHARE)
    at_start = margin(start.head.logits(start.features["test"]), task.harmful).abs()
    logits = head.logits(features["test"])
    levels, pairs = [e.level for e in task.test], [e.pair for e in task.test]
    boundary = boundary_report(logits, labels, task.harmful, band, levels, pairs)
    near = at_start <= band
    boundary["near_error"] = float((logits[near].argmax(-1) != labels[near]).double().mean())
    if not start.distances:
        start.distances.update(distance_scores(task, start.features) | pretrained_scores(task, start.pretrained))
    distances = dict(start.distances)
    if not classifier.encoder_is_frozen:
        distances |= distance_scores(task, features)
    scores = all_scores(task, features, head, distances, module.regularizer)
    ood = {
        kind: {name: detection(values["test"], values[kind]) for name, values in scores.items()} for kind in task.ood
    }
    return {"boundary": boundary, "ood": ood}


def distance_scores(task: Task, features: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Mahalanobis and kNN scores against the training texts as the same model sees them."""
    labels = torch.tensor([e.label for e in task.train])
    density = ClassConditionalGaussian(len(task.label_names), features["train"].shape[1])
    density.fit(features["train"], labels)
    names = ("val", "test", *task.ood)
    return {
        "mahalanobis": {name: mahalanobis(density, features[name]) for name in names},
        "knn": {name: knn(features[name], features["train"], KNN_NEIGHBOURS) for name in names},
    }


def pretrained_scores(task: Task, pretrained: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Distance of all but the training texts to the nearest training text in the features of the untrained encoder."""
    return {"pretrained": {name: knn(pretrained[name], pretrained["train"], 1) for name in ("val", "test", *task.ood)}}


def all_scores(
    task: Task,
    features: dict[str, Tensor],
    head: LinearHead,
    distances: dict[str, dict[str, Tensor]],
    regularizer: nn.Module | None,
) -> dict[str, dict[str, Tensor]]:
    """Every score of test and OOD texts.

    "sum" adds energy and Mahalanobis distance, each less its mean and over its deviation on the validation texts; no
    text that it is reported on enters it. "sum, pretrained" adds to the energy, in the same way, what the encoder knew
    before it was trained. "own" is the detector that the arm's loss trains, where it trains one.
    """
    names = ("val", "test", *task.ood)
    energies = {name: energy(head.logits(features[name])).double() for name in names}
    scores = {"energy": energies, **distances}
    for total, other in (("sum", "mahalanobis"), ("sum, pretrained", "pretrained")):
        parts = (energies, distances[other])
        scores[total] = {n: standardized_sum([p[n] for p in parts], [p["val"] for p in parts]) for n in names}
    own = {name: own_score(regularizer, features[name], head) for name in names}
    return scores | ({"own": own} if own["test"] is not None else {})  # type: ignore[dict-item]


@torch.no_grad()
def own_score(regularizer: nn.Module | None, features: Tensor, head: LinearHead) -> Tensor | None:
    """Outlier logit less that of texts, (n,), for the losses whose detector reads the features."""
    if isinstance(regularizer, FeatureUncertainty):
        outlier, text = regularizer.mlp(features).unbind(-1)
        return (outlier - text).double()
    if isinstance(regularizer, ExtraClass):
        logits = regularizer.all_logits(head.logits(features), features)
        return (logits[:, -1] - logits[:, :-1].logsumexp(-1)).double()
    return None


def detection(id_scores: Tensor, ood_scores: Tensor) -> dict[str, float]:
    """AUROC and both readings of FPR95."""
    return {
        "auroc": float(auroc(id_scores, ood_scores)),
        "fpr95": float(fpr_at_tpr(id_scores, ood_scores)),
        "fpr95_ood": float(fpr_at_tpr_ood(id_scores, ood_scores)),
    }
