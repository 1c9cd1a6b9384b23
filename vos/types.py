"""The data types that the subpackages exchange, and the protocols that they implement.

Symbols: `n` texts, `d` feature dimension, `C` classes, `m` virtual outliers. Batch first, class last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from vos.errors import ConfigError, ModelError, ShapeError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from vos.density.base import GaussianDensity

OOD = -1
"""Label of out-of-distribution rows in label tensors. Unlabelled is `None` in a record and never enters a tensor."""

TOKENIZE_CHUNK = 1024
"""Texts per tokenizer call, so that the tokenizer's objects for the whole set are never in memory at once."""


@dataclass(frozen=True, slots=True)
class Example:
    """One text with its label and metadata.

    Attributes:
        id: unique within a data set.
        text: the text as it will be tokenised.
        label: class index, or None if the text is unlabelled.
        group: key of a group (author, thread, setting); texts of one group are always in the same split.
        pair: key of a minimal pair, shared by its two texts, which are always in the same split.
        level: subtlety level, 0 (plain) and up, or None when unknown.
    """

    id: str
    text: str
    label: int | None = None
    group: str | None = None
    pair: str | None = None
    level: int | None = None


class LinearHead(NamedTuple):
    """The classifier's last layer, `logits = h @ weight.T + bias`.

    Attributes:
        weight: (C, d) floats.
        bias: (C,) floats.
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        """Return the last layer of a classifier as tensors that share its memory, so that they follow its training.

        Args:
            module: a `torch.nn.Linear` (a missing bias becomes zeros), or a module that ends in one: a small head
                such as the `classifier` of a transformers model, or the whole model.

        Raises:
            ModelError: the module does not end in a linear layer, or it is unclear which one is the last.

        Example:
            >>> head = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2, bias=False))
            >>> weight, bias = LinearHead.of(head)
            >>> weight.shape, bias
            (torch.Size([2, 8]), tensor([0., 0.]))
        """
        linear = module if isinstance(module, nn.Linear) else _last_linear(module)
        bias = linear.bias if linear.bias is not None else linear.weight.new_zeros(linear.out_features)
        return cls(linear.weight, bias)

    def logits(self, features: Tensor) -> Tensor:
        """Logits (n, C) of features (n, d), in the wider dtype of both and at least float32, also under autocast.

        Rounding to bfloat16 (8 bits) would change a margin by a hundredth, more than the difference of many texts.
        """
        dtype = torch.promote_types(torch.promote_types(features.dtype, self.weight.dtype), torch.float32)
        with torch.autocast(features.device.type, enabled=False):
            return torch.nn.functional.linear(features.to(dtype), self.weight.to(dtype), self.bias.to(dtype))


def _last_linear(module: nn.Module) -> nn.Linear:
    """The last linear layer of a module, in definition order; see `LinearHead.of`."""
    layers = [(name, each) for name, each in module.named_modules() if [*each.parameters(recurse=False)]]
    linears = [(name, each) for name, each in layers if isinstance(each, nn.Linear)]
    found = ", ".join(f"{name} ({each.in_features} to {each.out_features})" for name, each in linears[-2:])
    if not linears:
        fault = "no torch.nn.Linear in it"
    elif layers[-1][0] != linears[-1][0]:
        fault = f"{layers[-1][0] or 'parameters'} ({type(layers[-1][1]).__name__}) after its last linear layer, {found}"
    elif len(linears) > 1 and linears[-2][1].out_features != linears[-1][1].in_features:
        fault = f"linear layers that do not follow each other: {found}"
    else:
        return linears[-1][1]
    raise ModelError(
        f"expected a torch.nn.Linear, or a module that ends in one, got a {type(module).__name__} with {fault}; give "
        "the layer itself, such as model.classifier"
    )


def harmful_mask(n_classes: int, harmful: Sequence[int], device: torch.device | None = None) -> Tensor:
    """Return a mask of the harmful classes: (C,) bool, all False if no class is harmful.

    Raises:
        ConfigError: an unknown class, the same class twice, or every class is harmful.
    """
    named = set(harmful)
    if len(named) != len(harmful) or len(named) >= n_classes or not named <= set(range(n_classes)):
        raise ConfigError(f"harmful: expected some of the classes 0 to {n_classes - 1}, not all, got {tuple(harmful)}")
    mask = torch.zeros(n_classes, dtype=torch.bool, device=device)
    mask[list(harmful)] = True
    return mask


def tokenize(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Token ids of each text, special tokens included, not padded.

    A text of more than `max_length` tokens is truncated on the side `tokenizer.truncation_side`.
    """
    ids: list[list[int]] = []
    for start in range(0, len(texts), TOKENIZE_CHUNK):
        chunk = tokenizer(
            list(texts[start : start + TOKENIZE_CHUNK]),
            truncation=True,
            max_length=max_length,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        ids += chunk["input_ids"]
    return ids


def token_batch(ids: Sequence[Sequence[int]], padding: int, side: str = "right") -> dict[str, Tensor]:
    """Build the encoder's input tensors, padded to the longest text.

    Args:
        ids: token ids of each text.
        padding: id of the padding token.
        side: padding side, "right" or "left"; a model that pools at its last token may need "left".

    Returns:
        input_ids and attention_mask, both (n, t) int64; the mask is 0 where a text is padded.

    Example:
        >>> token_batch([[5, 6, 7], [8]], padding=0)["input_ids"]
        tensor([[5, 6, 7],
                [8, 0, 0]])
    """
    rows = [torch.tensor(row, dtype=torch.int64) for row in ids]
    ones = [torch.ones_like(row) for row in rows]
    return {
        "input_ids": pad_sequence(rows, batch_first=True, padding_value=padding, padding_side=side),
        "attention_mask": pad_sequence(ones, batch_first=True, padding_side=side),
    }


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Features and logits of texts.

    Attributes:
        features: (n, d) penultimate activations.
        logits: (n, C).
        labels: (n,) int64 class indices, or None when the texts are unlabelled.

    Raises:
        ShapeError: the row counts differ.
    """

    features: Tensor
    logits: Tensor
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        n = self.features.shape[0]
        if self.features.ndim != 2 or self.logits.ndim != 2 or self.logits.shape[0] != n:
            raise ShapeError(
                f"expected features (n, d) and logits (n, C), got {tuple(self.features.shape)} "
                f"and {tuple(self.logits.shape)}"
            )
        if self.labels is not None and self.labels.shape != (n,):
            raise ShapeError(f"expected labels ({n},), got {tuple(self.labels.shape)}")

    def __len__(self) -> int:
        return self.features.shape[0]


@dataclass(frozen=True, slots=True)
class VirtualOutliers:
    """Points drawn in feature space.

    Attributes:
        features: (m, d), dtype and device of the density that they were drawn from.
        labels: (m,) int64, the class whose Gaussian each point was drawn from.
        mahalanobis: (m,) squared Mahalanobis distance to that class.
    """

    features: Tensor
    labels: Tensor
    mahalanobis: Tensor

    def __post_init__(self) -> None:
        m = self.features.shape[0]
        if self.features.ndim != 2 or self.labels.shape != (m,) or self.mahalanobis.shape != (m,):
            raise ShapeError(
                f"expected features (m, d), labels (m,) and mahalanobis (m,), got {tuple(self.features.shape)}, "
                f"{tuple(self.labels.shape)} and {tuple(self.mahalanobis.shape)}"
            )

    def __len__(self) -> int:
        return self.features.shape[0]


class OutlierSampler(Protocol):
    """Draws virtual outliers from a fitted density."""

    def __call__(
        self, density: GaussianDensity, head: LinearHead, n_per_class: int, generator: torch.Generator
    ) -> VirtualOutliers:
        """Draw `n_per_class` points for every ready class, in class order.

        All randomness comes from `generator`; the global random state is neither read nor written.
        """


class Featurizer(Protocol):
    """A frozen classifier: texts in, features and logits out."""

    @property
    def head(self) -> LinearHead:
        """The classifier's last layer."""

    @property
    def model_hash(self) -> str:
        """Hash of everything that decides the features of a text."""

    def featurize(self, texts: Sequence[str]) -> FeatureBatch:
        """Features and logits of the texts, in their order, on the CPU in float32."""

    def stream(self, examples: Iterator[Example], chunk_size: int) -> Iterator[tuple[list[Example], FeatureBatch]]:
        """Features chunk by chunk; memory does not grow with the number of examples."""
