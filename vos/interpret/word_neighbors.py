"""Words of a corpus that can stand for a word: those nearest to it in the input embeddings of an untuned encoder."""

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
"""Words that are tried in place of a word."""

ROWS = 512
"""Words whose nearest ones are looked for at a time."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Corpus:
    """Words of some texts, and which of them stand beside each other.

    Attributes:
        words: in alphabetical order, without signs, in as many texts as was asked for.
        counts: (w,) int64, texts that hold each.
        pairs: every two words that follow each other somewhere, signs among them; "" is a text's begin and end.
    """

    words: tuple[str, ...]
    counts: NDArray[np.int64]
    pairs: frozenset[Pair]

    @classmethod
    def of(cls, texts: Iterable[str], min_texts: int = 3) -> Corpus:
        """Words in at least `min_texts` texts, and pairs of all.

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
        """How many of a word's two neighbour pairs stand in the corpus."""
        return ((before, word) in self.pairs) + ((word, after) in self.pairs)


class Substitutes:
    """Nearest corpus words of any word, by cosine in the untuned input embeddings less their mean.

    The mean is that of the corpus words: without it all words of an encoder are alike. Embeddings of a tuned encoder
    would call those words alike that it treats alike, which is what a flip is to show.

    Args:
        tokenizer: of the encoder.
        table: (V, d) float32, input embeddings of the encoder *before* it was tuned.
        corpus: whose words may stand for others.
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
        """Place of each corpus word."""
        return {word: i for i, word in enumerate(self.corpus.words)}

    def nearest(self, words: Sequence[str], k: int = NEAREST) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The k nearest corpus words of each word, other than itself.

        Args:
            words: n of them, of the corpus or not.
            k: as many, or all there are.

        Returns:
            (n, k) int64 places in the corpus words, the nearest first, and (n, k) cosines.
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
        """Cosines of any words with all corpus words: (n, w); 0 for a word without pieces."""
        vectors = word_vectors(self.tokenizer, self._table, words)
        units = _normalized(torch.where(vectors.any(1, keepdim=True), vectors - self._mean, 0.0))
        cosines: NDArray[np.float64] = (units @ self._unit.T).double().numpy()
        return cosines


def word_vectors(tokenizer: Any, table: Tensor, words: Sequence[str]) -> Tensor:
    """Mean input embedding of the pieces of each word, (n, d); zeros for a word without pieces.

    A word is cut as it is inside a text, after a space.

    Args:
        tokenizer: of the encoder.
        table: (V, d).
        words: n of them.
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
