"""Near-twins of training texts: the end is written again so that the text crosses the boundary by few words."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rapidfuzz.distance import Levenshtein

from vos.errors import ConfigError
from vos.generation.acceptance import Origin, made
from vos.generation.particles import Cost, Extender
from vos.generation.potential import Reading, read
from vos.generation.prompt_cache import PromptParticles
from vos.generation.prompts import Prompt, RealTexts, compose
from vos.generation.reach import candidate_from_dict
from vos.generation.rules import words
from vos.generation.session import Kit, stream
from vos.metrics.boundary import margin
from vos.mining.retrieve import Candidate
from vos.mining.targets import Targets


@dataclass(frozen=True)
class EditSettings:
    """How edits are searched.

    Attributes:
        texts: training texts that are tried, as many from either side of the boundary.
        shares: shares of a text that are written again, smallest first; the search stops at the first that crosses.
        proposals: ends written for each share.
        max_margin: an edit with a larger |margin| has gone past the boundary, not to it; logit units.
    """

    texts: int = 20
    shares: tuple[float, ...] = (0.2, 0.35, 0.5, 0.7)
    proposals: int = 8
    max_margin: float = 2.0

    def __post_init__(self) -> None:
        if (
            not self.shares
            or list(self.shares) != sorted(self.shares)
            or not 0 < self.shares[0] <= self.shares[-1] <= 1
        ):
            raise ConfigError(f"edits.shares: expected rising numbers in (0, 1], got {self.shares}")
        if min(self.texts, self.proposals) < 1 or self.max_margin <= 0:
            raise ConfigError(f"edits: expected texts and proposals >= 1 and max_margin > 0, got {self}")


def words_changed(before: str, after: str) -> int:
    """Fewest words to insert, delete or replace."""
    return int(Levenshtein.distance(words(before), words(after)))


def near_boundary(real: RealTexts, n: int) -> list[int]:
    """Rows of at most n texts without debris nearest the boundary, from both sides in turn."""
    rows = sorted(real.clean, key=lambda row: (abs(float(real.margins[row])), row))
    above = [row for row in rows if float(real.margins[row]) >= 0]
    below = [row for row in rows if float(real.margins[row]) < 0]
    turns = itertools.zip_longest(above, below)
    return [row for turn in turns for row in turn if row is not None][:n]


@dataclass(frozen=True)
class Edit:
    """What came of one training text.

    Attributes:
        row: of the text.
        twin: the text that crossed the boundary by the fewest changed words, or None.
        cost: spent on it.
    """

    row: int
    twin: Candidate | None
    cost: Cost

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Edit:
        """The edit that gave `as_dict`, after a way through JSON."""
        twin = values["twin"]
        return cls(values["row"], None if twin is None else candidate_from_dict(twin), Cost(**values["cost"]))


def add_edits(
    kit: Kit,
    targets: Targets,
    by_target: Sequence[Sequence[Candidate]],
    settings: EditSettings,
    known: Mapping[int, Edit] | None = None,
    finished: Callable[[Edit], None] = lambda _: None,
) -> tuple[tuple[tuple[Candidate, ...], ...], dict[str, Any]]:
    """Edit the training texts nearest the boundary and put each twin after the answers of the target nearest to it.

    Args:
        kit: see `Kit`.
        targets: m goals, at least one.
        by_target: answers of every target so far.
        settings: see `EditSettings`.
        known: edits of an interrupted call with the same arguments, by row; they are not made again.
        finished: called with each new edit, so that it can be kept.

    Returns:
        The answers with the twins, and counts for the report.
    """
    rows = near_boundary(kit.real, settings.texts)
    centre = kit.real.coordinates[rows].mean(0, keepdim=True)
    seed, generator = stream(kit.seed, "edit prompt", 0)
    (prompt,) = compose(kit.real, kit.space, centre, [0], kit.settings.prompts, generator)
    edits = edit_texts(kit, prompt, rows, settings, known, finished)
    twins, cost = [edit.twin for edit in edits if edit.twin is not None], Cost()
    for edit in edits:
        cost.add(edit.cost)
    result = [list(kept) for kept in by_target]
    for twin in twins:
        batch = kit.featurizer.featurize([twin.example.text])
        values, distances = kit.space.log_potential(batch.features, margin(batch.logits), targets, kit.potential)
        target = int(distances[0].argmin())
        result[target].append(
            replace(twin, target=target, distance=float(distances[0, target]), log_potential=float(values[0, target]))
        )
    changed = sorted(twin.provenance.words_changed or 0 for twin in twins)
    report: dict[str, Any] = {
        "tried": len(rows),
        "crossed": len(twins),
        "words_changed_median": changed[len(changed) // 2] if changed else None,
        "lm_tokens": cost.lm_tokens,
        "classifier_texts": cost.classifier_texts,
        "seed": seed,
    }
    return tuple(tuple(kept) for kept in result), report


def edit_texts(
    kit: Kit,
    prompt: Prompt,
    rows: Sequence[int],
    settings: EditSettings,
    known: Mapping[int, Edit] | None = None,
    finished: Callable[[Edit], None] = lambda _: None,
) -> tuple[Edit, ...]:
    """At most one edit of each text: of those that cross the boundary, the one with the fewest changed words.

    Args:
        kit: see `Kit`.
        prompt: what the language model has read before it writes on.
        rows: rows of `kit.real` to edit.
        settings: see `EditSettings`.
        known: see `add_edits`.
        finished: see `add_edits`.

    Returns:
        What came of each text, in the order of `rows`; words changed and both margins are in the twins' evidence.
    """
    edits = dict(known or {})
    waiting = [row for row in rows if row not in edits]
    if waiting:
        empty = kit.language_model.start(prompt.text, 1, kit.settings.sampling.max_tokens)
    for row in waiting:
        edits[row] = _edit(kit, prompt, empty, row, settings)
        finished(edits[row])
    return tuple(edits[row] for row in rows)


def _edit(kit: Kit, prompt: Prompt, empty: PromptParticles, row: int, settings: EditSettings) -> Edit:
    seed, generator = stream(kit.seed, "edit", row)
    extender = Extender(kit.settings.sampling, generator)
    cost = extender.cost
    parent, parent_margin = kit.real.texts[row], float(kit.real.margins[row])
    start = kit.language_model.seeded(empty, [parent], kit.settings.sampling.max_tokens)
    length = len(start.tokens[0])
    for share in settings.shares:
        cut = min(length - 1, round(length * (1 - share)))
        ends = start.select([0] * settings.proposals, [cut] * settings.proposals)
        extender.extend(ends)
        cost.classifier_texts += settings.proposals
        reading = read(kit.featurizer, kit.novelty, ends.texts(), ends.finished)
        changed = [words_changed(parent, text) for text in reading.texts]
        crossing = [i for i in range(settings.proposals) if _crosses(kit, reading, i, row, settings)]
        if crossing:
            best = min(crossing, key=lambda i: (changed[i], i))
            origin = Origin("edited", prompt.hash, kit.language_model.fingerprint, seed)
            parents = (*prompt.parents, kit.real.ids[row])
            twin = made(reading, best, origin, parents, kit.featurizer.head, kit.density, cost)
            # Near-twins are meant to be near, so newness is not asked for.
            provenance = replace(twin.provenance, words_changed=changed[best], parent_margin=parent_margin)
            return Edit(row, replace(twin, provenance=provenance), cost)
    return Edit(row, None, cost)


def _crosses(kit: Kit, reading: Reading, i: int, row: int, settings: EditSettings) -> bool:
    reached, rules = float(reading.margins[i]), kit.settings.rules
    other_side = (reached >= 0) != (float(kit.real.margins[row]) >= 0) and abs(reached) <= settings.max_margin
    flaw = rules.broken(reading.texts[i], ended=reading.ended[i], like=[kit.real.texts[row]])
    return other_side and flaw is None
