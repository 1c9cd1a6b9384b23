"""Any sequence classifier of transformers, split at its last linear layer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from vos.errors import ConfigError, ModelError
from vos.models.base import TextClassifier, check_two_or_more, harmful_of
from vos.models.encoder import load_pretrained, load_tokenizer
from vos.models.missing import warn_of_missing
from vos.models.outputs import (
    LabelMap,
    class_of_output,
    find_output,
    group_outputs,
    harmful_class,
    match_outputs,
    with_positive,
)
from vos.models.padding import Reader, settle_padding
from vos.models.splitting import HasLogits, LastInput, last_linear, lift_dropout, swap
from vos.models.tokenizer import checked_length

logger = logging.getLogger(__name__)

MULTI_LABEL = "multi_label_classification"
"""The `problem_type` of transformers for a model with independent outputs, each a sigmoid."""


class PretrainedClassifier(TextClassifier):
    """An existing `AutoModelForSequenceClassification`, split into its body and its head.

    The head is replaced by the identity, so that the model's own `logits` output is the head's input: the pooling of
    the architecture (a pooler, the last token of a decoder) is preserved. The dropout directly before the head is
    removed from the model and becomes `dropout`; earlier dropouts stay in the body.

    The outputs are reordered to match the data's classes by name; see `match_outputs`. A model with one logit, and one
    output of a multi-label model, become two logits [0, z], whose softmax is the sigmoid of z.

    If a softmax has more outputs than the data has classes, all outputs are kept, in their order and with their names:
    they are the classes of this classifier, and several of them count as one class of the data (`class_of_output`), as
    set by `positive_label` or `label_map`. All outputs that count as a harmful class are harmful.

    Args:
        name: hub name or local folder.
        label_names: names of the data's classes, in the order of their indices.
        max_length: tokens per text, including special tokens; longer texts are truncated. None: 128, or the number of
            positions of the model if that is smaller.
        truncation_side: "right" cuts off the end of a long text, "left" its beginning; None: the tokenizer's setting,
            which is nearly always "right".
        label_map: output (name or index) to class, such as {LABEL_0: harm, LABEL_1: safe}, if the names do not match.
            If there are more outputs than classes, several outputs may have one class.
        positive_label: the output (name or index) that means the harmful class. Of a multi-label model only this
            output is kept; of other models all outputs are kept with their probabilities, and if the data has two
            classes, all other outputs count as the harmless one.
        freeze: train only the head.
        seed: seed of the head's initial weights, if the model comes without a head.
        harmful: indices of the harmful classes; () if no class is harmful.

    Raises:
        ModelError: the model cannot be loaded or split, does not fit its tokenizer, or padding changes its output.
        ConfigError: it is not clear which output means which class, or `max_length` is above the model's positions.
    """

    _tap: LastInput | None

    def __init__(
        self,
        name: str,
        label_names: tuple[str, ...],
        max_length: int | None = None,
        truncation_side: str | None = None,
        label_map: LabelMap | None = None,
        positive_label: str | int | None = None,
        freeze: bool = False,
        seed: int = 0,
        harmful: Sequence[int] = (),
    ) -> None:
        check_two_or_more(label_names)
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # transformers draws a missing head's weights from the global state
            model, loading = load_pretrained(
                AutoModelForSequenceClassification, name, output_loading_info=True, dtype=torch.float32
            )
            tokenizer = load_tokenizer(name, truncation_side)
            head_name = last_linear(model, model.config.num_labels)
            warn_of_missing(name, loading, [head_name.partition(".")[0]])
            is_new = any(key.startswith(head_name) for key in loading["missing_keys"])
            if is_new and model.config.num_labels != len(label_names):
                self._resize_head(model, head_name, len(label_names))
        super().__init__(tokenizer, label_names, checked_length(tokenizer, model, max_length), is_new, harmful)
        self.body = model
        self.head_name = head_name
        self._split()
        self._match_labels(label_map, positive_label)
        if freeze:
            self.freeze_encoder()

    @staticmethod
    def _resize_head(model: Any, head_name: str, n_classes: int) -> None:
        """Give a head without pretrained weights as many outputs as the data has classes."""
        old: Any = model.get_submodule(head_name)
        new = nn.Linear(old.in_features, n_classes, bias=old.bias is not None)
        nn.init.normal_(new.weight, std=0.02)
        if new.bias is not None:
            nn.init.zeros_(new.bias)
        swap(model, head_name, new)
        model.config.num_labels = n_classes
        model.num_labels = n_classes

    def _split(self) -> None:
        """Choose the padding, replace the head, and check that head(features) equals the model's own logits."""
        self.body.eval()
        reader = Reader(self._own_logits, self._own_logits, self.body)
        probe = settle_padding(reader, self.tokenizer, self.max_length)
        with torch.no_grad():
            self._tap, self.dropout = lift_dropout(self.body, self.head_name, probe.batch)
            self.head = self._swap_head(nn.Identity())
            found = self.head(self.encode(probe.batch))
        if not probe.differs(found) <= 1:
            raise ModelError(
                f"{type(self.body).__name__} cannot be split at {self.head_name!r}: head(features) differs from the "
                f"model's own logits; expected logits that come from that layer alone"
            )

    def _own_logits(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Logits (b, outputs) of the model before it is split."""
        return torch.cat([self._logits({n: t[rows] for n, t in batch.items()}) for rows in self._alike(batch)])

    def _logits(self, batch: Mapping[str, Tensor]) -> Tensor:
        out: HasLogits = self.body(**batch)
        return out.logits

    def _alike(self, batch: Mapping[str, Tensor]) -> list[Tensor]:
        """Groups of rows that the model accepts in one batch.

        An encoder-decoder classifier pools at the last end-of-text token and refuses rows with different numbers of
        these tokens; a text that contains the token literally has one more.
        """
        ids, end = batch["input_ids"], self.body.config.eos_token_id
        if not self.body.config.is_encoder_decoder or not isinstance(end, int):
            return [torch.arange(len(ids), device=ids.device)]
        numbers = (ids == end).sum(1)
        return [torch.nonzero(numbers == number)[:, 0] for number in torch.unique(numbers)]

    def _swap_head(self, module: nn.Module) -> nn.Linear:
        """Replace the head by `module`; return what was there before."""
        return swap(self.body, self.head_name, module)  # type: ignore[return-value]

    def _match_labels(self, label_map: LabelMap | None, positive_label: str | int | None) -> None:
        """Reorder the head's rows to the order of `label_names`."""
        config, classes = self.body.config, self.label_names
        outputs = [str(config.id2label[i]) for i in range(self.head.out_features)]
        if self.head_is_new:
            if label_map is not None or positive_label is not None:
                raise ConfigError("model: its head has no weights, so that no output means a class; unset label_map")
        elif config.problem_type == MULTI_LABEL and positive_label is not None:
            row = find_output(outputs, positive_label, "model.positive_label")
            self._to_two_logits(row, harmful_class(classes, self.harmful, outputs[row]))
        else:
            mapped = with_positive(outputs, classes, self.harmful, label_map, positive_label)
            if len(outputs) > len(classes) and config.problem_type != MULTI_LABEL:
                rest = 1 - self.harmful[0] if positive_label is not None and len(classes) == 2 else None
                self._keep_outputs(outputs, group_outputs(outputs, classes, mapped, rest))
                return
            if len(outputs) == 1:
                self._to_two_logits(0, class_of_output(outputs[0], classes, mapped))
            else:
                rows = match_outputs(outputs, classes, mapped, exclusive=config.problem_type != MULTI_LABEL)
                if [outputs[row] for row in rows] != list(classes):
                    pairs = ", ".join(f"{outputs[row]} is {name}" for row, name in zip(rows, classes, strict=True))
                    logger.info("the model's outputs and the data's classes: %s", pairs)
                self._reorder(rows)
        config.id2label = dict(enumerate(classes))
        config.label2id = {name: i for i, name in enumerate(classes)}

    def _keep_outputs(self, outputs: list[str], group: list[int]) -> None:
        """Use the outputs as classes, each of which counts as the class of the data in `group`."""
        check_two_or_more(tuple(outputs))
        classes, harmful = self.label_names, self.harmful
        self.label_names = tuple(outputs)
        self.count_as(classes, group)
        self.set_harmful(harmful)
        pairs = ", ".join(f"{output} as {classes[c]}" for output, c in zip(outputs, group, strict=True))
        logger.info("the model's outputs are the classes of its logits; they count as classes of the data: %s", pairs)

    @torch.no_grad()
    def _to_two_logits(self, row: int, speaks_for: int) -> None:
        """Keep one output as the logit of one class; the other class has the logit 0."""
        if len(self.label_names) != 2:
            raise ModelError(f"model: one logit needs data with two classes, got {list(self.label_names)}")
        old, self.head = self.head, nn.Linear(self.head.in_features, 2)
        self.head.weight.zero_()
        self.head.bias.zero_()
        self.head.weight[speaks_for] = old.weight[row]
        if old.bias is not None:
            self.head.bias[speaks_for] = old.bias[row]
        self.body.config.num_labels = 2
        self.body.config.problem_type = "single_label_classification"

    @torch.no_grad()
    def _reorder(self, rows: list[int]) -> None:
        self.head.weight.copy_(self.head.weight[rows].clone())
        if self.head.bias is not None:
            self.head.bias.copy_(self.head.bias[rows].clone())

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """See `TextClassifier.encode`."""
        rows = self._alike(batch)
        if len(rows) == 1:
            return self._encode(batch["input_ids"], batch["attention_mask"])
        parts = [self._encode(batch["input_ids"][part], batch["attention_mask"][part]) for part in rows]
        return torch.cat(parts)[torch.cat(rows).argsort()]

    def _encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        out: HasLogits = self.body(input_ids=ids, attention_mask=mask)
        return out.logits if self._tap is None else self._tap.take()

    def facts(self) -> tuple[str, ...]:
        """See `TextClassifier.facts`."""
        return (type(self.body).__name__, self.head_name)

    def save_weights(self, directory: Path) -> dict[str, Any]:
        """See `TextClassifier.save_weights`; the folder loads with AutoModelForSequenceClassification."""
        # For users who load the saved model with transformers alone.
        self.body.config.harmful_classes = [self.label_names[c] for c in self.harmful]
        self._swap_head(self.head)
        try:  # the removed dropout has no weights, so nothing is missing from the file
            self.body.save_pretrained(directory, safe_serialization=True)
        finally:
            self._swap_head(nn.Identity())
        return {"kind": "pretrained"}

    @classmethod
    def load(cls, directory: Path, facts: Mapping[str, Any]) -> PretrainedClassifier:
        """Rebuild a saved classifier; `facts` is the content of its `vos.json`."""
        return cls(
            str(directory),
            tuple(facts["label_names"]),
            max_length=facts["max_length"],
            truncation_side=facts.get("truncation_side"),
            harmful=harmful_of(facts),
        )
