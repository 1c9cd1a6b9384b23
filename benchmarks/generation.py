"""Made texts for virtual outliers: plain samples, sequential Monte Carlo and suffix moves at equal tokens.

Usage: python benchmarks/generation.py [--quick] [--seeds N] [--corpus embedded|FILE.json] [--arms NAME ...]

The classifier is the bundled encoder, frozen, with a logistic regression fitted on the training texts. Every arm gets
the same targets, prompts and seeds. An answer lies in the margin band, within `max_distance` of its target, breaks no
rule, and has an edit similarity below 0.7 to every real text. Texts are counted once, however many targets they answer.
`best of N` is sequential Monte Carlo without resampling. The placebo judges each text against another target of the
same draw. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import random
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from vos.candidates.generation import make_texts, real_texts
from vos.candidates.language_model import LanguageModel
from vos.candidates.reach import Outcome
from vos.candidates.session import Kit
from vos.candidates.settings import GenerationSettings, Stages
from vos.candidates.steering import SteeringSettings
from vos.candidates.target import Potential, Targets, TargetSpace
from vos.data import load_embedded
from vos.density import ClassConditionalGaussian
from vos.models import ClassifierFeaturizer
from vos.models.encoder import EncoderClassifier
from vos.outliers import BoundarySampler
from vos.types import Example

EVERYTHING = 10**6


@dataclass(frozen=True)
class Size:
    """How much is run."""

    targets_per_class: int
    tokens: int
    train: int


def arms(tokens: int) -> dict[str, tuple[Stages, SteeringSettings]]:
    """Stages by name; each goes on until the tokens of a target are spent."""
    base = Stages(per_target=EVERYTHING, tokens=tokens, pilot=16, chains=0, moves=EVERYTHING)
    smc = SteeringSettings()
    particles = max(8, tokens // 20)  # about 20 tokens a text
    return {
        "plain": (replace(base, pilot=particles, pilot_ess=None), smc),
        "best of N": (replace(base, steer=True, moves=0), replace(smc, particles=particles, ess=0.0)),
        "steered": (replace(base, steer=True), smc),
        "seeded moves": (replace(base, chains=16), smc),
    }


def examples(corpus: str, n: int) -> list[Example]:
    """Labelled texts of the embedded corpus, or of a JSON list with `text` and `label` ("hate" or "neutral")."""
    if corpus == "embedded":
        return list(load_embedded().train)[:n]
    rows = json.loads(Path(corpus).read_text())
    random.Random(0).shuffle(rows)  # noqa: S311 - no secret
    return [Example(f"x{row['id']}", row["text"].strip(), int(row["label"] == "hate")) for row in rows[:n]]


def classifier(train: list[Example]) -> ClassifierFeaturizer:
    """The bundled encoder with a logistic regression as its head."""
    model = EncoderClassifier("bundled", ("harmless", "harmful"), freeze=True)
    featurizer = ClassifierFeaturizer(model)
    features = featurizer.featurize([example.text for example in train]).features.numpy()
    fitted = LogisticRegression(C=10.0, max_iter=2000).fit(features, [example.label for example in train])
    with torch.no_grad():
        weight = torch.from_numpy(fitted.coef_[0]).float()
        model.head.weight.copy_(torch.stack([torch.zeros_like(weight), weight]))
        model.head.bias.copy_(torch.tensor([0.0, float(fitted.intercept_[0])]))
    return featurizer


def figures(outcomes: tuple[Outcome, ...], targets: Targets, space: TargetSpace, kit: Kit) -> dict[str, float]:
    """What one arm reached on one seed."""
    tokens = sum(outcome.cost.lm_tokens for outcome in outcomes)
    answers = [answer for outcome in outcomes for answer in outcome.answers]
    reachable = [outcome for outcome in outcomes if outcome.reachable]
    result = {
        "lm_tokens": tokens,
        "classifier_texts": sum(outcome.cost.classifier_texts for outcome in outcomes),
        "distinct_answers": len({answer.example.text for answer in answers}),
        "targets": len(outcomes),
        "reachable": len(reachable),
        "hit": sum(outcome.status == "hit" for outcome in outcomes),
    }
    result["answers_per_1000_tokens"] = 1000 * result["distinct_answers"] / max(tokens, 1)
    if answers:
        features = kit.featurizer.featurize([answer.example.text for answer in answers]).features
        distances = space.distances(space.coordinates(features), targets.coordinates)
        own = torch.tensor([answer.target for answer in answers])
        others = torch.tensor([outcome.target for outcome in reachable])
        nearest = others[distances[:, others].argmin(1)]
        result["top1"] = float((nearest == own).double().mean())
        result["chance"] = 1 / len(reachable)
        shifted = others[(torch.searchsorted(others, own) + 1) % len(others)]
        rows = torch.arange(len(own))
        result["distance_own"] = float(distances[rows, own].median())
        result["distance_placebo"] = float(distances[rows, shifted].median())
    return result


def run(size: Size, seeds: int, cache: Path, corpus: str, names: list[str]) -> dict[str, object]:
    """All arms on all seeds, and the paired ratios of answers per token against plain samples."""
    train = examples(corpus, size.train)
    featurizer = classifier(train)
    batch = featurizer.featurize([example.text for example in train])
    labels = torch.tensor([example.label for example in train])
    density = ClassConditionalGaussian(2, batch.features.shape[1]).fit(batch.features, labels)
    space = TargetSpace.fit(batch.features, density, featurizer.head)
    real = real_texts(train, featurizer, space)
    language_model = LanguageModel.load(cache=cache)
    rows: list[dict[str, object]] = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        sampler = BoundarySampler(margin=0.0, band=1.0, distance=0.5)
        targets = space.targets(sampler(density, featurizer.head, size.targets_per_class, generator))
        for name, (stages, steering) in arms(size.tokens).items():
            if name not in names:
                continue
            settings = GenerationSettings(max_start=None, stages=stages, steering=steering)
            kit = Kit(language_model, featurizer, density, space, real, Potential(delta=1.0), settings, seed)
            start = time.perf_counter()
            outcomes = make_texts(kit, targets)
            row = {"arm": name, "seed": seed, **figures(outcomes, targets, space, kit)}
            row["refused"] = dict(sum((Counter(outcome.refused) for outcome in outcomes), Counter()))
            row["seconds"] = time.perf_counter() - start
            rows.append(row)
            print("  ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()), flush=True)
    return {"unit": space.unit, "rows": rows, "ratio_to_plain": ratios(rows), "machine": platform.platform()}


def ratios(rows: list[dict[str, object]]) -> dict[str, list[float]]:
    """Answers per token against plain samples: mean over seeds and a paired bootstrap 95 % interval."""
    table: dict[str, list[float]] = {}
    for row in rows:
        table.setdefault(str(row["arm"]), []).append(float(row["answers_per_1000_tokens"]))  # type: ignore[arg-type]
    if "plain" not in table:
        return {}
    plain = np.array(table["plain"])
    draw = np.random.default_rng(0).integers(len(plain), size=(2000, len(plain)))
    result = {}
    for name, values in table.items():
        boot = np.array(values)[draw].sum(1) / np.maximum(plain[draw].sum(1), 1e-9)
        mean = sum(values) / max(float(plain.sum()), 1e-9)
        result[name] = [mean, *np.quantile(boot, [0.025, 0.975]).tolist()]
    return result


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small size, for a check that everything runs")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "vos-text" / "models")
    parser.add_argument("--corpus", default="embedded")
    parser.add_argument("--arms", nargs="+", default=list(arms(1)), help="plain is needed for the ratios")
    parser.add_argument("--targets", type=int, help="targets of each class, instead of the size's own")
    parser.add_argument("--tokens", type=int, help="tokens for each target, instead of the size's own")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    size = Size(2, 600, 500) if options.quick else Size(8, 1800, 4000)
    size = replace(
        size,
        targets_per_class=options.targets or size.targets_per_class,
        tokens=options.tokens or size.tokens,
    )
    print(json.dumps(run(size, 1 if options.quick else options.seeds, options.cache, options.corpus, options.arms)))


if __name__ == "__main__":
    main()
