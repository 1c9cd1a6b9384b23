"""Margins of many edited texts, read as fast as the machine can."""

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
    """Texts in, margins out: in batches of like length, in bfloat16 where that is faster, the head in float32.

    bfloat16 moves a margin by a hundredth or so, which is little beside the effect of a word; where it is not, as when
    a text must be on one side for certain, ask `exact`.

    Args:
        classifier: its modes and weights stay as they are.
        max_tokens: padded tokens in one batch; bounds memory whatever the lengths.
        bfloat16: whether the encoder runs in bfloat16. None: see `multiplies_bfloat16`.
        device: where the encoder runs, and stays.

    Attributes:
        n_read: texts read so far.

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
        """Margins (n,) as `ClassifierFeaturizer` has them: in float32, whatever the others are read in."""
        return self._read(texts, own, bfloat16=False)

    def own(self, texts: Sequence[str]) -> NDArray[np.int64] | None:
        """The class (n,) that each text is held against when it is edited; None where harmful classes say the side."""
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
    """Margins (n,) that change their sign where an edit moves a text to another side.

    Where classes are harmful this is `vos.metrics.margins.margin`. Where none is, that margin is never negative; then
    it is the logit of a text's own class, the one predicted before the edit, less the largest of the others.

    Args:
        logits: (n, C).
        harmful: indices of the harmful classes.
        own: (n,) int64, classes before the edit; without them, and where classes are harmful, `margin`.

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
