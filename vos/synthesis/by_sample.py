"""acquisition=coverage, margin and random: one pass draws samples of the pool, from which the batch is chosen."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vos.metrics.margins import margin
from vos.mining.acquisition import MarginAcquisition, RandomAcquisition
from vos.mining.batch import Batch
from vos.mining.candidates import Facts, text_key
from vos.mining.coverage import BoundaryCoverage, CoverageSettings, KnownTexts
from vos.mining.pool_sample import PoolSample, SampleSizes
from vos.mining.rescore import MOST_NEAREST, Spare, rescore, widened
from vos.mining.selection import Quotas, lacks_near_boundary
from vos.mining.targets import Targets, TargetSpace
from vos.synthesis.acquired import Acquired
from vos.synthesis.job import SynthesisJob, draw_outliers, repeat_filter
from vos.synthesis.made_texts import add_made_texts, load_text_generator
from vos.synthesis.pool_pass import read_texts
from vos.synthesis.settings import GenerationSettings
from vos.synthesis.surroundings import Surroundings
from vos.synthesis.writing_targets import note_shortfall, save_writing_targets, writing_targets
from vos.types import Example

logger = logging.getLogger(__name__)

SampleAcquisition = CoverageSettings | MarginAcquisition | RandomAcquisition


def acquire_by_sample(job: SynthesisJob, acquisition: SampleAcquisition, journal: Path) -> Acquired:
    """Score the pool once, choose a batch from its samples, and have texts written for uncovered places."""
    _, space, outliers = draw_outliers(job)
    surroundings = Surroundings(space, outliers, job.settings.potential.delta)
    sample, again = scan(job, acquisition, surroundings)
    selection = job.settings.selection
    batch = Batch(Quotas(selection, selection.n, bool(job.data.harmful)), repeat_filter(job))
    everything = isinstance(acquisition, RandomAcquisition)
    batch.draw(sample.uniform.facts, selection.n if everything else selection.n_random)
    batch.quotas.wanted -= len(batch.random)
    report: dict[str, Any] = {
        "scoring": {"pool": job.scoring, "again_in_float32": again},
        "gaps": surroundings.report(selection.max_distance),
    }
    made: dict[str, Any] = {}
    targets = surroundings.targets
    if isinstance(acquisition, MarginAcquisition):
        batch.nearest(sample.nearest.facts, batch.quotas.wanted, "margin")
    elif isinstance(acquisition, CoverageSettings) and sample.n:
        cover = _Cover(job, acquisition, sample, batch, space, surroundings, journal)
        targets, made = cover.fill()
        report |= cover.report
    chosen = batch.selection()
    return Acquired(
        selection=chosen,
        targets=targets,
        space=space,
        n_scored=sample.n,
        counts=sample.counts,
        lacks_near_boundary=not everything and lacks_near_boundary(chosen, selection),
        report=report,
        made=made,
    )


def scan(job: SynthesisJob, acquisition: SampleAcquisition, surroundings: Surroundings) -> tuple[PoolSample, int]:
    """Score the pool once and keep samples of it; also returns how many texts were scored again.

    With a faster featurizer the samples still are those of exact scores, see `vos.mining.rescore`; the counts by side,
    and which virtual outliers have a text nearby, come from the fast scores.
    """
    settings = acquisition if isinstance(acquisition, CoverageSettings) else CoverageSettings(supply=1)
    sizes = replace(settings.sizes(job.settings.selection.n), by_text=job.ids_repeat)
    if job.fast is None:
        return _pass(job, sizes, surroundings), 0
    spare = Spare()
    while True:
        fast = _pass(job, widened(sizes, spare), surroundings, fast=True)
        found = rescore(fast, sizes, partial(_exact, job), spare)
        logger.info("%d of %d texts were scored again in float32", found.read, fast.n)
        if found.is_capped:
            logger.warning(
                "more than %d texts may be of the smallest margins: these were ranked by fast scores, which may "
                "differ from float32 in the last ones; precision=32-true scores all of them in float32", MOST_NEAREST
            )  # fmt: skip
        if found.wider is None:
            return found.sample, found.read
        spare = found.wider
        logger.info("too close to tell which texts belong to the samples: the pool is read again, and more is kept")


def _pass(job: SynthesisJob, sizes: SampleSizes, surroundings: Surroundings, *, fast: bool = False) -> PoolSample:
    featurizer = job.fast if fast and job.fast is not None else job.featurizer
    if job.shards is None:
        return read_texts(job, featurizer, job.data.pool, sizes, surroundings)
    return job.shards.run(job, featurizer, sizes, surroundings, fast)


def _exact(job: SynthesisJob, examples: list[Example]) -> Facts:
    batch = job.featurizer.featurize([example.text for example in examples])
    return Facts.of(examples, batch, job.density, job.data.harmful, job.error_model.of_margins)


class _Cover:
    """The near-boundary part of a batch that covers the boundary."""

    def __init__(
        self,
        job: SynthesisJob,
        acquisition: CoverageSettings,
        sample: PoolSample,
        batch: Batch,
        space: TargetSpace,
        surroundings: Surroundings,
        journal: Path,
    ) -> None:
        self.job, self.sample, self.batch, self.space = job, sample, batch, space
        self.surroundings, self.journal = surroundings, journal
        data = job.data
        known = known_texts(job, [*data.train, *job.asked])
        self.coverage = BoundaryCoverage.of(sample, known, job.featurizer.head, data.harmful, acquisition)
        self.share = acquisition.nearest_share([example.label for example in data.train], data.harmful)
        self.report: dict[str, Any] = {
            "demand": len(self.coverage.demand),
            "supply": len(self.coverage.supply),
            "covered_before": self.coverage.location.value,
            "nearest_share": self.share,
        }

    def fill(self) -> tuple[Targets, dict[str, Any]]:
        """Choose texts; returns the targets that texts were written for, and the report on the writing."""
        batch, wanted, generation = self.batch, self.batch.quotas.wanted, self.job.settings.generation
        n_made = 0 if generation is None else round(wanted * (generation.share if generation.pool_first else 1.0))
        if generation is None or generation.pool_first:
            batch.nearest(self.sample.nearest.facts, round(self.share * (wanted - n_made)), "nearest")
            batch.cover(self.coverage, wanted - n_made - len(batch.near))
        targets, made = self.surroundings.targets, dict[str, Any]()
        if generation is not None:
            targets, made = self._write(generation, n_made)
            if generation.pool_first:
                batch.cover(self.coverage, wanted - len(batch.near))
        self.report["covered_after"] = self.coverage.location.value
        return targets, made

    def _write(self, generation: GenerationSettings, n_made: int) -> tuple[Targets, dict[str, Any]]:
        """Have texts written for the least covered places, and choose among them."""
        job = self.job
        goals = writing_targets(job, generation, self.space, self.coverage, self.surroundings, n_made)
        left = self._left() if generation.pool_first else 0
        note_shortfall(len(goals), generation.text_generator.stages.per_target, n_made, left)
        save_writing_targets(goals, self.journal.parent)
        targets = self.space.targets(goals.outliers)
        writer = partial(load_text_generator, job, generation, self.space, goals.beginnings)
        nothing: tuple[tuple[()], ...] = ((),) * len(goals)
        by_target, made = add_made_texts(
            job, generation, writer, targets, nothing, frozenset(range(len(goals))), self.journal
        )
        candidates = [candidate for each in by_target for candidate in each]
        if candidates:
            texts = [candidate.example for candidate in candidates]
            batch = job.featurizer.featurize([example.text for example in texts])
            facts = Facts.of(texts, batch, job.density, job.data.harmful)
            # Both share the state of coverage: the pool continues where the made texts stop.
            self.batch.cover(self.coverage.beside(facts), n_made, candidates)
        return targets, {**made, **goals.report}

    def _left(self) -> int:
        """Number of texts of the pool that the batch could still take."""
        return sum(text_key(example) not in self.batch.taken for example in self.coverage.supply.examples)


def known_texts(job: SynthesisJob, examples: list[Example]) -> KnownTexts:
    """Features and margins of known texts, which cover their surroundings."""
    batch = job.featurizer.featurize([example.text for example in examples])
    return KnownTexts(batch.features, margin(batch.logits, job.data.harmful))
