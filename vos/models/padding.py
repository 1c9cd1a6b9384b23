"""Finds the padding with which a model's output for a text does not depend on the other texts of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vos.errors import ModelError
from vos.models.tokenizer import position_limit
from vos.types import token_batch, tokenize

TOLERANCE = 1e-4
"""Largest difference allowed between the outputs for a text alone and padded, relative to the largest value or 1."""

PROBE_LENGTH = 24
"""Largest number of tokens of a probe text, even if texts are truncated earlier: equal lengths need no padding."""

Batch = Mapping[str, Tensor]
"""Inputs of a model by name; `input_ids` and `attention_mask` are (b, t) int64."""


@dataclass(frozen=True)
class Reader:
    """The functions through which a model is probed.

    Attributes:
        alone: outputs (1, k) for one text, from everything that the tokenizer returns for it; the reference.
        padded: outputs (b, k) for `input_ids` and `attention_mask`.
        model: a transformers model; the padding token in its configuration may be changed.
    """

    alone: Callable[[Batch], Tensor]
    padded: Callable[[Batch], Tensor]
    model: Any


@dataclass(frozen=True)
class Probe:
    """Two texts of different length, and the model's outputs for each alone.

    Attributes:
        batch: both texts, padded as the model needs it.
        values: outputs (2, k).
    """

    batch: dict[str, Tensor]
    values: Tensor

    def differs(self, found: Tensor) -> float:
        """Largest difference from `values` in units of the tolerance; above 1 is too much, NaN counts as infinite."""
        if found.shape != self.values.shape:
            return torch.inf
        scale = TOLERANCE * max(1.0, float(self.values.abs().max()))
        return float((found.double() - self.values.double()).abs().max().nan_to_num(torch.inf)) / scale


@torch.no_grad()
def settle_padding(reader: Reader, tokenizer: Any, max_length: int) -> Probe:
    """Find the padding token and side that do not change the model's output, and set them in the tokenizer.

    A model may look for the last token that is not its `pad_token_id`, count positions from there, or read the last
    column. So the model's own padding token is tried before the tokenizer's, and the right side before the left.

    Args:
        reader: the model, in evaluation mode.
        tokenizer: the model's tokenizer; its `pad_token` and `padding_side` are set.
        max_length: texts are truncated to this many tokens.

    Raises:
        ModelError: the model fails on a text, or every padding changes its output.
    """
    kind, config = type(reader.model).__name__, reader.model.config
    texts, limit = probe_texts(tokenizer), position_limit(reader.model)
    max_length = max(max_length, PROBE_LENGTH if limit is None else min(PROBE_LENGTH, limit))
    ids = tokenize(tokenizer, texts, max_length)
    try:
        alone = torch.cat([reader.alone(_as_given(tokenizer, text, max_length, reader.model)) for text in texts])
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{kind} cannot read a text as its tokenizer gives it: {reason}") from error
    own, best = config.pad_token_id, torch.inf
    for token in _padding_tokens(tokenizer, own, reader.model.get_input_embeddings().num_embeddings):
        for side in ("right", "left"):
            config.pad_token_id = token
            probe = Probe(_on(reader.model, token_batch(ids, token, side)), alone)
            try:
                difference = probe.differs(reader.padded(probe.batch))
            except Exception:  # noqa: S112 - a way that fails is no way; the last words are said below
                continue
            if difference <= 1 or not alone.isfinite().all():  # NaN weights: the caller detects them
                if tokenizer.pad_token_id != token:
                    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(token)
                tokenizer.padding_side = side
                return probe
            best = min(best, difference)
    config.pad_token_id = own
    raise ModelError(
        f"{kind}: what it says of a text depends on the other texts of a batch: alone and padded differ by "
        f"{best * TOLERANCE:.2g} at least, on either side and with every special token; expected {TOLERANCE:g} at most"
    )


def probe_texts(tokenizer: Any) -> list[str]:
    """A short and a longer text made of words in the tokenizer's vocabulary."""
    special = set(tokenizer.all_special_ids)
    known = sorted(set(tokenizer.get_vocab().values()) - special)
    some = [known[int(place)] for place in torch.linspace(0, len(known) - 1, 15)]
    return [str(tokenizer.decode(part)).strip() or "a" for part in (some[12:], some[:12])]


def _as_given(tokenizer: Any, text: str, max_length: int, model: Any) -> Batch:
    """Inputs of one text; without token types, a model assumes zeros."""
    batch = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
    types = ["token_type_ids"] if "token_type_ids" in batch and batch["token_type_ids"].any() else []
    return _on(model, {name: batch[name] for name in ("input_ids", "attention_mask", *types)})


def _on(model: Any, batch: Batch) -> dict[str, Tensor]:
    return {name: values.to(model.device) for name, values in batch.items()}


def _padding_tokens(tokenizer: Any, own: int | None, n_embeddings: int) -> Iterator[int]:
    """Candidate padding tokens: the model's, the tokenizer's, the end-of-text token, then other special tokens."""
    candidates: Sequence[int | None] = (own, tokenizer.pad_token_id, tokenizer.eos_token_id, *tokenizer.all_special_ids)
    seen: set[int] = set()
    for token in candidates:
        if token is None or token in seen or not 0 <= token < n_embeddings:
            continue
        seen.add(token)
        if tokenizer.convert_ids_to_tokens(token) is not None:
            yield token
