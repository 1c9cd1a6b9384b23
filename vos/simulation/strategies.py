"""Runs the simulated rounds of one strategy and one seed."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vos.data import ListPool, TextData
from vos.errors import RunError
from vos.labeling import Ledger, import_labels, text_uid
from vos.labeling.backends.oracle import ORACLE, oracle_rows
from vos.labeling.records import BoundaryRecord
from vos.loop.next_round import next_round
from vos.metrics.boundary import band_width
from vos.metrics.margins import margin
from vos.simulation.error_rates import error_rates
from vos.simulation.settings import Parts, Row
from vos.storage.seeds import derive_seed
from vos.synthesis.job import SynthesisJob
from vos.synthesis.synthesize import synthesize
from vos.training.measure import training_features
from vos.types import Example, Featurizer

logger = logging.getLogger(__name__)


@dataclass
class StrategyRun:
    """Rounds of choosing, asking the oracle, retraining and measuring.

    Attributes:
        strategy: see `SimulationSettings.strategies`.
        seed: seed of its choices and fits.
        parts: `data` are the texts at the start, whose validation and test texts do not change; files of an earlier
            attempt in `folder` are removed.
    """

    strategy: str
    seed: int
    parts: Parts

    def run(self, first: Featurizer) -> list[Row]:
        """Run all rounds; returns one row per round.

        Args:
            first: the classifier of round 0, trained on the texts at the start.
        """
        shutil.rmtree(self.parts.folder, ignore_errors=True)
        self.parts.folder.mkdir(parents=True)
        val = first.featurize([example.text for example in self.parts.data.val])
        band = band_width(margin(val.logits, self.parts.data.harmful), self.parts.settings.band_share)
        rows: list[Row] = []
        featurizer, data = first, self.parts.data
        with Ledger(self.parts.folder / "ledger.sqlite") as ledger:
            for number in range(self.parts.settings.rounds + 1):
                if number > 0:
                    self._label(ledger, featurizer, data, number - 1)
                    data = next_round(self.parts.data, ledger, self.parts.settings.mix).data
                    featurizer = self.parts.fit(data.train, derive_seed(self.seed, "fit", number), featurizer)
                place: Row = {"strategy": self.strategy, "seed": self.seed, "round": number}
                place["labels"] = len(ledger.labels())
                rows.append({**place, **error_rates(featurizer, data.test, data.harmful, band)})
                logger.info("%s, seed %d, round %d: error %.4f", self.strategy, self.seed, number, rows[-1]["error"])
        return rows

    def _label(self, ledger: Ledger, featurizer: Featurizer, data: TextData, number: int) -> None:
        """Choose, export, and let the oracle answer."""
        taken = ledger.records().keys()
        pool = [example for example in self.parts.data.pool if text_uid(example.text) not in taken]
        records = self._choose(featurizer, data, pool, number)
        ledger.propose(records, number)
        batch = f"r{number:02d}"
        ledger.export(batch, ORACLE, [record.uid for record in records])
        import_labels(ledger, oracle_rows(ledger, self.parts.oracle), self.parts.data.label_names)

    def _choose(self, featurizer: Featurizer, data: TextData, pool: list[Example], number: int) -> list[BoundaryRecord]:
        seed = derive_seed(self.seed, "choose", number)
        order = [pool[i] for i in torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed)).tolist()]
        n = self.parts.settings.per_round
        if self.strategy == "random":
            return _baseline(order[:n], featurizer)
        logits = featurizer.featurize([example.text for example in order]).logits
        margins = margin(logits, data.harmful).abs()
        nearest = [order[i] for i in margins.argsort().tolist()]
        if self.strategy == "uncertainty":
            return _baseline(nearest[:n], featurizer)
        records = self._boundary(featurizer, data, pool, self.parts.folder / f"round-{number}", seed)
        # If too few texts match the targets, the least certain texts fill the batch, so that budgets are equal.
        chosen = {record.uid for record in records}
        rest = [example for example in nearest if text_uid(example.text) not in chosen]
        return records + _baseline(rest[: n - len(records)], featurizer)

    def _boundary(
        self, featurizer: Featurizer, data: TextData, pool: list[Example], folder: Path, seed: int
    ) -> list[BoundaryRecord]:
        features, labels = training_features(featurizer, data.train)
        density = self.parts.density(len(data.label_names), features.shape[1])
        density.fit(features, labels)
        if data.val:
            density.calibrate(*training_features(featurizer, data.val))
        settings = self.parts.settings.synthesis
        settings = replace(settings, selection=replace(settings.selection, n=self.parts.settings.per_round))
        data = replace(data, pool=ListPool(pool))
        job = SynthesisJob(featurizer, density, self.parts.sampler, data, settings, seed, run_hash="simulation")
        try:
            return list(synthesize(job, folder).records)
        except RunError as error:
            logger.warning("%s", error)
            return []


def _baseline(examples: Sequence[Example], featurizer: Featurizer) -> list[BoundaryRecord]:
    model = featurizer.model_hash
    return [BoundaryRecord(text_uid(e.text), e.id, e.text, "baseline", model_hash=model) for e in examples]
