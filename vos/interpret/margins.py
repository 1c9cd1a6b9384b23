"""Fast computation of the margins of many edited texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vos.metrics.margins import margin
from vos.models.base import TextClassifier
from vos.models.featurizer import ClassifierFeaturizer
from vos.models.precision import multiplies_bfloat16


class MarginReader:
    """Computes margins of texts in batches of similar length, in bfloat16 where that is faster, the head in float32.

    bfloat16 changes a margin by about a hundredth, which is small compared with the effect of a word; if it matters,
    for example to decide the side of a text, use `exact`.

    Args:
        classifier: its modes and weights are not changed.
        max_tokens: largest number of padded tokens per batch; bounds the memory for any text lengths.
        bfloat16: whether the encoder runs in bfloat16. None: see `multiplies_bfloat16`.
        device: device to which the encoder is moved.

    Attributes:
        n_read: number of texts read so far.

    Example:
        >>> from vos.models import EncoderClassifier
        >>> read = MarginReader(EncoderClassifier("bundled", ("harmless", "harmful"), harmful=(1,)))
        >>> read(["one text", "another"]).shape, read.n_read
        ((2,), 2)
    """

    def __init__(
        self,
        classifier: TextClassifier,
        max_tokens: int = 4096,
        bfloat16: bool | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.classifier = classifier
        self.bfloat16 = multiplies_bfloat16(device) if bfloat16 is None else bfloat16
        self.n_read = 0
        self._featurizers = {
            on: ClassifierFeaturizer(classifier, max_tokens=max_tokens, device=device, bfloat16=on)
            for on in (False, True)
        }

    def __call__(self, texts: Sequence[str], own: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Margins (n,) of the texts in their order, in logit units, see `own_margin`."""
        return self._read(texts, own, self.bfloat16)

    def exact(self, texts: Sequence[str], own: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Margins (n,) in float32, equal to those of `ClassifierFeaturizer`."""
        return self._read(texts, own, bfloat16=False)

    def own(self, texts: Sequence[str]) -> NDArray[np.int64] | None:
        """The reference class (n,) of each text for its edits; None if harmful classes define the side."""
        if self.classifier.harmful:
            return None
        predicted: NDArray[np.int64] = self._logits(texts, self.bfloat16).argmax(-1).numpy()
        return predicted

    def _read(self, texts: Sequence[str], own: NDArray[np.int64] | None, bfloat16: bool) -> NDArray[np.float64]:
        classes = None if own is None else torch.from_numpy(np.asarray(own, dtype=np.int64))
        values = own_margin(self._logits(texts, bfloat16), self.classifier.harmful, classes)
        found: NDArray[np.float64] = values.double().numpy()
        return found

    def _logits(self, texts: Sequence[str], bfloat16: bool) -> Tensor:
        self.n_read += len(texts)
        return self._featurizers[bfloat16].featurize(texts).logits


def own_margin(logits: Tensor, harmful: Sequence[int], own: Tensor | None = None) -> Tensor:
    """Margins (n,) that change their sign if an edit moves a text to another side.

    If there are harmful classes this is `vos.metrics.margins.margin`. Otherwise that margin would never be negative, so
    it is the logit of the class predicted before the edit minus the largest of the others.

    Args:
        logits: (n, C).
        harmful: indices of the harmful classes.
        own: (n,) int64, classes before the edit; without them, or if there are harmful classes, `margin` is returned.

    Example:
        >>> logits = torch.tensor([[1.0, 3.0, 0.5]])
        >>> own_margin(logits, (), torch.tensor([0])), own_margin(logits, (0,), torch.tensor([1]))
        (tensor([-2.]), tensor([-2.]))
    """
    if harmful or own is None:
        return margin(logits, harmful)
    rows = own.to(logits.device)[:, None]
    others = logits.masked_fill(torch.zeros_like(logits, dtype=torch.bool).scatter(1, rows, True), -torch.inf)
    return logits.gather(1, rows)[:, 0] - others.amax(-1)
