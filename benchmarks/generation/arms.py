"""The methods of generating texts, and the evaluation of one of them for one target."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.generation.figures import Judged, Unit
from benchmarks.generation.world import World
from vos.generation.generate import make_texts, real_texts
from vos.generation.language_model import LanguageModel
from vos.generation.particles import Sampling
from vos.generation.prompts import PromptSettings, RealTexts
from vos.generation.reach import reachability
from vos.generation.rules import TextRules
from vos.generation.settings import Stages, TextGeneratorSettings
from vos.generation.text_generator import TextGenerator
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.outliers import BoundarySampler

WITHOUT_LIMIT = 10**6
SAMPLE_TOKENS = 26  # of a plain sample, about


@dataclass(frozen=True)
class Size:
    """How much is run."""

    train: int
    draws_per_class: int
    targets: int
    tokens: int


def arms(tokens: int) -> dict[str, Stages]:
    """Stages of the arms that cost tokens; each goes on until the tokens of a target are spent."""
    base = Stages(WITHOUT_LIMIT, max_distance=1.0, tokens=tokens, pilot=1, pilot_ess=None, rounds=0)
    return {
        "plain": replace(base, pilot=max(1, tokens // SAMPLE_TOKENS)),
        "drafts": replace(base, rounds=WITHOUT_LIMIT),
        "mcmc": replace(base, mcmc_chains=24, mcmc_moves=WITHOUT_LIMIT),
        "smc": replace(base, pilot=8, pilot_ess=4.0, smc=True, mcmc_moves=WITHOUT_LIMIT),
    }


def draws(world: World, space: TargetSpace, real: RealTexts, options: argparse.Namespace, size: Size) -> list[Targets]:
    """For every seed the targets that get tokens."""
    result = []
    for seed in range(options.seeds):
        generator = torch.Generator().manual_seed(seed)
        sampler = BoundarySampler(margin=0.0, band=2.0, distance=0.99)
        targets = space.targets(sampler(world.density, world.featurizer.head, size.draws_per_class, generator))
        potential = Potential(delta=options.delta)
        reach = reachability(space, targets, real, potential, max_start=options.max_start, n_starts=1)
        near = [i for i, place in enumerate(reach) if place.reachable]
        print(f"seed {seed}: {len(near)} of {len(targets)} targets have a real text in reach", flush=True)
        chosen = [near[i] for i in torch.randperm(len(near), generator=generator).tolist()[: size.targets]]
        result.append(targets.at(chosen))
    return result


def units(
    world: World, space: TargetSpace, options: argparse.Namespace, size: Size, known: list[Unit]
) -> Iterator[Unit]:
    """Every unit that is not known yet: one target of each seed after the other, so that a run cut short is paired."""
    real = real_texts(world.train, world.featurizer, space)
    potential = Potential(beta=options.beta, delta=options.delta)
    done = {(unit.seed, unit.arm, unit.target) for unit in known}
    drawn = draws(world, space, real, options, size)
    sampling = Sampling(options.temperature, top_p=options.top_p, max_tokens=options.max_tokens)
    # As many prompts as targets: each gets its own, and pays for its own pilot.
    shared = TextGeneratorSettings(options.max_start, sampling=sampling, prompts=PromptSettings(prompts=size.targets))
    language_model = LanguageModel.load(cache=options.cache)
    text_generators = {
        (seed, name): TextGenerator(
            language_model, world.featurizer, world.density, space, real, potential,
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
