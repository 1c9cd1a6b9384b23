"""The encoder in two halves: lower-layer outputs are computed once and stored, the upper layers are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.ablation.data import Sizes
from vos.data import TokenCollator
from vos.models import EncoderClassifier
from vos.types import tokenize


class UpperClassifier(EncoderClassifier):
    """The upper layers and the head; a batch carries the output of the layers below as `hidden` (b, t, d)."""

    def keep_upper(self, layers: int) -> None:
        """Drop all but so many layers, which are never run again."""
        self.encoder.embeddings = None
        self.encoder.pooler = None
        self.encoder.encoder.layer = self.encoder.encoder.layer[-layers:]

    def through(self, batch: Mapping[str, Tensor], skip: int = 0) -> Tensor:
        """`hidden` after the layers that are left, the uppermost `skip` ones not run: (b, t, d)."""
        hidden, seen = batch["hidden"], batch["attention_mask"][:, None, None, :].bool()
        for layer in self.encoder.encoder.layer[: len(self.encoder.encoder.layer) - skip]:
            hidden = layer(hidden, seen)
        return hidden

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean over the attended tokens of what the upper layers make of `hidden`; whole texts while it is built."""
        if "hidden" not in batch:
            return super().encode(batch)
        hidden = self.through(batch)
        weights = batch["attention_mask"][..., None].to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1).clamp_min(1.0)


@dataclass(frozen=True)
class Hidden:
    """What the lower layers give for a set of texts, one after the other.

    Attributes:
        rows: (tokens of all texts, d).
        lengths: (n,) int64, tokens of each text.
    """

    rows: Tensor
    lengths: Tensor

    def pieces(self, index: Sequence[int]) -> list[Tensor]:
        """The rows of some texts, (tokens, d) each."""
        ends = self.lengths.cumsum(0)
        return [self.rows[ends[i] - self.lengths[i] : ends[i]] for i in index]

    def only(self, index: Sequence[int]) -> Hidden:
        """Some of the texts."""
        return Hidden(torch.cat(self.pieces(index)), self.lengths[torch.tensor(index)])

    def batch(self, index: Sequence[int]) -> dict[str, Tensor]:
        """`hidden` (b, t, d) and `attention_mask` (b, t) of some texts, padded to the longest."""
        pieces = self.pieces(index)
        mask = torch.zeros(len(index), max(len(p) for p in pieces), dtype=torch.int64)
        for i, piece in enumerate(pieces):
            mask[i, : len(piece)] = 1
        return {"hidden": nn.utils.rnn.pad_sequence(pieces, batch_first=True), "attention_mask": mask}


@torch.no_grad()
def lower_layers(classifier: UpperClassifier, texts: Sequence[str], sizes: Sizes) -> Hidden:
    """Run texts through the layers below those of the start point, in evaluation mode."""
    classifier.eval()
    ids = tokenize(classifier.tokenizer, texts, sizes.max_length)
    collator = TokenCollator(classifier.tokenizer)
    layers = classifier.encoder.encoder.layer
    classifier.encoder.encoder.layer = layers[: len(layers) - sizes.start_layers]
    rows = [torch.empty(0)] * len(ids)
    for index in by_length([len(i) for i in ids]):
        batch = collator([{"index": i, "input_ids": ids[i], "label": 0} for i in index])
        output = classifier.encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        for place, i in enumerate(index):
            rows[i] = output.last_hidden_state[place, : len(ids[i])].clone()
    classifier.encoder.encoder.layer = layers
    return Hidden(torch.cat(rows), torch.tensor([len(r) for r in rows]))


@torch.no_grad()
def further_layers(classifier: UpperClassifier, hidden: Hidden, skip: int) -> Hidden:
    """Run all but the uppermost `skip` of the layers that are left, in evaluation mode."""
    classifier.eval()
    rows = torch.empty_like(hidden.rows)
    ends = hidden.lengths.cumsum(0)
    for index in by_length(hidden.lengths.tolist()):
        output = classifier.through(hidden.batch(index), skip)
        for place, i in enumerate(index):
            rows[ends[i] - hidden.lengths[i] : ends[i]] = output[place, : hidden.lengths[i]]
    return Hidden(rows, hidden.lengths)


@torch.no_grad()
def upper_features(classifier: EncoderClassifier, hidden: Hidden) -> Tensor:
    """Features (n, d) in evaluation mode."""
    classifier.eval()
    features = torch.empty(len(hidden.lengths), classifier.n_features)
    for index in by_length(hidden.lengths.tolist()):
        features[torch.tensor(index)] = classifier.encode(hidden.batch(index))
    return features


def by_length(lengths: Sequence[int], size: int = 64) -> Iterator[list[int]]:
    """Indices in batches of similar length."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    for first in range(0, len(order), size):
        yield order[first : first + size]
