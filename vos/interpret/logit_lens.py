"""The logit lens: predictions of the initial encoder's masked-LM head from the layers of the classifier.

A classifier no longer has that head; if the encoder from which it was trained has one, the head is applied to the
residual stream after every block as if it were the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging as transformers_logging

from vos.errors import ModelError
from vos.interpret.layers import at_rest
from vos.interpret.units import UnitReader
from vos.models.encoder import load_pretrained

TOLERANCE = 1e-3
"""Largest relative difference between the output of the last block and that of the encoder."""


class MaskedHead:
    """The head of a masked language model, without its encoder.

    Args:
        model: a transformers model such as `BertForMaskedLM`; its encoder is not run.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model.eval()

    @classmethod
    def load(cls, name: str) -> MaskedHead | None:
        """The head that is stored with an encoder; None if there is none, as for the bundled encoder.

        Raises:
            ModelError: the encoder cannot be loaded.
        """
        with _quietly():
            model, loading = load_pretrained(AutoModelForMaskedLM, name, output_loading_info=True, dtype=torch.float32)
        base = f"{model.base_model_prefix}."
        return None if any(not key.startswith(base) for key in loading["missing_keys"]) else cls(model)

    @torch.no_grad()
    def __call__(self, stream: Tensor) -> Tensor:
        """Logits (b, t, V) of the residual stream (b, t, d)."""
        ids = torch.zeros(stream.shape[:2], dtype=torch.int64, device=stream.device)
        with self._reading(stream):
            logits: Tensor = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        return logits

    @contextmanager
    def _reading(self, stream: Tensor) -> Iterator[None]:
        base: Any = self.model.base_model
        base.__dict__["forward"] = lambda *_args, **_options: BaseModelOutput(last_hidden_state=stream)
        try:
            yield
        finally:
            base.__dict__.pop("forward", None)


@contextmanager
def _quietly() -> Iterator[None]:
    """Context without transformers' warnings: of an encoder without a masked head they say that it seems corrupted."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


@dataclass(frozen=True)
class LensText:
    """One text, layer by layer.

    Attributes:
        row: index of the text.
        token_ids: (t,) int64.
        top: (L, t, k) int64, the most probable tokens after each block, most probable first.
        own: (L, t) float64, log-probability of the actual token, in nats.
    """

    row: int
    token_ids: NDArray[np.int64]
    top: NDArray[np.int64]
    own: NDArray[np.float64]


def logit_lens(reader: UnitReader, head: MaskedHead, texts: Sequence[str], k: int = 5) -> Iterator[LensText]:
    """Apply the head after every block of the classifier's encoder; shorter texts first.

    Args:
        reader: unit reader of the classifier.
        head: head of the encoder from which it was trained.
        texts: n texts.
        k: number of tokens per position.

    Raises:
        ModelError: there is another module between the last block and the head, such as a final norm, which earlier
            blocks do not pass through.
    """
    for batch in reader.batches(texts):
        outputs: list[Any] = []
        with at_rest(reader.classifier), torch.no_grad(), reader.layers.recorded(outputs):
            last = _last_hidden_state(reader.classifier, batch.inputs)
        streams = [each[0] if isinstance(each, tuple) else each for each in outputs]
        gap = float((streams[-1] - last).abs().max())
        if gap > TOLERANCE * max(1.0, float(last.abs().max())):
            raise ModelError(
                "logit lens: the encoder changes what its last block gives, as a final norm does; leave it out"
            )
        logits = [head(stream).log_softmax(-1) for stream in streams]
        ids = batch.inputs["input_ids"]
        tops = torch.stack([each.topk(k, dim=-1).indices for each in logits], 1)  # (b, L, t, k)
        owns = torch.stack([each.gather(-1, ids[:, :, None])[..., 0] for each in logits], 1)
        for place, row in enumerate(batch.index):
            here = batch.inputs["attention_mask"][place].bool()
            yield LensText(
                row,
                ids[place][here].cpu().numpy(),
                tops[place][:, here].cpu().numpy(),
                owns[place][:, here].double().cpu().numpy(),
            )


def _last_hidden_state(classifier: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    body: Any = getattr(classifier, "encoder", getattr(classifier, "body", None))
    if body is None:
        raise ModelError(f"logit lens: expected an encoder of transformers, found {type(classifier).__name__}")
    hidden: Tensor = body.base_model(**inputs).last_hidden_state
    return hidden
