"""The whole loop with a declared oracle instead of people: choose, label, retrain, measure, and repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from vos.data import ListPool, TextData
from vos.simulation.settings import Oracle, Parts, Row
from vos.simulation.strategies import StrategyRun
from vos.storage.json_files import read_json, write_json
from vos.storage.seeds import derive_seed
from vos.storage.text_ids import text_uid
from vos.types import Example, Featurizer


@dataclass
class Simulation(Parts):
    """The simulated loop for all strategies and seeds.

    An interrupted simulation continues with the strategy and seed that it had started: `folder` has a folder for each
    strategy and seed, with the rows of finished ones.
    """

    def run(self) -> list[Row]:
        """Run everything; returns one row per strategy, seed and round."""
        rows: list[Row] = []
        for seed in self.settings.seeds:
            start, oracle = self._start(seed)
            first: Featurizer | None = None
            for strategy in self.settings.strategies:
                kept = self.folder / f"{strategy}-{seed}.json"
                if not kept.exists():
                    # All strategies have the same start, which is trained once.
                    first = first or self.fit(start.train, derive_seed(seed, "fit", 0), None)
                    parts = replace(self, data=start, oracle=oracle, folder=kept.with_suffix(""))
                    write_json(kept, {"rows": StrategyRun(strategy, seed, parts).run(first)})
                rows += read_json(kept)["rows"]
        return rows

    def _start(self, seed: int) -> tuple[TextData, Oracle]:
        """The labelled texts at the start, the texts that can be asked, and their answers."""
        known = _draw(self.data.train, self.settings.start, seed)
        pool, oracle = list(self.data.pool), self.oracle
        if self.settings.pool == "train":
            ids = {example.id for example in known}
            rest = [example for example in self.data.train if example.id not in ids]
            pool = [Example(example.id, example.text) for example in rest]
            names = self.data.label_names
            oracle = {text_uid(each.text): names[each.label] for each in rest if each.label is not None}
        if self.settings.harmful_share is not None:
            harmful = [oracle[text_uid(each.text)] in self.data.classes.harmful_names for each in pool]
            pool = _thinned(pool, harmful, self.settings.harmful_share, seed)
        return replace(self.data, train=known, pool=ListPool(pool)), oracle


def _thinned(pool: Sequence[Example], harmful: Sequence[bool], share: float, seed: int) -> list[Example]:
    """The pool without random harmful texts, so that their share is `share`; unchanged if they are rarer."""
    places = [i for i, is_harmful in enumerate(harmful) if is_harmful]
    keep = round(share / (1 - share) * (len(pool) - len(places)))
    generator = torch.Generator().manual_seed(derive_seed(seed, "harmful share"))
    left_out = {places[i] for i in torch.randperm(len(places), generator=generator).tolist()[keep:]}
    return [example for i, example in enumerate(pool) if i not in left_out]


def _draw(train: Sequence[Example], n: int | None, seed: int) -> list[Example]:
    """`n` random training texts (all if None), with minimal pairs kept together."""
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
