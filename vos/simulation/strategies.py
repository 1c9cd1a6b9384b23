"""One strategy's way through the simulated rounds of one seed."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vos.data import ListPool, TextData
from vos.density import ClassConditionalGaussian
from vos.errors import RunError
from vos.labeling import Label, Ledger, text_uid
from vos.labeling.label import now
from vos.labeling.records import BoundaryRecord
from vos.loop.next_round import next_round
from vos.metrics.boundary import band_width, margin
from vos.simulation.error_rates import error_rates
from vos.simulation.settings import Fit, Oracle, Row, SimulationSettings
from vos.storage.seeds import derive_seed
from vos.synthesis.job import SynthesisJob
from vos.synthesis.synthesize import synthesize
from vos.types import Example, Featurizer, OutlierSampler

logger = logging.getLogger(__name__)


@dataclass
class StrategyRun:
    """Rounds of choosing, asking the oracle, retraining and measuring.

    Attributes:
        strategy: see `SimulationSettings.strategies`.
        seed: of its choices and fits.
        start: texts at the start; validation and test texts stay as they are.
        oracle: true labels of its pool.
        fit: trains a round.
        density: makes an unfitted density from (C, d).
        sampler: draws virtual outliers for "boundary".
        folder: for the ledger and the batches; what an earlier attempt left there is removed.
        settings: see `SimulationSettings`.
    """

    strategy: str
    seed: int
    start: TextData
    oracle: Oracle
    fit: Fit
    density: Callable[[int, int], ClassConditionalGaussian]
    sampler: OutlierSampler
    folder: Path
    settings: SimulationSettings

    def run(self, first: Featurizer) -> list[Row]:
        """A row for every round.

        Args:
            first: the classifier of round 0, trained on `start`.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        val = first.featurize([example.text for example in self.start.val])
        band = band_width(margin(val.logits), self.settings.band_share)
        rows: list[Row] = []
        featurizer, data = first, self.start
        with Ledger(self.folder / "ledger.sqlite") as ledger:
            for number in range(self.settings.rounds + 1):
                if number > 0:
                    self._label(ledger, featurizer, data, number - 1)
                    data = next_round(self.start, ledger, self.settings.mix).data
                    featurizer = self.fit(data.train, derive_seed(self.seed, "fit", number), featurizer)
                place: Row = {"strategy": self.strategy, "seed": self.seed, "round": number}
                place["labels"] = len(ledger.labels())
                rows.append({**place, **error_rates(featurizer, data.test, band)})
                logger.info("%s, seed %d, round %d: error %.4f", self.strategy, self.seed, number, rows[-1]["error"])
        return rows

    def _label(self, ledger: Ledger, featurizer: Featurizer, data: TextData, number: int) -> None:
        """Choose, export, and let the oracle answer."""
        taken = {record.id for record in ledger.records().values()}
        pool = [example for example in self.start.pool if example.id not in taken]
        records = self._choose(featurizer, data, pool, number)
        ledger.propose(records, number)
        batch = f"r{number:02d}"
        for record in ledger.export(batch, "oracle", [record.uid for record in records]).records:
            name = self.start.label_names[self.oracle[record.id]]
            ledger.record_label(Label(record.uid, "oracle", name, now(), tool="oracle", batch_id=batch))

    def _choose(self, featurizer: Featurizer, data: TextData, pool: list[Example], number: int) -> list[BoundaryRecord]:
        seed = derive_seed(self.seed, "choose", number)
        order = [pool[i] for i in torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed)).tolist()]
        n = self.settings.per_round
        if self.strategy == "random":
            return _baseline(order[:n], featurizer)
        margins = margin(featurizer.featurize([example.text for example in order]).logits).abs()
        nearest = [order[i] for i in margins.argsort().tolist()]
        if self.strategy == "uncertainty":
            return _baseline(nearest[:n], featurizer)
        records = self._boundary(featurizer, data, pool, self.folder / f"round-{number}", seed)
        # Where fewer texts answer the targets than were asked for, the least certain fill the batch: equal budgets.
        chosen = {record.uid for record in records}
        rest = [example for example in nearest if text_uid(example.text) not in chosen]
        return records + _baseline(rest[: n - len(records)], featurizer)

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


def _baseline(examples: Sequence[Example], featurizer: Featurizer) -> list[BoundaryRecord]:
    none, model = (None,) * 4, featurizer.model_hash
    return [
        BoundaryRecord(text_uid(e.text), e.id, e.text, "pool", "baseline", 0.0, {}, {}, *none, model, "")
        for e in examples
    ]
