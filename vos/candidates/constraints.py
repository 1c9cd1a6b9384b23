"""Reasons to leave a candidate out: texts seen before, and near-duplicates."""

from __future__ import annotations

import re
import unicodedata

from datasketch import MinHash, MinHashLSH

PERMUTATIONS = 128
"""Standard error of the estimated Jaccard index is at most 0.5 / sqrt(128) = 0.044."""


def shingles(text: str, size: int = 3) -> set[str]:
    """Word `size`-grams of the lower-cased text; a shorter text is one shingle of all its words."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text).lower())
    if len(words) < size:
        return {" ".join(words)}
    return {" ".join(words[i : i + size]) for i in range(len(words) - size + 1)}


class NearDuplicateFilter:
    """Remembers texts and tells whether a new one nearly repeats one of them.

    Args:
        threshold: Jaccard index of word 3-grams from which two texts count as near-duplicates, in (0, 1].
    """

    def __init__(self, threshold: float = 0.7) -> None:
        self.threshold = threshold
        # The index only proposes, so misses cost more than false proposals; it cannot be built for a threshold of 1.
        self._index = MinHashLSH(threshold=min(threshold, 0.95), num_perm=PERMUTATIONS, weights=(0.1, 0.9))
        self._shingles: dict[str, set[str]] = {}

    def duplicate_of(self, text: str) -> str | None:
        """Key of a remembered text whose Jaccard index with `text` reaches the threshold, or None.

        The index proposes, the exact Jaccard index decides.
        """
        own = shingles(text)
        for key in sorted(self._index.query(self._hash(own))):
            other = self._shingles[key]
            if len(own & other) >= self.threshold * len(own | other):
                return str(key)
        return None

    def add(self, key: str, text: str) -> None:
        """Remember `text` under `key`; a key that is known already keeps its first text."""
        if key not in self._shingles:
            self._shingles[key] = shingles(text)
            self._index.insert(key, self._hash(self._shingles[key]))

    @staticmethod
    def _hash(parts: set[str]) -> MinHash:
        minhash = MinHash(num_perm=PERMUTATIONS)
        minhash.update_batch([part.encode() for part in sorted(parts)])
        return minhash
