"""A classifier's encoder compiled by OpenVINO: the same features up to rounding, in less CPU time."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vos.errors import ModelError
from vos.models.base import TextClassifier
from vos.models.featurizer import evaluating
from vos.models.padding import PROBE_LENGTH, probe_texts
from vos.storage.extras import optional
from vos.types import token_batch, tokenize

OPTION = "runtime=openvino"

INPUTS = ("input_ids", "attention_mask")

TOLERANCE = {"f32": 1e-3, "bf16": 0.1}
"""Largest relative difference from torch's float32 features; above it a conversion counts as failed."""

_WHAT_TO_DO = "use runtime=torch"


class OpenVinoEncoder:
    """Computes features of batches on the CPU; several threads may call it at once.

    Args:
        classifier: its encoder is converted in memory, for batches of any shape; it is not modified.
        bfloat16: True: products in bfloat16 if the processor supports it; False: always float32, which has to be set
            because OpenVINO would choose bfloat16 by itself.
        n_streams: number of batches encoded in parallel, each by one thread.

    Raises:
        ConfigError: the package is not installed.
        ModelError: the encoder cannot be converted, or the converted one gives different features.
    """

    def __init__(self, classifier: TextClassifier, bfloat16: bool = False, n_streams: int = 1) -> None:
        openvino = import_openvino()
        self._classifier = classifier  # shares its weights with the converted model
        self.precision = "bf16" if bfloat16 else "f32"
        options = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "NUM_STREAMS": str(n_streams),
            "INFERENCE_NUM_THREADS": str(n_streams),
            "ENABLE_CPU_PINNING": "NO",  # several processes would pin their threads to the same cores
        }
        kind = type(classifier).__name__
        try:
            self._compiled = openvino.Core().compile_model(_converted(classifier), "CPU", options)
            self._own = threading.local()
            difference = self._difference()
        except Exception as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ModelError(f"{OPTION}: this {kind} cannot be converted: {reason:.200}; {_WHAT_TO_DO}") from error
        if not difference <= TOLERANCE[self.precision]:
            raise ModelError(
                f"{OPTION}: this {kind} gives other features once converted: they differ by {difference:.2g} of their "
                f"norm, expected {TOLERANCE[self.precision]:g} at most; {_WHAT_TO_DO}"
            )

    @property
    def compiled_precision(self) -> str:
        """The dtype of the products: "f32" or "bf16"."""
        return str(self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())

    def __call__(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (b, d) float32 of a batch with `input_ids` and `attention_mask`, both (b, t) int64."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        inputs = [batch[name].numpy() for name in INPUTS]
        (features,) = self._own.request.infer(inputs, share_inputs=True).values()
        return torch.from_numpy(features.copy())

    @torch.no_grad()
    def _difference(self) -> float:
        """Largest relative difference from the classifier's own features, over batches of several shapes."""
        classifier, worst = self._classifier, 0.0
        tokenizer = classifier.tokenizer
        texts = probe_texts(tokenizer)
        short, middle, long = tokenize(tokenizer, [*texts, " ".join(texts * 8)], classifier.max_length)
        with evaluating(classifier, torch.device("cpu")):
            for rows in ([short], [middle, long], [long, short, middle]):
                batch = token_batch(rows, tokenizer.pad_token_id, tokenizer.padding_side)
                exact = classifier.encode(batch)
                off = (self(batch) - exact).norm(dim=1) / exact.norm(dim=1).clamp_min(1e-6)
                worst = max(worst, float(off.nan_to_num(torch.inf).max()))
        return worst


def import_openvino(module: str = "openvino") -> Any:
    """Import a module of the package.

    Raises:
        ConfigError: the package is not installed; the message names the extra to install.
    """
    return optional(module, "openvino", OPTION)


class _Encode(nn.Module):
    """The encoder of a classifier with tensors as arguments, for tracing."""

    def __init__(self, classifier: TextClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.classifier.encode({"input_ids": input_ids, "attention_mask": attention_mask})


def _converted(classifier: TextClassifier) -> Any:
    """Convert the encoder to an OpenVINO model.

    Does not call `openvino.convert_model`, which sends telemetry unless it has been disabled.
    """
    frontend = (
        optional("openvino.frontend", "openvino", "runtime=openvino").FrontEndManager().load_by_framework("pytorch")
    )
    decoders = optional("openvino.frontend.pytorch.ts_decoder", "openvino", "runtime=openvino")
    tokenizer = classifier.tokenizer
    ids = tokenize(tokenizer, probe_texts(tokenizer), min(PROBE_LENGTH, classifier.max_length))
    # The example batch is padded, because without padding some models drop the mask from the graph.
    example = token_batch(ids, tokenizer.pad_token_id, tokenizer.padding_side)
    with torch.no_grad(), evaluating(classifier, torch.device("cpu")), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracer warnings: dependence on a shape is detected by `_difference`
        decoder = decoders.TorchScriptPythonDecoder(_Encode(classifier), example_input=example)
    return frontend.convert(frontend.load(decoder))
