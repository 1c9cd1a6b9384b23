"""The base class of text classifiers: penultimate features, then one linear head."""

from __future__ import annotations

import hashlib
import json
import logging
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vos.errors import ModelError
from vos.storage.json_files import write_json
from vos.types import LinearHead

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
"""Version of the `vos.json` file beside a saved model."""


class TextClassifier(nn.Module, ABC):
    """Features (b, d) from token ids, logits (b, C) from a linear head on the features.

    Training and evaluation compute `features`, then `dropout` (in training mode only), then `head`: the dropout
    directly before the head is never applied to `features`, whoever built the model.

    Attributes:
        head: the last layer; its bias may be None.
        dropout: the dropout directly before the head; its rate is `dropout_rate`.
        tokenizer: the Hugging Face tokenizer that belongs to the encoder.
        label_names: names of the C classes.
        harmful: indices of the harmful classes; () if no class is harmful.
        data_classes: names of the classes of the data. If the model has more outputs than the data has classes, the
            outputs are the C classes, and several of them count as one class of the data; otherwise `label_names`.
        class_of_output: for each of the C classes the index of its class in `data_classes`.
        max_length: texts are truncated to this many tokens.
        head_is_new: True if the head has random weights, so that predictions are meaningless before training.
    """

    head: nn.Linear
    dropout: nn.Module

    def __init__(
        self,
        tokenizer: Any,
        label_names: tuple[str, ...],
        max_length: int,
        head_is_new: bool,
        harmful: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.label_names = label_names
        self.harmful = tuple(harmful)
        self.data_classes = label_names
        self.class_of_output = tuple(range(len(label_names)))
        self.max_length = max_length
        self.head_is_new = head_is_new
        self._own_padding = tokenizer.pad_token  # the padding token is chosen later, see `vos.models.padding`
        self._special_ids = frozenset(tokenizer.all_special_ids)
        self.dropout = nn.Identity()
        self._hashed: tuple[list[Tensor], list[object], str] = ([], [], "")

    @abstractmethod
    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (b, d) of a batch with `input_ids` and `attention_mask`, both (b, t) int64, before `dropout`."""

    @abstractmethod
    def save_weights(self, directory: Path) -> dict[str, Any]:
        """Write weights in Hugging Face layout; return the entries of `vos.json` that are needed to load them."""

    @abstractmethod
    def facts(self) -> tuple[str, ...]:
        """Everything that decides the features besides weights, tokenizer and truncation: architecture and pooling."""

    @property
    def n_features(self) -> int:
        """Feature dimension d."""
        return self.head.in_features

    @property
    def n_classes(self) -> int:
        """Class count C."""
        return self.head.out_features

    def count_as(self, data_classes: Sequence[str], class_of_output: Sequence[int]) -> None:
        """Assign every output to a class of the data, see `data_classes`; call `set_harmful` afterwards."""
        self.data_classes, self.class_of_output = tuple(data_classes), tuple(class_of_output)

    def set_harmful(self, harmful: Sequence[int]) -> None:
        """Set the harmful classes, as indices into `data_classes`."""
        self.harmful = tuple(i for i, c in enumerate(self.class_of_output) if c in harmful)

    def by_data_class(self, probability: Mapping[str, float]) -> dict[str, float]:
        """Sum the probabilities of outputs by class of the data; probabilities by class are returned unchanged."""
        added: dict[str, float] = {}
        class_of = {name: self.data_classes[c] for name, c in zip(self.label_names, self.class_of_output, strict=True)}
        for name, value in probability.items():
            added[class_of.get(name, name)] = added.get(class_of.get(name, name), 0.0) + value
        return added

    @property
    def dropout_rate(self) -> float:
        """Probability that `dropout` zeroes a feature in training mode; 0 if there is no dropout before the head."""
        return float(getattr(self.dropout, "p", 0.0))

    def linear_head(self) -> LinearHead:
        """The head as tensors that share memory with the model; a missing bias becomes zeros."""
        return LinearHead.of(self.head)

    def features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (b, d) before the head's dropout, in training and evaluation mode.

        A batch that already carries `features` (a frozen encoder, encoded once) skips the encoder.
        """
        return batch["features"] if "features" in batch else self.encode(batch)

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Features (b, d) before the head's dropout and logits (b, C) after it, at least float32; see `features`."""
        features = self.features(batch)
        return features, self.linear_head().logits(self.dropout(features))

    def freeze_encoder(self) -> None:
        """Make only the head trainable from here on."""
        head = {id(parameter) for parameter in self.head.parameters()}
        for parameter in self.parameters():
            parameter.requires_grad = id(parameter) in head

    @property
    def encoder_is_frozen(self) -> bool:
        """True if only the head is trainable."""
        head = {id(parameter) for parameter in self.head.parameters()}
        return not any(p.requires_grad for p in self.parameters() if id(p) not in head)

    def encoder_fingerprint(self) -> str:
        """SHA-256 (16 hex characters) of all that decides features: weights, tokenizer, truncation, architecture.

        It is computed again only if one of these has changed, or if that cannot be told.
        """
        head = {id(parameter) for parameter in self.head.parameters()}
        named = [item for item in sorted(self.state_dict(keep_vars=True).items()) if id(item[1]) not in head]
        cut_left = ["left"] if self.tokenizer.truncation_side == "left" else []  # as written before it was a setting
        facts = [*self.facts(), self.max_length, *cut_left]
        tensors = [value for _, value in named]
        # In-place changes raise a tensor's version; moving one to another device or type changes its address. Writing
        # through `tensor.data` does neither and is not noticed; write under `torch.no_grad()` instead.
        can_tell = not any(t.is_inference() for t in tensors)  # those of inference mode have no version
        versions = [(t._version, t.data_ptr()) for t in tensors] if can_tell else []
        state: list[object] = [*facts, len(self.tokenizer), *versions]
        known, known_state, known_hash = self._hashed
        if can_tell and len(known) == len(tensors) and all(map(operator.is_, known, tensors)) and known_state == state:
            return known_hash
        digest = hashlib.sha256()
        for name, value in named:
            digest.update(name.encode())
            digest.update(_tensor_bytes(value))
        digest.update(json.dumps(facts, sort_keys=True, allow_nan=False).encode())
        digest.update(_tokenizer_bytes(self.tokenizer))
        self._hashed = (tensors, state, digest.hexdigest()[:16])
        return self._hashed[2]

    def fingerprint(self) -> str:
        """SHA-256 (16 hex characters) of everything that decides logits: the encoder's fingerprint and the head."""
        digest = hashlib.sha256(self.encoder_fingerprint().encode())
        for tensor in self.linear_head():
            digest.update(_tensor_bytes(tensor))
        return digest.hexdigest()[:16]

    def save(self, directory: Path) -> None:
        """Write `config.json`, safetensors weights, tokenizer files and `vos.json` into `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        facts = self.save_weights(directory)
        self._save_tokenizer(directory)
        facts |= {
            "format_version": FORMAT_VERSION,
            "label_names": list(self.label_names),
            "harmful": [self.label_names[c] for c in self.harmful],
            "data_classes": list(self.data_classes),
            "class_of_output": list(self.class_of_output),
            "max_length": self.max_length,
            "truncation_side": self.tokenizer.truncation_side,
        }
        write_json(directory / "vos.json", facts)

    def _save_tokenizer(self, directory: Path) -> None:
        """Write the tokenizer; an ordinary token used for padding in memory is not saved as a special token."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is not None:  # drop the padding and truncation of the last call: the same model gives the same file
            backend.no_padding()
            backend.no_truncation()
        self.tokenizer.init_kwargs["truncation_side"] = self.tokenizer.truncation_side  # no_truncation took it away
        padding = self.tokenizer.pad_token
        if padding is not None and self.tokenizer.pad_token_id not in self._special_ids:
            self.tokenizer.pad_token = self._own_padding
        self.tokenizer.save_pretrained(directory)
        self.tokenizer.pad_token = padding


def harmful_of(facts: Mapping[str, Any]) -> tuple[int, ...]:
    """Indices of the harmful classes of a saved model, from its `vos.json`.

    Folders of older versions do not list them; there the second of two classes was the harmful one.
    """
    names = list(facts["label_names"])
    if "harmful" not in facts:
        logger.warning("the model was saved without saying which class is harmful: its last, %r, is", names[-1])
        return (len(names) - 1,)
    return tuple(sorted(names.index(name) for name in facts["harmful"]))


def check_two_or_more(label_names: tuple[str, ...]) -> None:
    """Raise ModelError unless there are at least two distinct class names."""
    if len(set(label_names)) < 2 or len(set(label_names)) != len(label_names):
        raise ModelError(f"a classifier needs at least two distinct class names, got {list(label_names)}")


def _tensor_bytes(tensor: Tensor) -> bytes:
    # NumPy has no bfloat16, so the bits are read as bytes.
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _tokenizer_bytes(tokenizer: Any) -> bytes:
    """The tokenizer's rules, without the padding and truncation state of its last call."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return json.dumps(tokenizer.get_vocab(), sort_keys=True, allow_nan=False).encode()
    return _rules(backend.to_str())


@lru_cache(maxsize=4)  # some 50 ms for a vocabulary of 30,000, and a sweep asks again for each run
def _rules(backend: str) -> bytes:
    rules = json.loads(backend)
    rules.pop("padding", None)
    rules.pop("truncation", None)
    return json.dumps(rules, sort_keys=True, allow_nan=False).encode()
