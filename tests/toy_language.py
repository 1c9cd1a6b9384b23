"""A toy language model of made-up words, for tests of the code around a language model."""

from __future__ import annotations

import torch

from vos.errors import ModelError
from vos.generation.particles import Cost, Extender

STOP = 0
VOCABULARY = 40


class ListParticles:
    """The part of `Particles` that is the same over every vocabulary: lists of tokens, ended by `STOP`."""

    def __init__(self, tokens):
        self.tokens = [list(row) for row in tokens]

    def __len__(self):
        return len(self.tokens)

    @property
    def finished(self):
        return [bool(row) and row[-1] == STOP for row in self.tokens]

    def append(self, rows, tokens):
        for row, token in zip(rows, tokens, strict=True):
            self.tokens[row].append(token)

    def select(self, rows, lengths=None):
        lengths = [None] * len(rows) if lengths is None else lengths
        return type(self)([self.tokens[r][:n] for r, n in zip(rows, lengths, strict=True)])

    def joined(self, other):
        return type(self)(self.tokens + other.tokens)


class WordParticles(ListParticles):
    """Made-up words; after four of them a text ends with probability 0.15."""

    def texts(self):
        ends = ["." if end else "" for end in self.finished]
        words = [" ".join(f"w{token}" for token in row if token != STOP) for row in self.tokens]
        return [text + end for text, end in zip(words, ends, strict=True)]

    def pauses(self, token):
        return token % 7 == 6

    def next_logits(self, rows):
        logits = torch.full((len(rows), VOCABULARY), (0.85 / (VOCABULARY - 1)))
        for place, row in enumerate(rows):
            logits[place, STOP] = 0.15 if len(self.tokens[row]) >= 4 else 0.0
        return logits.log()


class WordLanguage:
    """What `TextGenerator` needs of a language model; counts the prompts that were computed."""

    name = fingerprint = "words-lm"
    gives_logits, instructed = True, None

    def __init__(self):
        self.prompts = []

    def start(self, prompt, n, max_tokens):
        assert max_tokens > 0
        self.prompts.append(prompt)
        return WordParticles([[] for _ in range(n)])

    def with_texts(self, empty, texts, max_tokens):
        assert len(empty) == 1
        return WordParticles([[*self._tokens(text), STOP][:max_tokens] for text in texts])

    def with_beginnings(self, empty, beginnings):
        assert len(empty) == 1
        return WordParticles([self._tokens(text) for text in beginnings])

    def log_probabilities(self, text):
        """The larger a word's number, the less likely."""
        return -torch.tensor(self._tokens(text), dtype=torch.float64) / VOCABULARY

    def extender(self, sampling, generator, cost=None):
        return Extender(sampling, generator, Cost() if cost is None else cost)

    @staticmethod
    def _tokens(text):
        """Numbers of the words; one of another language, or the number that would end the text, is 1."""
        numbers = [word.strip(".")[1:] for word in text.split()]
        return [int(n) % VOCABULARY or 1 if n.isdigit() else 1 for n in numbers]


class MissingLanguage(WordLanguage):
    """A language model whose parts are not installed."""

    def __init__(self):
        raise ModelError("expected the extra of the language model, found nothing")
