"""A frozen classifier that turns texts into features and logits, length-bucketed and cached."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from vos.models.base import TextClassifier
from vos.models.cache import FeatureCache
from vos.types import Example, FeatureBatch, LinearHead, token_batch, tokenize


class ClassifierFeaturizer:
    """Implements the `Featurizer` protocol over a `TextClassifier`.

    Args:
        classifier: in evaluation mode during a call; the modes of all its modules are restored after, whatever happens.
        cache: where features of texts seen before are kept, or None.
        max_tokens: padded tokens in one batch; bounds memory whatever the lengths.
        device: where the encoder runs, and stays unless the call fails; results always come back on the CPU in float32.
        bfloat16: the encoder runs under bfloat16 autocast; the head, on its features, in float32 all the same. Its
            cache must then be one of its own.
    """

    def __init__(
        self,
        classifier: TextClassifier,
        cache: FeatureCache | None = None,
        max_tokens: int = 4096,
        device: str | torch.device = "cpu",
        bfloat16: bool = False,
    ) -> None:
        self.classifier = classifier
        self.cache = cache
        self.max_tokens = max_tokens
        self.device = torch.device(device)
        self.bfloat16 = bfloat16

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
        ids = tokenize(self.classifier.tokenizer, texts, self.classifier.max_length)
        features = torch.empty(len(texts), self.classifier.n_features)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        padding, side = self.classifier.tokenizer.pad_token_id, self.classifier.tokenizer.padding_side
        with _evaluating(self.classifier, self.device), self._precision():
            for rows in self._batches(order, ids):
                batch = token_batch([ids[i] for i in rows], padding, side)
                on_device = {name: values.to(self.device) for name, values in batch.items()}
                features[torch.tensor(rows)] = self.classifier.encode(on_device).float().cpu()
        return features

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext()

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


@contextmanager
def _evaluating(classifier: TextClassifier, device: torch.device) -> Iterator[None]:
    """The classifier in evaluation mode on the device; a failure leaves it where it was."""
    modes = {module: module.training for module in classifier.modules()}  # a frozen encoder's are not all the same
    before = classifier.head.weight.device
    try:
        classifier.eval().to(device)
        yield
    except BaseException:
        classifier.to(before)
        raise
    finally:
        for module, mode in modes.items():
            module.training = mode
