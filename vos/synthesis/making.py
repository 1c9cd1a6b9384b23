"""Made texts within a synthesis: the targets they are made for, and the check."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vos.density import GaussianDensity
from vos.generation.counterfactuals import Edit, EditSettings, add_edits
from vos.generation.generate import make_texts, real_texts
from vos.generation.language_model import LanguageModel
from vos.generation.reach import Outcome
from vos.generation.report import generation_report
from vos.generation.session import Kit
from vos.generation.settings import GenerationSettings
from vos.mining.retrieve import Candidate, Retrieval
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.synthesis.journal import Journal
from vos.types import Example, Featurizer

JOURNAL_VERSION = 2


@dataclass(frozen=True)
class Making:
    """Whether and how texts are made.

    Attributes:
        language_model: loads it; called only when a target needs it.
        settings: see `GenerationSettings`.
        pool_first: True: only for targets that the pool leaves short of `settings.stages.per_target` answers, beside
            the pool's; False: for every target, instead of the pool's.
        edits: also edit training texts until they cross the boundary; None leaves that out.
    """

    language_model: Callable[[], LanguageModel]
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    pool_first: bool = True
    edits: EditSettings | None = None


def kit_for(
    making: Making,
    featurizer: Featurizer,
    density: GaussianDensity,
    space: TargetSpace,
    train: Sequence[Example],
    potential: Potential,
    seed: int,
) -> Kit:
    """Everything that texts are made with; loads the language model.

    Raises:
        DataError: the training texts are of one class only.
        ModelError: the language model cannot be had or used.
    """
    real = real_texts(list(train), featurizer, space)
    return Kit(making.language_model(), featurizer, density, space, real, potential, making.settings, seed)


def waiting_targets(making: Making, found: Retrieval, targets: Targets, potential: Potential) -> frozenset[int]:
    """Targets to make texts for: all, or with `pool_first` those that the pool leaves short of answers."""
    if not making.pool_first:
        return frozenset(range(len(targets)))
    stages, margins = making.settings.stages, targets.margins.tolist()
    answered = [
        sum(
            candidate.distance is not None
            and candidate.distance <= stages.max_distance
            and abs(candidate.margin - margins[target]) <= potential.delta
            for candidate in kept
        )
        for target, kept in enumerate(found.by_target)
    ]
    return frozenset(target for target, n in enumerate(answered) if n < stages.per_target)


def add_made_texts(
    making: Making,
    load_kit: Callable[[], Kit],
    targets: Targets,
    found: Retrieval,
    potential: Potential,
    journal: Path,
    run_hash: str,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[Retrieval, dict[str, Any]]:
    """Make texts and put them where the pool's are.

    Args:
        making: see `Making`.
        load_kit: gives the kit; not called when no target waits.
        targets: m goals.
        found: what the pool gave.
        potential: its delta is the half-width of the band.
        journal: file of finished targets and edits; one of the same run, seed and settings is continued, others are
            replaced.
        run_hash: of the run.
        progress: called with how many targets and edits are done, and how many there are, after each.

    Returns:
        Candidates with the made texts (best potential first for each target), and the report of the generation.
    """
    waiting = waiting_targets(making, found, targets, potential)
    if not waiting and making.edits is None:
        return found, {"waiting": 0}
    kit = load_kit()
    book = Journal(journal, identity(kit, targets, waiting, run_hash, making.edits))
    kept = book.read()
    done = len(kept.outcomes) + len(kept.edits)
    total = len(waiting) + (0 if making.edits is None else min(making.edits.texts, len(kit.real.clean)))
    progress(done, total)

    def finished(part: Outcome | Edit) -> None:
        nonlocal done
        book.add(part)
        done += 1
        progress(done, total)

    outcomes = make_texts(kit, targets, kept.outcomes, finished, waiting)
    made = {outcome.target: outcome.answers for outcome in outcomes}
    pool = found.by_target if making.pool_first else ((),) * len(targets)
    by_target: tuple[tuple[Candidate, ...], ...] = tuple(
        (*made.get(target, ()), *kept) for target, kept in enumerate(pool)
    )
    report = generation_report(outcomes, targets, kit.space, kit.featurizer)
    if making.edits is not None:
        by_target, report["edits"] = add_edits(kit, targets, by_target, making.edits, kept.edits, book.add)
    return replace(found, by_target=by_target), {"waiting": len(waiting), **report}


def identity(
    kit: Kit, targets: Targets, waiting: frozenset[int], run_hash: str, edits: EditSettings | None = None
) -> str:
    """Hash of everything that decides which texts are made."""
    facts = [
        JOURNAL_VERSION,
        run_hash,
        kit.seed,
        kit.language_model.fingerprint,
        kit.featurizer.model_hash,
        repr(kit.settings),
        repr(edits),
        repr(kit.potential),
        sorted(waiting),
        hashlib.sha256(targets.features.cpu().contiguous().numpy().tobytes()).hexdigest(),
        hashlib.sha256("\x1f".join(kit.real.texts).encode("utf-8", "surrogatepass")).hexdigest(),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
