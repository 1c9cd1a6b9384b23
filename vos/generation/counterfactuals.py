"""Counterfactuals of training texts: the end is rewritten so that the prediction flips with few changed words.

A model that follows instructions is first asked for the same scene with one fact changed.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rapidfuzz.distance import Levenshtein

from vos.errors import ConfigError
from vos.generation.acceptance import made_candidate
from vos.generation.instructed import changed, prompt_hash
from vos.generation.particles import Cost, TextExtender
from vos.generation.prompts import Prompt, RealTexts, compose
from vos.generation.reach import candidate_from_dict
from vos.generation.rules import words
from vos.generation.text_generator import Reading, TextGenerator
from vos.metrics.margins import on_harmful_side
from vos.mining.candidates import Candidate
from vos.mining.targets import Targets


@dataclass(frozen=True)
class CounterfactualSettings:
    """How counterfactuals are searched.

    Attributes:
        texts: number of training texts to try, equally many from both sides of the boundary.
        shares: shares of a text that are rewritten, smallest first; the search stops at the first flip.
        proposals: number of ends written per share.
        max_margin: texts with a larger |margin| are too far beyond the boundary and are not used; logit units.
    """

    texts: int = 20
    shares: tuple[float, ...] = (0.2, 0.35, 0.5, 0.7)
    proposals: int = 8
    max_margin: float = 2.0

    def __post_init__(self) -> None:
        shares = self.shares
        if not shares or list(shares) != sorted(shares) or not 0 < shares[0] <= shares[-1] <= 1:
            raise ConfigError(f"counterfactuals.shares: expected rising numbers in (0, 1], got {shares}")
        if min(self.texts, self.proposals) < 1 or self.max_margin <= 0:
            raise ConfigError(f"counterfactuals: expected texts and proposals >= 1 and max_margin > 0, got {self}")


def words_changed(before: str, after: str) -> int:
    """Smallest number of words to insert, delete or replace (word-level edit distance)."""
    return int(Levenshtein.distance(words(before), words(after)))


def near_boundary(real: RealTexts, n: int) -> list[int]:
    """Rows of at most n labelled texts without debris nearest the boundary, from both sides in turn."""
    rows = sorted(real.labelled, key=lambda row: (abs(float(real.margins[row])), row))
    above, below = (
        [row for row in rows if on_harmful_side(float(real.margins[row])) == side] for side in (True, False)
    )
    return [row for turn in itertools.zip_longest(above, below) for row in turn if row is not None][:n]


@dataclass(frozen=True)
class Counterfactual:
    """The result for one training text.

    Attributes:
        row: row of the text.
        candidate: the text with flipped prediction and the fewest changed words, or None.
        cost: cost of the search.
    """

    row: int
    candidate: Candidate | None
    cost: Cost

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Counterfactual:
        """The counterfactual whose `asdict` went through JSON."""
        found = values["candidate"]
        return cls(values["row"], None if found is None else candidate_from_dict(found), Cost(**values["cost"]))


def add_counterfactuals(
    text_generator: TextGenerator,
    targets: Targets,
    by_target: Sequence[Sequence[Candidate]],
    settings: CounterfactualSettings,
    known: Mapping[int, Counterfactual] | None = None,
    finished: Callable[[Counterfactual], None] = lambda _: None,
) -> tuple[tuple[tuple[Candidate, ...], ...], dict[str, Any]]:
    """Search counterfactuals of the training texts nearest the boundary; each goes to the target nearest to it.

    Args:
        text_generator: see `TextGenerator`.
        targets: m goals, at least one.
        by_target: candidates of every target so far.
        settings: see `CounterfactualSettings`.
        known: counterfactuals of an interrupted call with the same arguments, by row; they are not searched again.
        finished: called with each new one, so that it can be kept.

    Returns:
        The candidates of every target, counterfactuals last, and counts for the report.
    """
    real = text_generator.real
    rows = near_boundary(real, settings.texts)
    centre = real.coordinates[rows].mean(0, keepdim=True)
    seed, generator = text_generator.stream("counterfactual prompt")
    (prompt,) = compose(real, text_generator.space, centre, [0], text_generator.settings.prompts, generator)
    tried = find_counterfactuals(text_generator, prompt, rows, settings, known, finished)
    found = [each.candidate for each in tried if each.candidate is not None]
    result = [list(kept) for kept in by_target]
    for candidate in found:
        target, served = _at_nearest_target(text_generator, targets, candidate)
        result[target].append(served)
    return tuple(tuple(kept) for kept in result), _report(tried, found, seed)


def _at_nearest_target(text_generator: TextGenerator, targets: Targets, candidate: Candidate) -> tuple[int, Candidate]:
    space, potential = text_generator.space, text_generator.potential
    batch = text_generator.featurizer.featurize([candidate.example.text])
    values, distances = space.log_potential(batch.features, space.margins(batch.logits), targets, potential)
    target = int(distances[0].argmin())
    distance, value = float(distances[0, target]), float(values[0, target])
    return target, replace(candidate, target=target, distance=distance, log_potential=value)


def _report(tried: Sequence[Counterfactual], found: Sequence[Candidate], seed: int) -> dict[str, Any]:
    changed = sorted(each.provenance.words_changed or 0 for each in found)
    return {
        "tried": len(tried),
        "crossed": len(found),
        "words_changed_median": changed[len(changed) // 2] if changed else None,
        "lm_tokens": sum(each.cost.lm_tokens for each in tried),
        "classifier_texts": sum(each.cost.classifier_texts for each in tried),
        "seed": seed,
    }


def find_counterfactuals(
    text_generator: TextGenerator,
    prompt: Prompt,
    rows: Sequence[int],
    settings: CounterfactualSettings,
    known: Mapping[int, Counterfactual] | None = None,
    finished: Callable[[Counterfactual], None] = lambda _: None,
) -> tuple[Counterfactual, ...]:
    """At most one counterfactual of each text: of those that cross the boundary, the one with the fewest changed words.

    Args:
        text_generator: see `TextGenerator`.
        prompt: what the language model has read before it writes on.
        rows: rows of `text_generator.real`.
        settings: see `CounterfactualSettings`.
        known: see `add_counterfactuals`.
        finished: see `add_counterfactuals`.

    Returns:
        What came of each text, in the order of `rows`; words changed and both margins are in the provenance.
    """
    search, tried = _Search(text_generator, prompt, settings), dict(known or {})
    for row in rows:
        if row not in tried:
            tried[row] = search.counterfactual(row)
            finished(tried[row])
    return tuple(tried[row] for row in rows)


@dataclass(frozen=True)
class _Search:
    """The search of counterfactuals after one prompt."""

    text_generator: TextGenerator
    prompt: Prompt
    settings: CounterfactualSettings

    @functools.cached_property
    def empty(self) -> Any:
        """One empty particle after the prompt, which is computed when the first text needs it."""
        max_tokens = self.text_generator.settings.sampling.max_tokens
        return self.text_generator.language_model.start(self.prompt.text, 1, max_tokens)

    def counterfactual(self, row: int) -> Counterfactual:
        """Rewrite an increasing share of one text's end until the prediction flips."""
        text_generator, sampling = self.text_generator, self.text_generator.settings.sampling
        parent, n = text_generator.real.texts[row], self.settings.proposals
        seed, generator = text_generator.stream("counterfactual", row)
        extender = text_generator.language_model.extender(sampling, generator)
        start = text_generator.language_model.with_texts(self.empty, [parent], sampling.max_tokens)
        length = len(start.tokens[0])
        if (asked := self._asked(row, seed, extender)) is not None:
            return asked
        for share in self.settings.shares:
            cut = min(length - 1, round(length * (1 - share)))
            ends = start.select([0] * n, [cut] * n)
            extender.extend(ends)
            extender.cost.classifier_texts += n
            reading = text_generator.read(ends.texts(), ends.finished)
            best = self._best(reading, row)
            if best is not None:
                return Counterfactual(row, self._candidate(reading, best, row, seed, extender.cost), extender.cost)
        return Counterfactual(row, None, extender.cost)

    def _asked(self, row: int, seed: int, extender: TextExtender[Any]) -> Counterfactual | None:
        """The same scene with one fact changed, from a model that follows instructions; None where none crosses."""
        text_generator, n = self.text_generator, self.settings.proposals
        model, settings = text_generator.language_model.instructed, text_generator.settings.instructions
        if model is None or not settings.per_target:
            return None
        real = text_generator.real
        to_harmful = not bool(real.labels[row])
        if on_harmful_side(float(real.margins[row])) == to_harmful:
            return None  # the prediction is wrong, so there is no correct prediction to flip
        instruction = changed(real.texts[row], settings, harmful=to_harmful)
        sampling = replace(text_generator.settings.sampling, temperature=settings.temperature)
        answers = model.answers([instruction] * n, sampling, text_generator.stream("asked", row)[1], extender.cost)
        extender.cost.classifier_texts += n
        reading = text_generator.read([each.text for each in answers], [each.ended for each in answers])
        best = self._best(reading, row)
        if best is None:
            return None
        found = self._candidate(reading, best, row, seed, extender.cost)
        provenance = replace(found.provenance, parents=(real.ids[row],), prompt_hash=prompt_hash(instruction))
        return Counterfactual(row, replace(found, provenance=provenance), extender.cost)

    def _best(self, reading: Reading, row: int) -> int | None:
        """Of the texts that cross, the one with the fewest changed words."""
        parent = self.text_generator.real.texts[row]
        crossing = [i for i in range(len(reading.texts)) if self._crosses(reading, i, row)]
        return min(crossing, key=lambda i: (words_changed(parent, reading.texts[i]), i)) if crossing else None

    def _candidate(self, reading: Reading, best: int, row: int, seed: int, cost: Cost) -> Candidate:
        real = self.text_generator.real
        # A counterfactual is meant to be near its parent, so newness is not asked for.
        provenance = replace(
            self.text_generator.origin("counterfactual", self.prompt, seed),
            parents=(*self.prompt.parents, real.ids[row]),
            **asdict(cost),
            words_changed=words_changed(real.texts[row], reading.texts[best]),
            parent_margin=float(real.margins[row]),
        )
        return made_candidate(reading, best, provenance, self.text_generator)

    def _crosses(self, reading: Reading, i: int, row: int) -> bool:
        real, reached = self.text_generator.real, float(reading.margins[i])
        other_side = (
            on_harmful_side(reached) != on_harmful_side(float(real.margins[row]))
            and abs(reached) <= self.settings.max_margin
        )
        rules = self.text_generator.settings.rules
        flaw = rules.broken(reading.texts[i], ended=reading.ended[i], like=[real.texts[row]])
        return other_side and flaw is None and self.text_generator.unlike_real(reading.texts[i]) is None
