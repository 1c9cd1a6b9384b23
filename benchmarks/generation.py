"""Made texts for virtual outliers: what each way of making them reaches at equal tokens of the language model.

Usage: python benchmarks/generation.py [--quick] [--corpus embedded|FILE.csv] [--run RUN] [--seeds N] [--state FILE]

Arms that cost tokens: `plain` samples, `smc` (sequential Monte Carlo), `mcmc` (Metropolis-Hastings suffix moves
from the nearest real texts) and `drafts` (the search that the product uses). Every arm gets the same targets, the
same prompts and the same tokens for each target. Without further tokens follow `best of 8` (of every 8 plain samples
the nearest), `placebo` (the drafts' texts, each judged for another target than the one it was made for),
`retrieval` (texts of the pool, which nothing was trained on) and `ladder` (retrieval, and drafts where it finds
nothing).

The classifier is that of a finished run (`--run`), else the bundled encoder, frozen, with a logistic regression.
Targets are drawn with margins from -2 to 2; only those with a real text within `--max-start` and in the band get
tokens, the same ones in all arms. With `--state` every finished unit is kept, and a call with the same settings goes on
where one was killed; with fewer `--arms` the others are left for later.

The last line is one JSON object. What counts is told in `generation_figures.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from generation_figures import Judged, Rule, Unit, apart, arm_figures, best_of, compared, sample, shuffled
from sklearn.linear_model import LogisticRegression
from text_metrics import Trigrams, distinct, percentiles, self_bleu
from throughput import throughput

from vos.data import load_embedded
from vos.density import ClassConditionalGaussian
from vos.generation.generate import make_texts, real_texts
from vos.generation.language_model import LanguageModel
from vos.generation.particles import Sampling
from vos.generation.prompts import PromptSettings, RealTexts
from vos.generation.reach import reachability
from vos.generation.rules import TextRules
from vos.generation.settings import Stages, TextGeneratorSettings
from vos.generation.text_generator import TextGenerator
from vos.metrics.boundary import margin
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.models import ClassifierFeaturizer, load_classifier
from vos.models.encoder import EncoderClassifier
from vos.outliers import BoundarySampler
from vos.types import Example

WITHOUT_LIMIT = 10**6
SAMPLE_TOKENS = 26  # of a plain sample, about
RADII = (0.8, 1.0, 1.25, 1.5)


@dataclass(frozen=True)
class Size:
    """How much is run."""

    train: int
    draws_per_class: int
    targets: int
    tokens: int


@dataclass(frozen=True)
class World:
    """A trained classifier and the texts around it."""

    featurizer: ClassifierFeaturizer
    density: ClassConditionalGaussian
    space: TargetSpace
    train: list[Example]
    pool: list[str]
    language_model: LanguageModel


def arms(tokens: int) -> dict[str, Stages]:
    """Stages of the arms that cost tokens; each goes on until the tokens of a target are spent."""
    base = Stages(WITHOUT_LIMIT, max_distance=1.0, tokens=tokens, pilot=1, pilot_ess=None, rounds=0)
    return {
        "plain": replace(base, pilot=max(1, tokens // SAMPLE_TOKENS)),
        "drafts": replace(base, rounds=WITHOUT_LIMIT),
        "mcmc": replace(base, mcmc_chains=24, mcmc_moves=WITHOUT_LIMIT),
        "smc": replace(base, pilot=8, pilot_ess=4.0, smc=True, mcmc_moves=WITHOUT_LIMIT),
    }


def read_corpus(corpus: str, n: int) -> tuple[list[Example], list[str]]:
    """Labelled texts, and others as a pool: of a csv file with columns text and label the rows after the n-th."""
    if corpus == "embedded":
        data = load_embedded()
        return list(data.train)[:n], [example.text for example in data.pool]
    with Path(corpus).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["label"] for row in rows})
    examples = [Example(f"x{i}", row["text"], names.index(row["label"])) for i, row in enumerate(rows)]
    return examples[:n], [example.text for example in examples[n:]]


def frozen_classifier(train: list[Example]) -> ClassifierFeaturizer:
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


def build(options: argparse.Namespace, size: Size) -> World:
    """Classifier, density, space and language model."""
    train, pool = read_corpus(options.corpus, size.train)
    if options.run is None:
        featurizer = frozen_classifier(train)
    else:
        featurizer = ClassifierFeaturizer(load_classifier(options.run / "model"))
    features = featurizer.featurize([example.text for example in train]).features
    labels = torch.tensor([example.label for example in train])
    density = ClassConditionalGaussian(2, features.shape[1]).fit(features, labels)
    space = TargetSpace.fit(features, density, featurizer.head, options.directions)
    return World(featurizer, density, space, train, pool, LanguageModel.load(cache=options.cache))


def draws(world: World, real: RealTexts, options: argparse.Namespace, size: Size) -> list[Targets]:
    """For every seed the targets that get tokens."""
    result = []
    for seed in range(options.seeds):
        generator = torch.Generator().manual_seed(seed)
        sampler = BoundarySampler(margin=0.0, band=2.0, distance=0.99)
        targets = world.space.targets(sampler(world.density, world.featurizer.head, size.draws_per_class, generator))
        potential = Potential(delta=options.delta)
        reach = reachability(world.space, targets, real, potential, max_start=options.max_start, n_starts=1)
        near = [i for i, place in enumerate(reach) if place.reachable]
        print(f"seed {seed}: {len(near)} of {len(targets)} targets have a real text in reach", flush=True)
        chosen = [near[i] for i in torch.randperm(len(near), generator=generator).tolist()[: size.targets]]
        result.append(targets.at(chosen))
    return result


def units(world: World, options: argparse.Namespace, size: Size, known: list[Unit]) -> Iterator[Unit]:
    """Every unit that is not known yet: one target of each seed after the other, so that a run cut short is paired."""
    real = real_texts(world.train, world.featurizer, world.space)
    potential = Potential(beta=options.beta, delta=options.delta)
    done = {(unit.seed, unit.arm, unit.target) for unit in known}
    drawn = draws(world, real, options, size)
    sampling = Sampling(options.temperature, top_p=options.top_p, max_tokens=options.max_tokens)
    # As many prompts as targets: each gets its own, and pays for its own pilot.
    shared = TextGeneratorSettings(options.max_start, sampling=sampling, prompts=PromptSettings(prompts=size.targets))
    text_generators = {
        (seed, name): TextGenerator(
            world.language_model, world.featurizer, world.density, world.space, real, potential,
            replace(shared, stages=stages), seed,
        )
        for seed in range(options.seeds)
        for name, stages in arms(size.tokens).items()
    }  # fmt: skip
    for target in range(size.targets):
        for seed, targets in enumerate(drawn):
            for name in options.arms:
                if target < len(targets) and (seed, name, target) not in done:
                    yield measure(text_generators[seed, name], targets, target, name, seed)


def measure(text_generator: TextGenerator, targets: Targets, target: int, arm: str, seed: int) -> Unit:
    """One target by one arm."""
    texts: list[Judged] = []

    def seen(_: int, reading: Any) -> None:
        places = text_generator.space.coordinates(reading.features).tolist()
        for row, (text, ended) in enumerate(zip(reading.texts, reading.ended, strict=True)):
            flaw = TextRules().broken(text, ended=ended, like=text_generator.real.texts[:200])
            similarity, reached = float(reading.similarity[row]), float(reading.margins[row])
            texts.append(Judged(text, flaw, similarity, reached, tuple(places[row])))

    start = time.process_time()
    (outcome,) = make_texts(text_generator, targets, only=frozenset({target}), seen=seen)
    return Unit(
        seed, arm, target, float(targets.margins[target]), tuple(targets.coordinates[target].tolist()), outcome.reach,
        outcome.cost.lm_tokens, outcome.cost.classifier_texts, time.process_time() - start, tuple(texts),
    )  # fmt: skip


def from_pool(like: list[Unit], pool: list[Judged]) -> list[Unit]:
    """The retrieval arm: pool texts for the same targets, without tokens."""
    return [Unit(**unit.__dict__ | {"arm": "retrieval", "tokens": 0, "texts": tuple(pool)}) for unit in like]


def judged_pool(world: World) -> list[Judged]:
    """Texts of the pool; real, so that no rule is asked for."""
    batch = world.featurizer.featurize(world.pool)
    places, margins = world.space.coordinates(batch.features).tolist(), margin(batch.logits).tolist()
    return [Judged(t, None, 0.0, m, tuple(p)) for t, m, p in zip(world.pool, margins, places, strict=True)]


def summary(world: World, options: argparse.Namespace, size: Size, kept: list[Unit]) -> dict[str, Any]:
    """All figures."""
    by_arm = {name: [unit for unit in kept if unit.arm == name] for name in arms(1)}
    rule = Rule(world.space.unit, options.radius, options.delta)
    by_arm["best of 8"] = best_of(by_arm["plain"], rule)
    by_arm["placebo"] = shuffled(by_arm["drafts"])
    by_arm["retrieval"] = from_pool(by_arm["drafts"], judged_pool(world))
    by_arm["ladder"] = [
        made if not rule.accepted(found) else found
        for made, found in zip(by_arm["drafts"], by_arm["retrieval"], strict=True)
    ]
    by_arm = {name: row for name, row in by_arm.items() if row}
    texts = [example.text for example in world.train]
    judge = Trigrams(texts[::2])
    held_out = [judge.perplexity(text) for text in texts[1::2]]
    result: dict[str, Any] = {
        "corpus": Path(options.corpus).name, "classifier": "frozen" if options.run is None else "trained",
        "unit": world.space.unit, **asdict(size), "seeds": options.seeds, "directions": options.directions,
        "radius": options.radius, "delta": options.delta, "max_tokens": options.max_tokens, "arms": {},
        "oracle_error": None, "oracle_error_why": "no oracle gives labels to texts that did not exist before",
        "perplexity_model": "interpolated Kneser-Ney trigrams of half the real texts; percentiles among the other half",
        "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores, 1 thread",
    }  # fmt: skip
    for name, row in by_arm.items():
        figures = arm_figures(row, rule)
        found = apart(list(dict.fromkeys(text.text for unit in row for text in rule.accepted(unit))))
        if len(found) > 1:
            figures |= {"self_bleu": self_bleu(found), "self_bleu_real": self_bleu(sample(texts, len(found)))}
            figures |= {f"distinct_{n}": distinct(found, n) for n in (1, 2)}
            figures |= {f"distinct_{n}_real": distinct(sample(texts, len(found)), n) for n in (1, 2)}
            ranks = sorted(percentiles([judge.perplexity(text) for text in found], held_out))
            figures["perplexity_percentile_median"] = ranks[len(ranks) // 2]
        figures["apart_by_radius"] = {
            radius: len(apart([t.text for unit in row for t in replace(rule, distance=radius).accepted(unit)]))
            for radius in RADII
        }
        if name not in ("plain", "retrieval", "ladder"):
            figures["against_plain"] = compared(row, by_arm["plain"], rule)
        result["arms"][name] = figures
    if options.throughput:
        result["throughput"] = throughput(world.language_model, texts[:6], quick=options.quick)
    return result


def table(result: dict[str, Any]) -> str:
    """One line for each arm."""
    titles = ("tokens", "texts", "distinct", "apart", "per 1000", "hit", "top1")
    lines = [f"{'arm':12}" + "".join(f"{title:>9}" for title in titles) + f"{'ratio to plain':>22}"]
    for name, row in result["arms"].items():
        ratio = row.get("against_plain", {}).get("ratio", [])
        told = " ".join("-" if value is None else f"{value:.2f}" for value in ratio)
        hit = f"{row['targets_hit']}/{row['units']}"
        rate = f"{row['apart_per_1000']:.2f}" if "apart_per_1000" in row else "-"
        top1 = f"{row['top1']:.2f}" if "top1" in row else "-"
        lines.append(
            f"{name:12}{row['lm_tokens']:>9}{row['texts']:>9}{row['distinct']:>9}{row['apart']:>9}{rate:>9}{hit:>9}"
            f"{top1:>9}{told:>22}"
        )
    return "\n".join(lines)


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small size, for a check that everything runs")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--cache", type=Path, default=Path(os.environ.get("VOS_CACHE", ".cache/vos")) / "models")
    parser.add_argument("--corpus", default="embedded", help="embedded, or a csv file with text and label")
    parser.add_argument("--run", type=Path, help="a run of train.py on the same texts, for its trained classifier")
    parser.add_argument("--arms", nargs="+", default=list(arms(1)))
    parser.add_argument("--state", type=Path, help="where finished units are kept")
    parser.add_argument("--targets", type=int)
    parser.add_argument("--tokens", type=int, help="for each target and arm")
    parser.add_argument("--directions", type=int, default=8)
    parser.add_argument("--radius", type=float, default=1.25)
    parser.add_argument("--delta", type=float, default=0.5)
    parser.add_argument("--beta", type=float, default=4.0)
    parser.add_argument("--max-start", type=float, default=1.1)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--throughput", action="store_true", help="also time the shared prompt against generate")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    torch.set_num_threads(1)
    size = Size(500, 32, 2, 150) if options.quick else Size(3500, 64, 4, 1000)
    size = replace(size, targets=options.targets or size.targets, tokens=options.tokens or size.tokens)
    options.seeds = options.seeds or (1 if options.quick else 5)
    options.throughput = options.throughput or options.quick
    settings = {key: str(value) for key, value in vars(options).items() if key not in ("state", "seeds", "arms")}
    header = json.dumps({"settings": settings | asdict(size)})
    kept: list[Unit] = []
    if options.state is not None and options.state.exists():
        lines = options.state.read_text(encoding="utf-8").splitlines()
        if lines[0] != header:
            parser.error(f"{options.state} belongs to other settings: {lines[0]}; name another file")
        kept = [Unit.from_dict(json.loads(line)) for line in lines[1:] if line.endswith("}")]
    elif options.state is not None:
        options.state.write_text(header + "\n", encoding="utf-8")
    world = build(options, size)
    for unit in units(world, options, size, kept):
        kept.append(unit)
        print(f"seed {unit.seed} target {unit.target} {unit.arm}: {unit.tokens} tokens", flush=True)
        if options.state is not None:
            with options.state.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(unit), ensure_ascii=True) + "\n")
    result = summary(world, options, size, kept)
    print(table(result))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
