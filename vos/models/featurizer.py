"""A frozen classifier that turns texts into features and logits, length-bucketed and cached."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from vos.models.base import TextClassifier
from vos.models.cache import FeatureCache
from vos.types import Example, FeatureBatch, LinearHead


class ClassifierFeaturizer:
    """Implements the `Featurizer` protocol over a `TextClassifier`.

    Args:
        classifier: put into evaluation mode on every call; its mode before is restored after.
        cache: where features of texts seen before are kept, or None.
        max_tokens: padded tokens in one batch; bounds memory whatever the lengths.
        device: where the encoder runs; results always come back on the CPU in float32.
    """

    def __init__(
        self,
        classifier: TextClassifier,
        cache: FeatureCache | None = None,
        max_tokens: int = 4096,
        device: str | torch.device = "cpu",
    ) -> None:
        self.classifier = classifier
        self.cache = cache
        self.max_tokens = max_tokens
        self.device = torch.device(device)

    @property
    def head(self) -> LinearHead:
        """The classifier's last layer, float32 on the CPU."""
        weight, bias = self.classifier.linear_head()
        return LinearHead(weight.detach().float().cpu(), bias.detach().float().cpu())

    @property
    def model_hash(self) -> str:
        """See `TextClassifier.fingerprint`."""
        return self.classifier.fingerprint()

    def featurize(self, texts: Sequence[str]) -> FeatureBatch:
        """Features (n, d) and logits (n, C) of the texts, in their order."""
        if self.cache is None:
            features = self._encode(texts)
        else:
            features, hit = self.cache.get(texts)
            missing = [i for i, known in enumerate(hit.tolist()) if not known]
            if missing:
                new_texts = [texts[i] for i in missing]
                new = self._encode(new_texts)
                self.cache.put(new_texts, new)
                features[torch.tensor(missing)] = new
        return FeatureBatch(features, self.head.logits(features))

    def stream(self, examples: Iterator[Example], chunk_size: int) -> Iterator[tuple[list[Example], FeatureBatch]]:
        """Features of `chunk_size` examples at a time."""
        while part := list(itertools.islice(examples, chunk_size)):
            yield part, self.featurize([example.text for example in part])

    @torch.no_grad()
    def _encode(self, texts: Sequence[str]) -> Tensor:
        if not texts:  # tokenizers refuse an empty batch
            return torch.empty(0, self.classifier.n_features)
        was_training = self.classifier.training
        self.classifier.eval().to(self.device)
        ids: list[list[int]] = self.classifier.tokenizer(
            list(texts), truncation=True, max_length=self.classifier.max_length, padding=False
        )["input_ids"]
        features = torch.empty(len(texts), self.classifier.n_features)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        for rows in self._batches(order, ids):
            features[torch.tensor(rows)] = self.classifier.encode(self._pad([ids[i] for i in rows])).float().cpu()
        self.classifier.train(was_training)
        return features

    def _batches(self, order: Sequence[int], ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Rows in ascending length, cut so that rows x longest stays within `max_tokens`."""
        rows: list[int] = []
        for i in order:
            if rows and (len(rows) + 1) * len(ids[i]) > self.max_tokens:
                yield rows
                rows = []
            rows.append(i)
        if rows:
            yield rows

    def _pad(self, ids: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        longest = max(len(row) for row in ids)
        padding = self.classifier.tokenizer.pad_token_id
        tokens = torch.full((len(ids), longest), padding, dtype=torch.int64)
        mask = torch.zeros_like(tokens)
        for i, row in enumerate(ids):
            tokens[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        return {"input_ids": tokens.to(self.device), "attention_mask": mask.to(self.device)}
