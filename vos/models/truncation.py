"""Counts how many texts are truncated by a classifier, and how many tokens they lose."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vos.models.base import TextClassifier
from vos.types import TOKENIZE_CHUNK

logger = logging.getLogger(__name__)


@dataclass
class Truncation:
    """Counts of truncated texts; the counts of two parts of a data set can be added.

    Attributes:
        texts: number of texts.
        lost: number of truncated texts by number of lost tokens.
    """

    texts: int = 0
    lost: Counter[int] = field(default_factory=Counter)

    def add(self, other: Truncation) -> None:
        """Add the counts of another part."""
        self.texts += other.texts
        self.lost.update(other.lost)

    def median(self) -> int:
        """Tokens lost by the median truncated text; the higher value if two are in the middle."""
        before, half = 0, self.lost.total() // 2
        for tokens, n in sorted(self.lost.items()):
            before += n
            if before > half:
                return tokens
        raise ValueError("expected at least one text that is cut, found none")

    def warn(self, classifier: TextClassifier, name: str) -> None:
        """Warn if texts are longer than the classifier reads.

        Args:
            classifier: the classifier whose `max_length` truncates them.
            name: name of the set of texts, for the message.
        """
        if not self.lost:
            return
        side = classifier.tokenizer.truncation_side
        end, other = ("end", "left") if side == "right" else ("beginning", "right")
        logger.warning(
            "%s: %d of %d texts have more than model.max_length=%d tokens; their %s is not read: %d tokens of the "
            "median one, %d at most; a larger model.max_length, or model.truncation_side=%s, changes that",
            name, self.lost.total(), self.texts, classifier.max_length, end, self.median(), max(self.lost), other,
        )  # fmt: skip


def count_truncation(classifier: TextClassifier, texts: Iterable[str]) -> Truncation:
    """Count texts and truncated texts; memory does not grow with their number.

    Args:
        classifier: the classifier whose tokenizer and `max_length` are used.
        texts: iterated over once.
    """
    counts = Truncation()
    remaining = iter(texts)
    while part := list(itertools.islice(remaining, TOKENIZE_CHUNK)):
        counts.add(Truncation(len(part), Counter(_unread(classifier.tokenizer, part, classifier.max_length))))
    return counts


def warn_of_truncation(classifier: TextClassifier, name: str, texts: Iterable[str]) -> None:
    """Warn once if texts are longer than the classifier reads, see `Truncation.warn`."""
    count_truncation(classifier, texts).warn(classifier, name)


def tell_truncation(classifier: TextClassifier, splits: Mapping[str, Iterable[str]]) -> None:
    """Warn of every split with truncated texts; if there is none, print so."""
    counts = {name: count_truncation(classifier, texts) for name, texts in splits.items()}
    for name, found in counts.items():
        found.warn(classifier, name)
    if not any(found.lost for found in counts.values()):
        logger.info("truncation: none, no text has more than model.max_length=%d tokens", classifier.max_length)


def _unread(tokenizer: Any, texts: list[str], max_length: int) -> list[int]:
    # A token stands for at least one byte, so short texts need not be tokenised.
    room = max_length - int(tokenizer.num_special_tokens_to_add()) - 1
    long = [text for text in texts if len(text.encode("utf-8", "surrogatepass")) > room]
    if not long:
        return []
    ids = tokenizer(long, truncation=False, padding=False, return_attention_mask=False, verbose=False)["input_ids"]
    return [len(each) - max_length for each in ids if len(each) > max_length]
