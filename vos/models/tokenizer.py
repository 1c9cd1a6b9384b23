"""The tokenizer of a classifier: loaded, checked against the model, and set to truncate on the right side of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from vos.errors import ConfigError, ModelError

USUAL_LENGTH = 128
"""Default for the largest number of tokens of a text."""

SIDES = ("left", "right")
"""Sides on which a text may be truncated or padded."""


def prepare_tokenizer(tokenizer: Any, location: str, truncation_side: str | None) -> Any:
    """Check a model's tokenizer and set its truncation side.

    Args:
        tokenizer: as loaded by transformers.
        location: the hub name or local folder that it was loaded from.
        truncation_side: "right" cuts off the end of a long text, "left" its beginning; None: the tokenizer's setting.

    Raises:
        ConfigError: an unknown side.
        ModelError: there is no tokenizer, or nothing but special tokens in it.
    """
    if truncation_side is not None and truncation_side not in SIDES:
        raise ConfigError(f"model.truncation_side: expected one of {SIDES}, got {truncation_side!r}")
    folder, files = Path(location), set(getattr(tokenizer, "vocab_files_names", {}).values())
    # If its files are missing, transformers creates a tokenizer with only a few special tokens.
    if folder.is_dir() and files and not any((folder / each).exists() for each in files):
        raise ModelError(
            f"{location}: expected the tokenizer's files beside the model, found none of {sorted(files)}; "
            "copy them from where the model was trained (tokenizer.save_pretrained)"
        )
    if not set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids):
        raise ModelError(f"{location}: expected a tokenizer that knows words, found special tokens only")
    if truncation_side is not None:
        tokenizer.truncation_side = truncation_side
    return tokenizer


def checked_length(tokenizer: Any, model: Any, max_length: int | None) -> int:
    """Return the number of tokens to truncate to; raises early if texts would fail later.

    Args:
        tokenizer: the model's tokenizer.
        model: a transformers model.
        max_length: value of the setting; None: `USUAL_LENGTH`, or the model's number of positions if that is smaller.

    Raises:
        ModelError: the tokenizer, or its padding token, has ids beyond the embeddings.
        ConfigError: `max_length` is above the positions that the model has, or leaves no room for a word.
    """
    rows, kind = int(model.get_input_embeddings().num_embeddings), type(model).__name__
    vocabulary = tokenizer.get_vocab()
    size = max(vocabulary.values()) + 1
    if size > rows:
        last = max(vocabulary, key=lambda token: int(vocabulary[token]))
        raise ModelError(
            f"the tokenizer has {size} tokens (the last is {last!r}) and {kind} embeddings for {rows}; expected a "
            "tokenizer that belongs to the model, or model.resize_token_embeddings(len(tokenizer)) before it was saved"
        )
    padding = model.config.pad_token_id
    if padding is not None and padding >= rows:
        raise ModelError(
            f"{kind}: its pad_token_id is {padding} and it has embeddings for {rows} tokens; "
            f"set pad_token_id in config.json to {tokenizer.pad_token_id}, the tokenizer's"
        )
    limit = position_limit(model)
    if max_length is None:
        max_length = USUAL_LENGTH if limit is None else min(USUAL_LENGTH, limit)
    special = int(tokenizer.num_special_tokens_to_add())
    if max_length <= special:
        raise ConfigError(
            f"model.max_length: expected at least {special + 1}, {special} special tokens and a word, got {max_length}"
        )
    if limit is not None and max_length > limit:
        raise ConfigError(f"model.max_length: expected at most {limit}, the positions of {kind}, got {max_length}")
    return max_length


def position_limit(model: nn.Module) -> int | None:
    """Number of tokens that a model has positions for; None if its positions are relative and unlimited.

    A position table may have rows that no token uses: those up to the padding index, or a fixed offset.
    """
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        absolute = ("position" in last and "rel" not in last) or last == "wpe"
        if absolute and isinstance(module, nn.Embedding):
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - int(getattr(module, "offset", unused))
    config: Any = getattr(model, "config", None)
    rotary = any("rotary" in type(module).__name__.lower() for module in model.modules())
    limit = getattr(config, "max_position_embeddings", None)
    return int(limit) if rotary and isinstance(limit, int) and limit > 0 else None
