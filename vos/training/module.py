"""The training step: cross-entropy, plus a regulariser on virtual outliers drawn from the model's own features."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer

from vos.data.batching import share_of_rank
from vos.density import FeatureBank, FeatureQueue, GaussianDensity
from vos.density.checks import check_finite, check_labels
from vos.errors import NotFittedError
from vos.losses import OutlierRegularizer
from vos.metrics.agreement import report_below_chance
from vos.metrics.detection import detection_report
from vos.metrics.monitor import epoch_metrics
from vos.models.base import TextClassifier
from vos.outliers import draw_where_feasible
from vos.storage.seeds import derive_seed
from vos.training.gathering import gathered_rows
from vos.training.held_out import calibrate_within_fit
from vos.training.optimization import parameter_groups, rate_factor
from vos.training.settings import StepSettings
from vos.training.sharding import EncoderSharding, average_whole_gradients, clip_gradients, shard
from vos.types import LinearHead, OutlierSampler, VirtualOutliers

logger = logging.getLogger(__name__)


class ClassifierModule(pl.LightningModule):
    """Lightning module over a `TextClassifier`, a density, a memory of features, a sampler and a regulariser.

    Everything that learns or remembers is a submodule: the optimizer, the checkpoint, `.to()` and DDP carry the
    encoder, the head, the energy weights, φ, the density and the memory alike.

    Every random number of a step is a function of (seed, epoch, batch) alone, that of dropout of the rank too. So a run
    that was killed and resumed repeats the uninterrupted run to the bit on the same machine, with no generator state in
    the checkpoint; and several processes, which share the texts of a step and draw the same outliers, take the steps of
    one, dropout and rounding aside.

    Args:
        classifier: the model to train.
        density: refitted in place from `memory`.
        memory: features of the training texts as last seen.
        sampler: draws the virtual outliers, or None.
        regularizer: one of `vos.losses`, or None for plain cross-entropy.
        settings: see `StepSettings`.
        outlier_texts: gives a batch of auxiliary outlier texts from a generator; they pass through the encoder, in
            the place of virtual outliers. None draws from `sampler`.
    """

    def __init__(
        self,
        classifier: TextClassifier,
        density: GaussianDensity,
        memory: FeatureBank | FeatureQueue,
        sampler: OutlierSampler | None,
        regularizer: OutlierRegularizer | None,
        settings: StepSettings,
        outlier_texts: Callable[[torch.Generator], Mapping[str, Tensor]] | None = None,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.density = density
        self.memory = memory
        self.sampler = sampler
        self.regularizer = regularizer
        self.settings = settings
        self.outlier_texts = outlier_texts
        self._generator = torch.Generator()
        self._inactive_reason = ""
        self._warned_of: set[int] = set()
        self._fitted_at: int | None = None
        self._validation: list[tuple[Tensor, Tensor, Tensor]] = []

    @contextmanager
    def using(self, settings: StepSettings) -> Iterator[None]:
        """Other settings for the fits inside a `with`; after it the module has its own again, whatever happened."""
        own, self.settings = self.settings, settings
        try:
            yield
        finally:
            self.settings = own

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Features (b, d) and logits (b, C)."""
        features, logits = self.classifier(batch)
        return features, logits

    def configure_model(self) -> None:
        """Spread the encoder over the processes where the strategy asks for it."""
        if isinstance(self.trainer.strategy, EncoderSharding):
            shard(self.classifier, self.classifier.head, self.trainer.strategy.device_mesh["data_parallel"])

    def on_fit_start(self) -> None:
        """Warn once a fit of each class without outliers; fit the density anew, as steps count from zero again."""
        self._warned_of.clear()
        self._validation.clear()  # of a fit that failed
        self._fitted_at = None

    def on_train_epoch_start(self) -> None:
        """Set the modes: transformers loads encoders in evaluation mode, and Lightning leaves modes as they are.

        A frozen encoder stays in evaluation mode: its features are those that were cached.
        """
        self.train()
        if self.classifier.encoder_is_frozen:
            self.classifier.eval()
            self.classifier.dropout.train()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Seed the draws from (seed, epoch, batch), and dropout, whose texts are this rank's own, from the rank too."""
        step = (self.settings.seed, self.current_epoch, batch_idx)
        torch.manual_seed(derive_seed(*step, self.global_rank))  # dropout knows no other source
        self._generator.manual_seed(derive_seed(*step, 0))

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        """Cross-entropy plus weighted regulariser of one batch.

        Raises:
            DataError: a label outside [0, C).
        """
        features, logits = self(batch)
        labels = batch["labels"]
        # Here and not before: the memory is about to wait for the forward pass in any case.
        check_labels(labels, self.classifier.n_classes)
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)
        self.log("train/cross_entropy", loss.detach(), prog_bar=True)
        share = self._remember(features, labels, batch["index"])
        regularizer = self._regularize(features, labels)
        if regularizer is not None:
            self.log("train/regularizer", regularizer.detach(), prog_bar=True)
            loss = loss + self.settings.regularization.weight * regularizer
        return loss if share == 1 else loss * share

    def _remember(self, features: Tensor, labels: Tensor, index: Tensor) -> float:
        """Push the texts of the step; give this rank's part of them, in parts of 1 / world size.

        The ranks' gradients are averaged. Weighted by these parts, their losses are the mean over the texts of the
        step, however many of them each rank has.
        """
        features, n_own = features.detach().float(), len(labels)
        if self.trainer.world_size > 1:
            # Every rank keeps the whole memory, so that every rank fits the same density.
            features, labels, index = (gathered_rows(each, self.all_gather) for each in (features, labels, index))
        self.memory.push(features, labels, index)
        return n_own * self.trainer.world_size / len(labels)

    def _regularize(self, features: Tensor, labels: Tensor) -> Tensor | None:
        """The regulariser's value, or None with the reason logged once when it does not act.

        The logits of both its sides are the head's of features that no dropout has touched. Dropout on one side alone
        would be a difference between texts and outliers that has nothing to do with where they lie.
        """
        reason, outliers = self._reason_to_wait(), None
        if not reason:
            try:
                outliers = self._outliers()
            except NotFittedError as error:
                reason = str(error)
        if reason and reason != self._inactive_reason:
            logger.info("the regulariser is inactive at step %d: %s", self.global_step, reason)
        self._inactive_reason = reason
        if outliers is None or self.regularizer is None:
            return None
        head = self.classifier.linear_head()
        if not self.regularizer.is_calibrated:
            with torch.no_grad():
                self.regularizer.calibrate(head.logits(self.memory.contents()[0].to(head.weight)))
        value: Tensor = self.regularizer(head.logits(features), features, labels, head.logits(outliers), outliers)
        return value

    def _reason_to_wait(self) -> str:
        """Why the regulariser does not act at this step; empty when it does."""
        if self.regularizer is None or (self.sampler is None and self.outlier_texts is None):
            return "no regulariser is configured"
        start = self.settings.regularization.start_epoch
        if self.current_epoch < start:
            last = self.trainer.max_epochs or 0
            return "it starts after this round" if start >= last > 0 else f"it starts at epoch {start + 1}"
        if not self.regularizer.is_calibrated and not self.memory.is_full:
            return "it measures the training texts first, and not all of them have been seen"
        return ""

    def _outliers(self) -> Tensor | None:
        """Features (m, d) of a step's outliers: texts where there are any, else virtual ones.

        None where no class can have virtual ones.

        Raises:
            NotFittedError: virtual ones cannot be drawn yet.
        """
        if self.outlier_texts is not None:
            batch = {name: self._own_rows(t).to(self.device) for name, t in self.outlier_texts(self._generator).items()}
            if "features" in batch:  # Lightning converts the training batches alone
                batch["features"] = batch["features"].to(self.classifier.head.weight.dtype)
            return self.classifier.features(batch)
        due = self.global_step % self.settings.regularization.refit_every == 0 and self.global_step != self._fitted_at
        if due or not self.density.is_fitted:
            self.density.fit(*self.memory.contents())
            self._fitted_at = self.global_step  # the batches that gradients are gathered over are one step
        assert self.sampler is not None  # noqa: S101 - one of the two is there
        drawn = self._draw(self.sampler, self.classifier.linear_head())
        return None if drawn is None else drawn.features

    def _own_rows(self, rows: Tensor) -> Tensor:
        """This rank's share of rows (b, ...) that all ranks have drawn alike."""
        world_size = self.trainer.world_size
        return rows if world_size == 1 else rows[share_of_rank(len(rows), self.global_rank, world_size)]

    def _draw(self, sampler: OutlierSampler, head: LinearHead) -> VirtualOutliers | None:
        """Outliers of the classes that can have them; None when no class can.

        A request that a class cannot meet costs the step that class's outliers and nothing else.
        """
        with torch.no_grad():
            drawn = draw_where_feasible(
                sampler, self.density, head, self.settings.regularization.outliers_per_class, self._generator
            )
        self.log("train/infeasible_share", drawn.share_left_out)
        if not self._warned_of.issuperset(drawn.left_out):
            logger.warning("step %d: %s", self.global_step, drawn.warning())
            self._warned_of.update(drawn.left_out)
        return drawn.outliers

    def on_after_backward(self) -> None:
        """Where the encoder is sharded, nobody else averages the gradients of the rest."""
        if isinstance(self.trainer.strategy, EncoderSharding):
            average_whole_gradients(self.parameters())

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """As Lightning clips, also where some gradients are sharded and some are not."""
        if isinstance(self.trainer.strategy, EncoderSharding) and gradient_clip_val:
            clip_gradients(self.parameters(), gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def validation_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Collect features and logits; what they say is computed over the whole set at the end."""
        features, logits = self(batch)
        self._validation.append((logits.float(), batch["labels"], features.float()))

    def on_validation_epoch_end(self) -> None:
        """Log loss, accuracy and the metrics that early stopping may watch.

        Early stopping would end a fit that has diverged as if it were done, and patience below zero would go on with
        it, so it is an error.

        Raises:
            DataError: the model has diverged, or a label is outside [0, C).
        """
        logits, labels, features = (torch.cat(each) for each in zip(*self._validation, strict=True))
        self._validation.clear()
        check_labels(labels, self.classifier.n_classes)
        check_finite(logits, f"validation logits at epoch {self.current_epoch}")
        names, class_of_output = self.classifier.data_classes, self.classifier.class_of_output
        report_below_chance(logits, labels, names, f"validation, epoch {self.current_epoch}", class_of_output)
        values = {
            "val/loss": functional.cross_entropy(logits, labels),
            "val/accuracy": (logits.argmax(-1) == labels).float().mean(),
            **{f"val/{name}": x for name, x in detection_report(logits, labels, self.classifier.harmful).items()},
            **epoch_metrics(logits, labels),
        }
        # Every rank validates on all texts, so there is nothing to reduce.
        self.log_dict(values, rank_zero_only=False, sync_dist=False)
        self.log("brier", values["val/brier"], prog_bar=True, logger=False)  # more does not fit beside the bar
        if not self.trainer.sanity_checking and self._draws_from_epoch(self.current_epoch + 1):
            calibrate_within_fit(self.density, self.memory, features, labels, refit=self._fitted_at is None)

    def _draws_from_epoch(self, epoch: int) -> bool:
        """Whether a step of this epoch draws virtual outliers, so that their radii matter."""
        drawn = self.regularizer is not None and self.sampler is not None and self.outlier_texts is None
        return drawn and epoch >= self.settings.regularization.start_epoch

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW in four groups (encoder or head side, decayed or not) whose rates move by step; see `StepSettings`."""
        optimizer = torch.optim.AdamW(self._parameter_groups())
        factor = rate_factor(self.settings.schedule, int(self.trainer.estimated_stepping_batches))
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _parameter_groups(self) -> list[dict[str, Any]]:
        learns_fast = [self.classifier.head] if self.regularizer is None else [self.classifier.head, self.regularizer]
        head_side = [parameter for part in learns_fast for parameter in part.parameters()]
        return parameter_groups(self.parameters(), head_side, self.settings.optimizer)
