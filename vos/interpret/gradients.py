"""Gradients of the margin with respect to the input embeddings: at a text, and integrated along a path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vos.errors import ModelError
from vos.interpret.layers import at_rest
from vos.interpret.margins import own_margin
from vos.models.base import TextClassifier
from vos.models.precision import multiplies_bfloat16
from vos.types import token_batch

STEPS = 16
"""Number of Gauss-Legendre nodes for integrated gradients."""


class TextGradients(NamedTuple):
    """One text, token by token.

    Attributes:
        row: index of the text.
        spans: (t, 2) int64, characters of each token in the text; (0, 0) for a special token.
        embeddings: (t, d) float32, input embeddings.
        gradients: (t, d) float32, gradients of the margin.
        margin: see `own_margin`.
    """

    row: int
    spans: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    gradients: NDArray[np.float32]
    margin: float


class IntegratedGradients(NamedTuple):
    """The contribution of each token of one text to the margin.

    Attributes:
        row: index of the text.
        spans: (t, 2) int64, see `TextGradients`.
        values: (t,) float64; 0 for special tokens, which do not change along the path.
        margin: margin of the text.
        baseline: margin of the text with every token replaced by the mean embedding.
        gap: margin - baseline - sum of the values; zero if the integral were exact.
    """

    row: int
    spans: NDArray[np.int64]
    values: NDArray[np.float64]
    margin: float
    baseline: float
    gap: float


@dataclass(frozen=True)
class _Batch:
    rows: list[int]
    inputs: dict[str, Tensor]
    spans: list[NDArray[np.int64]]
    ordinary: Tensor  # (b, t) bool, tokens that correspond to characters


class GradientReader:
    """Computes gradients with respect to input embeddings, for any model that looks up each token once.

    Args:
        classifier: its modes and weights are not changed.
        max_tokens: largest number of padded tokens per batch.
        bfloat16: see `MarginReader`.

    Attributes:
        table: (V, d) input embeddings, on the CPU in float32.

    Raises:
        ModelError: the tokenizer does not give the positions of its tokens, or the model embeds tokens in another way.
    """

    def __init__(self, classifier: TextClassifier, max_tokens: int = 2048, bfloat16: bool | None = None) -> None:
        self.classifier = classifier
        self.max_tokens = max_tokens
        device = classifier.head.weight.device
        self.bfloat16 = multiplies_bfloat16(device) if bfloat16 is None else bfloat16
        if not getattr(classifier.tokenizer, "is_fast", False):
            raise ModelError("gradients by word need a tokenizer with offsets (a fast one); use deletion instead")
        self._embedding = input_embedding(classifier)
        self._check()

    @property
    def table(self) -> Tensor:
        """See the class."""
        weight: Tensor = self._embedding.weight
        return weight.detach().float().cpu()

    def read(self, texts: Sequence[str]) -> Iterator[TextGradients]:
        """Gradients of the texts, shorter texts first."""
        for batch in self._batches(texts):
            with self._running():
                embeddings = self._looked_up(batch)
                own = self._own(batch)
                margins, gradients = self._slopes(batch, embeddings, own)
            for place, row in enumerate(batch.rows):
                here = batch.inputs["attention_mask"][place].bool()
                yield TextGradients(
                    row,
                    batch.spans[place],
                    embeddings[place][here].cpu().numpy(),
                    gradients[place][here].cpu().numpy(),
                    float(margins[place]),
                )

    def integrated(
        self, texts: Sequence[str], steps: int = STEPS, baseline: Tensor | None = None
    ) -> Iterator[IntegratedGradients]:
        """Integrated gradients from a baseline to the texts, shorter texts first.

        Args:
            texts: n texts.
            steps: number of points of the path.
            baseline: (d,) embedding from which every token starts, see `mean_embedding`; None: that of these texts. A
                text of one repeated word would be its own baseline, so use the mean of many texts.

        Source: Sundararajan et al. 2017, equation (1), by Gauss-Legendre quadrature.
        """
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        start = self.mean_embedding(texts) if baseline is None else baseline.float()
        for batch in self._batches(texts):
            with self._running():
                end, own = self._looked_up(batch), self._own(batch)
                way = (end - start.to(end.device)) * batch.ordinary[..., None]
                total = torch.zeros_like(way)
                for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
                    total += float(weight) * self._slopes(batch, end - float(1 - node) * way, own)[1]
                values = (way.double() * total.double()).sum(-1).cpu().numpy()
                last, first = self._margins(batch, end, own), self._margins(batch, end - way, own)
            for place, row in enumerate(batch.rows):
                kept = values[place][batch.inputs["attention_mask"][place].bool().cpu().numpy()]
                ends = float(last[place]), float(first[place])
                yield IntegratedGradients(row, batch.spans[place], kept, *ends, ends[0] - ends[1] - float(kept.sum()))

    def mean_embedding(self, texts: Sequence[str]) -> Tensor:
        """Mean embedding (d,) of the tokens of texts, a neutral word; without tokens, the mean of the table.

        The mean of the table is dominated by rare words: with it the values agree less with the effects of deletion
        (rank correlation .45 against .69 on the demo's classifier).
        """
        counts = torch.zeros(len(self.table), dtype=torch.float64)
        for batch in self._batches(texts):
            ids = batch.inputs["input_ids"][batch.ordinary].cpu()
            counts += torch.bincount(ids, minlength=len(counts))
        table = self.table
        return table.mean(0) if not counts.any() else (counts / counts.sum()).float() @ table

    @contextmanager
    def _running(self) -> Iterator[None]:
        device = self.classifier.head.weight.device.type
        with at_rest(self.classifier), torch.autocast(device, torch.bfloat16, enabled=self.bfloat16):
            yield

    def _batches(self, texts: Sequence[str]) -> Iterator[_Batch]:
        tokenizer = self.classifier.tokenizer
        given: dict[str, list[Any]] = {"input_ids": [], "offset_mapping": []}
        if texts:
            given = tokenizer(
                list(texts),
                truncation=True,
                max_length=self.classifier.max_length,
                padding=False,
                return_offsets_mapping=True,
            )
        ids = given["input_ids"]
        order, at = sorted(range(len(ids)), key=lambda i: len(ids[i])), 0
        while at < len(order):
            end = at + 1
            while end < len(order) and (end + 1 - at) * len(ids[order[end]]) <= self.max_tokens:
                end += 1
            yield self._batch(order[at:end], ids, given["offset_mapping"])
            at = end

    def _batch(self, rows: list[int], ids: Sequence[list[int]], offsets: Sequence[list[tuple[int, int]]]) -> _Batch:
        tokenizer, device = self.classifier.tokenizer, self.classifier.head.weight.device
        inputs = token_batch([ids[i] for i in rows], tokenizer.pad_token_id, tokenizer.padding_side)
        spans: list[NDArray[np.int64]] = [np.array(offsets[i], dtype=np.int64).reshape(-1, 2) for i in rows]
        ordinary = torch.zeros_like(inputs["input_ids"], dtype=torch.bool)
        ordinary[inputs["attention_mask"].bool()] = torch.from_numpy(
            np.concatenate([span[:, 1] > span[:, 0] for span in spans])
        )
        return _Batch(rows, {name: values.to(device) for name, values in inputs.items()}, spans, ordinary.to(device))

    @torch.no_grad()
    def _looked_up(self, batch: _Batch) -> Tensor:
        found: Tensor = self._embedding(batch.inputs["input_ids"])
        return found.float()

    def _own(self, batch: _Batch) -> Tensor | None:
        if self.classifier.harmful:
            return None
        with torch.no_grad():
            logits: Tensor = self.classifier(batch.inputs)[1]
            return logits.argmax(-1)

    @torch.no_grad()
    def _margins(self, batch: _Batch, embeddings: Tensor, own: Tensor | None) -> Tensor:
        return self._margin(batch, embeddings, own)

    def _slopes(self, batch: _Batch, embeddings: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor]:
        """Margins (b,) and their gradients (b, t, d) at given embeddings (b, t, d)."""
        leaf = embeddings.detach().requires_grad_()
        with torch.enable_grad():
            margins = self._margin(batch, leaf, own)
            (gradients,) = torch.autograd.grad(margins.sum(), leaf)
        return margins.detach(), gradients.float()

    def _margin(self, batch: _Batch, embeddings: Tensor, own: Tensor | None) -> Tensor:
        with instead_of(self._embedding, lambda _: embeddings):
            logits = self.classifier.linear_head().logits(self.classifier.encode(batch.inputs))
        return own_margin(logits, self.classifier.harmful, own)

    def _check(self) -> None:
        """Raise ModelError unless the model looks up the tokens of a text once and uses only the result."""
        batch = next(self._batches(["a text", "a longer text"]))
        seen: list[torch.Size] = []
        recorded = instead_of(self._embedding, lambda output: seen.append(output.shape))
        with at_rest(self.classifier), torch.no_grad(), recorded:
            self.classifier.encode(batch.inputs)
        if [shape[:-1] for shape in seen] != [batch.inputs["input_ids"].shape]:
            raise ModelError(
                f"gradients by word need a model that looks the tokens of a text up once, batch first; "
                f"{_kind(self.classifier)} does otherwise; use deletion instead"
            )


def input_embedding(classifier: TextClassifier) -> nn.Embedding:
    """The input embedding layer.

    Raises:
        ModelError: there is none.
    """
    for module in classifier.modules():
        look_up: Any = getattr(module, "get_input_embeddings", None)
        found = look_up() if callable(look_up) else None
        if isinstance(found, nn.Embedding):
            return found
    raise ModelError(
        f"gradients by word need a table of input embeddings, found none in {_kind(classifier)}; use deletion"
    )


@contextmanager
def instead_of(module: nn.Module, change: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Replace the output of a module by the result of `change`, unless that is None."""
    handle = module.register_forward_hook(lambda _m, _i, output: change(output))
    try:
        yield
    finally:
        handle.remove()


def _kind(classifier: TextClassifier) -> str:
    return type(getattr(classifier, "encoder", getattr(classifier, "body", classifier))).__name__
