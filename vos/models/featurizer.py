"""Computes features and logits of texts with a frozen classifier, in batches by length and with a cache."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vos.models.base import TextClassifier
from vos.models.cache import FeatureCache
from vos.models.onednn import Products
from vos.models.workers import side_by_side
from vos.types import Example, FeatureBatch, LinearHead, token_batch, tokenize

Encode = Callable[[Mapping[str, Tensor]], Tensor]
"""Features (b, d) float32 of a batch with `input_ids` and `attention_mask`, both (b, t) int64, on the CPU."""

Later = Callable[[Sequence[Sequence[int]]], Callable[[], Tensor]]
"""Takes the token ids of a batch, and returns a function that waits for its features (b, d)."""


@dataclass(frozen=True)
class _Started:
    """Texts whose features are being computed.

    Attributes:
        texts: n texts.
        features: (n, d); only the rows that were cached are filled.
        missing: indices of the other rows.
        batches: positions in `missing`, and a function that waits for their features.
    """

    texts: Sequence[str]
    features: Tensor
    missing: list[int]
    batches: list[tuple[list[int], Callable[[], Tensor]]]


class ClassifierFeaturizer:
    """Implements the `Featurizer` protocol over a `TextClassifier`.

    Args:
        classifier: is in evaluation mode during a call; the modes of all its modules are restored afterwards, also
            after an error.
        cache: cache of features, or None.
        max_tokens: largest number of padded tokens in a batch; bounds memory for texts of any length.
        device: device of the encoder, which stays there unless the call fails; results are always float32 on the CPU.
        bfloat16: run the encoder under bfloat16 autocast; the head still runs in float32. Needs a separate cache.
        n_workers: number of batches encoded in parallel, each by one thread, see `vos.models.workers`; the next chunk
            of a stream is tokenised meanwhile. 1: one batch at a time, with all of torch's threads.
        encode: encodes instead of the classifier, which is not moved; needs a separate cache.
    """

    def __init__(
        self,
        classifier: TextClassifier,
        cache: FeatureCache | None = None,
        max_tokens: int = 4096,
        device: str | torch.device = "cpu",
        bfloat16: bool = False,
        n_workers: int = 1,
        encode: Encode | None = None,
    ) -> None:
        self.classifier = classifier
        self.cache = cache
        self.max_tokens = max_tokens
        self.device = torch.device(device)
        self.bfloat16 = bfloat16
        self.n_workers = n_workers
        self.encode = encode

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
        with self._encoding() as later:
            return self._finished(self._started(texts, later))

    def stream(self, examples: Iterator[Example], chunk_size: int) -> Iterator[tuple[list[Example], FeatureBatch]]:
        """Features of `chunk_size` examples at a time; with several workers the next chunk is already being encoded."""
        ahead = 0 if self.n_workers == 1 else 1
        waiting: deque[tuple[list[Example], _Started]] = deque()
        with self._encoding() as later:
            while part := list(itertools.islice(examples, chunk_size)):
                waiting.append((part, self._started([example.text for example in part], later)))
                if len(waiting) > ahead:
                    part, started = waiting.popleft()
                    yield part, self._finished(started)
            for part, started in waiting:
                yield part, self._finished(started)

    def _started(self, texts: Sequence[str], later: Later) -> _Started:
        """Look texts up in the cache, and start encoding the others."""
        if self.cache is None:
            features, missing = torch.empty(len(texts), self.classifier.n_features), list(range(len(texts)))
        else:
            features, hit = self.cache.get(texts)
            missing = [row for row, known in enumerate(hit.tolist()) if not known]
        ids = tokenize(self.classifier.tokenizer, [texts[row] for row in missing], self.classifier.max_length)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        batches = [(places, later([ids[i] for i in places])) for places in self._batches(order, ids)]
        return _Started(texts, features, missing, batches)

    def _finished(self, started: _Started) -> FeatureBatch:
        """Wait for the features, and cache the new ones."""
        features, missing = started.features, torch.tensor(started.missing, dtype=torch.int64)
        for places, outcome in started.batches:
            features[missing[places]] = outcome()
        if self.cache is not None and started.missing:
            self.cache.put([started.texts[row] for row in started.missing], features[missing])
        return FeatureBatch(features, self.head.logits(features))

    @torch.no_grad()
    def _encoded(self, ids: Sequence[Sequence[int]], products: Products) -> Tensor:
        """Features (b, d) of a batch; may be called in any thread."""
        tokenizer = self.classifier.tokenizer
        batch = token_batch(ids, tokenizer.pad_token_id, tokenizer.padding_side)
        if self.encode is not None:
            return self.encode(batch)
        with products():
            return self.classifier.encode({name: each.to(self.device) for name, each in batch.items()}).float().cpu()

    @contextmanager
    def _encoding(self) -> Iterator[Later]:
        """Context of a function that encodes batches; restores the classifier when no batch is running any more."""
        products = Products(self.device, self.bfloat16)
        with ExitStack() as stack:
            if self.encode is None:
                stack.enter_context(evaluating(self.classifier, self.device))
            submit = stack.enter_context(side_by_side(self.n_workers))
            yield lambda ids: submit(partial(self._encoded, ids, products))

    def _batches(self, order: Sequence[int], ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Rows by ascending length, split so that rows times longest text is at most `max_tokens`."""
        rows: list[int] = []
        for i in order:
            if rows and (len(rows) + 1) * len(ids[i]) > self.max_tokens:
                yield rows
                rows = []
            rows.append(i)
        if rows:
            yield rows


@contextmanager
def evaluating(classifier: TextClassifier, device: torch.device) -> Iterator[None]:
    """Context with the classifier in evaluation mode on the device; after an error it is moved back."""
    modes = {module: module.training for module in classifier.modules()}  # they differ if the encoder is frozen
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
