"""Soft and hard rules for made texts: length, debris, copies, personal data; every refusal has a named reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rapidfuzz import process
from rapidfuzz.distance import Indel
from torch import Tensor

from vos.errors import ConfigError
from vos.mining.near_duplicates import shingles

DEBRIS = re.compile(
    r"<\||\|>|</?\w+>|[\ufffd\x00-\x1f{}\[\]<>|\\^~`]|\*\*|__|^(?:[-*#•>]+|\d+[.)])\s|\b(\w)\1{4,}|(?:[?!.,;:-]\s*){4,}"
)
"""Markup, control characters, list marks and stuttering that language models leave in their output."""

PERSONAL = {
    "an address of the web": re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|org|net|io|edu|gov)\b", re.IGNORECASE),
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.\w+"),
    "a user name": re.compile(r"(?:^|\s)@\w{2,}"),
    "a long number": re.compile(r"\d(?:[\s().-]?\d){6,}"),
}
"""Patterns by which people can be found; a long number may be a telephone, a card or an account."""

DANGLING = re.compile(
    r"(?:[,;:(\u2013\u2014-]|\b(?:a|an|the|of|to|and|or|nor|but|with|for|from|into|at|by|as|than|that|which|who|whose|because|if"
    r"|is|are|was|were|be|been|has|have|had|very|their|his|her|its|my|your|our|every))$",
    re.IGNORECASE,
)
"""How a text ends that was left in the middle, whether or not its kind of text has marks at its end."""

SENTENCE_END = re.compile(r"[.!?…]['\"”’)]*$")  # noqa: RUF001


@dataclass(frozen=True)
class Shape:
    """Soft rules on the text itself, with the penalty `-½ (excess / scale)²` each.

    Attributes:
        min_words: fewer words are penalised.
        max_words: more words are penalised.
        word_scale: number of excess words with a penalty of half a nat.
        similarity: a larger similarity to a known text is penalised, see `Novelty`.
        similarity_scale: excess similarity with a penalty of half a nat. It pushes a chain that starts from a real text
            away from it, without forcing it to the first new text.
    """

    min_words: int = 5
    max_words: int = 30
    word_scale: float = 3.0
    similarity: float = 0.65
    similarity_scale: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.min_words <= self.max_words or min(self.word_scale, self.similarity_scale) <= 0:
            raise ConfigError(f"shape: expected 0 <= min_words <= max_words and scales > 0, got {self}")

    def log_value(self, texts: Sequence[str], similarity: Tensor) -> Tensor:
        """What the wishes cost each of n texts: (n,) float64, at most 0; `similarity` (n,) is to the known texts."""
        counts = torch.tensor([len(words(text)) for text in texts], dtype=torch.float64)
        length = torch.maximum(counts - self.max_words, self.min_words - counts).clamp_min(0.0)
        copied = (similarity - self.similarity).clamp_min(0.0)
        return -0.5 * (length / self.word_scale) ** 2 - 0.5 * (copied / self.similarity_scale) ** 2


@dataclass(frozen=True)
class TextRules:
    """Hard rules for made texts.

    Attributes:
        min_words: texts with fewer words are refused.
        repeated: no word n-gram of this many words may occur twice.
        max_overlap: longest run of words shared with one example of the prompt.
        max_similarity: a text whose edit similarity to a known text reaches this is a near-copy, not a new text, in
            (0, 1]; see `Novelty`.
        near_duplicate: Jaccard index from which two accepted texts of a target count as one, in (0, 1]; see
            `NearDuplicateFilter`.
    """

    min_words: int = 4
    repeated: int = 3
    max_overlap: int = 6
    max_similarity: float = 0.7
    near_duplicate: float = 0.7

    def __post_init__(self) -> None:
        shares = (self.max_similarity, self.near_duplicate)
        if min(self.min_words, self.repeated, self.max_overlap) < 1 or not all(0 < share <= 1 for share in shares):
            raise ConfigError(
                "rules: expected min_words, repeated and max_overlap >= 1 and max_similarity and near_duplicate in "
                f"(0, 1], got {self}"
            )

    def broken(
        self, text: str, shots: Sequence[str] = (), *, ended: bool = True, like: Sequence[str] | None = None
    ) -> str | None:
        """The first rule that a whole text breaks, in words for the report, or None.

        Args:
            text: a made text.
            shots: the examples of its prompt, which it must not copy.
            ended: whether it ended by itself; a text that was cut has not.
            like: real texts of the same kind, the shots when None. Where most of them end without a mark (as in short
                messages), none is asked for.
        """
        found = words(text)
        if len(found) < self.min_words:
            return "fewer words than min_words"
        if has_debris(text):
            return "language debris"
        unmarked = not SENTENCE_END.search(text) and _marked(shots if like is None else like)
        if not ended or unmarked or DANGLING.search(text):
            return "unfinished sentence"
        for name, pattern in PERSONAL.items():
            if pattern.search(text):
                return f"personal data: {name}"
        grams = [tuple(found[i : i + self.repeated]) for i in range(len(found) - self.repeated + 1)]
        if len(set(grams)) < len(grams):
            return "repeated words"
        longer = self.max_overlap + 1
        if len(found) >= longer:
            own = shingles(text, longer)
            if any(own & shingles(shot, longer) for shot in shots):
                return "overlap with the prompt"
        return None


def _marked(texts: Sequence[str]) -> bool:
    """Whether at least half of the texts end with a mark; true of none."""
    return 2 * sum(SENTENCE_END.search(text.strip()) is not None for text in texts) >= len(texts)


def words(text: str) -> list[str]:
    """Words of the lower-cased text."""
    return re.findall(r"\w+(?:['’]\w+)?", text.lower())  # noqa: RUF001 - both apostrophes are written


def has_debris(text: str) -> bool:
    """Whether a text, made or real, shows marks that no one would write in a sentence."""
    return DEBRIS.search(text) is not None


class Novelty:
    """How much texts resemble known ones.

    The similarity of two texts is `1 - (insertions + deletions) / (length + length)` over lower-cased characters
    (the ratio of difflib with an exact alignment).

    Args:
        known: texts that exist already; their order does not matter.
    """

    def __init__(self, known: Sequence[str]) -> None:
        self._known = [text.lower() for text in known]

    def similarity(self, texts: Sequence[str], floor: float = 0.5) -> Tensor:
        """Largest similarity (n,) float64 of each text to any known text; 0 where it is below `floor`."""
        if not self._known or not texts:
            return torch.zeros(len(texts), dtype=torch.float64)
        table = process.cdist(
            [text.lower() for text in texts],
            self._known,
            scorer=Indel.normalized_similarity,
            score_cutoff=floor,
            dtype=np.float64,
        )
        return torch.from_numpy(table.max(axis=1))
