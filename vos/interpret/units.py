"""Feed-forward units of an encoder: their activations with gradients of the margin, and mean ablation.

A unit is an input of the last linear map of a block, after the activation function (and the gate, if there is one);
a layer of BERT has four times as many units as features. Effects are measured on the margin, not on the probability,
which saturates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vos.errors import ConfigError, ShapeError
from vos.interpret.layers import at_rest, find_layers
from vos.metrics.margins import margin
from vos.models.base import TextClassifier
from vos.types import token_batch, tokenize

WORD, FIRST, LAST, PADDING = 0, 1, 2, -1
"""Kinds of token: a token of the text, the special token before it, the special tokens after it, and padding."""

KINDS = 3
"""Number of kinds with a mean."""

Unit = tuple[int, int]
"""Layer and index in the layer."""


@dataclass(frozen=True)
class UnitBatch:
    """The feed-forward activations of some texts.

    Attributes:
        index: (b,) int64, indices of the texts.
        token_ids: (b, t) int64.
        mask: (b, t) bool, False for padding.
        kind: (b, t) int64: 0 a token of the text, 1 the special token before it, 2 those after it, -1 padding.
        activations: for each layer (b, t, u) float32.
        gradients: of the margin with respect to each activation, same shapes; None if not requested.
        margins: (b,) float64.
    """

    index: NDArray[np.int64]
    token_ids: NDArray[np.int64]
    mask: NDArray[np.bool_]
    kind: NDArray[np.int64]
    activations: list[NDArray[np.float32]]
    gradients: list[NDArray[np.float32]] | None
    margins: NDArray[np.float64]


@dataclass(frozen=True)
class TokenBatch:
    """Texts of similar length, on the device of the model.

    Attributes:
        index: indices of the texts.
        inputs: `input_ids` and `attention_mask`, (b, t) int64.
        kind: (b, t) int64, see `UnitBatch`.
    """

    index: list[int]
    inputs: dict[str, Tensor]
    kind: Tensor

    def repeated(self, times: int) -> Self:
        """The same texts repeated, one block of rows after the other."""
        inputs = {name: values.repeat(times, 1) for name, values in self.inputs.items()}
        return type(self)(self.index * times, inputs, self.kind.repeat(times, 1))


class UnitReader:
    """Reads the feed-forward units of a classifier, and computes margins with some of them ablated.

    Args:
        classifier: its modes and `requires_grad` flags are restored after every call.
        max_tokens: largest number of padded tokens per forward pass; bounds the memory for any text lengths.

    Attributes:
        n_layers: L, number of layers.
        n_units: u, number of units per layer.

    Raises:
        ModelError: the encoder is not a stack of transformer blocks; see `find_layers`.

    Example:
        reader = UnitReader(classifier)
        means = reader.means(texts)
        effect = reader.margins(texts) - reader.ablated(texts, [(3, 17)], means)
    """

    def __init__(self, classifier: TextClassifier, max_tokens: int = 2048) -> None:
        self.classifier = classifier
        self.layers = find_layers(classifier)
        self.max_tokens = max_tokens
        self.n_layers = len(self.layers)
        self.n_units = self.layers.output_weight(0).shape[0]
        tokenizer = classifier.tokenizer
        # The tokens for unknown and masked words count as words.
        self._special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id, tokenizer.mask_token_id}

    def read(self, texts: Sequence[str], gradients: bool = True) -> Iterator[UnitBatch]:
        """Activations of the texts, and gradients of the margin, in batches of similar length."""
        for batch in self.batches(texts):
            with at_rest(self.classifier), torch.set_grad_enabled(gradients):
                activations, margins = self.forward(batch)
                slopes = list(torch.autograd.grad(margins.sum(), activations)) if gradients else None
            yield UnitBatch(
                index=np.array(batch.index),
                token_ids=batch.inputs["input_ids"].cpu().numpy(),
                mask=batch.inputs["attention_mask"].bool().cpu().numpy(),
                kind=batch.kind.cpu().numpy(),
                activations=_arrays(activations),
                gradients=None if slopes is None else _arrays(slopes),
                margins=margins.detach().cpu().numpy(),
            )

    def means(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Mean activation by kind of token: (L, 3, u); a kind without tokens gets the mean of all tokens.

        The kinds are separate because a few units are active only at special tokens, ten times as much as elsewhere.

        Raises:
            ConfigError: no text.
        """
        if not texts:
            raise ConfigError("texts: expected at least one to take the mean activation of, got none")
        total, count = np.zeros((self.n_layers, KINDS, self.n_units)), np.zeros(KINDS)
        for batch in self.read(texts, gradients=False):
            for kind in range(KINDS):
                place = batch.kind == kind
                count[kind] += place.sum()
                for layer, values in enumerate(batch.activations):
                    total[layer, kind] += values[place].sum(0, dtype=np.float64)
        everything = total.sum(1, keepdims=True) / count.sum()
        known = count[:, None] > 0
        means: NDArray[np.float64] = np.where(known, total / np.maximum(count, 1)[:, None], everything)
        return means

    def margins(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Margins (n,) of the unchanged model."""
        return self.ablated(texts, (), np.zeros((self.n_layers, KINDS, self.n_units)))

    def ablated(self, texts: Sequence[str], units: Iterable[Unit], means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Margins (n,) with all of these units replaced by their mean by kind of token.

        Args:
            texts: n texts.
            units: layer and index of each.
            means: (L, 3, u), see `means`.

        Raises:
            ShapeError: `means` has another shape.
            ConfigError: a unit does not exist.
        """
        table = self._table(means)
        by_layer = {layer: torch.tensor(places) for layer, places in self._by_layer(units).items()}
        result = np.empty(len(texts))
        for batch in self.batches(texts):

            def change(layer: int, values: Tensor, kind: Tensor = batch.kind) -> Tensor | None:
                if layer not in by_layer:
                    return None
                places = by_layer[layer].to(values.device)
                return values.index_copy(2, places, table[layer][kind][:, :, places].to(values))

            with at_rest(self.classifier), torch.no_grad(), self.layers.tapped(change):
                result[batch.index] = self._margins(batch).cpu().numpy()
        return result

    def ablated_each(
        self, texts: Sequence[str], units: Sequence[Unit], means: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Margins (m, n) with one of the m units replaced by its mean; equal to m calls of `ablated`, but faster.

        The units of a layer are processed together, and only by the blocks from that layer on.
        """
        table = self._table(means)
        result = np.empty((len(units), len(texts)))
        rows: dict[Unit, list[int]] = {}
        for row, unit in enumerate(units):
            rows.setdefault(unit, []).append(row)
        for batch in self.batches(texts):
            stream: list[Any] = []
            with at_rest(self.classifier), torch.no_grad(), self.layers.recorded(stream):
                self._margins(batch)
            together = max(1, self.max_tokens // batch.kind.numel())
            for layer, places in self._by_layer(rows).items():
                for start in range(0, len(places), together):
                    part = places[start : start + together]
                    found = self._resumed(batch, layer, part, table[layer], stream)
                    for place, values in zip(part, found, strict=True):
                        result[np.ix_(rows[layer, place], batch.index)] = values
        return result

    def output_vectors(self, layer: int) -> NDArray[np.float64]:
        """The vector that each unit of a layer adds to the residual stream at activation 1: (u, d)."""
        return self.layers.output_weight(layer).detach().double().cpu().numpy()

    def input_embeddings(self) -> NDArray[np.float64]:
        """Embedding of every token of the vocabulary: (V, e); e is d in most models."""
        return self.layers.embedding.weight.detach().double().cpu().numpy()

    def _resumed(
        self, batch: TokenBatch, layer: int, places: Sequence[int], means: Tensor, stream: Sequence[Any]
    ) -> NDArray[np.float64]:
        """Margins (k, b) of a batch, with each of k units of a layer at its mean."""
        k, b = len(places), len(batch.index)
        many = batch.repeated(k)
        column = torch.tensor(places, device=many.kind.device).repeat_interleave(b)[:, None]

        def change(here: int, values: Tensor) -> Tensor | None:
            if here != layer:
                return None
            chosen = means[many.kind, column].to(values)[:, :, None]
            return values.scatter(2, column[:, :, None].expand(*many.kind.shape, 1), chosen)

        before = _repeated(stream[layer - 1], k, b) if layer else None
        resumed, tapped = self.layers.resumed(layer, before), self.layers.tapped(change, start=layer)
        with at_rest(self.classifier), torch.no_grad(), resumed, tapped:
            margins = self._margins(many)
        return margins.view(k, b).cpu().numpy()

    def forward(self, batch: TokenBatch) -> tuple[list[Tensor], Tensor]:
        """Activations by layer and margins (b,), with an autograd graph if gradients are enabled."""
        seen: list[Tensor] = []

        def change(_layer: int, values: Tensor) -> Tensor:
            if torch.is_grad_enabled() and not values.requires_grad:
                values = values.detach().requires_grad_()
            seen.append(values)
            return values

        with self.layers.tapped(change):
            margins = self._margins(batch)
        return seen, margins

    def _margins(self, batch: TokenBatch) -> Tensor:
        features = self.classifier.encode(batch.inputs)
        return margin(self.classifier.linear_head().logits(features).double(), self.classifier.harmful)

    def batches(self, texts: Sequence[str]) -> Iterator[TokenBatch]:
        """The texts in ascending length, in batches whose rows x longest length is at most `max_tokens`."""
        tokenizer, device = self.classifier.tokenizer, self.classifier.head.weight.device
        ids = tokenize(tokenizer, texts, self.classifier.max_length)
        rows: list[int] = []
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        for place, i in enumerate(order):
            rows.append(i)
            following = len(ids[order[place + 1]]) if place + 1 < len(order) else self.max_tokens + 1
            if (len(rows) + 1) * following > self.max_tokens:
                batch = token_batch([ids[row] for row in rows], tokenizer.pad_token_id, tokenizer.padding_side)
                inputs = {name: values.to(device) for name, values in batch.items()}
                yield TokenBatch(rows, inputs, self._kinds(**inputs))
                rows = []

    def _kinds(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        special = torch.isin(input_ids, input_ids.new_tensor(sorted(self._special)))
        first = attention_mask.cumsum(1) == 1
        kind = torch.where(special, torch.where(first, FIRST, LAST), WORD)
        return kind.masked_fill(attention_mask == 0, PADDING)

    def _table(self, means: NDArray[np.float64]) -> Tensor:
        expected = (self.n_layers, KINDS, self.n_units)
        if means.shape != expected:
            raise ShapeError(f"means: expected (layers, kinds of token, units) {expected}, got {means.shape}")
        return torch.from_numpy(means).to(self.classifier.head.weight.device)

    def _by_layer(self, units: Iterable[Unit]) -> dict[int, list[int]]:
        """The indices of the units of each layer, without duplicates."""
        by_layer: dict[int, list[int]] = {}
        for layer, place in sorted(set(units)):
            if not (0 <= layer < self.n_layers and 0 <= place < self.n_units):
                raise ConfigError(
                    f"unit: expected a layer below {self.n_layers} and a place below {self.n_units}, "
                    f"got {(layer, place)}"
                )
            by_layer.setdefault(layer, []).append(place)
        return by_layer


def _arrays(tensors: Sequence[Tensor]) -> list[NDArray[np.float32]]:
    return [each.detach().float().cpu().numpy() for each in tensors]


def _repeated(output: Any, times: int, rows: int) -> Any:
    """The output of a block with its rows repeated."""
    if isinstance(output, tuple):
        return tuple(_repeated(each, times, rows) for each in output)
    if isinstance(output, Tensor) and output.ndim and output.shape[0] == rows:
        return output.repeat(times, *[1] * (output.ndim - 1))
    return output
