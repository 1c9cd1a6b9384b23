"""Substitutes of a word: the corpus words nearest to it in the input embeddings of an encoder before fine-tuning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vos.interpret.words import is_sign, split_words

NEAREST = 26
"""Number of words tried as substitutes of a word."""

ROWS = 512
"""Number of words per batch of the neighbour search."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Corpus:
    """Words of some texts, and which of them occur next to each other.

    Attributes:
        words: in alphabetical order, without punctuation, that occur in enough texts.
        counts: (w,) int64, number of texts with each.
        pairs: all pairs of consecutive words, including punctuation; "" is the beginning and end of a text.
    """

    words: tuple[str, ...]
    counts: NDArray[np.int64]
    pairs: frozenset[Pair]

    @classmethod
    def of(cls, texts: Iterable[str], min_texts: int = 3) -> Corpus:
        """Collect the words in at least `min_texts` texts, and all pairs.

        Example:
            >>> corpus = Corpus.of(["a dog!", "a cat"], min_texts=2)
            >>> corpus.words, ("dog", "!") in corpus.pairs
            (('a',), True)
        """
        counts: dict[str, int] = {}
        pairs: set[Pair] = set()
        for text in texts:
            words = [word.text for word in split_words(text)]
            pairs.update(zip(["", *words], [*words, ""], strict=True))
            for word in set(words):
                counts[word] = counts.get(word, 0) + 1
        kept = sorted(word for word, count in counts.items() if count >= min_texts and not is_sign(word))
        return cls(tuple(kept), np.array([counts[word] for word in kept], dtype=np.int64), frozenset(pairs))

    def seen(self, before: str, word: str, after: str) -> int:
        """How many of a word's two neighbour pairs occur in the corpus."""
        return ((before, word) in self.pairs) + ((word, after) in self.pairs)


class Substitutes:
    """Nearest corpus words of any word, by cosine of the centred input embeddings before fine-tuning.

    They are centred on the mean of the corpus words, because otherwise all words are similar. In fine-tuned embeddings,
    words with the same effect on the margin would be similar, which flips are meant to find out.

    Args:
        tokenizer: tokenizer of the encoder.
        table: (V, d) float32, input embeddings of the encoder *before* fine-tuning.
        corpus: its words are the candidates.
    """

    def __init__(self, tokenizer: Any, table: Tensor, corpus: Corpus) -> None:
        self.tokenizer = tokenizer
        self.corpus = corpus
        self._table = table
        vectors = word_vectors(tokenizer, table, corpus.words)
        self._mean = vectors.mean(0) if len(corpus.words) else table.mean(0)
        self._unit = _normalized(vectors - self._mean)

    @cached_property
    def index(self) -> dict[str, int]:
        """Index of each corpus word."""
        return {word: i for i, word in enumerate(self.corpus.words)}

    def nearest(self, words: Sequence[str], k: int = NEAREST) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The k nearest corpus words of each word, excluding itself.

        Args:
            words: n words, in the corpus or not.
            k: number of neighbours; fewer if the corpus has fewer words.

        Returns:
            (n, k) int64 indices of corpus words, nearest first, and (n, k) cosines.
        """
        k = min(k, max(len(self.corpus.words) - 1, 0))
        places, similar = np.zeros((len(words), k), dtype=np.int64), np.zeros((len(words), k))
        for start in range(0, len(words), ROWS):
            part = slice(start, start + ROWS)
            cosines = self.cosines(words[part])
            for row, word in enumerate(words[part]):
                if word in self.index:
                    cosines[row, self.index[word]] = -np.inf
            best = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
            places[part], similar[part] = best, np.take_along_axis(cosines, best, 1)
        return places, similar

    def cosines(self, words: Sequence[str]) -> NDArray[np.float64]:
        """Cosines of any words with all corpus words: (n, w); 0 for a word without tokens."""
        vectors = word_vectors(self.tokenizer, self._table, words)
        units = _normalized(torch.where(vectors.any(1, keepdim=True), vectors - self._mean, 0.0))
        cosines: NDArray[np.float64] = (units @ self._unit.T).double().numpy()
        return cosines


def word_vectors(tokenizer: Any, table: Tensor, words: Sequence[str]) -> Tensor:
    """Mean input embedding of the tokens of each word, (n, d); zeros for a word without tokens.

    A word is tokenised as inside a text, after a space.

    Args:
        tokenizer: tokenizer of the encoder.
        table: (V, d) input embeddings.
        words: n words.
    """
    found = table.new_zeros(len(words), table.shape[1])
    if not words:
        return found
    pieces = tokenizer([f" {word}" for word in words], add_special_tokens=False, return_attention_mask=False)
    for row, ids in enumerate(pieces["input_ids"]):
        if ids:
            found[row] = table[ids].mean(0)
    return found


def _normalized(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors.float(), dim=-1)
