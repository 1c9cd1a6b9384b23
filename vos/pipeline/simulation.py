"""The whole loop with a declared oracle in place of people: choose, label, retrain, measure, again."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from vos.data import ListPool, TextData
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError, RunError
from vos.labeling import Label, Ledger, text_uid
from vos.labeling.label import now
from vos.labeling.records import BoundaryRecord
from vos.metrics.boundary import band_width, margin
from vos.models.seeds import derive_seed
from vos.pipeline.labels import MixSettings, next_round
from vos.pipeline.run_directory import read_json, write_json
from vos.pipeline.synthesis import SynthesisJob, SynthesisSettings, synthesize
from vos.types import Example, Featurizer, OutlierSampler

logger = logging.getLogger(__name__)

Oracle = Mapping[str, int]
"""Pool id to class index; declared as an oracle in the ledger, never mistaken for a person."""

HARD_LEVELS, EASY_LEVELS = (2, 3), (0, 1)

METRICS = ("error", "error_hard", "error_easy", "error_band")
"""Error rates of a row: all test texts, levels 2-3, levels 0-1, and those in the band of round 0."""


class Fit(Protocol):
    """Trains the classifier of a round."""

    def __call__(self, train: Sequence[Example], seed: int, start: Featurizer | None) -> Featurizer:
        """A frozen classifier, trained on these texts; `start` is the round before, None at the start."""
        ...


@dataclass(frozen=True)
class SimulationSettings:
    """Size of a simulation.

    Attributes:
        rounds: of labelling.
        per_round: labels a round.
        seeds: each draws its own start and its own choices.
        strategies: of "boundary" (this product), "uncertainty" (smallest |margin|) and "random".
        start: labelled texts at the start, drawn from the training texts; None takes all of them.
        band_share: share of validation texts in the band of round 0.
        synthesis: for "boundary"; its `selection.n` is replaced by `per_round`.
        mix: how old and new labels are mixed.
    """

    synthesis: SynthesisSettings
    rounds: int
    per_round: int
    seeds: Sequence[int]
    strategies: Sequence[str]
    start: int | None
    band_share: float
    mix: MixSettings

    def __post_init__(self) -> None:
        unknown = set(self.strategies) - {"boundary", "uncertainty", "random"}
        if unknown or min(self.rounds, self.per_round, self.start or 1, len(self.seeds)) < 1:
            raise ConfigError(
                "simulation: expected strategies of boundary, uncertainty, random, and at least one round, label, "
                f"start text and seed, got {self}"
            )


@dataclass
class Simulation:
    """Everything that a simulation needs, built.

    Attributes:
        data: texts; its pool is labelled by the oracle.
        oracle: true labels of the pool.
        fit: trains a round.
        density: makes an unfitted density from (C, d).
        sampler: draws virtual outliers for "boundary".
        folder: for ledgers and batches, one folder a strategy and seed, and for the finished ones' rows: a simulation
            that was cut off goes on with the strategy and seed that it had begun.
        settings: see `SimulationSettings`.
    """

    data: TextData
    oracle: Oracle
    fit: Fit
    density: Callable[[int, int], ClassConditionalGaussian]
    sampler: OutlierSampler
    folder: Path
    settings: SimulationSettings

    def run(self) -> list[dict[str, str | float]]:
        """Rows of `strategy`, `seed`, `round`, `labels` and test errors, for every strategy, seed and round."""
        rows: list[dict[str, str | float]] = []
        for seed in self.settings.seeds:
            start = replace(self.data, train=_start(self.data.train, self.settings.start, seed))
            first: Featurizer | None = None
            for strategy in self.settings.strategies:
                kept = self.folder / f"{strategy}-{seed}.json"
                if not kept.exists():
                    # The same start for every strategy: trained once.
                    first = first or self.fit(start.train, derive_seed(seed, "fit", 0), None)
                    write_json(kept, {"rows": self._one(strategy, seed, start, first)})
                rows += read_json(kept)["rows"]
        return rows

    def _one(self, strategy: str, seed: int, start: TextData, first: Featurizer) -> list[dict[str, str | float]]:
        folder = self.folder / f"{strategy}-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rows: list[dict[str, str | float]] = []
        val = first.featurize([example.text for example in start.val])
        band = band_width(margin(val.logits), self.settings.band_share)
        featurizer, data = first, start
        with Ledger(folder / "ledger.sqlite") as ledger:
            for number in range(self.settings.rounds + 1):
                if number > 0:
                    self._label(strategy, ledger, featurizer, data, folder / f"round-{number - 1}", (seed, number - 1))
                    data = next_round(start, ledger, self.settings.mix).data
                    featurizer = self.fit(data.train, derive_seed(seed, "fit", number), featurizer)
                place: dict[str, str | float] = {"strategy": strategy, "seed": seed, "round": number}
                place["labels"] = len(ledger.labels())
                rows.append({**place, **error_rates(featurizer, data.test, band)})
                logger.info("%s, seed %d, round %d: error %.4f", strategy, seed, number, rows[-1]["error"])
        return rows

    def _label(
        self,
        strategy: str,
        ledger: Ledger,
        featurizer: Featurizer,
        data: TextData,
        folder: Path,
        place: tuple[int, int],
    ) -> None:
        """Choose, export, and let the oracle answer."""
        taken = {record.id for record in ledger.records().values()}
        pool = [example for example in self.data.pool if example.id not in taken]
        seed = derive_seed(place[0], "choose", place[1])
        records = self._choose(strategy, featurizer, data, pool, folder, seed)
        ledger.propose(records, place[1])
        batch = f"r{place[1]:02d}"
        for record in ledger.export(batch, "oracle", [record.uid for record in records]).records:
            name = self.data.label_names[self.oracle[record.id]]
            ledger.record_label(Label(record.uid, "oracle", name, now(), tool="oracle", batch_id=batch))

    def _choose(
        self, strategy: str, featurizer: Featurizer, data: TextData, pool: list[Example], folder: Path, seed: int
    ) -> list[BoundaryRecord]:
        generator = torch.Generator().manual_seed(seed)
        order = [pool[i] for i in torch.randperm(len(pool), generator=generator).tolist()]
        n = self.settings.per_round
        if strategy == "random":
            return [_record(example, featurizer) for example in order[:n]]
        margins = margin(featurizer.featurize([example.text for example in order]).logits).abs()
        nearest = [order[i] for i in margins.argsort().tolist()]
        if strategy == "uncertainty":
            return [_record(example, featurizer) for example in nearest[:n]]
        records = self._boundary(featurizer, data, pool, folder, seed)
        # Where fewer texts answer the targets than were asked for, the least certain fill the batch: equal budgets.
        chosen = {record.uid for record in records}
        rest = [example for example in nearest if text_uid(example.text) not in chosen]
        return records + [_record(example, featurizer) for example in rest[: n - len(records)]]

    def _boundary(
        self, featurizer: Featurizer, data: TextData, pool: list[Example], folder: Path, seed: int
    ) -> list[BoundaryRecord]:
        batch = featurizer.featurize([example.text for example in data.train])
        density = self.density(len(data.label_names), batch.features.shape[1])
        density.fit(batch.features, torch.tensor([example.label for example in data.train]))
        settings = self.settings.synthesis
        job: Any = SynthesisJob(
            featurizer=featurizer,  # type: ignore[arg-type]
            density=density,
            sampler=self.sampler,
            train=data.train,
            known=[*data.val, *data.test],
            pool=ListPool(pool),
            label_names=data.label_names,
            settings=replace(settings, selection=replace(settings.selection, n=self.settings.per_round)),
            output=folder,
            run_hash="simulation",
            seed=seed,
        )
        try:
            return list(synthesize(job).records)
        except RunError as error:
            logger.warning("%s", error)
            return []


def _record(example: Example, featurizer: Featurizer) -> BoundaryRecord:
    none = (None,) * 4
    uid = text_uid(example.text)
    return BoundaryRecord(
        uid, example.id, example.text, "pool", "baseline", 0.0, {}, {}, *none, featurizer.model_hash, ""
    )


def _start(train: Sequence[Example], n: int | None, seed: int) -> list[Example]:
    """`n` training texts (all when None), whole minimal pairs kept together, drawn at random."""
    groups: dict[str, list[Example]] = {}
    for example in train:
        groups.setdefault(example.pair or example.id, []).append(example)
    generator = torch.Generator().manual_seed(derive_seed(seed, "start"))
    names = sorted(groups)
    chosen: list[Example] = []
    for i in torch.randperm(len(names), generator=generator).tolist():
        if n is not None and len(chosen) >= n:
            break
        chosen += groups[names[i]]
    return chosen


def error_rates(featurizer: Featurizer, test: Sequence[Example], band: float) -> dict[str, float]:
    """Error rates on the test texts: all, hard and easy levels, and in the band of round 0."""
    logits = featurizer.featurize([example.text for example in test]).logits
    wrong = logits.argmax(-1) != torch.tensor([example.label for example in test])
    levels = torch.tensor([-1 if example.level is None else example.level for example in test])

    def share(rows: Tensor) -> float:
        return float(wrong[rows].double().mean()) if rows.any() else float("nan")

    return {
        "error": share(torch.ones_like(wrong)),
        "error_hard": share(torch.isin(levels, torch.tensor(HARD_LEVELS))),
        "error_easy": share(torch.isin(levels, torch.tensor(EASY_LEVELS))),
        "error_band": share(margin(logits).abs() <= band),
    }


def compare(
    rows: Sequence[Mapping[str, Any]], metric: str, round: int, strategy: str = "boundary", baseline: str = "random"
) -> dict[str, float]:
    """Relative reduction of a metric against a baseline, paired by seed, with a 95 % t-interval of the mean.

    Returns: `reduction` of the means (1 - a / b), `low` and `high` of the paired per-seed reductions, and both means.
    """
    table = {(row["strategy"], row["seed"]): float(row[metric]) for row in rows if row["round"] == round}
    seeds = sorted(seed for name, seed in table if name == strategy)
    ours = np.array([table[strategy, seed] for seed in seeds])
    theirs = np.array([table[baseline, seed] for seed in seeds])
    gain = (theirs - ours) / theirs.mean()
    half = float(stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else np.nan
    mean = float(gain.mean())
    return {
        "reduction": mean,
        "low": mean - half,
        "high": mean + half,
        strategy: float(ours.mean()),
        baseline: float(theirs.mean()),
    }


def values_by_labels(
    rows: Sequence[Mapping[str, Any]], metric: str, strategy: str, labels: Sequence[float]
) -> list[list[float]]:
    """For every number of labels the values of the seeds, in the order of the rows."""
    own = [row for row in rows if row["strategy"] == strategy]
    return [[float(row[metric]) for row in own if row["labels"] == n] for n in labels]
