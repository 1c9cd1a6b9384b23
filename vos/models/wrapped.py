"""A sequence classifier that is already in memory, used as it is."""

from __future__ import annotations

import copy
from typing import Any

from transformers import PreTrainedModel

from vos.errors import ModelError
from vos.models.base import TextClassifier
from vos.models.pretrained import PretrainedClassifier
from vos.models.splitting import last_linear
from vos.models.tokenizer import checked_length, position_limit

LONGEST = 512
"""Largest number of tokens to truncate to."""


class WrappedClassifier(PretrainedClassifier):
    """A model of `AutoModelForSequenceClassification` and its tokenizer, neither of which is modified.

    The modules are copied, so that hooks, modes and the head of the model do not change; the weights are shared, so
    that memory is not doubled.

    Args:
        model: a model whose logits come from its last linear layer.
        tokenizer: the model's tokenizer.

    Raises:
        ModelError: the model has fewer than two classes, or cannot be split at its last linear layer.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Any) -> None:
        n_classes = int(model.config.num_labels)
        if n_classes < 2:
            raise ModelError(f"{type(model).__name__}: expected a model with two classes or more, got {n_classes}")
        shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        body, tokenizer = copy.deepcopy(model, shared), copy.deepcopy(tokenizer)
        names = tuple(str(model.config.id2label[i]) for i in range(n_classes))
        max_length = min(LONGEST, tokenizer.model_max_length, position_limit(model) or LONGEST)
        max_length = checked_length(tokenizer, body, max_length)
        TextClassifier.__init__(self, tokenizer, names, max_length, head_is_new=False)
        self.body = body
        self.head_name = last_linear(body, n_classes)
        self._split()
