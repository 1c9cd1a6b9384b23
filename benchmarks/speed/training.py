"""A regularised training step compared with a plain one: `python -m benchmarks.speed.training [--quick]`.

Every batch of the embedded corpus is used twice with the bundled encoder, for one plain and one regularised step, in
the order plain, regularised, regularised, plain, so that machine drift and batch length affect both equally. A step is
Lightning's own: forward, backward, clip, AdamW; the density is refitted every 10 regularised steps, and that time is
included. The ratio is that of the sums; the last line is one JSON object.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator

import pytorch_lightning as pl

from benchmarks._common import command_line, finish, machine, print_figures
from vos.data import TextDataModule, load_embedded
from vos.density import ClassConditionalGaussian, FeatureBank
from vos.losses import EnergyUncertainty
from vos.models import EncoderClassifier
from vos.outliers import TailSampler
from vos.training.module import ClassifierModule
from vos.training.settings import OptimizerSettings, RegularizerSettings, StepSettings


class Alternate(pl.Callback):
    """Switch the regulariser on and off by step, and time every step of either kind."""

    def __init__(self) -> None:
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self.started = 0.0

    def on_train_start(self, trainer: pl.Trainer, module: ClassifierModule) -> None:
        """Remember the sampler."""
        self.sampler = module.sampler

    def on_train_batch_start(self, trainer: pl.Trainer, module: ClassifierModule, batch: object, index: int) -> None:
        """Of four steps the middle two are regularised; every tenth step lies in the middle every other time."""
        module.sampler = self.sampler if trainer.global_step % 4 in (1, 2) else None
        self.started = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, module: ClassifierModule, *rest: object) -> None:
        """Book the step."""
        if trainer.global_step > 8:  # the first steps warm caches up
            self.seconds[module.sampler is not None].append(time.perf_counter() - self.started)


class Doubled:
    """Every batch of a loader two times in a row."""

    def __init__(self, loader: Iterable[object]) -> None:
        self.batches = [batch for batch in loader for _ in range(2)]

    def __iter__(self) -> Iterator[object]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class Twice(TextDataModule):
    """Trains on every batch two times in a row."""

    def train_dataloader(self) -> Doubled:
        """Batches of one epoch, doubled."""
        return Doubled(super().train_dataloader())


def build(refit_every: int, seed: int = 0) -> tuple[ClassifierModule, Twice]:
    """The product's own training module over the embedded corpus."""
    data = load_embedded("ladder")
    classifier = EncoderClassifier(
        "bundled", data.label_names, max_length=128, dropout=0.1, seed=seed, harmful=data.harmful
    )
    module = ClassifierModule(
        classifier,
        ClassConditionalGaussian(2, classifier.n_features),
        FeatureBank(len(data.train), classifier.n_features),
        TailSampler(draws=10_000),
        EnergyUncertainty(2),
        StepSettings(
            OptimizerSettings(lr=1e-4, head_lr=3e-3, weight_decay=0.01),
            RegularizerSettings(weight=0.1, start_epoch=0, outliers_per_class=32, refit_every=refit_every),
            seed=seed,
        ),
    )
    return module, Twice(data, classifier.tokenizer, batch_size=32, max_length=128, seed=seed)


def main() -> None:
    """Print the table and the JSON line."""
    options = command_line(__doc__, quick="one epoch").parse_args()
    module, datamodule = build(refit_every=10)
    timer = Alternate()
    trainer = pl.Trainer(
        max_epochs=1 if options.quick else 6, limit_val_batches=0, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[timer],
        gradient_clip_val=1.0, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(module, datamodule=datamodule)
    plain, regularised = (statistics.fmean(timer.seconds[kind]) for kind in (False, True))
    figures = {
        "steps_each": len(timer.seconds[True]),
        "plain_ms": plain * 1e3,
        "regularised_ms": regularised * 1e3,
        "ratio": regularised / plain,
        "ratio_of_medians": statistics.median(timer.seconds[True]) / statistics.median(timer.seconds[False]),
    }
    print_figures(figures)
    finish(figures | {"machine": machine()})


if __name__ == "__main__":
    main()
