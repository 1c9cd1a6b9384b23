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
    """Neighbours in length around a place drawn by chance, so that little is padded.

    A batch is a function of the generator alone. All texts but the few shortest and longest are drawn equally often.

    Args:
        texts: n of them.
        tokenizer: of the encoder.
        max_length: texts are cut after this many tokens.
        batch_size: texts in a batch; all of them where there are fewer.
        features: (n, d) of the texts under a frozen encoder; batches carry these in place of tokens.

    Raises:
        DataError: no text.
        ConfigError: `batch_size` below one.
        ShapeError: not one row of features for each text.
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
