"""Files of a run with a frozen encoder do not repeat its weights: they hold its fingerprint.

The encoder is the one that the run began with. So a checkpoint of a linear probe has the size of its head.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn

from vos.errors import RunError
from vos.models.base import TextClassifier
from vos.training.sharding import EncoderSharding

FROZEN = "frozen_encoder"
"""Key of the fingerprint."""


def frozen_encoder(module: nn.Module) -> tuple[frozenset[str], str]:
    """Names of the frozen encoder's parameters within `module`, and its fingerprint; none and "" if it is trained."""
    found = [each for each in module.modules() if isinstance(each, TextClassifier)]
    if len(found) != 1 or not found[0].encoder_is_frozen:
        return frozenset(), ""
    frozen = {id(parameter) for parameter in found[0].parameters() if not parameter.requires_grad}
    named = module.named_parameters(remove_duplicate=False)
    return frozenset(name for name, each in named if id(each) in frozen), found[0].encoder_fingerprint()


def left_out(module: nn.Module, fingerprint: str, where: object) -> frozenset[str]:
    """Names of the parameters within `module` that a file with this fingerprint does not repeat.

    Args:
        module: has the encoder.
        fingerprint: what the file holds in place of the encoder.
        where: name of the file, for the message.

    Raises:
        RunError: the encoder is another one, or is not frozen.
    """
    names, found = frozen_encoder(module)
    if found != fingerprint:
        raise RunError(
            f"{where}: expected the frozen encoder {fingerprint}, found {found or 'one that is not frozen'}: the model "
            "has changed since the file was written; start a new run"
        )
    return names


def load_rest(module: nn.Module, state: Mapping[str, Tensor], names: Collection[str]) -> None:
    """Load a whole state except the parameters `names`, which stay as they are.

    Raises:
        RuntimeError: a name is missing or unknown, or a shape differs.
    """
    result = module.load_state_dict(state, strict=False)
    missing = sorted(set(result.missing_keys) - set(names))
    if missing or result.unexpected_keys:
        raise RuntimeError(f"missing: {missing[:3]}, unknown: {result.unexpected_keys[:3]}")


class FrozenEncoderModule(pl.LightningModule):
    """A Lightning module whose checkpoints do not repeat the weights of a frozen encoder."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out the frozen weights; an encoder that is sharded over processes is saved as it is."""
        if isinstance(self.trainer.strategy, EncoderSharding):
            return
        names, checkpoint[FROZEN] = frozen_encoder(self)
        for name in names:
            del checkpoint["state_dict"][name]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put back what was left out.

        Raises:
            RunError: the frozen encoder is not the one that the checkpoint was written with.
        """
        if fingerprint := checkpoint.get(FROZEN):
            names, own = left_out(self, fingerprint, "the checkpoint"), self.state_dict()
            checkpoint["state_dict"] |= {name: own[name] for name in names}
