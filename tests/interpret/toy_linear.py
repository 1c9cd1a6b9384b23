"""A classifier whose logits are sums of token weights, so that every effect is known."""

import torch
from torch import nn

from vos.models import TextClassifier


class LinearTokens(TextClassifier):
    """Features (b, C) are the sum of the tokens' embeddings, and the logits are the features.

    Args:
        tokenizer: a fast one.
        table: (V, C), logits of each token.
    """

    def __init__(self, tokenizer, table, harmful=(1,), max_length=32):
        names = tuple(f"class {i}" for i in range(table.shape[1]))
        super().__init__(tokenizer, names, max_length, head_is_new=False, harmful=harmful)
        self.encoder = nn.Module()
        self.encoder.words = nn.Embedding.from_pretrained(table.clone())
        self.encoder.get_input_embeddings = lambda: self.encoder.words
        self.head = nn.Linear(table.shape[1], table.shape[1], bias=False)
        nn.init.eye_(self.head.weight)

    def encode(self, batch):
        return (self.encoder.words(batch["input_ids"]) * batch["attention_mask"][..., None]).sum(1)

    def save_weights(self, directory):
        raise NotImplementedError

    def facts(self):
        return ("linear tokens",)


def table_of(tokenizer, weights, n_classes=2, harm=1):
    """Embeddings of zero but for words that weigh something in the logit of class `harm`."""
    table = torch.zeros(len(tokenizer), n_classes)
    for word, weight in weights.items():
        (token,) = tokenizer(word, add_special_tokens=False)["input_ids"]
        table[token, harm] = weight
    return table
