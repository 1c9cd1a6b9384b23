"""One prompt at work: its cache, its pilot of plain samples, and the stages that answer its targets."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.density import GaussianDensity
from vos.generation.acceptance import Answers, Origin
from vos.generation.drafts import Beginnings, draft
from vos.generation.language_model import LanguageModel
from vos.generation.mcmc import regenerate
from vos.generation.particles import Cost, Extender
from vos.generation.potential import Reading, TargetPotential, read, tuned
from vos.generation.prefix_value import PrefixValue
from vos.generation.prompt_cache import PromptParticles
from vos.generation.prompts import Prompt, RealTexts
from vos.generation.reach import Outcome, Reach
from vos.generation.rules import Novelty
from vos.generation.settings import GenerationSettings
from vos.generation.smc import steer, systematic
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.types import Featurizer


@dataclass(frozen=True)
class Kit:
    """Everything that texts are made with.

    Attributes:
        language_model: see `LanguageModel`.
        featurizer: the frozen classifier.
        density: fitted on the training features.
        space: see `TargetSpace`.
        real: labelled training texts; prompts and chains start from them, and made texts must differ from them.
        potential: see `Potential`; delta is also the half-width of the band of margins that answers must lie in.
        settings: see `GenerationSettings`.
        seed: all randomness derives from it; each prompt and each target has a stream of its own, so that any of them
            can be made again alone.
    """

    language_model: LanguageModel
    featurizer: Featurizer
    density: GaussianDensity
    space: TargetSpace
    real: RealTexts
    potential: Potential
    settings: GenerationSettings
    seed: int

    @functools.cached_property
    def novelty(self) -> Novelty:
        """Of texts against the real ones."""
        return Novelty(self.real.texts)

    @functools.cached_property
    def prefix_value(self) -> PrefixValue:
        """Learned from the real texts."""
        generator = stream(self.seed, "prefix value", 0)[1]
        return PrefixValue.fit(
            self.featurizer, self.space, self.real.texts, self.real.places, generator, self.settings.prefix_value_texts
        )

    @functools.cached_property
    def beginnings(self) -> Beginnings:
        """Of the real texts without debris."""
        generator = stream(self.seed, "beginnings", 0)[1]
        return Beginnings.of(
            self.real.texts, sorted(self.real.clean), self.prefix_value, self.settings.drafts, generator
        )


def stream(seed: int, name: str, number: int) -> tuple[int, torch.Generator]:
    """A seed of its own for one part of the work, and a generator that starts there."""
    digest = hashlib.sha256(f"{seed}/{name}/{number}".encode()).digest()
    own = int.from_bytes(digest[:6], "big")
    return own, torch.Generator().manual_seed(own)


@dataclass(frozen=True)
class PromptSession:
    """One prompt, computed once for all its targets.

    Attributes:
        kit: models and settings.
        prompt: see `Prompt`.
        empty: one empty particle after the prompt.
        pilot: plain samples.
        pilot_cost: of the pilot.
        pilot_seed: of the pilot.
    """

    kit: Kit
    prompt: Prompt
    empty: PromptParticles
    pilot: Reading
    pilot_cost: Cost
    pilot_seed: int

    @classmethod
    def open(cls, kit: Kit, prompt: Prompt, number: int) -> PromptSession:
        """Compute the prompt and draw its pilot."""
        settings = kit.settings
        seed, generator = stream(kit.seed, "pilot", number)
        extender = Extender(settings.sampling, generator)
        empty = kit.language_model.start(prompt.text, 1, settings.sampling.max_tokens)
        particles = empty.select([0] * settings.stages.pilot)
        extender.extend(particles)
        extender.cost.classifier_texts += len(particles)
        pilot = read(kit.featurizer, kit.novelty, particles.texts(), particles.finished)
        return cls(kit, prompt, empty, pilot, extender.cost, seed)

    def answer(
        self,
        targets: Targets,
        target: int,
        reach: Reach,
        seen: Callable[[int, Reading], None] = lambda _target, _reading: None,
    ) -> Outcome:
        """Try the stages for one target; `seen` is called with everything that is judged for it."""
        kit, stages = self.kit, self.kit.settings.stages
        seed, generator = stream(kit.seed, "target", target)
        phi = self._potential(targets, target)
        # The pilot serves all targets of the prompt, so each bears its part of the cost.
        share = len(self.prompt.targets)
        cost = Cost(math.ceil(self.pilot_cost.lm_tokens / share), math.ceil(self.pilot_cost.classifier_texts / share))
        work = _Work(
            self,
            phi,
            Extender(kit.settings.sampling, generator, cost),
            Answers(target, phi, kit.density, cost, stages.max_distance, stages.per_target, seen),
            seed,
        )
        plain = [self.prompt.parents] * stages.pilot
        work.answers.take(self.pilot, self._origin("lm", self.pilot_seed), plain)
        work.finish_drafts()
        work.move_from_real(reach)
        log_z = work.steer() if stages.steer and work.goes_on() else None
        found = work.answers.sorted()
        miss = None if found else work.answers.nearest_miss
        return Outcome(target, reach.distance, True, found, cost, dict(work.answers.refused), miss, log_z)

    def _potential(self, targets: Targets, target: int) -> TargetPotential:
        kit = self.kit
        goal = targets.at([target])
        potential = kit.potential
        if kit.settings.stages.pilot_ess is not None:
            distances = kit.space.distances(kit.space.coordinates(self.pilot.features), goal.coordinates)[:, 0]
            potential = tuned(potential, distances, kit.settings.stages.pilot_ess)
        settings = kit.settings
        return TargetPotential(
            kit.featurizer,
            kit.space,
            goal,
            potential,
            settings.shape,
            settings.rules,
            kit.novelty,
            self.prompt.shots,
            lambda: kit.prefix_value,
        )

    def _origin(self, source: str, seed: int) -> Origin:
        return Origin(source, self.prompt.hash, self.kit.language_model.fingerprint, seed)


@dataclass(frozen=True)
class _Work:
    """The stages of one target."""

    session: PromptSession
    phi: TargetPotential
    extender: Extender
    answers: Answers
    seed: int

    def goes_on(self) -> bool:
        # A method, as its answer changes between two calls.
        spent = self.extender.cost.lm_tokens
        return not self.answers.enough and spent < self.session.kit.settings.stages.tokens

    def finish_drafts(self) -> None:
        """Rounds of drafts that begin like the real texts of the best prefix value, others in every round."""
        kit = self.session.kit
        rounds, settings = kit.settings.stages.rounds, kit.settings.drafts
        if not rounds or not self.goes_on():
            return
        ranked = kit.beginnings.ranked(self.phi.targets, self.phi.potential, self._shots())
        origin = self.session._origin("seeded", self.seed)
        for number in range(rounds):
            chosen = ranked[number * settings.beginnings : (number + 1) * settings.beginnings]
            if not chosen or not self.goes_on():
                return
            begun = kit.language_model.begun(self.session.empty, [kit.beginnings.texts[i] for i in chosen])
            drafted = draft(begun, self.phi, self.extender, settings)
            rows = [int(kit.beginnings.rows[chosen[row]]) for row in drafted.begun]
            self.answers.drain(origin, [self._parents(row) for row in rows])

    def move_from_real(self, reach: Reach) -> None:
        """Chains of suffix moves that start from the nearest real texts."""
        chains = self.session.kit.settings.stages.chains
        starts = self._starts_of(reach)
        if not chains or not starts or not self.goes_on():
            return
        rows = [starts[i % len(starts)] for i in range(chains)]
        particles, reading = self._starts(rows)
        # A start is judged without the hard rules: it is a real text, whatever its form.
        self._move(particles, self.phi.soft(reading), "seeded", [self._parents(row) for row in rows])

    def _shots(self) -> frozenset[int]:
        # What begins like an example of the prompt would be refused as a copy of it.
        shots = set(self.session.prompt.parents)
        return frozenset(row for row, name in enumerate(self.session.kit.real.ids) if name in shots)

    def _starts_of(self, reach: Reach) -> list[int]:
        shots = self._shots()
        return [row for row in reach.starts if row not in shots]

    def _starts(self, rows: Sequence[int]) -> tuple[PromptParticles, Reading]:
        kit = self.session.kit
        particles = kit.language_model.seeded(
            self.session.empty, [kit.real.texts[row] for row in rows], kit.settings.sampling.max_tokens
        )
        self.extender.cost.classifier_texts += len(rows)
        return particles, read(kit.featurizer, self.session.kit.novelty, particles.texts(), particles.finished)

    def _parents(self, row: int) -> tuple[str, ...]:
        return (*self.session.prompt.parents, self.session.kit.real.ids[row])

    def steer(self) -> float:
        """Run sequential Monte Carlo, then moves from its particles; gives log Z."""
        settings = self.session.kit.settings.steering
        parents = [self.session.prompt.parents] * settings.particles
        start = self.session.empty.select([0] * settings.particles)
        result = steer(start, self.phi, self.extender, settings)
        read_texts = sum(len(reading.texts) for reading in self.phi.readings)
        self.answers.drain(self.session._origin("steered", self.seed), [self.session.prompt.parents] * read_texts)
        if self.goes_on() and result.log_z > -math.inf:
            chosen = systematic(result.log_weights, self.extender.generator)
            self._move(result.particles.select(chosen), result.log_potential[chosen], "steered", parents)
        return result.log_z

    def _move(
        self, particles: PromptParticles, values: Tensor, source: str, parents: Sequence[tuple[str, ...]]
    ) -> None:
        origin = self.session._origin(source, self.seed)
        for _ in range(self.session.kit.settings.stages.moves):
            if not self.goes_on():
                return
            moved = regenerate(particles, values, self.phi, self.extender)
            particles, values = moved.particles, moved.log_potential
            self.answers.drain(origin, [parents[row] for row in moved.proposed])
