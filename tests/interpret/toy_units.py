"""A classifier with one feed-forward block, so that the effect of each unit on the margin is known in closed form."""

import torch
from torch import nn

from tests.models.families import SPECIAL, WORDS, word_tokenizer
from vos.models import TextClassifier

N_FEATURES, N_UNITS = 8, 12


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(N_FEATURES, N_UNITS), nn.Linear(N_UNITS, N_FEATURES)

    def forward(self, stream):
        return stream + self.down(torch.relu(self.up(stream)))


class ToyClassifier(TextClassifier):
    """margin = w . mean over tokens of (e + D relu(U e + b) + c), linear in the units of the only block."""

    def __init__(self, seed=0):
        super().__init__(word_tokenizer("<cls> $A <sep>"), ("harmless", "harmful"), 32, False, (1,))
        generator = torch.Generator().manual_seed(seed)
        self.table = nn.Embedding(len(SPECIAL) + len(WORDS), N_FEATURES)
        self.blocks = nn.ModuleList([Block()])
        self.head = nn.Linear(N_FEATURES, 2)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def encode(self, batch):
        stream, mask = self.table(batch["input_ids"]), batch["attention_mask"][:, :, None]
        for block in self.blocks:
            stream = block(stream)
        return (stream * mask).sum(1) / mask.sum(1)

    def save_weights(self, directory):
        return {}

    def facts(self):
        return ("toy",)


def closed_form(classifier, texts):
    """Per text: activations (t, u), kinds (t,), and w . D (u,), what a unit's mean over tokens adds to the margin."""
    block, head = classifier.blocks[0], classifier.head
    reads = ((head.weight[1] - head.weight[0]) @ block.down.weight).detach().double().numpy()
    rows = []
    for text in texts:
        ids = torch.tensor(classifier.tokenizer(text)["input_ids"])
        units = torch.relu(classifier.table(ids) @ block.up.weight.T + block.up.bias).detach().double().numpy()
        rows.append((units, [1, *[0] * (len(ids) - 2), 2]))
    return rows, reads
