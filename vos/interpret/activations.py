"""Values of targets on texts with some tokens removed; used for all token graphs.

A target is a feed-forward unit of one layer, or any function of the features before the head: a side of the margin, an
end of a direction. A removed token is not attended to and the other tokens keep their positions. This is the cheapest
way to hide a token, since the remaining input is shorter than the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vos.errors import ConfigError
from vos.interpret.layers import PROBE, at_rest, find_layers
from vos.metrics.margins import margin
from vos.models.base import TextClassifier
from vos.models.precision import multiplies_bfloat16
from vos.types import token_batch

TAKEN_OUT = -1
"""Marks a removed token in a row."""

Row = tuple[int, ...]
"""Token ids of a text without special tokens, `TAKEN_OUT` where a token is hidden."""


class Activations(Protocol):
    """The values of k targets on rows; the explained model need not be a neural network."""

    def __call__(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Values (n, k) of n rows."""
        raise NotImplementedError


class EncoderActivations:
    """Reads rows with an encoder in batches of similar length; see `unit_activations` and `feature_activations`.

    Args:
        classifier: its modes and weights are not changed.
        bfloat16: whether the encoder runs in bfloat16; None: if the processor multiplies in it. Its precision is enough
            to tell whether half of an activation is left.
        max_tokens: largest number of padded tokens per batch; bounds the memory for any text lengths.

    Attributes:
        n_read: number of rows read so far.
    """

    def __init__(self, classifier: TextClassifier, bfloat16: bool | None = None, max_tokens: int = 4096) -> None:
        self.classifier, self.max_tokens = classifier, max_tokens
        self.bfloat16 = multiplies_bfloat16(classifier.head.weight.device) if bfloat16 is None else bfloat16
        self.n_read = 0
        self._first, self._last = special_tokens(classifier.tokenizer)
        self._places = _position_tables(classifier)

    @torch.no_grad()
    def read(self, rows: Sequence[Row], values: Callable[[dict[str, Tensor], Tensor], Tensor]) -> NDArray[np.float32]:
        """Apply `values` to each batch and its mask of word tokens: (n, k)."""
        self.n_read += len(rows)
        parts, index = [], []
        device = self.classifier.head.weight.device
        with at_rest(self.classifier), torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16):
            for chosen in self._batches(rows):
                batch, places, words = self._batch([rows[i] for i in chosen])
                with self._at_places(places):
                    parts.append(values(batch, words).float().cpu().numpy())
                index += chosen
        result = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
        ordered = np.empty_like(result)
        ordered[index] = result
        return ordered

    def _batches(self, rows: Sequence[Row]) -> Iterator[list[int]]:
        special = len(self._first) + len(self._last)
        lengths = np.array([sum(token != TAKEN_OUT for token in row) + special for row in rows], dtype=np.int64)
        batch: list[int] = []
        for i in np.argsort(lengths, kind="stable").tolist():
            if batch and (len(batch) + 1) * lengths[i] > self.max_tokens:
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch

    def _batch(self, rows: Sequence[Row]) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Inputs of the encoder, positions (b, t) of the tokens, and which tokens are words (b, t)."""
        device = self.classifier.head.weight.device
        ids, places, words = [], [], []
        for row in rows:
            kept = [place for place, token in enumerate(row) if token != TAKEN_OUT]
            ids.append([*self._first, *(row[place] for place in kept), *self._last])
            first, end = len(self._first), len(self._first) + len(row)
            places.append([*range(first), *(first + p for p in kept), *range(end, end + len(self._last))])
            words.append([*[1] * first, *[2] * len(kept), *[1] * len(self._last)])
        tokenizer = self.classifier.tokenizer
        padding, side = tokenizer.pad_token_id, tokenizer.padding_side
        batch = {name: each.to(device) for name, each in token_batch(ids, padding, side).items()}
        kinds = token_batch(words, 0, side)["input_ids"].to(device)
        return batch, token_batch(places, 0, side)["input_ids"].to(device), kinds == 2

    @contextmanager
    def _at_places(self, places: Tensor) -> Iterator[None]:
        """Make the encoder use these positions instead of consecutive ones."""

        def instead(module: nn.Module, _inputs: Any) -> tuple[Tensor]:
            return (places + self._places[module],)

        handles = [module.register_forward_pre_hook(instead) for module in self._places]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class _Reached(Exception):
    """Raised at the layer that is read, as later layers need not be computed."""


def unit_activations(classifier: TextClassifier, layer: int, units: Sequence[int], **options: Any) -> Activations:
    """Feed-forward units of one layer, each as its maximum over the word tokens; 0 if no word is left.

    Only the blocks up to the layer are computed.

    Args:
        classifier: of the BERT family, see `find_layers`.
        layer: counted from 0.
        units: k indices in the layer.
        options: see `EncoderActivations`.

    Raises:
        ModelError: the encoder is not a stack of transformer blocks.
        ConfigError: the layer or a unit does not exist.
    """
    layers = find_layers(classifier)
    if not 0 <= layer < len(layers) or not all(0 <= u < layers.output_weight(layer).shape[0] for u in units):
        width = layers.output_weight(0).shape[0]
        raise ConfigError(
            f"unit: expected a layer below {len(layers)} and places below {width}, got layer {layer}, {list(units)[:5]}"
        )
    reader = EncoderActivations(classifier, **options)
    places = torch.tensor(units, dtype=torch.int64, device=classifier.head.weight.device)

    def values(batch: dict[str, Tensor], words: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def stop(here: int, activations: Tensor) -> None:
            if here == layer:
                seen.append(activations)
                raise _Reached

        try:
            with layers.tapped(stop):
                classifier.encode(batch)
        except _Reached:
            pass
        own = seen[0][:, :, places].float().masked_fill(~words[:, :, None], -torch.inf).amax(1)
        return own.masked_fill(~words.any(1, keepdim=True), 0.0)

    return lambda rows: reader.read(rows, values)


def feature_activations(classifier: TextClassifier, targets: Callable[[Tensor], Tensor], **options: Any) -> Activations:
    """Targets that are functions of the penultimate features.

    Args:
        classifier: any classifier.
        targets: maps (n, d) features to (n, k) values; see `both_sides` and `both_ends`.
        options: see `EncoderActivations`.
    """
    reader = EncoderActivations(classifier, **options)

    def values(batch: dict[str, Tensor], _words: Tensor) -> Tensor:
        features = classifier.encode(batch).float()
        with torch.autocast(features.device.type, enabled=False):
            return targets(features)

    return lambda rows: reader.read(rows, values)


def both_sides(classifier: TextClassifier) -> Callable[[Tensor], Tensor]:
    """The margin as two targets, (n, 2): the margin for the harmful side, and its negative for the other."""
    head = classifier.linear_head()

    def values(features: Tensor) -> Tensor:
        margins = margin(head.logits(features), classifier.harmful)
        return torch.stack([margins, -margins], 1)

    return values


def both_ends(directions: NDArray[np.float64], centre: NDArray[np.float64]) -> Callable[[Tensor], Tensor]:
    """Coordinates of the features as targets, (n, 2 k): the k positive ends, then the k negative ones.

    Args:
        directions: (k, d); a coordinate is the product of the centred features with one of them.
        centre: (d,), subtracted from the features.
    """
    rows, middle = torch.from_numpy(directions).float(), torch.from_numpy(centre).float()

    def values(features: Tensor) -> Tensor:
        found = (features - middle.to(features)) @ rows.to(features).T
        return torch.cat([found, -found], 1)

    return values


def special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that a tokenizer adds before and after a text."""
    ids = tokenizer(PROBE)["input_ids"]
    special = set(tokenizer.all_special_ids)
    words = [place for place, token in enumerate(ids) if token not in special]
    return ids[: words[0]], ids[words[-1] + 1 :]


def _position_tables(classifier: TextClassifier) -> dict[nn.Module, int]:
    """Tables of absolute positions, with the row of the first position; empty if positions are relative."""
    tables: dict[nn.Module, int] = {
        module: 0
        for name, module in classifier.named_modules()
        if isinstance(module, nn.Embedding) and name.endswith("position_embeddings")
    }

    def seen(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        tables[module] = int(inputs[0].min())

    handles = [module.register_forward_pre_hook(seen) for module in tables]
    ids = token_batch([classifier.tokenizer(PROBE)["input_ids"]], classifier.tokenizer.pad_token_id)
    device = classifier.head.weight.device
    try:
        with at_rest(classifier), torch.no_grad():
            classifier.encode({name: values.to(device) for name, values in ids.items()})
    finally:
        for handle in handles:
            handle.remove()
    return tables
