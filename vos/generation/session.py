"""A session with one prompt: its cache, its pilot of plain samples, and the stages that serve its targets."""

from __future__ import annotations

import itertools
import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from vos.generation.acceptance import AcceptedCandidates
from vos.generation.drafts import draft
from vos.generation.instructed import Examples, prompt_hash, request
from vos.generation.mcmc import regenerate
from vos.generation.particles import Cost
from vos.generation.potential import TargetPotential, tuned
from vos.generation.prompt_cache import PromptParticles
from vos.generation.prompts import Prompt
from vos.generation.reach import Outcome, Reach
from vos.generation.smc import sequential_monte_carlo, systematic
from vos.generation.text_generator import Reading, TextGenerator
from vos.mining.targets import Targets
from vos.storage.provenance import Provenance

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PromptSession:
    """One prompt, computed once for all its targets.

    Attributes:
        text_generator: models and settings.
        prompt: see `Prompt`.
        empty: one empty particle after the prompt, of the language model's own kind.
        pilot: plain samples.
        pilot_cost: cost of the pilot.
        pilot_seed: seed of the pilot.
    """

    text_generator: TextGenerator
    prompt: Prompt
    empty: Any
    pilot: Reading
    pilot_cost: Cost
    pilot_seed: int

    @classmethod
    def open(cls, text_generator: TextGenerator, prompt: Prompt, number: int) -> PromptSession:
        """Compute the prompt cache and draw the pilot."""
        settings = text_generator.settings
        seed, generator = text_generator.stream("pilot", number)
        extender = text_generator.language_model.extender(settings.sampling, generator)
        empty = text_generator.language_model.start(prompt.text, 1, settings.sampling.max_tokens)
        particles = empty.select([0] * settings.stages.pilot)
        extender.extend(particles)
        extender.cost.classifier_texts += len(particles)
        pilot = text_generator.read(particles.texts(), particles.finished)
        return cls(text_generator, prompt, empty, pilot, extender.cost, seed)

    def serve(self, targets: Targets, target: int, reach: Reach, seen: Callable[[int, Reading], None]) -> Outcome:
        """Try the stages for one target; `seen` is called with everything that is judged for it."""
        settings, stages = self.text_generator.settings, self.text_generator.settings.stages
        seed, generator = self.text_generator.stream("target", target)
        phi = self._potential(targets.at([target]))
        # The pilot is shared by all targets of the prompt, and so is its cost.
        share = len(self.prompt.targets)
        cost = Cost(math.ceil(self.pilot_cost.lm_tokens / share), math.ceil(self.pilot_cost.classifier_texts / share))
        accepted = AcceptedCandidates(target, phi, cost, seen)
        extender = self.text_generator.language_model.extender(settings.sampling, generator, cost)
        work = _Work(self, phi, extender, accepted, seed)
        accepted.judge(self.pilot, self.origin("lm", self.pilot_seed), [self.prompt.parents] * stages.pilot)
        asked = work.ask(reach)
        work.finish_drafts()
        work.mcmc_from_real(reach)
        log_z = work.smc() if stages.smc and work.goes_on() else None
        found = accepted.sorted()
        miss = None if found else accepted.nearest_miss
        return Outcome(target, reach.distance, True, found, cost, dict(accepted.refused), miss, log_z, asked)

    def _potential(self, goal: Targets) -> TargetPotential:
        text_generator, wished = self.text_generator, self.text_generator.settings.stages.pilot_ess
        potential = text_generator.potential
        if wished is not None:
            features, margins = self.pilot.features, self.pilot.margins
            _, distances = text_generator.space.log_potential(features, margins, goal, potential)
            potential = tuned(potential, distances[:, 0], wished)
        return TargetPotential(text_generator, goal, potential, self.prompt.shots)

    def origin(self, source: str, seed: int) -> Provenance:
        """The provenance shared by texts written after this prompt."""
        return self.text_generator.origin(source, self.prompt, seed)

    def parents(self, row: int) -> tuple[str, ...]:
        """Ids of the examples of the prompt, and of the real text from which a generated one was begun."""
        return (*self.prompt.parents, self.text_generator.real.ids[row])

    def examples(self) -> Examples:
        """The labelled examples for an instruction, by side of their labels."""
        real, rows = self.text_generator.real, sorted(self.prompt.labelled)
        labels = real.labels  # an unlabelled text has none, whatever is predicted for it
        sides = [[" ".join(real.texts[row].split()) for row in rows if bool(labels[row]) == s] for s in (True, False)]
        return Examples(tuple(sides[0]), tuple(sides[1]))

    def shots(self) -> frozenset[int]:
        """Rows of the real texts that are examples of the prompt.

        A text with the same beginning would be refused as a copy.
        """
        return frozenset(self.prompt.rows)


@dataclass(frozen=True)
class _Work:
    """The stages of one target."""

    session: PromptSession
    phi: TargetPotential
    extender: Any
    accepted: AcceptedCandidates
    seed: int

    def goes_on(self) -> bool:
        # A method, as its value changes between two calls.
        spent = self.extender.cost.lm_tokens
        return not self.accepted.enough and spent < self.session.text_generator.settings.stages.tokens

    def ask(self, reach: Reach) -> dict[str, int]:
        """Request texts from a model that follows instructions; returns the number of texts by subtlety."""
        text_generator, session = self.session.text_generator, self.session
        model, settings = text_generator.language_model.instructed, text_generator.settings.instructions
        wishes = settings.wishes()
        if model is None or not wishes or not text_generator.space.harmful or not self.goes_on():
            return {}
        margin, examples = float(self.phi.goal.margins[0]), session.examples()
        if not examples.texts:
            logger.warning("no labelled text is short enough to be an example: no text is asked for")
            return {}
        parents = tuple(text_generator.real.ids[row] for row in session.prompt.labelled)
        instructions = [request(examples, margin, reach.distance, wish, settings) for wish in wishes]
        sampling = replace(text_generator.settings.sampling, temperature=settings.temperature)
        answers = model.answers(instructions, sampling, self.extender.generator, self.extender.cost)
        self.extender.cost.classifier_texts += len(answers)
        for wish in dict.fromkeys(wishes):
            rows = [row for row, each in enumerate(wishes) if each == wish]
            reading = text_generator.read([answers[row].text for row in rows], [answers[row].ended for row in rows])
            origin = session.origin("instructed", self.seed)
            origin = replace(origin, prompt_hash=prompt_hash(instructions[rows[0]]), subtlety=wish)
            self.accepted.judge(reading, origin, [parents] * len(rows), examples.texts)
        return dict(Counter(wishes))

    def finish_drafts(self) -> None:
        """Rounds of drafts from beginnings of the real texts with the best prefix values, different in every round."""
        text_generator, session = self.session.text_generator, self.session
        rounds, settings = text_generator.settings.stages.rounds, text_generator.settings.drafts
        if not rounds or not self.goes_on():
            return
        beginnings = text_generator.beginnings
        ranked = beginnings.ranked(self.phi.goal, self.phi.potential, session.shots())
        origin = session.origin("prefix_conditioned", self.seed)
        for number in range(rounds):
            chosen = ranked[number * settings.beginnings : (number + 1) * settings.beginnings]
            if not chosen or not self.goes_on():
                return
            texts = [beginnings.texts[i] for i in chosen]
            begun = text_generator.language_model.with_beginnings(session.empty, texts)
            drafted = draft(begun, self.phi, self.extender, settings)
            rows = [int(beginnings.rows[chosen[row]]) for row in drafted.begun]
            self.accepted.drain(origin, [session.parents(row) for row in rows])

    def mcmc_from_real(self, reach: Reach) -> None:
        """Metropolis-Hastings chains that start from the nearest real texts."""
        text_generator, session = self.session.text_generator, self.session
        chains, shots = text_generator.settings.stages.mcmc_chains, session.shots()
        starts = [row for row in reach.starts if row not in shots]
        if not chains or not starts or not self.goes_on():
            return
        rows = [starts[i % len(starts)] for i in range(chains)]
        texts = [text_generator.real.texts[row] for row in rows]
        particles = text_generator.language_model.with_texts(session.empty, texts, self.extender.sampling.max_tokens)
        self.extender.cost.classifier_texts += len(rows)
        # A start is judged without the hard rules, as it is a real text.
        values, _ = self.phi.soft(text_generator.read(particles.texts(), particles.finished))
        self._mcmc(particles, values, "prefix_conditioned", [session.parents(row) for row in rows])

    def smc(self) -> float:
        """Run sequential Monte Carlo, then Metropolis-Hastings moves from its particles; returns log Z."""
        settings, session = self.session.text_generator.settings.smc, self.session
        start = session.empty.select([0] * settings.particles)
        result = sequential_monte_carlo(start, self.phi, self.extender, settings)
        self.accepted.drain(session.origin("smc", self.seed), itertools.repeat(session.prompt.parents))
        if self.goes_on() and result.log_z > -math.inf:
            chosen = systematic(result.log_weights, self.extender.generator)
            parents = [session.prompt.parents] * settings.particles
            self._mcmc(result.particles.select(chosen), result.log_potential[chosen], "smc", parents)
        return result.log_z

    def _mcmc(
        self, particles: PromptParticles, values: Tensor, source: str, parents: Sequence[tuple[str, ...]]
    ) -> None:
        origin = self.session.origin(source, self.seed)
        for _ in range(self.session.text_generator.settings.stages.mcmc_moves):
            if not self.goes_on():
                return
            moved = regenerate(particles, values, self.phi, self.extender)
            particles, values = moved.particles, moved.log_potential
            self.accepted.drain(origin, [parents[row] for row in moved.proposed])
