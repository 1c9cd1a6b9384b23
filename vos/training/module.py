"""The training step: cross-entropy, plus a regulariser on virtual outliers drawn from the model's own features."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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
from vos.training.resumable import ResumableModule
from vos.training.settings import StepSettings
from vos.training.sharding import EncoderSharding, average_whole_gradients, clip_gradients, shard
from vos.types import LinearHead, OutlierSampler, VirtualOutliers

logger = logging.getLogger(__name__)


class ClassifierModule(ResumableModule):
    """Lightning module of a `TextClassifier`, a density, a buffer of features, a sampler and a regulariser.

    Everything with parameters or state is a submodule, so the optimizer, checkpoints, `.to()` and DDP include the
    encoder, the head, the energy weights, φ, the density and the buffer of features.

    All randomness of a step depends only on (seed, epoch, batch), and for dropout also on the rank. So a resumed run
    reproduces the uninterrupted run bit for bit on the same machine, without generator states in the checkpoint; and
    several processes, which share the texts of a step and draw the same outliers, take the same steps as one process,
    up to dropout and rounding.

    Args:
        classifier: the model to train.
        density: refitted in place from `memory`.
        memory: the latest features of the training texts.
        sampler: draws the virtual outliers, or None.
        regularizer: one of `vos.losses`, or None for plain cross-entropy.
        settings: see `StepSettings`.
        outlier_texts: returns a batch of auxiliary outlier texts, given a generator; they pass through the encoder and
            replace virtual outliers. None: draw from `sampler`.
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
        self._validation: list[tuple[Tensor, Tensor, Tensor]] = []

    @contextmanager
    def using(self, settings: StepSettings) -> Iterator[None]:
        """Context with other settings for its fits; the module's own settings are restored in any case."""
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
        """Shard the encoder over the processes if the strategy asks for it."""
        if isinstance(self.trainer.strategy, EncoderSharding):
            shard(self.classifier, self.classifier.head, self.trainer.strategy.device_mesh["data_parallel"])

    def on_fit_start(self) -> None:
        """Reset the warnings about classes without outliers."""
        self._warned_of.clear()
        self._validation.clear()  # left by a failed fit

    def on_train_epoch_start(self) -> None:
        """Set training mode, because transformers loads encoders in evaluation mode and Lightning keeps it.

        A frozen encoder stays in evaluation mode, so that its features equal the cached ones.
        """
        self.train()
        if self.classifier.encoder_is_frozen:
            self.classifier.eval()
            self.classifier.dropout.train()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Seed the draws by (seed, epoch, batch), and dropout also by the rank, because each rank has its own texts."""
        step = (self.settings.seed, self.current_epoch, batch_idx)
        torch.manual_seed(derive_seed(*step, self.global_rank))  # dropout always uses the global generator
        self._generator.manual_seed(derive_seed(*step, 0))

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        """Cross-entropy plus weighted regulariser of one batch.

        Raises:
            DataError: a label outside [0, C).
        """
        features, logits = self(batch)
        labels = batch["labels"]
        # Checked only here, because storing the features waits for the forward pass anyway.
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
        """Store the features of the step; return this rank's share of its texts, in units of 1 / world size.

        The ranks' gradients are averaged. With losses weighted by these shares, that is the mean over all texts of the
        step, whatever the number of texts on each rank.
        """
        features, n_own = features.detach().float(), len(labels)
        if self.trainer.world_size > 1:
            # Every rank stores all features, so that every rank fits the same density.
            features, labels, index = (gathered_rows(each, self.all_gather) for each in (features, labels, index))
        self.memory.push(features, labels, index)
        return n_own * self.trainer.world_size / len(labels)

    def _regularize(self, features: Tensor, labels: Tensor) -> Tensor | None:
        """The regulariser's value, or None if it does not act, with the reason logged once.

        The logits of texts and outliers are computed from features without dropout. Dropout on one of them would add a
        difference between texts and outliers that is unrelated to their positions.
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
        """Why the regulariser does not act in this step; empty if it does."""
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
        """Features (m, d) of a step's outliers: auxiliary texts if given, otherwise virtual outliers.

        None if virtual outliers are infeasible for every class.

        Raises:
            NotFittedError: virtual outliers cannot be drawn yet.
        """
        if self.outlier_texts is not None:
            batch = {name: self._own_rows(t).to(self.device) for name, t in self.outlier_texts(self._generator).items()}
            if "features" in batch:  # Lightning converts only training batches
                batch["features"] = batch["features"].to(self.classifier.head.weight.dtype)
            return self.classifier.features(batch)
        due = self.global_step % self.settings.regularization.refit_every == 0 and self.global_step != self.fitted_at
        if due or not self.density.is_fitted:
            self.density.fit(*self.memory.contents())
            self.fitted_at = self.global_step  # accumulated batches count as one step
        assert self.sampler is not None  # noqa: S101 - one of the two is there
        drawn = self._draw(self.sampler, self.classifier.linear_head())
        return None if drawn is None else drawn.features

    def _own_rows(self, rows: Tensor) -> Tensor:
        """This rank's share of rows (b, ...) that are identical on all ranks."""
        world_size = self.trainer.world_size
        return rows if world_size == 1 else rows[share_of_rank(len(rows), self.global_rank, world_size)]

    def _draw(self, sampler: OutlierSampler, head: LinearHead) -> VirtualOutliers | None:
        """Outliers of the classes for which the request is feasible; None if there is no such class.

        An infeasible class only goes without outliers in this step.
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
        """If the encoder is sharded, average the gradients of all other parameters, which nothing else does."""
        if isinstance(self.trainer.strategy, EncoderSharding):
            average_whole_gradients(self.parameters())

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip gradients as Lightning does, also if only some of them are sharded."""
        if isinstance(self.trainer.strategy, EncoderSharding) and gradient_clip_val:
            clip_gradients(self.parameters(), gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def validation_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Collect features and logits; metrics are computed over the whole set at the end."""
        features, logits = self(batch)
        self._validation.append((logits.float(), batch["labels"], features.float()))

    def on_validation_epoch_end(self) -> None:
        """Log loss, accuracy and the metrics that early stopping may monitor.

        Divergence is an error, because early stopping would end the fit as if it were finished, and negative patience
        would continue it.

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
        # Every rank validates on all texts, so no reduction is needed.
        self.log_dict(values, rank_zero_only=False, sync_dist=False)
        self.log("brier", values["val/brier"], prog_bar=True, logger=False)  # there is no room for more next to the bar
        if not self.trainer.sanity_checking and self._draws_from_epoch(self.current_epoch + 1):
            calibrate_within_fit(self.density, self.memory, features, labels, refit=self.fitted_at is None)

    def _draws_from_epoch(self, epoch: int) -> bool:
        """Whether steps of this epoch draw virtual outliers, so that calibrated radii are needed."""
        drawn = self.regularizer is not None and self.sampler is not None and self.outlier_texts is None
        return drawn and epoch >= self.settings.regularization.start_epoch

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with four groups (encoder or head side, decayed or not) and a schedule by step; see `StepSettings`."""
        optimizer = torch.optim.AdamW(self._parameter_groups())
        factor = rate_factor(self.settings.schedule, int(self.trainer.estimated_stepping_batches))
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _parameter_groups(self) -> list[dict[str, Any]]:
        learns_fast = [self.classifier.head] if self.regularizer is None else [self.classifier.head, self.regularizer]
        head_side = [parameter for part in learns_fast for parameter in part.parameters()]
        return parameter_groups(self.parameters(), head_side, self.settings.optimizer)
