"""A five-token Markov chain as a language model: all texts and their probabilities can be enumerated."""

from __future__ import annotations

import torch

from tests.toy_language import STOP, ListParticles

PAUSE = 4
START = torch.tensor([0.05, 0.3, 0.3, 0.25, 0.1], dtype=torch.float64)
NEXT = torch.tensor(
    [
        [1.0, 0.0, 0.0, 0.0, 0.0],  # never used: 0 ends a text
        [0.2, 0.1, 0.4, 0.2, 0.1],
        [0.1, 0.5, 0.1, 0.2, 0.1],
        [0.3, 0.2, 0.2, 0.2, 0.1],
        [0.4, 0.1, 0.1, 0.3, 0.1],
    ],
    dtype=torch.float64,
)


class MarkovParticles(ListParticles):
    """A text is its tokens as digits."""

    @classmethod
    def start(cls, n):
        return cls([[] for _ in range(n)])

    @staticmethod
    def enumerate(max_tokens):
        """Every text of at most `max_tokens` tokens and its probability."""
        texts, open_texts = {}, {(): 1.0}
        for _ in range(max_tokens):
            longer = {}
            for text, probability in open_texts.items():
                law = NEXT[text[-1]] if text else START
                for token, part in enumerate(law.tolist()):
                    place = texts if token == STOP else longer
                    place[(*text, token)] = probability * part
            open_texts = longer
        return texts | open_texts

    def texts(self):
        return ["".join(map(str, row)) for row in self.tokens]

    def pauses(self, token):
        return token == PAUSE

    def next_logits(self, rows):
        return torch.stack([(NEXT[self.tokens[r][-1]] if self.tokens[r] else START).log() for r in rows])
