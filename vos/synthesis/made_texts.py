"""Made texts within a synthesis: the targets that they are made for, and the journal of their making."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from vos.generation.counterfactuals import Counterfactual, CounterfactualSettings, add_counterfactuals
from vos.generation.generate import make_texts, real_texts
from vos.generation.reach import Outcome
from vos.generation.report import generation_report
from vos.generation.text_generator import TextGenerator
from vos.mining.candidates import Candidate
from vos.mining.targets import Potential, Targets, TargetSpace
from vos.storage.seeds import derive_seed
from vos.synthesis.job import SynthesisJob
from vos.synthesis.journal import Journal
from vos.synthesis.settings import GenerationSettings
from vos.types import Example

JOURNAL_VERSION = 4


def load_text_generator(
    job: SynthesisJob, generation: GenerationSettings, space: TargetSpace, beginnings: Sequence[Example] = ()
) -> TextGenerator:
    """Build the text generator of a job; loads the language model.

    Args:
        job: see `SynthesisJob`.
        generation: see `GenerationSettings`.
        space: feature space of the targets.
        beginnings: texts of the pool that may be continued, or shown in a prompt, besides the training texts.

    Raises:
        DataError: the training texts are of one class only.
        ModelError: the language model cannot be loaded or used.
    """
    return TextGenerator(
        language_model=generation.language_model(),
        featurizer=job.featurizer,
        density=job.density,
        space=space,
        real=real_texts(job.data.train, job.featurizer, space, beginnings),
        potential=job.settings.potential,
        settings=generation.text_generator,
        seed=derive_seed(job.seed, "make"),
    )


def waiting_targets(
    generation: GenerationSettings,
    by_target: Sequence[Sequence[Candidate]],
    targets: Targets,
    potential: Potential,
) -> frozenset[int]:
    """Targets to make texts for: all, or with `pool_first` those with too few texts in the pool."""
    if not generation.pool_first:
        return frozenset(range(len(targets)))
    stages, margins = generation.text_generator.stages, targets.margins.tolist()
    near = [
        sum(
            candidate.distance is not None
            and candidate.distance <= stages.max_distance
            and abs(candidate.margin - margins[target]) <= potential.delta
            for candidate in kept
        )
        for target, kept in enumerate(by_target)
    ]
    return frozenset(target for target, n in enumerate(near) if n < stages.per_target)


def add_made_texts(
    job: SynthesisJob,
    generation: GenerationSettings,
    writer: Callable[[], TextGenerator],
    targets: Targets,
    by_target: Sequence[Sequence[Candidate]],
    waiting: frozenset[int],
    path: Path,
) -> tuple[tuple[tuple[Candidate, ...], ...], dict[str, Any]]:
    """Make texts and put them before those of the pool.

    Finished texts are stored in a journal: one of the same run, seed and settings is continued, any other is replaced.
    If no target is waiting, the language model is not loaded, and there is no journal.

    Args:
        job: see `SynthesisJob`; its `progress.made` is called at the start and after each target and counterfactual.
        generation: see `GenerationSettings`.
        writer: loads the text generator.
        targets: m targets.
        by_target: candidates of the pool for each target.
        waiting: indices of the targets to make texts for.
        path: path of the journal.

    Returns:
        Candidates with the made texts (best potential first for each target), and the report on the generation.
    """
    counterfactuals = generation.counterfactuals if job.data.harmful else None
    if not waiting and counterfactuals is None:
        path.unlink(missing_ok=True)
        return tuple(map(tuple, by_target)), {"waiting": 0}
    text_generator = writer()
    journal = Journal(path, identity(text_generator, targets, waiting, job.run_hash, counterfactuals))
    kept = journal.read()
    done = itertools.count(len(kept.outcomes) + len(kept.counterfactuals))
    total = len(waiting)
    if counterfactuals is not None:
        total += min(counterfactuals.texts, len(text_generator.real.labelled))
    job.progress.made(next(done), total)

    def finished(part: Outcome | Counterfactual) -> None:
        journal.add(part)
        job.progress.made(next(done), total)

    outcomes = make_texts(text_generator, targets, kept.outcomes, finished, waiting)
    made = {outcome.target: outcome.accepted for outcome in outcomes}
    result: tuple[tuple[Candidate, ...], ...] = tuple(
        (*made.get(target, ()), *retrieved) for target, retrieved in enumerate(by_target)
    )
    report = {"waiting": len(waiting), **generation_report(outcomes, targets, text_generator.space, job.featurizer)}
    if counterfactuals is not None:
        result, report["counterfactuals"] = add_counterfactuals(
            text_generator, targets, result, counterfactuals, kept.counterfactuals, finished
        )
    return result, report | _paid(text_generator)


def _paid(text_generator: TextGenerator) -> dict[str, Any]:
    """Requests and tokens sent to a server in this call; empty if the language model runs locally."""
    usage = getattr(text_generator.language_model, "usage", None)
    return {} if usage is None else {"server": asdict(usage)}


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.cpu().contiguous().numpy().tobytes()).hexdigest()


def identity(
    text_generator: TextGenerator,
    targets: Targets,
    waiting: frozenset[int],
    run_hash: str,
    counterfactuals: CounterfactualSettings | None = None,
) -> str:
    """Hash of everything that decides which texts are made."""
    facts = [
        JOURNAL_VERSION,
        run_hash,
        text_generator.seed,
        text_generator.language_model.fingerprint,
        text_generator.featurizer.model_hash,
        repr(text_generator.settings),
        repr(counterfactuals),
        repr(text_generator.potential),
        sorted(waiting),
        *map(_digest, (targets.features, targets.coordinates, text_generator.space.projection)),
        float(text_generator.space.unit),
        hashlib.sha256("\x1f".join(text_generator.real.texts).encode("utf-8", "surrogatepass")).hexdigest(),
    ]
    return hashlib.sha256(json.dumps(facts, allow_nan=False).encode()).hexdigest()[:32]
