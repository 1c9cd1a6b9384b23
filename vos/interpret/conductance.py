"""Conductance of all feed-forward units at once, for comparison with what ablation shows.

Conductance integrates a unit's part of the margin along the straight path from a baseline to the text's own input
embeddings. captum has it for one layer at a time; here the path is walked once for all layers.

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

    The units of a layer do not add up to the margin's change along the path: the residual stream passes them by.

    Args:
        reader: of the classifier.
        texts: n of them; each costs `n_steps` + 1 passes forwards and backwards.
        n_steps: of the path, a sum of rectangles. The baseline has the mean embedding of the vocabulary in place of
            every token of the text; special tokens stay.

    Returns:
        In logit units of the margin.
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
    """A hook that gives the embeddings along the path from the baseline, a row a step, in place of a text's own."""

    def __init__(self, path: TokenBatch, baseline: Tensor) -> None:
        self.moving = (path.kind == WORD)[:, :, None]
        self.baseline = baseline
        self.share = torch.linspace(0, 1, len(path.kind), device=baseline.device)[:, None, None]

    def __call__(self, _module: nn.Module, _inputs: tuple[Tensor, ...], own: Tensor) -> Tensor:
        return torch.where(self.moving, self.baseline + self.share * (own - self.baseline), own)
