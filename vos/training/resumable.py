"""What a fit knows besides weights and buffers, so that a resumed fit takes the same steps as an undisturbed one."""

from __future__ import annotations

from typing import Any

from vos.training.frozen import FrozenEncoderModule

FITTED_AT = "density_fitted_at"
"""Key of the step in a checkpoint."""


class ResumableModule(FrozenEncoderModule):
    """A Lightning module whose checkpoints also hold the step at which the density was fitted last.

    Attributes:
        fitted_at: optimizer steps of this fit before the last fit of the density by a step; None: there was none.
    """

    fitted_at: int | None = None

    def setup(self, stage: str) -> None:  # noqa: ARG002 - Lightning's signature
        """Forget the step, because a fit counts from zero; called before a checkpoint is restored."""
        self.fitted_at = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Also save the step."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[FITTED_AT] = self.fitted_at

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Also restore the step; checkpoints of older versions lack it, and the density is fitted again.

        Raises:
            RunError: see `FrozenEncoderModule`.
        """
        super().on_load_checkpoint(checkpoint)
        self.fitted_at = checkpoint.get(FITTED_AT)
