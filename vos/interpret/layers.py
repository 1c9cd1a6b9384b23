"""The feed-forward layers of an encoder, found by running a batch, not by the names of its modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from vos.errors import ModelError
from vos.models.base import TextClassifier
from vos.types import token_batch, tokenize

PROBE = "one two three four five six"
"""A text that every tokenizer splits into more tokens than the two rows of the probe."""

Change = Callable[[int, Tensor], Tensor | None]
"""Receives a layer and its units' activations (b, t, u); may return a replacement."""


@dataclass(frozen=True)
class FeedForwardLayers:
    """The layers of an encoder in forward order, and its input embedding table.

    A model that applies one block several times, such as ALBERT, has one layer per application.

    Attributes:
        blocks: the block of each layer.
        down: for each layer, the linear map whose inputs are its feed-forward units, after activation and gate.
        embedding: maps token ids to input embeddings.
    """

    blocks: tuple[nn.Module, ...]
    down: tuple[nn.Module, ...]
    embedding: nn.Embedding

    def __len__(self) -> int:
        return len(self.blocks)

    def output_weight(self, layer: int) -> Tensor:
        """What each unit adds to the residual stream at activation 1: (u, d)."""
        weight: Tensor = self.down[layer].get_parameter("weight")
        return weight if isinstance(self.down[layer], Conv1D) else weight.T

    @contextmanager
    def tapped(self, change: Change, start: int = 0) -> Iterator[None]:
        """Pass every layer's activations, from `start` on, to `change` during one forward pass."""
        place = start

        def before(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            nonlocal place
            layer, place = place, place + 1
            changed = change(layer, inputs[0])
            return None if changed is None else (changed, *inputs[1:])

        handles = [module.register_forward_pre_hook(before) for module in dict.fromkeys(self.down)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def recorded(self, outputs: list[Any]) -> Iterator[None]:
        """Append the output of every block, layer by layer, to `outputs`."""
        handles = [
            module.register_forward_hook(lambda _m, _i, output: outputs.append(output))
            for module in dict.fromkeys(self.blocks)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def resumed(self, layer: int, output: Any) -> Iterator[None]:
        """Skip the blocks before `layer` for one batch and use `output`, the stored output of the last of them."""
        place = 0

        def instead(forward: Callable[..., Any]) -> Callable[..., Any]:
            def answer(*args: Any, **options: Any) -> Any:
                nonlocal place
                here, place = place, place + 1
                return output if here < layer else forward(*args, **options)

            return answer

        modules = list(dict.fromkeys(self.blocks)) if layer else []
        try:
            for module in modules:
                module.__dict__["forward"] = instead(module.forward)
            yield
        finally:
            for module in modules:
                module.__dict__.pop("forward", None)


@dataclass(frozen=True)
class _Call:
    """One call of a module in the probe, by its index in the list of calls."""

    module: nn.Module
    given: Any
    output: Any


def find_layers(classifier: TextClassifier) -> FeedForwardLayers:
    """The feed-forward layers of a classifier's encoder.

    A block is an item of the outermost module list; the last linear map that it calls maps its feed-forward units back
    to the residual stream. This holds for the encoders of the BERT family, and for decoders.

    Raises:
        ModelError: the model has another structure: no blocks, two stacks of them, or positions before texts.
    """
    kind = _kind(classifier)
    batch = _probe_batch(classifier)
    lists = _outermost_lists(classifier)
    calls = _calls(classifier, batch, [block for each in lists for block in each])
    used = [each for each in lists if any(call.module in set(each) for call in calls)]
    if len(used) != 1:
        found = "several stacks of blocks, as an encoder-decoder has" if used else "no stack of blocks"
        raise ModelError(f"unit views need one stack of transformer blocks, found {found} in {kind}; leave them out")
    members = set(used[0])
    blocks, down = [], []
    last: _Call | None = None
    for call in calls:
        if call.module in members:
            blocks.append(call.module)
            down.append(_checked(last, tuple(batch["input_ids"].shape), _stream(call.output), kind).module)
            last = None
        elif isinstance(call.module, nn.Linear | Conv1D):
            last = call
    for block, each in zip(blocks, down, strict=True):
        if sum(call.module is each for call in calls) != sum(other is block for other in blocks):
            raise ModelError(f"unit views need one feed-forward call a block, found several in {kind}; leave them out")
    return FeedForwardLayers(tuple(blocks), tuple(down), _embedding(calls, batch["input_ids"], kind))


def _stream(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def _checked(call: _Call | None, shape: tuple[int, ...], stream: Any, kind: str) -> _Call:
    """The call of the last linear map of a block, if its inputs are units by text and position."""
    fault = ""
    if call is None:
        fault = "a block without a linear map"
    elif not isinstance(call.given, Tensor) or call.given.ndim != 3 or tuple(call.given.shape[:2]) != shape:
        fault = "another layout"
    elif not isinstance(stream, Tensor) or stream.shape[-1] != call.output.shape[-1]:
        fault = "a block that does not end in its feed-forward layer"
    if fault or call is None:
        raise ModelError(
            f"unit views need activations (texts, positions, units), found {fault} in {kind}; leave them out"
        )
    return call


def _embedding(calls: Sequence[_Call], ids: Tensor, kind: str) -> nn.Embedding:
    for call in calls:
        same = isinstance(call.given, Tensor) and call.given.shape == ids.shape and bool((call.given == ids).all())
        if isinstance(call.module, nn.Embedding) and same:
            return call.module
    raise ModelError(f"unit views need a table of input embeddings, found none in {kind}; leave them out")


def _kind(classifier: TextClassifier) -> str:
    return type(getattr(classifier, "encoder", getattr(classifier, "body", classifier))).__name__


def _probe_batch(classifier: TextClassifier) -> dict[str, Tensor]:
    tokenizer, device = classifier.tokenizer, classifier.head.weight.device
    ids = tokenize(tokenizer, [PROBE, PROBE], classifier.max_length)
    batch = token_batch(ids, tokenizer.pad_token_id, tokenizer.padding_side)
    return {name: values.to(device) for name, values in batch.items()}


def _outermost_lists(model: nn.Module) -> list[nn.ModuleList]:
    if isinstance(model, nn.ModuleList):
        return [model]
    return [found for child in model.children() for found in _outermost_lists(child)]


def _calls(classifier: TextClassifier, batch: dict[str, Tensor], blocks: Sequence[nn.Module]) -> list[_Call]:
    """The calls of blocks, linear maps and embeddings during one forward pass, in the order in which they end."""
    calls: list[_Call] = []

    def after(module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any], output: Any) -> None:
        calls.append(_Call(module, next(iter((*inputs, *options.values())), None), output))

    watched = {*blocks, *(m for m in classifier.modules() if isinstance(m, nn.Linear | Conv1D | nn.Embedding))}
    handles = [module.register_forward_hook(after, with_kwargs=True) for module in watched]
    try:
        with at_rest(classifier), torch.no_grad():
            classifier.encode(batch)
    finally:
        for handle in handles:
            handle.remove()
    return calls


@contextmanager
def at_rest(classifier: TextClassifier) -> Iterator[None]:
    """Put the classifier in evaluation mode without weight gradients; both are restored afterwards."""
    modes = {module: module.training for module in classifier.modules()}
    learning = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
    try:
        classifier.eval()
        for parameter in learning:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter in learning:
            parameter.requires_grad_(True)
