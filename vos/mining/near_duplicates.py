"""Filters for repeated texts and near-duplicates."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

import torch
from datasketch import MinHash, MinHashLSH
from torch import Tensor

from vos.errors import ConfigError
from vos.storage.text_ids import text_uid

PERMUTATIONS = 128
"""Standard error of the estimated Jaccard index is at most 0.5 / sqrt(128) = 0.044."""


def shingles(text: str, size: int = 3) -> set[str]:
    """Word `size`-grams of the lower-cased text; a shorter text is one shingle of all its words.

    A text without words, such as one of emojis, has the `size`-grams of its characters without white space.

    Example:
        >>> sorted(shingles("Every cat, every dog")), shingles("?! ?!") == {"?!?", "!?!"}
        (['cat every dog', 'every cat every'], True)
    """
    normalised = unicodedata.normalize("NFC", text).lower()
    words = re.findall(r"\w+", normalised)
    if not words:
        marks = "".join(normalised.split())
        return {marks[i : i + size] for i in range(max(len(marks) - size + 1, 1))}
    if len(words) < size:
        return {" ".join(words)}
    return {" ".join(words[i : i + size]) for i in range(len(words) - size + 1)}


class NearDuplicateFilter:
    """Remembers texts and detects new ones that nearly repeat one of them.

    Args:
        threshold: Jaccard index of word 3-grams from which two texts count as near-duplicates, in (0, 1].
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        # The index only proposes candidates, so recall matters more than precision; it cannot have a threshold of 1.
        self._index = MinHashLSH(threshold=min(threshold, 0.95), num_perm=PERMUTATIONS, weights=(0.1, 0.9))
        self._shingles: dict[str, set[str]] = {}

    def duplicate_of(self, text: str) -> str | None:
        """Key of a remembered text whose Jaccard index with `text` reaches the threshold, or None.

        The index proposes candidates, the exact Jaccard index decides.
        """
        own = shingles(text)
        for key in sorted(self._index.query(self._hash(own))):
            other = self._shingles[key]
            if len(own & other) >= self.threshold * len(own | other):
                return str(key)
        return None

    def add(self, key: str, text: str) -> None:
        """Remember `text` under `key`; a known key keeps its first text."""
        if key not in self._shingles:
            self._shingles[key] = shingles(text)
            self._index.insert(key, self._hash(self._shingles[key]))

    @staticmethod
    def _hash(parts: set[str]) -> MinHash:
        minhash = MinHash(num_perm=PERMUTATIONS)
        minhash.update_batch([part.encode() for part in sorted(parts)])
        return minhash


class FeatureDuplicateFilter:
    """Remembers texts by their features and detects new ones with nearly the same meaning.

    Args:
        threshold: cosine similarity of features from which texts count as repeats, in (0, 1].
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._keys: list[str] = []
        self._directions = torch.empty(0, 0, dtype=torch.float64)

    def duplicate_of(self, features: Tensor) -> str | None:
        """Key of the text with the largest cosine similarity to features (d,), if it reaches the threshold, or None."""
        if not self._keys:
            return None
        cosines = self._directions[: len(self._keys)] @ _direction(features)
        value, place = cosines.max(0)
        return self._keys[int(place)] if float(value) >= self.threshold else None

    def add(self, key: str, features: Tensor) -> None:
        """Remember features (d,) under `key`."""
        n = len(self._keys)
        if n == len(self._directions):
            # The capacity is doubled, so that adding one by one has constant amortised cost.
            grown = torch.empty(max(16, 2 * n), len(features), dtype=torch.float64)
            grown[:n] = self._directions[:n] if n else grown[:0]
            self._directions = grown
        self._directions[n] = _direction(features)
        self._keys.append(key)


def _direction(features: Tensor) -> Tensor:
    # Features that are all zero have no direction and repeat nothing.
    return torch.nn.functional.normalize(features.double(), dim=0)


class RepeatFilter:
    """Detects repeats of labelled texts and within a batch, by words and optionally by features.

    Args:
        known_texts: key to text of all labelled texts.
        near_duplicate: see `NearDuplicateFilter`.
        max_cosine: see `FeatureDuplicateFilter`; None: features are not compared.
        featurize: computes features (n, d) of texts; required if `max_cosine` is set.

    Raises:
        ConfigError: `max_cosine` without `featurize`.
    """

    def __init__(
        self,
        known_texts: Mapping[str, str],
        near_duplicate: float,
        max_cosine: float | None,
        featurize: Callable[[Sequence[str]], Tensor] | None,
    ) -> None:
        if max_cosine is not None and featurize is None:
            raise ConfigError(f"selection.max_cosine={max_cosine}: expected a featurizer, got none; null needs none")
        self._featurize = featurize
        self._words = NearDuplicateFilter(near_duplicate)
        self._features = None if max_cosine is None else FeatureDuplicateFilter(max_cosine)
        for key, text in known_texts.items():
            self._words.add(f"known:{key}", text)
        if self._features is not None and featurize is not None and known_texts:
            for key, row in zip(known_texts, featurize(list(known_texts.values())), strict=True):
                self._features.add(f"known:{key}", row)

    def take(self, key: str, text: str, features: Tensor | None = None) -> str | None:
        """Remember a text of the batch and return None, or return the reason, in words, if it repeats another text.

        Its features (d,) are computed if they are not given.
        """
        repeat = self._words.duplicate_of(text)
        if repeat is not None:
            return "near-duplicate of a labelled text" if repeat.startswith("known:") else "near-duplicate in batch"
        if self._features is not None and self._featurize is not None:
            features = self._featurize([text])[0] if features is None else features
            repeat = self._features.duplicate_of(features)
            if repeat is not None:
                return "features of a labelled text" if repeat.startswith("known:") else "features of another in batch"
            self._features.add(f"batch:{key}", features)
        self._words.add(f"batch:{key}:{text_uid(text)}", text)  # texts of several files may share an id
        return None
