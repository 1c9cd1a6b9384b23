"""Conductance of all feed-forward units at once, for comparison with ablation.

Conductance integrates a unit's part of the margin along the straight path from a baseline to the input embeddings of
the text. captum computes it for one layer at a time; here the path is traversed once for all layers.

Source: Dhamdhere, Sundararajan, Yan, "How important is a neuron?", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vos.interpret.layers import at_rest
from vos.interpret.units import WORD, TokenBatch, UnitReader


def conductance(reader: UnitReader, texts: Sequence[str], n_steps: int = 16) -> NDArray[np.float64]:
    """Conductance of every unit for the margin, summed over a text: (n, L, u).

    The units of a layer do not add up to the margin's change along the path, because the residual stream bypasses them.

    Args:
        reader: unit reader of the classifier.
        texts: n texts; each costs `n_steps` + 1 forward and backward passes.
        n_steps: number of steps of the path, a Riemann sum. In the baseline every token of the text has the mean
            embedding of the vocabulary; special tokens are unchanged.

    Returns:
        Values in logit units of the margin.
    """
    result = np.zeros((len(texts), reader.n_layers, reader.n_units))
    embedding = reader.layers.embedding
    baseline = embedding.weight.detach().mean(0)
    for place, text in enumerate(texts):
        path = next(reader.batches([text])).repeated(n_steps + 1)
        moving = _MovingEmbedding(path, baseline)
        handle = embedding.register_forward_hook(moving)
        try:
            with at_rest(reader.classifier):
                activations, margins = reader.forward(path)
                slopes = torch.autograd.grad(margins.sum(), activations)
        finally:
            handle.remove()
        for layer, (values, slope) in enumerate(zip(activations, slopes, strict=True)):
            steps = values.detach().diff(dim=0) * slope[1:]
            result[place, layer] = steps.sum((0, 1)).double().cpu().numpy()
    return result


class _MovingEmbedding:
    """A hook that replaces a text's embeddings by those along the path from the baseline, one row per step."""

    def __init__(self, path: TokenBatch, baseline: Tensor) -> None:
        self.moving = (path.kind == WORD)[:, :, None]
        self.baseline = baseline
        self.share = torch.linspace(0, 1, len(path.kind), device=baseline.device)[:, None, None]

    def __call__(self, _module: nn.Module, _inputs: tuple[Tensor, ...], own: Tensor) -> Tensor:
        return torch.where(self.moving, self.baseline + self.share * (own - self.baseline), own)
