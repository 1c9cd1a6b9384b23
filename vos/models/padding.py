"""How a model must be padded, so that what it says of a text does not depend on the other texts of a batch."""

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
"""Largest |difference| allowed between a text alone and the same text padded, by the largest value or by 1."""

PROBE_LENGTH = 24
"""Tokens of a probed text at most, also where texts will be cut before: those of one length would not be padded."""

Batch = Mapping[str, Tensor]
"""Inputs of a model by name; `input_ids` and `attention_mask` are (b, t) int64."""


@dataclass(frozen=True)
class Reader:
    """A model as it is probed.

    Attributes:
        alone: values (1, k) of one text, from all that the tokenizer gives for it: the truth.
        padded: values (b, k) of `input_ids` and `attention_mask`.
        model: of transformers; its configuration may be given another padding token.
    """

    alone: Callable[[Batch], Tensor]
    padded: Callable[[Batch], Tensor]
    model: Any


@dataclass(frozen=True)
class Probe:
    """Two texts of different length, and what the model says of each alone.

    Attributes:
        batch: both, padded as the model needs it.
        values: (2, k).
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
    """Find the padding token and the side under which a padded text says what it says alone, and tell the tokenizer.

    A model may look for the last token that is not its `pad_token_id`, count positions from there, or read the last
    column. So the model's own padding token is tried before the tokenizer's, and the right side before the left.

    Args:
        reader: the model, in evaluation mode.
        tokenizer: of the model; its `pad_token` and `padding_side` are set.
        max_length: tokens after which texts are cut.

    Raises:
        ModelError: the model cannot read a text, or no way of padding leaves it as it is.
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
            if difference <= 1 or not alone.isfinite().all():  # weights that are not numbers: the caller finds it out
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
    """A short and a longer text of words that the tokenizer knows."""
    special = set(tokenizer.all_special_ids)
    known = sorted(set(tokenizer.get_vocab().values()) - special)
    some = [known[int(place)] for place in torch.linspace(0, len(known) - 1, 15)]
    return [str(tokenizer.decode(part)).strip() or "a" for part in (some[12:], some[:12])]


def _as_given(tokenizer: Any, text: str, max_length: int, model: Any) -> Batch:
    """Inputs of one text; token types of zero are what a model assumes where none are given."""
    batch = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
    types = ["token_type_ids"] if "token_type_ids" in batch and batch["token_type_ids"].any() else []
    return _on(model, {name: batch[name] for name in ("input_ids", "attention_mask", *types)})


def _on(model: Any, batch: Batch) -> dict[str, Tensor]:
    return {name: values.to(model.device) for name, values in batch.items()}


def _padding_tokens(tokenizer: Any, own: int | None, n_embeddings: int) -> Iterator[int]:
    """Tokens that may pad: the model's, the tokenizer's, the end of a text, then the other special ones."""
    candidates: Sequence[int | None] = (own, tokenizer.pad_token_id, tokenizer.eos_token_id, *tokenizer.all_special_ids)
    seen: set[int] = set()
    for token in candidates:
        if token is None or token in seen or not 0 <= token < n_embeddings:
            continue
        seen.add(token)
        if tokenizer.convert_ids_to_tokens(token) is not None:
            yield token
