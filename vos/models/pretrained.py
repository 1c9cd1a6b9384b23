"""Any sequence classifier of transformers, split at its last linear layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from vos.errors import ModelError
from vos.models.base import TextClassifier, check_two_or_more, harmful_of
from vos.models.encoder import load_pretrained

SPLIT_TOLERANCE = 1e-4
"""Largest |difference| allowed between the model's own logits and head(features) on the probe batch."""


def last_linear(model: nn.Module, out_features: int) -> str:
    """Dotted name of the last `nn.Linear` with `out_features` outputs, in definition order.

    Raises:
        ModelError: there is none.
    """
    names: list[str] = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == out_features
    ]
    if not names:
        raise ModelError(
            f"{type(model).__name__} has no nn.Linear with {out_features} outputs to split at; "
            "expected a model whose logits come from one linear layer"
        )
    return names[-1]


class PretrainedClassifier(TextClassifier):
    """An existing `AutoModelForSequenceClassification`, its head lifted out.

    The head is replaced by the identity, so that the model's own `logits` output is the head's input: whatever pooling
    the architecture does (a pooler, the last token of a decoder) stays its own. In training mode the features carry the
    model's own dropout.

    Args:
        name: hub name or local folder.
        label_names: names of the C classes, in the order of the data's class indices.
        max_length: texts are cut after this many tokens.
        positive_label: for a model with one logit, or a multi-label model: the output (name or index) that means
            harmful. The head then becomes two logits [0, z], whose softmax is the sigmoid of z.
        freeze: train the head alone.
        seed: seed of the head's initial weights, where the model comes without a head.
        harmful: indices of the harmful classes; () where no class is.

    Raises:
        ModelError: the model cannot be loaded, has other classes than the data, or cannot be split.
    """

    def __init__(
        self,
        name: str,
        label_names: tuple[str, ...],
        max_length: int = 128,
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
        tokenizer = load_pretrained(AutoTokenizer, name)
        self._adopt_padding(model, tokenizer)
        head_name = last_linear(model, model.config.num_labels)
        is_new = any(key.startswith(head_name) for key in loading["missing_keys"])
        super().__init__(tokenizer, label_names, max_length, is_new, harmful)
        self.body = model
        self.head_name = head_name
        self._split()
        self._match_labels(positive_label)
        if freeze:
            self.freeze_encoder()

    @staticmethod
    def _adopt_padding(model: Any, tokenizer: Any) -> None:
        """Give tokenizer and model one padding token; decoders often come without."""
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        if tokenizer.pad_token is None:
            raise ModelError(f"{type(tokenizer).__name__} has neither a padding nor an end-of-text token")
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id

    def _split(self) -> None:
        """Lift the head out and check on a probe batch that head(features) gives the model's own logits."""
        vocabulary = int(self.body.config.vocab_size)
        padding = int(self.body.config.pad_token_id)
        ids = torch.arange(5, 21, device=self.body.device).remainder(vocabulary).reshape(2, 8)
        ids = torch.where(ids == padding, (padding + 1) % vocabulary, ids)
        ids[1, 5:] = padding
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        batch["attention_mask"][1, 5:] = 0
        self.body.eval()
        with torch.no_grad():
            expected = self.body(**batch).logits
            self.head = self._swap_head(nn.Identity())
            found = self.head(self.encode(batch))
        if found.shape != expected.shape or not (found.double() - expected.double()).abs().max() <= SPLIT_TOLERANCE:
            raise ModelError(
                f"{type(self.body).__name__} cannot be split at {self.head_name!r}: head(features) differs from the "
                f"model's own logits; expected logits that come from that layer alone"
            )

    def _swap_head(self, module: nn.Module) -> nn.Linear:
        """Put `module` where the head stands; return what stood there."""
        parent, _, attribute = self.head_name.rpartition(".")
        owner = self.body.get_submodule(parent)
        previous = getattr(owner, attribute)
        setattr(owner, attribute, module)
        return previous  # type: ignore[no-any-return]

    def _match_labels(self, positive_label: str | int | None) -> None:
        """Bring the head's rows into the order of `label_names`."""
        names = [str(self.body.config.id2label[i]) for i in range(self.head.out_features)]
        if len(names) == 1 or positive_label is not None:
            self._to_two_logits(_find_output(names, positive_label))
        elif len(names) != len(self.label_names):
            raise ModelError(
                f"the data has {len(self.label_names)} classes {list(self.label_names)}, the model has {len(names)}: "
                f"{names}; name the output that means harmful with model.positive_label, or use model=encoder"
            )
        elif set(names) == set(self.label_names) and names != list(self.label_names):
            self._reorder([names.index(name) for name in self.label_names])
        self.body.config.id2label = dict(enumerate(self.label_names))
        self.body.config.label2id = {name: i for i, name in enumerate(self.label_names)}

    @torch.no_grad()
    def _to_two_logits(self, row: int) -> None:
        if len(self.label_names) != 2:
            raise ModelError(f"model.positive_label needs data with two classes, got {list(self.label_names)}")
        old, self.head = self.head, nn.Linear(self.head.in_features, 2)
        self.head.weight.zero_()
        self.head.bias.zero_()
        self.head.weight[1] = old.weight[row]
        if old.bias is not None:
            self.head.bias[1] = old.bias[row]
        self.body.config.num_labels = 2
        self.body.config.problem_type = "single_label_classification"

    @torch.no_grad()
    def _reorder(self, rows: list[int]) -> None:
        self.head.weight.copy_(self.head.weight[rows].clone())
        if self.head.bias is not None:
            self.head.bias.copy_(self.head.bias[rows].clone())

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """See `TextClassifier.encode`."""
        return self.body(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits  # type: ignore[no-any-return]

    def facts(self) -> tuple[str, ...]:
        """See `TextClassifier.facts`."""
        return (type(self.body).__name__, self.head_name)

    def save_weights(self, directory: Path) -> dict[str, Any]:
        """See `TextClassifier.save_weights`; the folder loads with AutoModelForSequenceClassification."""
        # For a reader of the model alone.
        self.body.config.harmful_classes = [self.label_names[c] for c in self.harmful]
        self._swap_head(self.head)
        try:
            self.body.save_pretrained(directory, safe_serialization=True)
        finally:
            self._swap_head(nn.Identity())
        return {"kind": "pretrained"}

    @classmethod
    def load(cls, directory: Path, facts: Mapping[str, Any]) -> PretrainedClassifier:
        """Rebuild a saved classifier; `facts` is the content of its `vos.json`."""
        return cls(
            str(directory), tuple(facts["label_names"]), max_length=facts["max_length"], harmful=harmful_of(facts)
        )


def _find_output(names: list[str], wanted: str | int | None) -> int:
    if wanted is None:
        return 0
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return wanted
    if wanted in names:
        return names.index(str(wanted))
    raise ModelError(f"model.positive_label: expected one of {names} or an index below {len(names)}, got {wanted!r}")
