"""The same comparison with a fine-tuned encoder: `python -m benchmarks.selection.finetuned [--quick]`.

In every round the bundled encoder and its head are trained from scratch on all labels so far, by this package's own
training with bfloat16 autocast; a strategy uses the features and the logits of that classifier. 5 seeds, the sets
everyday and ToxiGen; coverage, random choice, margin, and margin with k-means, which is the best of the others with a
frozen encoder. 2 rounds of 200 labels: a unit takes some four minutes on one core. Units are stored with those of
`python -m benchmarks.selection`, as the encoder "finetuned"; the same command resumes an interrupted run. The last line
is one JSON object, in the same form.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from benchmarks._common import command_line, finish, output_folder, skip_without_public_data
from benchmarks.ablation.start import quiet
from benchmarks.selection.arms import ARMS
from benchmarks.selection.features import FINETUNED, MAX_LENGTH
from benchmarks.selection.results import collect, differences
from benchmarks.selection.sets import EMBEDDED, SETS, LabelledSet, load_set
from benchmarks.selection.state import Array
from benchmarks.selection.unit import Learned, Plan, path_of, run_units, start
from vos.cli.compose import composed
from vos.cli.simulate import job_builder
from vos.data import ListPool, TextData
from vos.simulation.fits import PipelineFit
from vos.types import Featurizer

DEFAULT_SETS = (EMBEDDED[0], "toxigen")
DEFAULT_ARMS = ("coverage", "random", "margin", "margin_kmeans")
EPOCHS = 8
VALIDATION = 200
"""Texts by which the epoch is chosen."""


@dataclass(frozen=True)
class FineTuning:
    """A set whose classifier is trained anew in every round; a `Task`.

    Attributes:
        data: see `LabelledSet`.
        plan: see `Plan`.
        epochs: of every training.
        first: the classifier of the last start, which all strategies of a seed share.
    """

    data: LabelledSet
    plan: Plan
    epochs: int
    first: dict[int, Learned] = field(default_factory=dict)

    @property
    def settings(self) -> Mapping[str, float]:
        """What is kept beside the curves."""
        return {"epochs": self.epochs}

    def learn(self, labelled: Array, seed: int, last: bool) -> Learned:
        """Train, and encode what is needed of the set: all of it, after the last round the test texts."""
        if seed in self.first:
            return self.first[seed]
        learned = self._learn(labelled, seed, last)
        if len(labelled) == len(start(self.data, self.plan, 0)):
            self.first.clear()  # of one seed at a time: they are large
            self.first[seed] = learned
        return learned

    def _learn(self, labelled: Array, seed: int, last: bool) -> Learned:
        examples = self.data.examples
        names = tuple(f"class {c}" for c in range(self.data.n_classes))
        val = [examples[row] for row in self.data.val[:VALIDATION]]
        data = TextData([], val, [], ListPool([]), names, [], harmful=self.data.harmful)
        with tempfile.TemporaryDirectory() as folder:
            settings = (
                "experiment=simulated_rounds", "trainer.lightning.precision=bf16-mixed",
                f"trainer.max_epochs={self.epochs}", f"+model.max_length={MAX_LENGTH}", f"paths.cache={folder}/cache",
            )  # fmt: skip
            fit = PipelineFit(data, job_builder(composed("train", settings), Path(folder)), warm=False)
            with quiet():
                fitted = fit([examples[row] for row in labelled], seed, None)
        rows = np.array(self.data.test if last else sorted({*self.data.askable, *self.data.val, *self.data.test}))
        return self._under(fitted, rows, last)

    def _under(self, fitted: Featurizer, rows: Array, last: bool) -> Learned:
        """Features of rows, zeros for the others; standardised as the frozen ones are, the head along with them."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            some = fitted.featurize([self.data.examples[row].text for row in rows]).features.numpy()
        features = np.zeros((len(self.data.examples), some.shape[1]), dtype=np.float32)
        features[rows] = some
        weight, bias = (tensor.numpy() for tensor in (fitted.head.weight, fitted.head.bias))
        if last:
            return Learned(features, weight, bias)
        known = features[list(self.data.askable)]
        mean, scale = known.mean(0), known.std(0) + 1e-6
        return Learned((features - mean) / scale, weight * scale, bias + weight @ mean)


def main() -> None:
    """Run what is missing, tell how long it will take, print the JSON line."""
    parser = command_line(__doc__, quick="1 seed, 1 round of 20, a tenth of one set, 1 epoch: a minute")
    parser.add_argument("--sets", nargs="+", choices=SETS)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=DEFAULT_ARMS)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sets = options.sets or (DEFAULT_SETS[:1] if options.quick else DEFAULT_SETS)
    if set(sets) - set(EMBEDDED):
        skip_without_public_data()
    folder = output_folder(options, "selection").resolve()
    for name in sets:
        data = load_set(name, options.quick)
        labels = 100 if data.n_classes == 2 else 2
        plan, epochs = (Plan(labels, 1, 20), 1) if options.quick else (Plan(labels, 2, 200), EPOCHS)
        seeds = range(options.seeds or (1 if options.quick else 5))
        units = [(name, FINETUNED, seed, arm) for seed in seeds for arm in options.arms]
        missing = [unit for unit in units if not path_of(folder, unit).exists()]
        run_units(FineTuning(data, plan, epochs), missing, ARMS, folder)
    finish(differences(collect(folder, sets, (FINETUNED,))))


if __name__ == "__main__":
    main()
