"""Batches of auxiliary outlier texts, drawn for a training step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vos.data import TokenCollator
from vos.errors import ConfigError, DataError, ShapeError
from vos.types import OOD, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class OutlierBatches:
    """Batches of texts of similar length around a random position, so that little padding is needed.

    A batch depends only on the generator. All texts except the few shortest and longest are drawn equally often.

    Args:
        texts: n texts.
        tokenizer: the encoder's tokenizer.
        max_length: texts are truncated to this many tokens.
        batch_size: texts per batch; all texts if there are fewer.
        features: (n, d) features of the texts from a frozen encoder; batches contain these instead of tokens.

    Raises:
        DataError: no text.
        ConfigError: `batch_size` below one.
        ShapeError: `features` does not have one row per text.
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        batch_size: int,
        features: Tensor | None = None,
    ) -> None:
        if not texts:
            raise DataError("exposure: expected at least one text, got none")
        if batch_size < 1:
            raise ConfigError(f"exposure.batch_size: expected at least 1, got {batch_size}")
        if features is not None and len(features) != len(texts):
            raise ShapeError(f"expected features ({len(texts)}, d), one row for each text, got {tuple(features.shape)}")
        self.collate = TokenCollator(tokenizer)
        self.token_ids = tokenize(tokenizer, texts, max_length)
        self.order = sorted(range(len(texts)), key=lambda i: len(self.token_ids[i]))
        self.batch_size = min(batch_size, len(texts))
        self.features = features

    def __call__(self, generator: torch.Generator) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask`, both (b, t) int64, or `features` (b, d)."""
        first = int(torch.randint(len(self.order) - self.batch_size + 1, (1,), generator=generator))
        rows = self.order[first : first + self.batch_size]
        if self.features is not None:
            return {"features": self.features[torch.tensor(rows)]}
        batch = self.collate([{"index": i, "input_ids": self.token_ids[i], "label": OOD} for i in rows])
        return {name: batch[name] for name in ("input_ids", "attention_mask")}
