"""Accepts made texts for a target, counts the reasons against the others, and remembers the nearest miss."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace

from vos.generation.particles import Cost
from vos.generation.potential import TargetPotential
from vos.generation.rules import Novelty
from vos.generation.text_generator import Reading, TextGenerator
from vos.mining.candidates import Candidate, Facts
from vos.mining.near_duplicates import NearDuplicateFilter
from vos.storage.provenance import Provenance
from vos.storage.text_ids import made_id
from vos.types import Example, FeatureBatch


class AcceptedCandidates:
    """The accepted texts of one target.

    Args:
        target: index of the target.
        phi: potential that computes distances, rules and novelty.
        cost: cost of the target so far; read when a text is accepted.
        seen: called with the target and all judged texts, accepted or not.

    Attributes:
        refused: number of refused texts, by reason.
        nearest_miss: the text with the best potential among refused texts that break no rule and are new.
    """

    def __init__(self, target: int, phi: TargetPotential, cost: Cost, seen: Callable[[int, Reading], None]) -> None:
        self.target, self.phi, self.cost, self.seen = target, phi, cost, seen
        self.stages, self.rules = phi.text_generator.settings.stages, phi.text_generator.settings.rules
        self.refused: Counter[str] = Counter()
        self.nearest_miss: Candidate | None = None
        self._accepted: list[Candidate] = []
        self._seen: set[str] = set()
        self._repeats = NearDuplicateFilter(self.rules.near_duplicate)

    @property
    def enough(self) -> bool:
        """Whether there are enough accepted texts."""
        return len(self._accepted) >= self.stages.per_target

    def sorted(self) -> tuple[Candidate, ...]:
        """The accepted candidates, nearest first."""
        return tuple(sorted(self._accepted, key=lambda c: (c.distance, c.example.id)))

    def drain(self, origin: Provenance, parents: Iterable[tuple[str, ...]]) -> None:
        """Judge all texts that φ has read as whole texts since the last call.

        Args:
            origin: provenance that the texts share.
            parents: parents of each text, in the order in which they were read.
        """
        waiting = iter(parents)
        for reading in self.phi.readings:
            self.judge(reading, origin, list(itertools.islice(waiting, len(reading.texts))))
        self.phi.readings.clear()

    def judge(
        self,
        reading: Reading,
        origin: Provenance,
        parents: Sequence[tuple[str, ...]],
        shots: Sequence[str] | None = None,
    ) -> None:
        """Judge texts; every text is either accepted or counted under a reason.

        Args:
            reading: the texts.
            origin: provenance that they share.
            parents: parents of each.
            shots: the examples that the model was shown; None: those of the prompt.
        """
        self.seen(self.target, reading)
        values, distances = self.phi.soft(reading)
        for i, text in enumerate(reading.texts):
            repeated = text in self._seen
            self._seen.add(text)
            flaw = "the same text again" if repeated else self.phi.broken(text, shots, ended=reading.ended[i])
            if flaw is None and float(reading.similarity[i]) >= self.rules.max_similarity:
                flaw = "near-copy of a known text"
            if flaw is None:
                provenance = replace(origin, parents=parents[i], **asdict(self.cost))
                sound = made_candidate(reading, i, provenance, self.phi.text_generator)
                flaw = self._miss(
                    replace(sound, target=self.target, distance=float(distances[i]), log_potential=float(values[i]))
                )
            if flaw is not None:
                self.refused[flaw] += 1

    def _miss(self, candidate: Candidate) -> str | None:
        """Accept a valid text if it is near its target; otherwise return the reason."""
        goal = float(self.phi.goal.margins[0])
        flaw = None
        if candidate.distance is not None and candidate.distance > self.stages.max_distance:
            flaw = "farther than max_distance from its target"
        elif abs(candidate.margin - goal) > self.phi.potential.delta:
            flaw = "margin outside the band"
        if flaw is not None:
            best = self.nearest_miss
            if best is None or (candidate.log_potential or 0.0) > (best.log_potential or 0.0):
                self.nearest_miss = candidate
        elif self._repeated(candidate.example.text):
            flaw = "near-duplicate of another accepted text"
        else:  # checked last, as it costs a pass of the language model
            flaw = self.phi.text_generator.unlike_real(candidate.example.text)
        if flaw is None:
            self._repeats.add(candidate.example.id, candidate.example.text)
            self._accepted.append(candidate)
        return flaw

    def _repeated(self, text: str) -> bool:
        # Texts that share a long beginning count once: their ends were written to the same words.
        others = Novelty([accepted.example.text for accepted in self._accepted])
        alike = float(others.similarity([text])[0]) >= self.rules.max_similarity
        return alike or self._repeats.duplicate_of(text) is not None


def made_candidate(reading: Reading, row: int, provenance: Provenance, text_generator: TextGenerator) -> Candidate:
    """A made text as a candidate; it serves no target yet.

    Args:
        reading: texts that were scored.
        row: the one that is meant.
        provenance: of it, but for its similarity.
        text_generator: gives Mahalanobis distances and knows which classes are harmful.
    """
    text, one = reading.texts[row], slice(row, row + 1)
    batch = FeatureBatch(reading.features[one], reading.logits[one])
    density, harmful = text_generator.density, text_generator.space.harmful
    candidate = Facts.of([Example(made_id(text), text)], batch, density, harmful).candidate(0)
    return replace(candidate, provenance=replace(provenance, similarity=float(reading.similarity[row])))
