"""Which made texts answer a target, why the others do not, and the nearest miss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from vos.density import GaussianDensity
from vos.generation.particles import Cost
from vos.generation.potential import Reading, TargetPotential
from vos.generation.rules import Novelty
from vos.mining.repeats import NearDuplicateFilter
from vos.mining.retrieve import Candidate
from vos.storage.provenance import Provenance
from vos.storage.text_ids import made_id
from vos.types import Example, LinearHead


@dataclass(frozen=True)
class Origin:
    """What the texts of one batch share.

    Attributes:
        source: see `Provenance`.
        prompt_hash: see `Provenance`.
        language_model: see `Provenance`.
        seed: see `Provenance`.
    """

    source: str
    prompt_hash: str
    language_model: str
    seed: int


class Answers:
    """Texts that answer one target.

    Args:
        target: its index.
        phi: gives distances, rules and newness.
        density: gives Mahalanobis distances for the record.
        cost: what has been spent on the target; read when a text is taken.
        max_distance: an answer lies at most this far from the target, in units of the space.
        wanted: enough answers.
        seen: called with the target and everything that is judged, whatever comes of it.

    Attributes:
        refused: texts left out, by reason.
        nearest_miss: the text with the best potential among those that keep every rule and are new.
    """

    def __init__(
        self,
        target: int,
        phi: TargetPotential,
        density: GaussianDensity,
        cost: Cost,
        max_distance: float,
        wanted: int,
        seen: Callable[[int, Reading], None] = lambda _target, _reading: None,
    ) -> None:
        self.target, self.phi, self.density, self.cost = target, phi, density, cost
        self.max_distance, self.wanted, self.seen = max_distance, wanted, seen
        self.refused: Counter[str] = Counter()
        self.nearest_miss: Candidate | None = None
        self._taken: list[Candidate] = []
        self._seen: set[str] = set()
        self._repeats = NearDuplicateFilter(phi.rules.near_duplicate)

    @property
    def enough(self) -> bool:
        """Whether no more answers are wanted."""
        return len(self._taken) >= self.wanted

    def sorted(self) -> tuple[Candidate, ...]:
        """The answers, nearest first."""
        return tuple(sorted(self._taken, key=lambda c: (c.distance, c.example.id)))

    def drain(self, origin: Origin, parents: Sequence[tuple[str, ...]]) -> None:
        """Judge everything that φ has read as whole texts since it was last drained.

        Args:
            origin: of the texts.
            parents: of each text, in the order in which they were read.
        """
        place = 0
        for reading in self.phi.readings:
            self.take(reading, origin, parents[place : place + len(reading.texts)])
            place += len(reading.texts)
        self.phi.readings.clear()

    def take(self, reading: Reading, origin: Origin, parents: Sequence[tuple[str, ...]]) -> None:
        """Judge texts; every text is either taken or counted under a reason."""
        phi = self.phi
        self.seen(self.target, reading)
        distances = phi.space.distances(phi.space.coordinates(reading.features), phi.targets.coordinates)[:, 0]
        values = phi.soft(reading)
        for i, text in enumerate(reading.texts):
            if text in self._seen:
                self.refused["the same text again"] += 1
                continue
            self._seen.add(text)
            flaw = phi.rules.broken(text, phi.shots, ended=reading.ended[i])
            if flaw is None and float(reading.similarity[i]) >= phi.rules.max_similarity:
                flaw = "near-copy of a known text"
            if flaw is None:
                sound = made(reading, i, origin, parents[i], phi.featurizer.head, self.density, self.cost)
                flaw = self._miss(
                    replace(sound, target=self.target, distance=float(distances[i]), log_potential=float(values[i]))
                )
            if flaw is not None:
                self.refused[flaw] += 1

    def _miss(self, candidate: Candidate) -> str | None:
        """Take a sound text if it answers the target; the reason if it does not."""
        goal = float(self.phi.targets.margins[0])
        flaw = None
        if candidate.distance is not None and candidate.distance > self.max_distance:
            flaw = "farther than max_distance from its target"
        elif abs(candidate.margin - goal) > self.phi.potential.delta:
            flaw = "margin outside the band"
        if flaw is not None:
            best = self.nearest_miss
            if best is None or (candidate.log_potential or 0.0) > (best.log_potential or 0.0):
                self.nearest_miss = candidate
        elif self._repeated(candidate.example.text):
            flaw = "near-duplicate of another answer"
        else:
            self._repeats.add(candidate.example.id, candidate.example.text)
            self._taken.append(candidate)
        return flaw

    def _repeated(self, text: str) -> bool:
        # Texts that share a long beginning are one answer: their ends were written to the same words.
        others = Novelty([taken.example.text for taken in self._taken])
        alike = float(others.similarity([text])[0]) >= self.phi.rules.max_similarity
        return alike or self._repeats.duplicate_of(text) is not None


def made(
    reading: Reading,
    row: int,
    origin: Origin,
    parents: tuple[str, ...],
    head: LinearHead,
    density: GaussianDensity,
    cost: Cost,
) -> Candidate:
    """A made text with its evidence; it answers no target yet.

    Args:
        reading: texts that were scored.
        row: the one that is meant.
        origin: see `Origin`.
        parents: ids of the real texts it descends from.
        head: gives probabilities.
        density: gives Mahalanobis distances.
        cost: what has been spent so far.
    """
    text = reading.texts[row]
    features = reading.features[row : row + 1]
    return Candidate(
        Example(made_id(text), text),
        float(reading.margins[row]),
        tuple(torch.softmax(head.logits(features)[0].double(), -1).tolist()),
        tuple(density.mahalanobis(features)[0].tolist()),
        provenance=Provenance(
            source=origin.source,
            parents=parents,
            prompt_hash=origin.prompt_hash,
            language_model=origin.language_model,
            seed=origin.seed,
            lm_tokens=cost.lm_tokens,
            classifier_texts=cost.classifier_texts,
            similarity=float(reading.similarity[row]),
        ),
    )
